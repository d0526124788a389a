"""What readers see is written as book/style.md asks for."""

import ast
import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
STYLE = ROOT / "book" / "style.md"
LONGEST = 110  # characters of a line of prose
FREE = re.compile(r"^\s*(\||\$|```|:|!\[|\[|<)|https?://|\{\w+(:\w+)?\}`")  # tables, maths, links
NOTEBOOKS = sorted(ROOT.glob("notebooks/**/*.ipynb"))
PAGES = [page for page in (*ROOT.glob("book/**/*.md"), *ROOT.glob("*.md"))
         if page != STYLE and not page.name.startswith("LICENSE")]  # fmt: skip
MODULES = [path for room in ("helpers", "workflow", "benchmarks") for path in
           sorted(ROOT.glob(f"{room}/**/*.py"))]  # fmt: skip


def banned():
    """Return the words of the left column of the table of words."""
    rows = STYLE.read_text().split("## Words")[1].splitlines()
    cells = [row.split("|")[1] for row in rows if row.startswith("| ")]
    return [word.strip() for cell in cells[2:] for word in cell.split(",")]


BANNED = re.compile(r"\b(" + "|".join(map(re.escape, banned())) + r")\b", re.IGNORECASE)


def prose(path):
    """Return the lines that a reader of a page, a notebook or a module sees."""
    if path.suffix == ".ipynb":
        cells = nbformat.read(path, as_version=4).cells
        return [line for cell in cells if cell.cell_type == "markdown"
                for line in cell.source.splitlines()]  # fmt: skip
    text = path.read_text()
    if path.suffix == ".py":
        nodes = [node for node in ast.walk(ast.parse(text))
                 if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)]  # fmt: skip
        return [line for node in nodes for line in (ast.get_docstring(node) or "").splitlines()]
    return text.splitlines()


def test_the_table_of_words_is_read():
    assert len(banned()) > 20 and "foretold" in banned() and "Not" not in banned()
    assert BANNED.search("It hangs on the seed.") and not BANNED.search("It changes once.")


@pytest.mark.parametrize(
    "path", [*PAGES, *NOTEBOOKS, *MODULES], ids=lambda p: str(p.relative_to(ROOT))
)
def test_no_banned_word_is_used(path):
    found = [(found[0], line) for line in prose(path) if (found := BANNED.search(line))]
    assert not found


@pytest.mark.parametrize("path", [*PAGES, *NOTEBOOKS], ids=lambda p: str(p.relative_to(ROOT)))
def test_lines_of_prose_are_short_enough_to_compare(path):
    long = [line for line in prose(path) if len(line) > LONGEST and not FREE.search(line)]
    assert not long


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_notebook_is_stored_as_its_library_writes_it(path):
    notebook = nbformat.read(path, as_version=4)
    assert nbformat.writes(notebook).rstrip("\n") == path.read_text().rstrip("\n")
