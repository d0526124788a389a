"""Planted data: how often each rule errs if the truth is known.

Every case draws repeats from a truth and counts verdicts. A verdict is false if it says reproduced
for a false statement, or not reproduced for a true one. Truths, resolutions and spreads are in
points; the resolution is 1 unless stated.
"""

from dataclasses import dataclass, field

import numpy as np

from helpers import paths, plan, records, rules

TRIALS = 1000
PUBLISHED = paths.RESULTS / "statistics" / "rule-errors.json"
REPEATS = (2, 3, 5, 10)
LIMIT = 0.05  # of false verdicts
SPREADS = (0.2, 1.0, 5.0)  # standard deviation of one repeat's difference


@dataclass(frozen=True)
class Case:
    """One truth, and how it is judged.

    rule: in `rules.RULES`. truth: in words. holds: whether the statement is true. draw: function of
    (generator, n, spread) to values as the rule takes them. how: arguments of the rule. floor:
    standard error that the test images give one repeat.
    """

    rule: str
    truth: str
    holds: bool
    draw: object
    how: dict = field(default_factory=dict)
    floor: float = 0.0


def _differences(effect):
    return lambda rng, n, spread: rng.normal(effect, spread, n)


def _levels(*means):
    """Return levels whose differences between neighbours vary by `spread`."""
    return lambda rng, n, spread: np.array(means) + rng.normal(0, spread / 2**0.5, (n, len(means)))


def _comparisons(*effects):
    return lambda rng, n, spread: rng.normal(effects, spread, (n, len(effects)))


def _clustered(effect, recipes=2):
    """Return means within seeds: recipes of one seed share four fifths of their variance."""

    def draw(rng, n, spread):
        common = rng.normal(0, spread * 0.8**0.5, n)
        own = rng.normal(0, spread * 0.2**0.5, (n, recipes))
        return (effect + common[:, None] + own).mean(axis=1)

    return draw


def _one_test_set(effect, share, floor=0.5):
    """Return differences on one test set, whose seeds vary by a share of `spread`.

    The test images add an error of `floor` to each repeat, of which `rules.SHARED` is common to
    all.
    """

    def draw(rng, n, spread):
        common = rng.normal(0, rules.SHARED**0.5 * floor)
        own = rng.normal(0, (1 - rules.SHARED) ** 0.5 * floor, n)
        return effect + common + own + rng.normal(0, share * spread, n)

    return draw


CASES = (
    Case("order", "larger by twice the resolution", True, _differences(2.0)),
    Case("order", "smaller by twice the resolution", False, _differences(-2.0)),
    Case("order", "no difference", False, _differences(0.0)),
    Case("order", "larger than three others", True, _comparisons(2, 2, 2)),
    Case("order", "larger than two others, equal to a third", False, _comparisons(9, 9, 0)),
    Case("order", "equal to each of three others", False, _comparisons(0, 0, 0)),
    Case("order", "no difference, two recipes of a seed averaged", False, _clustered(0.0)),
    Case("order", "no difference, seeds that vary little more than their test set", False,
         _one_test_set(0.0, 0.05), floor=0.5),
    Case("order", "no difference, seeds that vary more than their test set", False,
         _one_test_set(0.0, 1.0), floor=0.5),
    Case("same", "no difference", True, _differences(0.0)),
    Case("same", "different by half the resolution", True, _differences(0.5)),
    Case("same", "different by the resolution", False, _differences(1.0)),
    Case("same", "different by three times the resolution", False, _differences(3.0)),
    Case("same", "different by 1.5, seeds that vary little more than their test set", False,
         _one_test_set(1.5, 0.05), floor=0.5),
    Case("trend", "flat", False, _levels(0, 0, 0, 0, 0, 0)),
    Case("trend", "fall", True, _levels(10, 8, 6, 4, 2, 0)),
    Case("trend", "one step, then flat", True, _levels(10, 0, 0, 0, 0, 0)),
    Case("trend", "flat, then one step", True, _levels(10, 10, 10, 10, 10, 0)),
    Case("trend", "hump", False, _levels(0, 3, 6, 6, 3, 0)),
    Case("trend", "a fall with a reversal of half the resolution", True,
         _levels(10, 8, 8.5, 4, 2, 0)),
    Case("trend", "a fall with a reversal of twice the resolution", False,
         _levels(10, 6, 8, 4, 2, 0)),
    Case("trend", "rise", False, _levels(0, 2, 4, 6, 8, 10)),
    Case("number", "the printed figure", True, _differences(0.0),
         {"printed": 0.0, "tolerance": 0.5}),
    Case("number", "beside it by 1.5 tolerances", False, _differences(0.75),
         {"printed": 0.0, "tolerance": 0.5}),
    Case("number", "beside it by 4 tolerances", False, _differences(2.0),
         {"printed": 0.0, "tolerance": 0.5}),
)  # fmt: skip


def verdicts(case, n, spread, trials=TRIALS, seed=0):
    """Return the shares of reproduced, not reproduced and undecided, a dict.

    case: a `Case`. n: repeats. spread: standard deviation of one repeat's difference. trials:
    number of draws. seed: of the draws.
    """
    rng = np.random.default_rng([seed, n, round(100 * spread)])
    how = case.how or {"resolution": 1.0}
    judge = rules.RULES[case.rule]
    found = [
        judge(case.draw(rng, n, spread), **how, floor=case.floor).verdict for _ in range(trials)
    ]
    return _shares(found)


def two_stages(effect, first, spread, trials=TRIALS, seed=0):
    """Return verdict shares of an order judged after its first stage and, if undecided, again.

    effect: the true difference. first: repeats of the first stage; the second has as many as
    `plan.needed` says. spread, trials, seed: as in `verdicts`. The dict also has the share of
    intervals that miss the truth.
    """
    rng = np.random.default_rng([seed, first, round(100 * spread), 7])
    found, misses = [], 0
    for _ in range(trials):
        values = rng.normal(effect, spread, first)
        answer = rules.order(values, 1.0, first=first)
        if answer.verdict == "undecided":
            more = plan.needed(values, 1.0, first) - first
            values = np.concatenate([values, rng.normal(effect, spread, more)])
            answer = rules.order(values, 1.0, first=first)
        found.append(answer.verdict)
        _, low, high = rules.interval(values, first=first)
        misses += not low <= effect <= high
    return _shares(found) | {"interval misses the truth": misses / trials}


def false_rate(case, shares):
    """Return the share of false verdicts on `case`, from `shares`, the result of `verdicts`."""
    return shares["not reproduced" if case.holds else "reproduced"]


def table(trials=TRIALS):
    """Return a dict per case: its rule and truth, and for each n the worst rate over spreads.

    trials: number of draws of each.
    """
    lines = []
    for case in CASES:
        line = {"rule": case.rule, "truth": case.truth, "the statement is": _true(case.holds)}
        for n in REPEATS:
            found = [verdicts(case, n, spread, trials) for spread in SPREADS]
            line[f"n = {n}"] = max(false_rate(case, shares) for shares in found)
        lines.append(line)
    return lines


def stage_table(trials=TRIALS):
    """Return a dict per truth of `two_stages`: shares of false and of undecided verdicts.

    trials: number of draws of each.
    """
    lines = []
    for effect, holds in ((0.0, False), (1.0, True), (2.0, True), (-2.0, False)):
        for first in (3, 5):
            found = [two_stages(effect, first, spread, trials) for spread in (0.5, 2.0)]
            wrong = "not reproduced" if holds else "reproduced"
            lines.append({
                "truth": f"{effect:+g} resolutions", "first stage": first,
                "false": max(one[wrong] for one in found),
                "undecided": max(one["undecided"] for one in found),
                "interval misses the truth": max(one["interval misses the truth"] for one in found),
            })  # fmt: skip
    return lines


def _shares(found):
    names = ("reproduced", "not reproduced", "undecided")
    return {name: found.count(name) / len(found) for name in names}


def _true(holds):
    return "true" if holds else "false"


def publish(trials=10_000):
    """Write both tables, from `trials` draws per case, to results/statistics/rule-errors.json."""
    record = {"trials": trials, "rules": table(trials), "two stages": stage_table(trials)}
    records.write(PUBLISHED, record)


if __name__ == "__main__":
    publish()
