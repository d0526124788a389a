"""Verdicts: what is measured for each statement of a paper's claims, and its judgement."""

from functools import lru_cache

from helpers import claims
from helpers.verdicts import azulay2019, ghosh2019, ivan2019, juefei2018, rodner2016

MEASURES = {
    "ivan2019": ivan2019.MEASURES,
    "juefei2018": juefei2018.MEASURES,
    "ghosh2019": ghosh2019.MEASURES,
    "azulay2019": azulay2019.MEASURES,
    "rodner2016": rodner2016.MEASURES,
}


@lru_cache(maxsize=256)
def findings(identity, preset):
    """Return the `Finding`s on a row, on the strongest evidence there is.

    preset: the scale to run at where nothing stronger is published. A row without statements, which
    cannot be judged from what is at hand, has none.
    """
    key, _ = claims.row(identity)
    measures = MEASURES[key][identity]
    judged = []
    for statement in claims.statements(identity):
        values, scale = measures[statement["id"]](preset)
        if "key" in statement and values is not None:  # one of several printed numbers
            values = values.get(statement["key"])
            scale = scale if values is not None else f"{scale} has no such network"
        judged.append(claims.judge(statement, (values, scale)))
    return tuple(judged)


def verdict(identity, preset):
    """Return the verdict on a row, the worst of its statements'."""
    return claims.together(findings(identity, preset))
