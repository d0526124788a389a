"""Rules: what a statement's repeats must show before it counts as true, or as contradicted.

Values are effects, one per independent repeat: (n,), or (n, k) where a statement makes k
comparisons that must all hold. The rules know no paper, record or file; `helpers.planted` measures
how often each of them errs.
"""

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
TAIL = (1 - CONFIDENCE) / 2  # what an interval leaves out at each end
ALIKE = 6  # six coins all fall alike in fewer than 5 % of throws
# Of the variance that test images give a difference of two kinds of networks, the share that is the
# same for all seeds. Measured where records keep every answer: .14 to .44, and under .05 between
# variants of one network.
SHARED = 0.3


@dataclass(frozen=True)
class Answer:
    """What a rule found.

    verdict: reproduced, not reproduced, undecided or paper in error. says: the answer in words,
    such as "larger" or "no difference". why: the reason, in one line. estimate, low, high: the
    deciding effect and its interval, None where there is none. n: repeats. at: the number of the
    deciding comparison, None if there is only one. overall: for a trend, (estimate, low, high) of
    the first level minus the last.
    """

    verdict: str
    says: str
    why: str
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    at: int | None = None
    overall: tuple | None = None


def interval(values, confidence=CONFIDENCE, first=None, floor=0.0, shared=None):
    """Return the mean and the low and high end of its confidence interval, three floats.

    values: (n,), n >= 1, one per independent repeat. confidence: the coverage, from 0 to 1. first:
    how many repeats chose n (Stein 1945), by default all. They alone give the spread, with first -
    1 degrees of freedom, so the coverage holds although n was chosen after a look at them. floor:
    standard error that the test images alone give one repeat; repeats vary by less only by luck.
    shared: the part of this error that is the same in all repeats because they share their test
    images; more repeats do not lower it. By default it has SHARED of the variance. The interval is
    never narrower than the normal one with these errors.

    If all repeats agree to the last digit, their spread says nothing. With fewer than ALIKE repeats
    the interval is then infinite; with more, a share of 1 - 0.025^(1/n) may still differ (Clopper
    and Pearson 1934), and the interval allows twice the mean for it.
    """
    values = np.asarray(values, float)
    mean, n = float(values.mean()), len(values)
    if n < 2:
        return mean, -np.inf, np.inf
    first = min(first or n, n)
    tail = (1 - confidence) / 2
    if first < 2:
        return mean, -np.inf, np.inf
    spread = values[:first].std(ddof=1)
    if np.ptp(values) < 1e-12:
        own = 2 * abs(mean) * (1 - tail ** (1 / n)) if n >= ALIKE else math.inf
    else:
        own = _student(1 - tail, first - 1) * spread / n**0.5
    shared = SHARED**0.5 * floor if shared is None else shared
    half = max(float(own), _normal(1 - tail) * math.hypot(max(spread, floor) / n**0.5, shared))
    return mean, mean - half, mean + half


@lru_cache(maxsize=1024)
def _student(level, freedom):
    return float(stats.t.ppf(level, freedom))


@lru_cache(maxsize=64)
def _normal(level):
    return float(stats.norm.ppf(level))


def share(flags, method="wilson"):
    """Return a share and the low and high end of its 95 % interval, three floats.

    flags: bool (n,). method: wilson, or exact (Clopper and Pearson).
    """
    flags = np.asarray(flags, bool)
    found = stats.binomtest(int(flags.sum()), len(flags))
    low, high = found.proportion_ci(CONFIDENCE, method=method)
    return float(flags.mean()), float(low), float(high)


def test_set_error(accuracy, images):
    """Return the standard error of an accuracy that its test images cause (binomial).

    accuracy: from 0 to 1. images: number of test images. It is also that of the difference of two
    networks on the same images if their being right correlates by 1/2. In the records that keep
    every answer it correlates by .2 to .7.
    """
    return float(np.sqrt(accuracy * (1 - accuracy) / images))


def order(values, resolution, first=None, floor=0.0, shared=None):
    """Judge "A is larger than B"; return an `Answer`.

    values: differences A - B, (n,) or (n, k). resolution: the smallest difference that matters.
    first, floor, shared: as in `interval`; the last two may have one value per comparison (k,). The
    answer is *larger*, *smaller*, *no difference* (the interval lies within the resolution) or
    undecided. All comparisons have to be larger; one that is shown not to be contradicts.
    """

    def answer(low, high):
        if -resolution <= low and high <= resolution:
            return "no difference"
        return "larger" if low > 0 else "smaller" if high < 0 else None

    whys = {
        "larger": "the interval lies above 0",
        "smaller": "the interval lies below 0",
        "no difference": f"the interval lies within ±{resolution:g}",
        None: "the interval contains 0 and reaches beyond the resolution",
    }
    return _every(values, answer, "larger", whys, (first, floor, shared))


def same(values, resolution, first=None, floor=0.0, shared=None):
    """Judge "A equals B"; return an `Answer`.

    values, resolution, first, floor, shared: as in `order`. The statement holds if the interval
    lies within the resolution, and is contradicted if the interval lies outside it. All comparisons
    have to be equal.
    """

    def answer(low, high):
        if -resolution < low and high < resolution:
            return "no difference"
        return "different" if low > resolution or high < -resolution else None

    whys = {
        "no difference": f"the interval lies within ±{resolution:g}",
        "different": f"the interval lies outside ±{resolution:g}",
        None: f"the interval is not wholly within ±{resolution:g}",
    }
    return _every(values, answer, "no difference", whys, (first, floor, shared))


def trend(series, resolution, first=None, floor=0.0, shared=None):
    """Judge "falls from level to level"; return an `Answer`.

    series: values (n, levels) of n repeats. resolution: the smallest difference that matters.
    first, floor, shared: as in `interval`; the last two may have one value per step and, last, one
    for the ends (levels,).

    The statement holds if no step can rise by more than the resolution and the ends differ. Every
    one of these intervals has to agree, so no correction is needed (an intersection-union test,
    Berger 1982). It is contradicted if the ends do not differ, or if a step is shown to rise
    (falsely in at most 5 % over all steps together) and does so by more than the resolution with
    three chances in four.
    """
    series = np.asarray(series, float)
    n, levels = series.shape
    ends = series[:, 0] - series[:, -1]
    floors, common = _each(floor, levels), _each(shared, levels)  # of the steps, and of the ends
    last = (first, floors.pop(), common.pop())
    if levels == 2:
        found = order(ends, resolution, *last)
        return replace(found, overall=(found.estimate, found.low, found.high))
    overall = interval(ends, CONFIDENCE, *last)
    if n == 1:
        return Answer("undecided", "undecided", "one repeat cannot show a trend", *overall, 1)
    steps = (series[:, :-1] - series[:, 1:]).T
    how = (first, floors, common)
    usual = _intervals(steps, CONFIDENCE, *how)
    strict = _intervals(steps, _corrected(levels - 1), *how)
    likely = [high < -resolution for _, _, high in _intervals(steps, 0.5, *how)]
    wrong = [k for k in range(levels - 1) if strict[k][2] < 0 and likely[k]]
    if wrong:
        at = min(wrong, key=lambda k: strict[k][0])
        why = "a step goes the wrong way"
        return Answer("not reproduced", "not monotone", why, *strict[at], n, at, overall)
    whole = order(ends, resolution, *last)
    if whole.says in ("smaller", "no difference"):
        return replace(whole, why=f"the ends: {whole.why}", overall=overall)
    worst = min(range(levels - 1), key=lambda k: usual[k][1])
    if usual[worst][1] <= -resolution:
        why = f"a step may go the wrong way by more than {resolution:g}"
        return Answer("undecided", "undecided", why, *usual[worst], n, worst, overall)
    if whole.verdict == "undecided":
        return replace(whole, why="the ends may be equal", overall=overall)
    largest = max(mean for mean, _, _ in usual) / overall[0]
    steps = "; nearly all of it in one step" if largest > 0.9 else ""
    why = f"no step goes the wrong way by more than {resolution:g}, and the ends differ{steps}"
    return Answer("reproduced", "falls", why, *overall, n, None, overall)


def number(values, printed, tolerance, first=None, floor=0.0, shared=None):
    """Judge whether a printed figure is near our mean; return an `Answer`.

    values: (n,). printed: the paper's figure. tolerance: how far from it our mean may lie. first,
    floor, shared: as in `interval`. The interval may be no wider than twice the tolerance. The
    figure is not reproduced if the whole interval lies farther from it than the tolerance.
    """
    mean, low, high = interval(values, CONFIDENCE, first, floor, shared)
    about, n = f"the paper's figure is {printed:g}", len(values)
    if low > printed + tolerance or high < printed - tolerance:
        why = f"{about}, and the interval lies outside ±{tolerance:g} of it"
        return Answer("not reproduced", "different", why, mean, low, high, n)
    if high - low > 2 * tolerance:
        why = f"{about}; the interval is wider than twice the tolerance of {tolerance:g}"
        return Answer("undecided", "undecided", why, mean, low, high, n)
    if abs(mean - printed) > tolerance and not low <= printed <= high:
        why = f"{about}; the interval overlaps ±{tolerance:g} of it, but the mean lies outside"
        return Answer("undecided", "undecided", why, mean, low, high, n)
    return Answer("reproduced", "equal", about, mean, low, high, n)


def exact(error, limit=0.0):
    """Judge an identity by its largest error; return an `Answer`.

    error: the largest error. limit: the largest that is allowed.
    """
    holds = abs(error) <= limit
    why = f"largest error {error:.3g}, allowed {limit:g}"
    return Answer("reproduced" if holds else "not reproduced", "exact", why, error)


def misprint(correct, printed=None, implied=None):
    """Judge a figure of the paper that follows from others: right, or in error. Return an `Answer`.

    correct: the value that follows. printed: the figure as printed. implied: if the paper prints
    none, the value that its wording gives.
    """
    stated = implied if printed is None else printed
    right = np.isclose(correct, stated, rtol=0, atol=1e-12)
    how = "the paper's wording gives" if printed is None else "printed"
    verdict = "reproduced" if right else "paper in error"
    return Answer(verdict, "exact", f"correct is {correct:g}, {how} {stated:g}", correct)


RULES = {
    "order": order,
    "same": same,
    "trend": trend,
    "number": number,
    "exact": exact,
    "misprint": misprint,
}


def _corrected(comparisons):
    """Return the confidence at which one of so many comparisons may contradict.

    All of them together then contradict falsely in 5 % of cases at most (Bonferroni).
    """
    return 1 - 2 * min(TAIL, 2 * TAIL / comparisons)


def _each(value, count):
    """Return a list of `count` values: one value for all repeated, or the given ones."""
    return [value] * count if np.ndim(value) == 0 else list(value)


def _intervals(columns, confidence, first, floor, shared):
    """Return the interval of each of columns (k, n). floor, shared: one for all, or (k,)."""
    floors, common = (_each(value, len(columns)) for value in (floor, shared))
    return [
        interval(column, confidence, first, *own)
        for column, *own in zip(columns, floors, common, strict=True)
    ]


def _every(values, answer, wanted, whys, how):
    """Judge comparisons (n,) or (n, k) that must all give the answer `wanted`.

    answer: function of (low, high) to the answer in words, None for undecided.
    """
    values = np.asarray(values, float)
    columns = values.reshape(len(values), -1).T
    usual = _intervals(columns, CONFIDENCE, *how)
    strict = _intervals(columns, _corrected(len(columns)), *how)
    named = len(columns) > 1
    against = [k for k, (_, *ends) in enumerate(strict) if answer(*ends) not in (wanted, None)]
    if against:
        at = min(against, key=lambda k: strict[k][0])
        found, says = strict[at], answer(*strict[at][1:])
        verdict = "not reproduced"
    else:
        open_ = [k for k, (_, *ends) in enumerate(usual) if answer(*ends) != wanted]
        at = min(open_ or range(len(columns)), key=lambda k: _margin(usual[k], wanted))
        found, says = usual[at], None if open_ else wanted
        verdict = "undecided" if open_ else "reproduced"
    return Answer(
        verdict, says or "undecided", whys[says], *found, len(values), at if named else None
    )


def _margin(found, wanted):
    """Return how safely a comparison gives the answer: the one with the smallest margin decides."""
    _, low, high = found
    return low if wanted == "larger" else -max(abs(low), abs(high))
