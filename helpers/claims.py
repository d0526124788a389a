"""Claims: what a paper says, the rule that judges it, and the verdict that records give it."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import yaml
from scipy import stats

from helpers import paths
from helpers.errors import InputError, one_of

PAPERS = ("ivan2019", "juefei2018", "ghosh2019", "azulay2019", "rodner2016")
KINDS = ("number", "order", "trend", "exact", "picture")
VERDICTS = ("not reproduced", "undecided", "paper in error", "reproduced", "not run")
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Finding:
    """Hold the verdict on one statement.

    estimate, low, high: the measured effect and its 95 % interval, None where there is none; a
    share where `unit` is "%" or begins with "points". n: seeds or repeats behind it. preset: the
    scale of the evidence.
    """

    says: str
    verdict: str
    why: str
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    unit: str = ""
    preset: str = ""

    @property
    def ours(self):
        """Whether the statement is one that we add to what the paper says."""
        return self.says.startswith("Ours")

    def measured(self):
        """Return the effect with n and interval as one short text."""
        if self.estimate is None:
            return "–"
        share = self.unit.startswith(("points", "%"))  # shares are shown in per cent
        estimate, low, high = (
            None if value is None else f"{100 * value:z.1f}" if share else f"{value:z.3g}"
            for value in (self.estimate, self.low, self.high)
        )
        text = estimate
        if self.low is not None and np.isfinite(self.low):
            text += f" [{low}, {high}]"
        text += f" {self.unit}" if self.unit else ""
        return text if self.n is None else f"{text}, n = {self.n}"


@lru_cache(maxsize=len(PAPERS))
def paper(key):
    """Return claims/<key>.yml as a dict with `title` and `rows`."""
    one_of("paper", key, PAPERS)
    return yaml.safe_load((paths.CLAIMS / f"{key}.yml").read_text())


def row(identity):
    """Return (paper key, row) of a row's id, such as `ivan-table1`."""
    for key in PAPERS:
        for candidate in paper(key)["rows"]:
            if candidate["id"] == identity:
                return key, candidate
    raise InputError("row", identity, "use an id from claims/*.yml")


def interval(values, confidence=CONFIDENCE):
    """Return mean, low and high of Student's t interval of the mean; values (n,), n >= 1."""
    values = np.asarray(values, float)
    mean = float(values.mean())
    if len(values) < 2:
        return mean, -np.inf, np.inf
    error = values.std(ddof=1) / np.sqrt(len(values))
    half = float(stats.t.ppf((1 + confidence) / 2, len(values) - 1) * error)
    return mean, mean - half, mean + half


def share(flags, method="wilson"):
    """Return a share and its 95 % interval, from flags (n,); method: wilson, or exact."""
    flags = np.asarray(flags, bool)
    found = stats.binomtest(int(flags.sum()), len(flags))
    low, high = found.proportion_ci(CONFIDENCE, method=method)
    return float(flags.mean()), float(low), float(high)


def judge_order(differences):
    """Judge "A is larger than B" by paired differences A - B, one per seed."""
    mean, low, high = interval(differences)
    verdict = "reproduced" if low > 0 else "not reproduced" if high < 0 else "undecided"
    why = {"reproduced": "the interval lies above 0", "not reproduced": "the interval lies below 0",
           "undecided": "the interval contains 0"}[verdict]  # fmt: skip
    return verdict, why, mean, low, high, len(differences)


def judge_same(differences, margin):
    """Judge "A equals B" by whether the interval of A - B lies within +-margin."""
    mean, low, high = interval(differences)
    inside, outside = -margin < low and high < margin, low > margin or high < -margin
    verdict = "reproduced" if inside else "not reproduced" if outside else "undecided"
    where = {"reproduced": "inside", "not reproduced": "outside", "undecided": "not wholly inside"}
    why = f"the interval is {where[verdict]} ±{margin:g}"
    return verdict, why, mean, low, high, len(differences)


def judge_trend(series):
    """Judge "falls from level to level" by Page's test; series (seeds, levels).

    Reproduced if the falling trend has p < 0.025, not reproduced if the rising one has. The
    effect shown is the first level minus the last; with two levels it alone decides.
    """
    series = np.asarray(series, float)
    if series.shape[1] == 2:
        return judge_order(series[:, 0] - series[:, 1])
    mean, low, high = interval(series[:, 0] - series[:, -1])
    if len(series) == 1:
        return "undecided", "one repeat shows no trend", mean, low, high, 1
    falling = stats.page_trend_test(series[:, ::-1]).pvalue
    rising = stats.page_trend_test(series).pvalue
    level = (1 - CONFIDENCE) / 2
    verdict = "reproduced" if falling < level else "not reproduced" if rising < level else None
    why = f"Page's test of falling: p = {falling:.2g}"
    return verdict or "undecided", why, mean, low, high, len(series)


def judge_number(values, printed, tolerance):
    """Judge a printed figure: within our interval or within `tolerance` of our mean."""
    mean, low, high = interval(values)
    close = abs(mean - printed) <= tolerance or (np.isfinite(low) and low <= printed <= high)
    verdict = "reproduced" if close else "not reproduced"
    return verdict, f"the paper's figure is {printed:g}", mean, low, high, len(values)


def judge_exact(error, limit=0.0):
    """Judge an identity by its largest error."""
    verdict = "reproduced" if abs(error) <= limit else "not reproduced"
    return verdict, f"largest error {error:.3g}, allowed {limit:g}", error, None, None, None


def judge_misprint(correct, printed):
    """Judge a printed figure that follows from others in the paper: right, or in error."""
    verdict = "reproduced" if np.isclose(correct, printed, rtol=0, atol=1e-12) else "paper in error"
    return verdict, f"correct is {correct:g}, printed {printed:g}", correct, None, None, None


def judge(statement, measurement):
    """Apply a statement's rule to what was measured; return a `Finding`.

    statement: dict with `says`, `rule` and the rule's arguments. measurement: (values, preset);
    a rule marked `scale: paper` is applied to evidence of that scale only. Where nothing could be
    measured it is (None, why not).
    """
    values, preset = measurement
    rule = one_of("rule", statement["rule"], RULES)
    arguments = {
        k: statement[k] for k in ("margin", "tolerance", "printed", "limit") if k in statement
    }
    needs_paper = rule == "number" or statement.get("scale") == "paper"
    if values is None:
        return Finding(statement["says"], "not run", preset)
    if preset.startswith("smoke"):
        result = ("undecided", "a smoke run tests the code, not the claim", *[None] * 3, None)
    elif np.size(values) == 0:
        result = ("undecided", "nothing is left that can be compared", *[None] * 3, 0)
    elif needs_paper and preset != "paper":
        mean, low, high = interval(values)
        why = f"compared at the preset paper only; this is {preset}"
        result = ("not run", why, mean, low, high, len(values))
    else:
        result = RULES[rule](values, **arguments)
    verdict, why, estimate, low, high, n = result
    unit = statement.get("unit", "")
    return Finding(statement["says"], verdict, why, estimate, low, high, n, unit, preset)


RULES = {
    "order": judge_order,
    "same": judge_same,
    "trend": judge_trend,
    "number": judge_number,
    "exact": judge_exact,
    "misprint": judge_misprint,
}


def together(findings):
    """Return a row's verdict: the worst of its statements'; what was not run does not count.

    Where none of the paper's own statements was run, those that are ours do not stand in for them.
    """
    theirs = {finding.verdict for finding in findings if not finding.ours}
    if theirs == {"not run"}:
        return "not run"
    return min((finding.verdict for finding in findings), key=VERDICTS.index, default="not run")


def statements(identity):
    """Return the statements of a row; each printed number of the row is one of its own."""
    _, entry = row(identity)
    single = []
    for statement in entry.get("statements", []):
        if statement["rule"] != "number":
            single.append(statement)
            continue
        for name, printed in entry["numbers"].items():
            says = statement["says"].format(name=name, printed=printed)
            single.append({**statement, "says": says, "printed": printed, "key": name})
    return single
