"""Grades of evidence, from tables of records."""

import pandas as pd
import pytest

from helpers import claims, grades, rules, verdicts
from helpers.evidence import Evidence


def table(curves, **columns):
    """Return an evidence table; curves: {seed: test accuracies by epoch}."""
    usual = {"data": "cifar10", "model": "vgg", "order": "natural", "arguments": {}, "test": 1000}
    fixed = usual | columns
    rows = [
        fixed | {"key": f"{seed}{columns}", "seed": seed, "epoch": epoch, "test_accuracy": a}
        for seed, curve in curves.items()
        for epoch, a in enumerate(curve, 1)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def pairs(rows, preset="study", first=3):
    return [(Evidence(preset, rows, {}, first), rows)]


FLAT = [0.5, 0.6, 0.62, 0.625, 0.63]
RISING = [0.3, 0.4, 0.5, 0.55, 0.6]


def test_a_network_stopped_improving_if_its_last_fifth_gains_less_than_a_point():
    assert grades.stopped(table({0: FLAT, 1: FLAT}))
    assert not grades.stopped(table({0: RISING}))
    # seeds of one kind count by their mean, kinds one by one
    assert grades.stopped(table({0: [*FLAT[:4], 0.64], 1: [*FLAT[:4], 0.62]}))
    both = pd.concat([table({0: FLAT}), table({0: RISING}, order="pixel_permutation")])
    assert not grades.stopped(both)
    assert sorted(grades.gains(both).values()) == pytest.approx([0.005, 0.05])


def test_one_epoch_shows_no_end_and_chance_no_beginning():
    assert not grades.stopped(table({0: [0.6]}))
    assert not grades.stopped(table({0: [0.1, 0.1, 0.1, 0.1, 0.1]}))
    assert grades.stopped(table({0: FLAT}).iloc[:0])  # nothing was trained
    pretrained = table({0: [None]}).assign(epoch=0)
    assert grades.stopped(pretrained)


@pytest.mark.parametrize(
    ("scale", "holds", "more", "curve", "grade"),
    [
        ("paper", True, {}, RISING, "A"),
        ("paper", True, {"open": "initial weights"}, FLAT, "B"),
        ("paper", False, {}, FLAT, "C"),
        ("no training", True, {}, None, "A"),
        ("no training", False, {}, None, "A"),  # what networks learn does not touch it
        ("no training", True, {"open": "the rim"}, None, "B"),
        ("no training, ten photographs", True, {}, None, "A"),
        ("study", True, {}, FLAT, "B"),
        ("study", True, {}, RISING, "C"),
        ("study", False, {}, FLAT, "C"),
        ("quick, photo patches", True, {}, RISING, "C"),
        ("smoke", True, {}, FLAT, "C"),
    ],
)
def test_grades(scale, holds, more, curve, grade):
    found = pairs(table({0: curve})) if curve else []
    assert grades.grade(more, found, scale, holds) == grade


def test_a_statement_speaks_of_some_runs_of_an_experiment():
    rows = pd.concat([table({0: FLAT}), table({0: RISING}, data="mnist"),
                      table({0: RISING}, data="photo_patches")])  # fmt: skip
    found = Evidence("study", rows, {})
    assert set(grades.picked(found, {"data": "mnist"}).data) == {"mnist"}
    assert set(grades.picked(found, {"data": "cifar10"}).data) == {"cifar10", "photo_patches"}
    assert set(grades.picked(found, {"data": ["mnist", "cifar10"]}).data) == set(rows.data)
    assert grades.stopped(grades.picked(found, {"data": "cifar10"})) is False


def test_test_images_alone_leave_an_error():
    found = pairs(table({0: FLAT, 1: FLAT}))
    assert grades.test_set_error(found) == pytest.approx(rules.test_set_error(0.63, 1000))
    assert grades.first_stage(found) == 3
    assert grades.first_stage(pairs(table({0: FLAT}), first=0)) is None


def test_evidence_of_permuted_images_needs_networks_that_profit_from_order():
    """As long as the CNN is below the MLP on natural images, what it loses proves little."""
    graded = []
    for name in ("ivan-fig6", "ivan-table1"):
        for statement, found in zip(claims.statements(name), verdicts.findings(name, "study"),
                                    strict=True):  # fmt: skip
            if wanted := statement.get("precondition", ()):
                holds = all(
                    verdicts.finding(one, "study").verdict == "reproduced" for one in wanted
                )
                assert holds or found.grade in ("C", ""), statement["id"]
                graded.append(statement["id"])
    assert {"cnn-below", "mlp-above", "drop-mnist", "drop-cifar10", "grows"} <= set(graded)
