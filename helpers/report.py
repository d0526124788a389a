"""Tables of the report: the paper beside our figures, and the verdicts."""

import re
from html import escape

import pandas as pd
import yaml

from helpers import claims, paths, presets, verdicts

LEDGER = "../ledger.html"
COLUMNS = ("reproduced", "not reproduced", "undecided", "paper in error", "not run")


class Html(str):
    """Hold a piece of HTML that a notebook shows as it is."""

    def _repr_html_(self):
        return str(self)


def compare(row, preset, best, last):
    """Return the printed figures of a row beside ours, best and last epoch, in per cent.

    best, last: {name of the printed figure: accuracies (seeds,)}.
    """
    _, entry = claims.row(row)
    lines = []
    for name, printed in entry["numbers"].items():
        mean, low, high = claims.interval(best[name])
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
    """Return the printed figures of a row beside ours, as they are.

    measured: {name of the printed figure: values (seeds,)}.
    """
    _, entry = claims.row(row)
    lines = []
    for name, printed in entry["numbers"].items():
        mean, low, high = claims.interval(measured[name])
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
    """Return accuracies at the best and at the last epoch, in per cent.

    best, last: {name: accuracies (seeds,)}.
    """
    lines = []
    for name, values in best.items():
        mean, low, high = claims.interval(values)
        lines.append({
            "": name,
            "best": f"{100 * mean:.1f}",
            "95 % interval": f"[{100 * low:.1f}, {100 * high:.1f}]",
            "last": f"{100 * sum(last[name]) / len(last[name]):.1f}",
            "n": len(values),
        })  # fmt: skip
    return _table(pd.DataFrame(lines), "best-and-last")


def verdict_table(row, preset):
    """Return a row's statements with what was measured and each verdict, linked to the ledger.

    A row that cannot be judged says why instead.
    """
    findings = verdicts.findings(row, preset)
    link = f'{badge(verdicts.verdict(row, preset))} <a href="{LEDGER}#row-{row}">{row}'
    link = f"<p>{link} in the ledger</a></p>"
    if not findings:
        return Html(f"{link}<p>{why_not(claims.row(row)[1])}</p>")
    lines = [
        {
            "statement": escape(finding.says),
            "measured": escape(finding.measured()),
            "verdict": badge(finding.verdict),
            "why": escape(finding.why),
            "evidence": finding.preset,
        }
        for finding in findings
    ]
    return Html(link + _table(pd.DataFrame(lines), f"verdict-{row}"))


def badge(verdict):
    """Return a verdict as a coloured label."""
    return f'<span class="verdict verdict-{verdict.replace(" ", "-")}">{verdict}</span>'


def ledger(preset):
    """Return all rows of all papers as one table: claim, measurement, verdict, page."""
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
    found = verdicts.findings(row, preset)
    verdict = verdicts.verdict(row, preset)
    scales = [finding.preset for finding in found if finding.preset]
    evidence = max(scales, default="none", key=_strength)
    link = f"{key}/{entry['notebook']}.html#{_anchor(row)}"
    name = f'<a href="{link}"><strong>{row}</strong></a>'
    where = f"<small>{key}<br>{escape(entry['where'])}</small>"
    judged = f"{badge(verdict)}<br><small>evidence: {escape(evidence)}</small>"
    cells = (f"{name}<br>{where}", escape(entry["says"]), _measured(entry, found), judged)
    data = f'data-paper="{key}" data-verdict="{verdict}" data-evidence="{evidence.split(",")[0]}"'
    return f'<tr id="row-{row}" {data}>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'


def _anchor(row):
    """Return the anchor that the book gives to the label of a row."""
    return re.sub(r"[^a-z0-9]+", "-", row.lower())


def _measured(entry, found):
    """Return a list of a row's statements, or why it has none."""
    if not found:
        return why_not(entry)
    items = [f"{escape(f.says)}: {escape(f.measured())} – <em>{f.verdict}</em>" for f in found]
    listed = "".join(f"<li>{item}</li>" for item in items)
    return f"<ul>{listed}</ul>"


def why_not(entry):
    """Return what a row without statements lacks: data, or a part of the paper's text."""
    lacks = [f"needs {', '.join(entry['needs'])}"] if "needs" in entry else []
    lacks += [f"lost from our copy of the text: {entry['lost']}"] if "lost" in entry else []
    return escape("; ".join(lacks)) or "–"


def _strength(scale):
    """Return how much a scale of evidence weighs: a trained one before an untrained one."""
    order = ("no training", *presets.PRESETS)
    return order.index(scale.split(",")[0])


def scoreboard(preset):
    """Return how many rows of each paper have which verdict, as a table."""
    counts = {
        key: pd.Series(
            [verdicts.verdict(e["id"], preset) for e in claims.paper(key)["rows"]]
        ).value_counts()
        for key in claims.PAPERS
    }
    board = pd.DataFrame(counts).T.reindex(columns=COLUMNS).fillna(0).astype(int)
    board["rows"] = board.sum(axis=1)
    board.loc["all"] = board.sum()
    return board


def findings(preset):
    """Return the front page's sentences, each with what was measured and its verdict."""
    sentences = []
    for entry in yaml.safe_load((paths.CLAIMS / "findings.yml").read_text()):
        places = [s["id"] for s in claims.statements(entry["row"])]
        found = verdicts.findings(entry["row"], preset)[places.index(entry["statement"])]
        about = f"{escape(found.measured())}; {escape(found.preset)}"
        sentences.append(Html(f"<p>{entry['text']} ({about}). {badge(found.verdict)}</p>"))
    return sentences


def _table(frame, identity):
    return Html(frame.to_html(index=False, escape=False, table_id=identity, border=0))
