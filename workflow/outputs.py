"""Refuse what an executed notebook must not put into a page.

Jupyter Book copies HTML outputs into the page as they are. Pages are read offline and from disk, so
only plain HTML passes: an allow-list that fits pandas tables, our badges and text. Every figure
needs a description in words (`mystnb.image.alt` in its cell's metadata).
"""

import re
from html.parser import HTMLParser

KINDS = {"text/plain", "text/html", "text/markdown", "text/latex", "image/png", "application/json"}
GLUED = "application/papermill.record/"  # what myst_nb.glue puts before the kind of a hidden output

TAGS = set(
    re.findall(
        r"\w+",
        "a abbr b br caption code col colgroup dd details div dl dt em figcaption figure h1 h2 h3"
        " h4 h5 h6 hr i li ol p pre small span strong style sub summary sup table tbody td tfoot th"
        " thead tr u ul",
    )
)
ATTRIBUTES = set(
    re.findall(
        r"\w+",
        "align border class colspan dir headers href id lang role rowspan scope scoped style"
        " title type",
    )
)
LINK = re.compile(r"https?://|mailto:|[^:]*$")
FETCHES = re.compile(r"@import|url\s*\(|\\")  # in a style; a backslash can hide the others


class _Reader(HTMLParser):
    """Parser that lists the tags and attributes that are not on the allow-list."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        """Check a tag and its attributes: tag, its name; attrs, pairs of name and value."""
        if tag not in TAGS:
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            plain = name in ATTRIBUTES or name.startswith(("data-", "aria-"))
            leads_out = name == "href" and not LINK.match(value or "")
            if not plain or leads_out or (name == "style" and FETCHES.search(value or "")):
                self.found.append(f"{name}={value!r} in <{tag}>")

    def handle_data(self, data):
        """Check text: only that of a style sheet (`data`) can fetch anything."""
        if self.cdata_elem == "style" and FETCHES.search(data):
            self.found.append("a style sheet that loads another file")


def unsafe_html(text):
    """Return the tags and attributes of `text` that are not on the allow-list."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return reader.found


def _texts(cell):
    """Yield (kind, text) of every output and, for a Markdown cell, of its source."""
    if cell["cell_type"] == "markdown":
        yield "text/markdown", cell["source"]
    for output in cell.get("outputs", []):
        for kind, content in output.get("data", {}).items():
            yield kind.removeprefix(GLUED), content


def problems(notebook):
    """Return one line for each output of the executed `notebook` that may not enter a page.

    notebook: the dict of its JSON.
    """
    lines = []
    for number, cell in enumerate(notebook["cells"], 1):
        for kind, content in _texts(cell):
            if kind not in KINDS:
                lines.append(f"cell {number}: an output of kind {kind}")
            elif kind in ("text/html", "text/markdown"):
                text = content if isinstance(content, str) else "".join(content)
                lines += [f"cell {number}: {found}" for found in unsafe_html(_prose(kind, text))]
        for output in cell.get("outputs", []):
            if GLUED + "text/markdown" in output.get("data", {}):  # other pages would show its repr
                lines.append(f"cell {number}: glued Markdown does not reach other pages; glue HTML")
        lines += [f"cell {number}: a figure without alt text" for _ in _figures_without_alt(cell)]
    return lines


def _prose(kind, text):
    """Return `text` without what Markdown shows verbatim: code, mathematics and <addresses>."""
    if kind == "text/html":
        return text
    text = re.sub(r"(`{1,4}|\${1,2})(?:(?!\1).)+\1", "", text, flags=re.DOTALL)
    return re.sub(r"<(https?://|mailto:)[^>\s]*>", "", text)


def _figures_without_alt(cell):
    alt = cell["metadata"].get("mystnb", {}).get("image", {}).get("alt")
    for output in cell.get("outputs", []):
        if "image/png" in output.get("data", {}):
            own = output.get("metadata", {}).get("image/png", {})
            if not (alt or (isinstance(own, dict) and own.get("alt"))):
                yield output
