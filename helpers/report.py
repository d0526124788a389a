"""Tables of the report: the paper's figures beside ours, and the verdicts."""

import re
from html import escape

import pandas as pd

from helpers import claims, planted, precision, presets, records, rules, verdicts

LEDGER = "../ledger.html"
COLUMNS = (
    "reproduced", "partly reproduced", "not reproduced", "undecided", "paper in error",
    "substitute", "preview", "not run",
)  # fmt: skip
SUBSTITUTES = ("CIFAR-10", "MNIST", "birds", "SqueezeNet", "EfficientNet", "at hand", "small")
ABOUT = {"paper": "", "substitute": "measured on something else", "ours": "our statement"}


class Html(str):
    """A piece of HTML that a notebook shows as it is."""

    def _repr_html_(self):
        return str(self)


def compare(row, best, last):
    """Return the printed figures of a row beside ours, best and last epoch, in per cent, as HTML.

    row: its id. best, last: {name of the printed figure: accuracies (seeds,)}.
    """
    _, entry = claims.row(row)
    lines = []
    for name, printed in entry["numbers"].items():
        mean, low, high = rules.interval(best[name])
        lines.append(
            {
                "": name,
                "paper (best)": f"{100 * printed:.1f}",
                "ours (best)": f"{100 * mean:.1f}",
                "95 % interval": f"[{100 * low:.1f}, {100 * high:.1f}]",
                "ours − paper": f"{100 * (mean - printed):+.1f}",
                "ours (last)": f"{100 * sum(last[name]) / len(last[name]):.1f}",
                "n": len(best[name]),
            }
        )
    return _table(pd.DataFrame(lines), f"comparison-{row}")


def number_table(row, measured):
    """Return the printed figures of a row beside ours in their own unit, as HTML.

    row: its id. measured: {name of the printed figure: values (seeds,)}.
    """
    _, entry = claims.row(row)
    lines = []
    for name, printed in entry["numbers"].items():
        mean, low, high = rules.interval(measured[name])
        lines.append({
            "": name,
            "paper": f"{printed:g}",
            "ours": f"{mean:.3g}",
            "95 % interval": f"[{low:.3g}, {high:.3g}]",
            "ours − paper": f"{mean - printed:+.3g}",
            "n": len(measured[name]),
        })  # fmt: skip
    return _table(pd.DataFrame(lines), f"comparison-{row}")


def best_and_last(best, last):
    """Return accuracies at the best and at the last epoch, in per cent, as HTML.

    best, last: {name: accuracies (seeds,)}.
    """
    lines = []
    for name, values in best.items():
        mean, low, high = rules.interval(values)
        lines.append({
            "": name,
            "best": f"{100 * mean:.1f}",
            "95 % interval": f"[{100 * low:.1f}, {100 * high:.1f}]",
            "last": f"{100 * sum(last[name]) / len(last[name]):.1f}",
            "n": len(values),
        })  # fmt: skip
    return _table(pd.DataFrame(lines), "best-and-last")


def verdict_table(row, preset):
    """Return a row's statements with measurements and verdicts, linked to the ledger, as HTML.

    row: its id. preset: name in `presets.PRESETS`. If the row cannot be judged, the table says why.
    """
    findings, whole = verdicts.findings(row, preset), verdicts.verdict(row, preset)
    count = f" {whole.count}." if whole.count else ""
    link = f'<p>{badge(whole)}{count} <a href="{LEDGER}#row-{row}">{row} in the ledger</a></p>'
    if not findings:
        return Html(f"{link}<p>{why_not(claims.row(row)[1])}</p>")
    lines = [
        {
            "statement": _stated(finding),
            "measured": _with_parts(finding),
            "verdict": badge(finding),
            "why": escape(finding.why),
            "evidence": _evidence(finding),
        }
        for finding in findings
    ]
    return Html(link + _table(pd.DataFrame(lines), f"verdict-{row}") + _after(findings))


def badge(found):
    """Return the verdict of `found`, a `Finding` or a `RowVerdict`, as a coloured HTML label."""
    name = found.verdict.replace(" ", "-")
    return f'<span class="verdict verdict-{name}">{escape(found.label)}</span>'


def _stated(finding):
    """Return a statement, and whose it is if it is not the paper's."""
    about = ABOUT[finding.about]
    return escape(finding.says) + (f" <small>({about})</small>" if about else "")


def _with_parts(finding):
    """Return the measurement, with that of each network or family that it averages."""
    parts = "".join(
        f"<br><small>{escape(name)}: {escape(finding.shown(*own))}</small>"
        for name, own in finding.parts
    )
    return escape(finding.measured()) + parts


def _evidence(finding):
    """Return the scale and grade of the evidence, and a mark if the rule is younger than it."""
    grade = f", grade {finding.grade}" if finding.grade else ""
    mark = f" <sup>{list(claims.AFTER).index(finding.after) + 1}</sup>" if finding.after else ""
    return escape(finding.preset) + grade + mark


def _after(findings):
    """Return the notes on statements that are younger than their records."""
    notes = [
        f"<sup>{number}</sup> {escape(text)}"
        for number, (name, text) in enumerate(claims.AFTER.items(), 1)
        if any(finding.after == name for finding in findings)
    ]
    return f"<p><small>{'<br>'.join(notes)}</small></p>" if notes else ""


def ledger(preset):
    """Return all rows of all papers as one HTML table: claim, measurement, verdict, page.

    preset: name in `presets.PRESETS`.
    """
    lines = []
    for key in claims.PAPERS:
        for entry in claims.paper(key)["rows"]:
            lines.append(_ledger_line(key, entry, preset))
    head = "".join(f"<th>{name}</th>" for name in ("row", "the paper", "measured", "verdict"))
    return Html(
        f'<table id="ledger"><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table>'
    )


def _ledger_line(key, entry, preset):
    row = entry["id"]
    found, whole = verdicts.findings(row, preset), verdicts.verdict(row, preset)
    scales = [finding.preset for finding in found if finding.preset and finding.judged]
    evidence = max(scales, default="none", key=_strength)
    link = f"{key}/{entry['notebook']}.html#{_anchor(row)}"
    name = f'<a href="{link}"><strong>{row}</strong></a>'
    where = f"<small>{key}<br>{escape(entry['where'])}</small>"
    grade = f", grade {whole.grade}" if whole.grade else ""
    notes = [whole.count, f"evidence: {escape(evidence)}{grade}"]
    judged = f"{badge(whole)}<br><small>{'<br>'.join(filter(None, notes))}</small>"
    cells = (f"{name}<br>{where}", escape(entry["says"]), _measured(entry, found), judged)
    data = f'data-paper="{key}" data-verdict="{whole.label}" data-grade="{whole.grade or "none"}"'
    return f'<tr id="row-{row}" {data}>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'


def _anchor(row):
    """Return the anchor that the book gives to the label of a row."""
    return re.sub(r"[^a-z0-9]+", "-", row.lower())


def _measured(entry, found):
    """Return the list of a row's statements, or why it has none."""
    if not found:
        return why_not(entry)
    items = [f"{_stated(f)}: {escape(f.measured())} – <em>{f.label}</em>" for f in found]
    listed = "".join(f"<li>{item}</li>" for item in items)
    return f"<ul>{listed}</ul>"


def why_not(entry):
    """Return what a row without statements needs: data, or a part of the paper's text.

    entry: the row, a dict from `claims.row`.
    """
    missing = [f"needs {', '.join(entry['needs'])}"] if "needs" in entry else []
    missing += [f"missing from our copy of the text: {entry['lost']}"] if "lost" in entry else []
    return escape("; ".join(missing)) or "–"


def _strength(scale):
    """Return the rank of a scale of evidence: trained ones come after the untrained."""
    order = ("no training", *presets.PRESETS)
    return order.index(scale.split(",")[0])


def scoreboard(preset):
    """Return how many rows of each paper have which verdict, as a DataFrame.

    preset: name in `presets.PRESETS`. Rows decided by substitutes and previews are counted apart.
    """
    board = _count({
        key: [verdicts.verdict(entry["id"], preset).column for entry in claims.paper(key)["rows"]]
        for key in claims.PAPERS
    }, COLUMNS, "rows")  # fmt: skip
    return board.rename(columns={"partly reproduced": "partly", "paper in error": "in error"})


def statement_board(preset):
    """Return how many statements have which verdict, by origin and grade, as a DataFrame.

    preset: name in `presets.PRESETS`. The origin is a paper, a substitute, or ourselves.
    """
    kinds = {}
    for key in claims.PAPERS:
        for entry in claims.paper(key)["rows"]:
            for finding in verdicts.findings(entry["id"], preset):
                kind = {"paper": "the papers'", "substitute": "substitutes", "ours": "ours"}
                grade = f", grade {finding.grade}" if finding.judged else ", not run"
                kinds.setdefault(kind[finding.about] + grade, []).append(finding.verdict)
    names = [name for name in COLUMNS if name in claims.VERDICTS and name != "partly reproduced"]
    order = sorted(kinds, key=lambda kind: (["the", "sub", "our"].index(kind[:3]), kind))
    return _count({kind: kinds[kind] for kind in order}, names, "statements")


def _count(groups, columns, total):
    """Return how often each of `columns` occurs in each group, with sums, as a DataFrame."""
    counts = {name: pd.Series(values).value_counts() for name, values in groups.items()}
    board = pd.DataFrame(counts).T.reindex(columns=columns).fillna(0).astype(int)
    board[total] = board.sum(axis=1)
    board.loc["all"] = board.sum()
    return board


def error_rates():
    """Return the rules' false verdicts on planted data, in per cent: for one look, and for two.

    The result is a list of two HTML tables.
    """
    record = records.read(planted.PUBLISHED)
    tables = []
    columns = ["rule", "truth", "the statement is", *(f"n = {n}" for n in planted.REPEATS)]
    stages = ["truth", "first stage", "false", "undecided", "interval misses the truth"]
    for lines, names in ((record["rules"], columns), (record["two stages"], stages)):
        frame = pd.DataFrame(lines)[names]
        for column in frame.select_dtypes("float"):
            frame[column] = [f"{100 * rate:.1f}" for rate in frame[column]]
        tables.append(_table(frame, f"error-rates-{len(tables)}"))
    return tables


def precision_gate():
    """Return what bfloat16 changed for each measured network family, as an HTML table.

    Differences are of final test accuracies, bfloat16 minus float32, in points, with a 95 %
    interval over seeds.
    """
    columns = ("networks", "seeds", "points", "better order", "trained in")
    through, lines = precision.passed(), []
    for name, row in precision.measured().items():
        mean, low, high = (100 * value for value in rules.interval(row["differences"]))
        order = "the same" if precision.concludes_the_same(row) else "another"
        lines.append(
            (name, len(row["differences"]), f"{mean:+.2f} [{low:+.2f}, {high:+.2f}]", order,
             "bfloat16" if name in through else "float32")
        )  # fmt: skip
    return _table(pd.DataFrame(lines, columns=columns), "precision-gate")


def findings(preset):
    """Return the front page's sentences, each with its measurement and verdict, as HTML.

    preset: name in `presets.PRESETS`.
    """
    return Html("".join(
        f"<p>{_sentence(entry, found)} {badge(found)}</p>"
        for entry in claims.read("findings.yml")
        if not refused(entry, found := verdicts.finding(entry["statement"], preset))
    ))  # fmt: skip


def _sentence(entry, found):
    where = f"{escape(found.preset)}, grade {found.grade}"
    text = escape(entry.get("text", found.says)).rstrip(".")
    return f"{text} ({escape(found.measured())}; {where})."


def refused(entry, found):
    """Return why a sentence must not be on the front page, "" if it may.

    entry: from claims/findings.yml. found: the `Finding` of its statement. A sentence with its own
    text names the verdict for which it is true, and shares with its statement the words that name
    subject, levels and data.
    """
    if found.verdict in ("undecided", "not run"):
        return f"its statement is {found.verdict}"
    if found.grade == "C":
        return "its statement is a preview"
    if "text" not in entry:
        return ""
    if found.verdict != entry["verdict"]:
        return f"it is true of {entry['verdict']}, and its statement is {found.verdict}"
    for word in entry["words"]:
        if word.lower() not in entry["text"].lower() or word.lower() not in found.says.lower():
            return f"{word!r} is not both in it and in its statement"
    if found.about == "substitute" and not any(name in entry["text"] for name in SUBSTITUTES):
        return "it does not name what it was measured on"
    return ""


def _table(frame, identity):
    return Html(frame.to_html(index=False, escape=False, table_id=identity, border=0))
