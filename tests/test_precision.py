"""The precision gate lets a network family use bfloat16 only where nothing changed."""

import json
from itertools import product

import pytest

from helpers import __main__ as commands
from helpers import gate as gate_module
from helpers import machine, models, precision, queue, records
from helpers.errors import InputError
from helpers.runs import Run

AUTO = Run("mnist", "mlp")
SAME = {"float32": {"mnist": "neither"}, "bfloat16": {"mnist": "neither"}}
CHANGED = {"float32": {"mnist": "neither"}, "bfloat16": {"mnist": "natural"}}


@pytest.fixture
def gate(monkeypatch, tmp_path):
    """Keep the gate record in an empty folder, and pretend that bfloat16 is fast."""
    path = tmp_path / "gate" / "precision.json"
    monkeypatch.setattr(precision, "GATE", path)
    monkeypatch.setattr(machine, "has_fast_bfloat16", lambda: True)
    return path


def plant(path, differences=(0.001,) * 5, conclusions=SAME):
    row = {"differences": list(differences), "conclusions": conclusions}
    records.write(path, {"families": {"mlp": row}})


@pytest.mark.parametrize(
    ("differences", "passes"),
    [
        ([0.0] * 5, True),
        ([0.0] * 4, False),
        ([], False),
        ([0.0029] * 5, True),
        ([-0.0029] * 5, True),
        ([0.0031] * 5, False),
        ([-0.0031] * 5, False),
        ([0.02, -0.02, 0.01, -0.01, 0.0], True),
        ([float("nan")] * 5, False),
    ],
)
def test_verdict_needs_five_seeds_and_a_small_mean(differences, passes):
    assert precision.verdict(differences) is passes


def test_a_family_that_passed_uses_bfloat16_where_it_is_fast(gate, monkeypatch):
    plant(gate)
    assert precision.choose(AUTO) == "bfloat16"
    assert precision.choose(Run("mnist", "vgg")) == "float32"  # not in the record
    monkeypatch.setattr(machine, "has_fast_bfloat16", lambda: False)
    assert precision.choose(AUTO) == "float32"


def test_without_a_gate_record_every_family_uses_float32(gate):
    assert {precision.choose(Run("mnist", name)) for name in models.MODELS} == {"float32"}


@pytest.mark.parametrize(
    "row",
    [{"differences": [0.01] * 5}, {"differences": [0.0] * 4}, {"conclusions": CHANGED}],
    ids=["accuracy changed", "too few seeds", "conclusion changed"],
)
def test_a_family_that_failed_uses_float32(gate, row):
    plant(gate, **row)
    assert precision.choose(AUTO) == "float32"


@pytest.mark.parametrize("kind", ["float32", "bfloat16"])
def test_a_run_that_names_its_precision_gets_it(gate, kind):
    assert precision.choose(Run("mnist", "mlp", precision=kind)) == kind


@pytest.mark.parametrize("damage", ["cut", "altered", "empty"])
def test_a_damaged_gate_record_means_float32_and_is_named(gate, capsys, damage):
    plant(gate, differences=[0.01] * 5)
    text = gate.read_text()
    damaged = {"cut": text[:-20], "altered": text.replace("0.01", "0.00"), "empty": ""}[damage]
    gate.write_text(damaged)
    assert precision.choose(AUTO) == "float32"
    assert str(gate) in capsys.readouterr().err


def accuracies(bfloat16_gap=0.1, shift=0.0):
    """Return made-up accuracies: natural better by 0.1 in float32, by another gap in bfloat16."""
    gap = {"float32": 0.1, "bfloat16": bfloat16_gap}
    return {
        (seed, data, order, kind): 0.8
        + 0.001 * seed * (order == "natural")
        + gap[kind] * (order == "natural")
        + shift * (kind == "bfloat16")
        for seed, data, order, kind in product(
            range(5), gate_module.DATA, gate_module.ORDERS, gate_module.KINDS
        )
    }


def test_compare_pairs_the_seeds_and_states_what_is_concluded():
    row = gate_module.compare(accuracies(shift=0.002))
    assert row["differences"] == pytest.approx([0.002] * 5)
    assert row["mean"] == pytest.approx(0.002)
    assert row["conclusions"]["float32"] == dict.fromkeys(gate_module.DATA, "natural")
    assert row["conclusions"]["bfloat16"] == row["conclusions"]["float32"]


def test_compare_notices_a_conclusion_that_changed():
    conclusions = gate_module.compare(accuracies(bfloat16_gap=-0.1))["conclusions"]
    assert set(conclusions["bfloat16"].values()) == {"permuted"}
    assert set(gate_module.compare(accuracies(-0.002))["conclusions"]["bfloat16"].values()) == {
        "neither"
    }


def test_measure_pairs_every_family_and_writes_the_record(gate, monkeypatch, capsys):
    asked = []

    def results(wanted, workers):
        asked.extend(wanted)
        # bfloat16 harms the strided net alone
        return [
            {
                "epochs": [
                    {"test_accuracy": 0.0},
                    {
                        "test_accuracy": 0.9
                        - 0.1 * (run.model == "strided" and run.precision == "bfloat16")
                    },
                ]
            }
            for run in wanted
        ]

    monkeypatch.setattr(queue, "results", results)
    assert commands.main(["gate"]) == 0
    assert precision.passed() == set(models.MODELS) - {"strided"}
    assert "strided: mean difference -0.1000, trains in float32" in capsys.readouterr().out
    families = json.loads(gate.read_text())["families"]
    assert set(families) == set(models.MODELS)
    for name, row in families.items():
        own = [run for run in asked if run.model == name]
        assert sorted(run.key() for run in own) == row["runs"]
        assert len(row["runs"]) == len(set(row["runs"])) == 5 * 2 * 2 * 2
        halves = [
            {tuple(sorted((k, str(v)) for k, v in run.spec().items() if k != "precision"))
             for run in own if run.precision == kind}
            for kind in gate_module.KINDS
        ]  # fmt: skip
        assert halves[0] == halves[1]  # pairs differ in nothing but precision


def test_one_family_is_measured_and_the_others_keep_their_rows(gate, monkeypatch, capsys):
    plant(gate)
    before = json.loads(gate.read_text())["families"]["mlp"]
    equal = {"epochs": [{"test_accuracy": 0.9}]}
    monkeypatch.setattr(queue, "results", lambda wanted, _: [equal] * len(wanted))
    monkeypatch.setattr(gate_module, "compare", lambda _: before | {"mean": 0.001})
    gate_module.measure(["vgg"])
    assert precision.passed() == {"mlp", "vgg"}
    assert json.loads(gate.read_text())["families"]["mlp"] == before
    with pytest.raises(InputError, match="families: 'vg' is not allowed; use one of vgg, mlp"):
        gate_module.measure(["vg"])
    assert commands.main(["gate", "--families", "vgg,"]) == 2
    assert "families: ''" in capsys.readouterr().err


def test_the_gate_refuses_a_machine_without_fast_bfloat16(gate, monkeypatch, capsys):
    monkeypatch.setattr(machine, "has_fast_bfloat16", lambda: False)
    with pytest.raises(InputError, match="precision: 'bfloat16'"):
        gate_module.measure()
    assert commands.main(["gate"]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert len(output.err.splitlines()) == 1 and "emulated" in output.err
    assert not gate.exists()
