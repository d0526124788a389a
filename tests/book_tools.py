"""A tiny book for the tests, and readers of built pages."""

import os
import shutil
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

ROOT = Path(__file__).resolve().parent.parent
PIXEL = (  # a PNG of one pixel
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
TOC = """format: jb-book
root: book/index
chapters:
  - file: notebooks/ledger
"""
INDEX = """# Tiny

Inline $n!$ and, after {cite:t}`ivan2019`,

$$ \\boldsymbol{x} = \\sum_i x_i $$

```{glue} scoreboard
:doc: ../notebooks/ledger.ipynb
```

```{glue} finding-1
:doc: ../notebooks/ledger.ipynb
```

[A row](../notebooks/ledger.ipynb), see also {numref}`dot`.

```{bibliography}
```
"""
TABLE = (
    '<table id="ledger"><thead><tr><th>row</th></tr></thead><tbody>'
    '<tr id="row-a" data-paper="ivan2019" data-verdict="undecided" data-grade="C">'
    '<td><a href="../book/index.html">a</a></td></tr>'
    '<tr id="row-b" data-paper="ghosh2019" data-verdict="not run" data-grade="none">'
    '<td><a href="#row-a">b</a></td></tr></tbody></table>'
)


def displayed(data, **metadata):
    """Return the output of a cell that shows `data`, a dictionary of kinds."""
    return new_output("display_data", data=data, metadata=metadata)


def glued(key, data):
    """Return the output that myst_nb.glue(key, ..., display=False) leaves."""
    prefix = "application/papermill.record/"
    hidden = {prefix + kind: text for kind, text in data.items()}
    return displayed(hidden, scrapbook={"name": key, "mime_prefix": prefix})


def ledger():
    """Return an executed notebook with a table, a figure and two glued values."""
    figure = {"figure": {"caption": "A dot.", "name": "dot"}, "image": {"alt": "a single dot"}}
    return new_notebook(
        cells=[
            new_markdown_cell("# Ledger\n\nWith $D$ and a badge."),
            new_code_cell("table", outputs=[displayed({"text/html": TABLE, "text/plain": "t"})]),
            new_code_cell(
                "dot",
                metadata={"mystnb": figure},
                outputs=[displayed({"image/png": PIXEL, "text/plain": "dot"})],
            ),
            new_code_cell(
                "glue",
                outputs=[
                    glued("scoreboard", {"text/html": "<table><tr><td>1</td></tr></table>"}),
                    glued("finding-1", {"text/html": "<p>It <b>moves</b>.</p>"}),
                ],
            ),
            new_markdown_cell('<p class="run-footer">Preset smoke</p>'),
        ],
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3"},
            "language_info": {"name": "python", "pygments_lexer": "ipython3"},
        },
    )


def tiny_book(folder, index=INDEX, notebook=None):
    """Write the sources of a book of two pages to `folder`; return its executed folder."""
    shutil.copytree(ROOT / "book" / "_static", folder / "book" / "_static")
    shutil.copy(ROOT / "book" / "references.bib", folder / "book")
    shutil.copy(ROOT / "_config.yml", folder)
    (folder / "_toc.yml").write_text(TOC)
    (folder / "book" / "index.md").write_text(index)
    executed = folder / "executed"
    (executed / "notebooks").mkdir(parents=True)
    nbformat.write(notebook or ledger(), executed / "notebooks" / "ledger.ipynb")
    return executed


LOADS = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}


class Page(HTMLParser):
    """What a built page contains: `ids`, `links`, `loaded` (fetched addresses), `images`."""

    def __init__(self, path):
        super().__init__()
        self.path, self.ids, self.links, self.loaded, self.images = path, set(), [], [], []
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids.update(attrs[name] for name in ("id", "name") if attrs.get(name))
        if tag == "a" and attrs.get("href"):
            self.links.append(attrs["href"])
        if tag == "img":
            self.images.append(attrs)
        source = attrs.get(LOADS.get(tag))
        if source and attrs.get("rel") not in ("canonical",):
            self.loaded.append(source)


def pages(html):
    """Return every page of the site in the folder `html`, by path."""
    found = sorted(path for path in html.rglob("*.html") if "_static" not in path.parts)
    return {path: Page(path) for path in found}


def broken_links(html):
    """Return the links within the site whose page, file or anchor does not exist."""
    known = pages(html)
    broken = []
    for page in known.values():
        for link in page.links + page.loaded:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = page.path
            if parts.path:
                target = Path(os.path.normpath(page.path.parent / unquote(parts.path)))
            ids = known[target].ids if target in known else {parts.fragment}
            lost = parts.fragment and unquote(parts.fragment) not in ids
            if not target.exists() or lost:
                broken.append(f"{page.path.relative_to(html)}: {link}")
    return broken
