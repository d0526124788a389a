"""Verdicts: what is measured for each statement of a paper's claims, and how it is judged.

Everywhere in here, preset is a name in `presets.PRESETS`: the scale to run at where no published
evidence is stronger.
"""

from functools import lru_cache

from helpers import claims, frozen, grades
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
    """Return the `Finding`s on a row, from the strongest evidence there is.

    identity: the row's id in the claims. preset: the scale to run at where nothing stronger is
    published. The tuple is empty for a row without statements, which we have no means to judge.
    """
    return tuple(single(identity, statement, preset) for statement in claims.statements(identity))


def single(identity, statement, preset):
    """Return the `Finding` on one statement of a row.

    identity: the row's id. statement: a dict, as from `claims.statements`. preset: see `findings`.
    """
    return _judged(identity, statement, measure(identity, statement, preset), preset)


def measure(identity, statement, preset):
    """Return the `claims.Measurement` of one statement of a row.

    identity: the row's id. statement: a dict, as from `claims.statements`. preset: see `findings`.
    """
    key, _ = claims.row(identity)
    measured = claims.Measurement(*MEASURES[key][identity][statement["id"]](preset))
    if "key" not in statement or measured.values is None:
        return measured
    values = measured.values.get(statement["key"])  # one of several printed numbers
    if values is None:
        return claims.Measurement(None, f"no such network at the preset {measured.scale}")
    return measured._replace(values=values)


def finding(name, preset):
    """Return the `Finding` on one statement.

    name: `row/statement`. preset: see `findings`.
    """
    identity, wanted = name.split("/")
    stated = claims.statements(identity)
    pairs = zip(stated, findings(identity, preset), strict=True)
    return next(found for statement, found in pairs if statement["id"] == wanted)


def verdict(identity, preset):
    """Return the `claims.RowVerdict` on a row.

    identity: the row's id. preset: see `findings`.
    """
    return claims.together(findings(identity, preset))


def floor_of(statement, measured, pairs):
    """Return the standard error that the test images alone give a statement's values.

    statement: a dict, as from `claims.statements`. measured: its `claims.Measurement`. pairs: of
    `grades.frames`. The error is the measurement's own where it has one. Otherwise it is that of
    accuracies, for values over trainings in points of accuracy. A `number` has none: the paper's
    figure comes from the same test images.
    """
    if measured.floor is not None:
        return measured.floor
    in_points = statement.get("unit", "").startswith(("points", "%"))
    judged = statement["rule"] != "number" and statement.get("repeats") == "trainings"
    return grades.test_set_error(pairs) if judged and in_points else 0.0


def _judged(identity, statement, measured, preset):
    """Return the `Finding` on a statement: its rule, applied to evidence of a grade."""
    if measured.values is None:
        return claims.judge(statement, measured)
    key, _ = claims.row(identity)
    pairs = grades.frames(statement, key, preset)
    holds = all(_holds(name, preset) for name in statement.get("precondition", ()))
    trained = statement.get("repeats") == "trainings"
    if _frozen(identity, statement, pairs):
        statement = {k: v for k, v in statement.items() if k != "after"}
    return claims.judge(
        statement,
        measured._replace(floor=floor_of(statement, measured, pairs)),
        first=grades.first_stage(pairs) if trained else None,
        grade=grades.grade(statement, pairs, measured.scale, holds),
    )


def _frozen(identity, statement, pairs):
    """Return whether a statement already read as it does now when each of its records was made."""
    name, asked = frozen.title(identity, statement), frozen.digest(statement)
    return bool(pairs) and all(
        known.get(name) == asked for _, rows in pairs for known in rows.statements
    )


@lru_cache(maxsize=256)
def _holds(name, preset):
    """Return whether the statement `row/statement` is shown to hold."""
    identity, wanted = name.split("/")
    (statement,) = (s for s in claims.statements(identity) if s["id"] == wanted)
    bare = {k: v for k, v in statement.items() if k != "precondition"}
    return single(identity, bare, preset).verdict == "reproduced"
