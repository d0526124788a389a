"""Verdicts: what is measured for each statement of a paper's claims, and its judgement."""

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
    """Return the `Finding`s on a row, on the strongest evidence there is.

    preset: the scale to run at where nothing stronger is published. A row without statements, which
    cannot be judged from what is at hand, has none.
    """
    return tuple(single(identity, statement, preset) for statement in claims.statements(identity))


def single(identity, statement, preset):
    """Return the `Finding` on one statement of a row, as from `claims.statements`."""
    return _judged(identity, statement, measure(identity, statement, preset), preset)


def measure(identity, statement, preset):
    """Return the `claims.Measurement` of one statement of a row."""
    key, _ = claims.row(identity)
    measured = claims.Measurement(*MEASURES[key][identity][statement["id"]](preset))
    if "key" not in statement or measured.values is None:
        return measured
    values = measured.values.get(statement["key"])  # one of several printed numbers
    scale = measured.scale if values is not None else f"{measured.scale} has no such network"
    return measured._replace(values=values, scale=scale)


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


def _judged(identity, statement, measured, preset):
    """Return the `Finding` on a statement: its rule, on evidence of a grade."""
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
    """Return whether every record behind a statement was made when it read as it does."""
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
