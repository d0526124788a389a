"""Claims: what a paper says, what each statement is about, and the verdict the records give it."""

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import yaml

from helpers import paths, rules
from helpers.errors import InputError, one_of

PAPERS = ("ivan2019", "juefei2018", "ghosh2019", "azulay2019", "rodner2016")
KINDS = ("number", "order", "trend", "exact", "picture")
VERDICTS = (
    "reproduced", "partly reproduced", "not reproduced", "undecided", "paper in error", "not run",
)  # fmt: skip
FAILS = ("not reproduced", "paper in error")
ABOUT = ("paper", "substitute", "ours")
REPEATS = ("trainings", "pictures", "tenths", "groups", "draws")
GRADES = ("A", "B", "C")  # strongest first
SHARED = (
    "experiments",
    "only",
    "repeats",
    "precondition",
    "open",
    "after",
)  # fields that a row's statements share
AUDIT = "the audit of November 2026 set its rule and resolution after seeing them."
AFTER = {
    "rule": f"The statement is older than its records; {AUDIT}",
    "during": f"The statement was written while its records were being made; {AUDIT}",
    "later": f"The statement was written after its records; {AUDIT}",
    "reworded": f"The statement was reworded after its records; {AUDIT}",
}


class Measurement(NamedTuple):
    """What was measured for one statement.

    values: one number per independent repeat (n,); (n, k) for k comparisons that must all hold; (n,
    levels) for a trend; one number for `exact` and `misprint`; a dict of any of these where the
    paper prints several figures; None if nothing could be measured. scale: the preset of the
    evidence, with the data that replace missing ones; if values is None, what is needed. floor:
    standard error that the test images alone cause, one for all comparisons or one each, as
    `rules.order` and `rules.trend` take it; None to take it from the evidence. names: of the
    comparisons or levels. parts: {name: values (n,)} of the networks or families over which
    `values` is a mean. shared: see `rules.interval`, as many as floors; None for its default.
    """

    values: object
    scale: str
    floor: object = None
    names: tuple = ()
    parts: dict = {}  # noqa: RUF012 (a NamedTuple's default; nobody changes it)
    shared: object = None


@dataclass(frozen=True)
class Finding:
    """The verdict on one statement.

    says: the statement. verdict: in `VERDICTS`. why: what decided. estimate, low, high: the
    deciding effect and its 95 % interval, None where there is none; a share if `unit` is "%" or
    begins with "points". at: which of several comparisons decided, in words. overall: (estimate,
    low, high) of the ends of a trend. n: independent repeats behind the effect. preset: the scale
    of the evidence. about: in `ABOUT`. repeats: in `REPEATS`. grade: in `GRADES`, "" if nothing was
    judged. after: a key of `AFTER`, "" if statement and rule are older than the records. parts:
    ((name, (mean, low, high)), ...) of what is pooled.
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
    about: str = "paper"
    repeats: str = ""
    grade: str = ""
    after: str = ""
    at: str = ""
    overall: tuple | None = None
    parts: tuple = ()

    @property
    def judged(self):
        """Whether there was anything to judge."""
        return self.verdict != "not run"

    @property
    def label(self):
        """The verdict as shown: at grade C it is a preview."""
        preview = self.grade == "C" and self.judged
        return f"preview: {self.verdict}" if preview else self.verdict

    def measured(self):
        """Return the effect with its interval and n as one short text."""
        if self.estimate is None:
            return "–"
        text = self.shown(self.estimate, self.low, self.high)
        if self.at:
            text = f"{self.at}: {text}"
            if self.overall is not None:
                text += f"; ends: {self.shown(*self.overall)}"
        text += f" {self.unit}" if self.unit else ""
        if self.n is None:
            return text
        return f"{text}, n = {self.n} {self.repeats}".rstrip()

    def shown(self, estimate, low=None, high=None):
        """Return `estimate` with its interval from `low` to `high` as text, shares in per cent."""
        share = self.unit.startswith(("points", "%"))
        estimate, low, high = (
            None if value is None else f"{100 * value:z.1f}" if share else f"{value:z.3g}"
            for value in (estimate, low, high)
        )
        bounded = low is not None and not {low, high} & {"inf", "-inf"}
        return f"{estimate} [{low}, {high}]" if bounded else estimate


@dataclass(frozen=True)
class RowVerdict:
    """The verdict on a row.

    verdict: in `VERDICTS`. about: "paper", or "substitute" if no statement of the paper was run on
    what the paper is about. grade: the weakest of the statements that decided, "" if none was run.
    holds, judged, stated: numbers of statements that hold, that were judged, and that exist.
    """

    verdict: str
    about: str = "paper"
    grade: str = ""
    holds: int = 0
    judged: int = 0
    stated: int = 0

    @property
    def column(self):
        """Where the row is counted: under its verdict, or apart as a substitute or a preview."""
        if self.verdict == "not run":
            return "not run"
        if self.about == "substitute":
            return "substitute"
        return "preview" if self.grade == "C" else self.verdict

    @property
    def label(self):
        """The verdict as shown."""
        apart = ["substitute"] * (self.about == "substitute")
        apart += ["preview"] * (self.grade == "C")
        return f"{', '.join(apart)}: {self.verdict}" if apart else self.verdict

    @property
    def count(self):
        """How many of the judged statements hold, in words."""
        return f"{self.holds} of {self.judged} hold" if self.judged else ""

    def __str__(self):
        return self.label


@lru_cache(maxsize=len(PAPERS))
def paper(key):
    """Return claims/<key>.yml as a dict with `title` and `rows`; `key`: in `PAPERS`."""
    one_of("paper", key, PAPERS)
    return read(f"{key}.yml")


def read(name):
    """Return the content of the file `name` in claims/.

    We use libyaml if PyYAML has it: it takes a tenth of the time, which every notebook pays.
    """
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load((paths.CLAIMS / name).read_text(), Loader=loader)


@lru_cache(maxsize=256)
def row(identity):
    """Return (paper key, row) of the row whose id is `identity`, such as `ivan-table1`.

    Raises `InputError` for an unknown id.
    """
    for key in PAPERS:
        for candidate in paper(key)["rows"]:
            if candidate["id"] == identity:
                return key, candidate
    raise InputError("row", identity, "use the id of a row in claims/*.yml")


def statements(identity):
    """Return the statements of a row as complete dicts, with the row's shared fields filled in.

    identity: the row's id. Each printed number of the row is a statement of its own, with the
    additional fields `printed` and `key`.
    """
    _, entry = row(identity)
    shared = {k: entry[k] for k in SHARED if k in entry}
    single = []
    for statement in entry.get("statements", []):
        statement = {"about": "paper", **shared, **statement}
        if statement["rule"] != "number":
            single.append(statement)
            continue
        for name, printed in entry["numbers"].items():
            says = statement["says"].format(name=name, printed=printed)
            single.append({**statement, "says": says, "printed": printed, "key": name})
    return single


def judge(statement, measurement, first=None, grade=""):
    """Apply a statement's rule to a measurement; return a `Finding`.

    statement: dict with `says`, `rule` and the rule's arguments. measurement: a `Measurement` or
    its first fields, (values, scale). first: repeats that chose n, see `rules.interval`. grade:
    that of the evidence. A rule marked `scale: paper`, and every `number`, is applied to evidence
    of that scale only. Raises `InputError` for an unknown rule.
    """
    rule = one_of("rule", statement["rule"], rules.RULES)
    values, scale, floor, names, parts, shared = Measurement(*measurement)
    known = ("resolution", "tolerance", "printed", "implied", "limit")
    arguments = {k: statement[k] for k in known if k in statement}
    how = {}
    if rule in ("order", "same", "trend", "number"):
        how = {"first": first, "floor": 0.0 if floor is None else floor, "shared": shared}
    about = {k: statement.get(k, "") for k in ("unit", "repeats", "after")}
    about |= {"about": statement.get("about", "paper"), "preset": scale, "grade": grade}
    if values is None:
        return Finding(statement["says"], "not run", scale, about=about["about"])
    needs_paper = rule == "number" or statement.get("scale") == "paper"
    if scale.startswith("smoke"):
        found = rules.Answer("undecided", "", "a smoke run tests the code, not the claim")
    elif np.size(values) == 0:
        found = rules.Answer("undecided", "", "there is nothing left to compare", n=0)
    elif needs_paper and scale != "paper":
        why = f"compared only at the preset paper; this is {scale}"
        shown = rules.interval(values, **how) if np.ndim(values) == 1 else ()
        found = rules.Answer("not run", "", why, *shown, n=len(values))
    else:
        found = rules.RULES[rule](values, **arguments, **how)
    return Finding(
        statement["says"], found.verdict, found.why, found.estimate, found.low, found.high,
        found.n, **about, at=_place(rule, found.at, names), overall=found.overall,
        parts=tuple((name, rules.interval(part, first=first)) for name, part in parts.items()),
    )  # fmt: skip


def _place(rule, at, names):
    """Return in words which comparison decided."""
    if at is None:
        return ""
    if rule == "trend":
        names = names or [f"level {k + 1}" for k in range(at + 2)]
        return f"{names[at]} to {names[at + 1]}"
    return f"{names[at]}" if names else f"comparison {at + 1}"


def together(findings):
    """Return the `RowVerdict` of a row, from the list of its `Finding`, `findings`.

    The paper's own statements, on what the paper is about, decide. If none of them was run, the
    substitutes decide. Our own statements never do.
    """
    for about in ("paper", "substitute"):
        stated = [finding for finding in findings if finding.about == about]
        judged = [finding for finding in stated if finding.judged]
        if judged:
            counts = Counter(finding.verdict for finding in judged)
            grade = max((f.grade for f in judged), key=_weakness)
            holds = counts["reproduced"]
            return RowVerdict(_whole(counts), about, grade, holds, len(judged), len(stated))
    return RowVerdict("not run", stated=sum(f.about == "paper" for f in findings))


def _whole(counts):
    """Return the verdict on a row from the verdicts on its statements."""
    failed = sum(counts[name] for name in FAILS)
    if failed == 0:
        return "undecided" if counts["undecided"] else "reproduced"
    if counts["not reproduced"] == 0:
        return "paper in error"
    return "partly reproduced" if counts["reproduced"] else "not reproduced"


def _weakness(grade):
    return GRADES.index(grade) if grade in GRADES else -1
