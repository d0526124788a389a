"""Verdicts: what is measured for each statement of a paper's claims, and its judgement."""

from functools import lru_cache

from helpers import claims, grades
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
        measured = claims.Measurement(*measures[statement["id"]](preset))
        if "key" in statement and measured.values is not None:  # one of several printed numbers
            values = measured.values.get(statement["key"])
            scale = measured.scale
            if values is None:
                scale = f"{scale} has no such network"
            measured = measured._replace(values=values, scale=scale)
        judged.append(_judged(key, statement, measured, preset))
    return tuple(judged)


def finding(name, preset):
    """Return the `Finding` on one statement, named `row/statement`."""
    identity, wanted = name.split("/")
    stated = claims.statements(identity)
    pairs = zip(stated, findings(identity, preset), strict=True)
    return next(found for statement, found in pairs if statement["id"] == wanted)


def verdict(identity, preset):
    """Return the `claims.RowVerdict` on a row."""
    return claims.together(findings(identity, preset))


def floor_of(statement, measured, pairs):
    """Return the standard error that the test images alone give a statement's values.

    pairs: of `grades.frames`. It is the measurement's own, or else that of accuracies, where values
    over trainings are points of accuracy. A `number` has none: the paper's figure is of the same
    test images.
    """
    if measured.floor is not None:
        return measured.floor
    in_points = statement.get("unit", "").startswith(("points", "%"))
    judged = statement["rule"] != "number" and statement.get("repeats") == "trainings"
    return grades.test_set_error(pairs) if judged and in_points else 0.0


def _judged(key, statement, measured, preset):
    """Return the `Finding` on a statement: its rule, on evidence of a grade."""
    if measured.values is None:
        return claims.judge(statement, measured)
    pairs = grades.frames(statement, key, preset)
    holds = all(_holds(name, preset) for name in statement.get("precondition", ()))
    trained = statement.get("repeats") == "trainings"
    return claims.judge(
        statement,
        measured._replace(floor=floor_of(statement, measured, pairs)),
        first=grades.first_stage(pairs) if trained else None,
        grade=grades.grade(statement, pairs, measured.scale, holds),
    )


def _holds(name, preset):
    """Return whether the statement `row/statement` is shown to hold."""
    identity, wanted = name.split("/")
    (statement,) = (s for s in claims.statements(identity) if s["id"] == wanted)
    key, _ = claims.row(identity)
    measured = claims.Measurement(*MEASURES[key][identity][wanted](preset))
    bare = {k: v for k, v in statement.items() if k != "precondition"}
    return _judged(key, bare, measured, preset).verdict == "reproduced"
