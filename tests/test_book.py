"""The built pages: whole, readable with the network off, safe, described, and linked."""

import os
import re

import book_tools as tools
import nbformat
import pandas
import pytest
from browser import Browser, find
from nbformat.v4 import new_code_cell

from workflow import assemble, outputs

ROOT = tools.ROOT
REAL = ROOT / os.environ.get("BOOK_BUILD", "build/smoke") / "html"


def make_tiny(folder, **parts):
    """Build the tiny book in `folder`; return the folder of its HTML."""
    executed = tools.tiny_book(folder, **parts)
    return assemble.make(folder, executed, folder / "build").parent


@pytest.fixture(scope="module", params=["tiny", *(["real"] if REAL.exists() else [])])
def html(request, tmp_path_factory):
    """Return the HTML of the tiny book and, where it has been built, of the real one."""
    return REAL if request.param == "real" else make_tiny(tmp_path_factory.mktemp("book"))


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Return a browser that reaches no network; skip where none is installed."""
    if not find():
        missing = "no browser to open the pages with: apt-get install chromium"
        (pytest.fail if os.environ.get("REQUIRE_BROWSER") else pytest.skip)(missing)
    with Browser(tmp_path_factory.mktemp("profile")) as running:
        yield running


def test_nothing_is_loaded_from_the_network(html):
    for path, page in tools.pages(html).items():
        outside = [x for x in page.loaded if re.match(r"(https?:)?//", x)]
        assert outside == [], path
    for style in html.rglob("*.css"):
        assert not re.search(r"(@import|url\()[\s'\"]*(https?:)?//", style.read_text()), style


def test_every_link_within_the_book_resolves(html):
    assert tools.broken_links(html) == []


def test_every_picture_has_a_description(html):
    for path, page in tools.pages(html).items():
        for image in page.images:
            alt = (image.get("alt") or "").strip()
            assert alt and not alt.endswith((".png", ".svg")), f"{path}: {image}"


def test_pages_render_with_the_network_off(html, browser):
    maths = 0
    for path, page in tools.pages(html).items():
        if path == html / "index.html":
            continue  # leads to book/index.html at once
        dom, said = browser.open(path.as_uri())
        assert said == [], path
        wanted = path.read_text().count('class="math notranslate')
        assert dom.count("<mjx-container") == wanted and "<mjx-merror" not in dom, path
        maths += wanted
        assert ('class="ledger-filter"' in dom) == ("ledger" in page.ids), path
    assert maths > 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<script src='https://example.org/a.js'></script>", "request: https://example.org/a.js"),
        ("<img src='gone.png'>", "ERR_FILE_NOT_FOUND"),
        ("<script>nowhere()</script>", "nowhere is not defined"),
        ("<script>console.error('oh no')</script>", "oh no"),
    ],
)
def test_the_browser_check_sees_what_is_wrong(text, said, browser, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(text)
    assert said in "".join(browser.open(page.as_uri())[1])


def test_the_link_check_sees_a_missing_anchor(tmp_path):
    (tmp_path / "a.html").write_text("<a href='b.html#there'>1</a> <a href='c.html'>2</a>")
    (tmp_path / "b.html").write_text("<p id='here'></p>")
    assert tools.broken_links(tmp_path) == ["a.html: b.html#there", "a.html: c.html"]


def test_the_ledger_can_be_filtered_by_its_address(browser, tmp_path):
    page = tmp_path / "ledger.html"
    script = (ROOT / "book/_static/ledger.js").read_text()
    page.write_text(f"<body>{tools.TABLE}<script>{script}</script></body>")
    dom, said = browser.open(page.as_uri() + "?paper=ghosh2019")
    assert said == []
    assert "1 of 2 rows" in dom
    assert re.findall(r'<tr id="(row-\w)"[^>]* hidden', dom) == ["row-a"]
    assert dom.count("<label>") == 4  # every control has its name


def test_a_warning_fails_the_build_and_keeps_the_old_site(tmp_path):
    executed = tools.tiny_book(tmp_path, index="# Tiny\n\n{doc}`nowhere`\n")
    old = tmp_path / "build" / "html" / "index.html"
    old.parent.mkdir(parents=True)
    old.write_text("the old site")
    with pytest.raises(assemble.BookError, match="nowhere"):
        assemble.make(tmp_path, executed, tmp_path / "build")
    assert old.read_text() == "the old site"


def test_a_missing_notebook_is_one_line(tmp_path):
    executed = tools.tiny_book(tmp_path)
    (executed / "notebooks" / "ledger.ipynb").unlink()
    with pytest.raises(assemble.BookError, match=r"ledger\.ipynb is missing"):
        assemble.make(tmp_path, executed, tmp_path / "build")


def test_a_page_that_was_not_built_is_noticed(tmp_path, monkeypatch):
    executed = tools.tiny_book(tmp_path)

    def builds_nothing(site, folder):
        (folder / "_build" / "html").mkdir(parents=True)
        return folder / "_build" / "html"

    monkeypatch.setattr(assemble, "build", builds_nothing)
    with pytest.raises(assemble.BookError, match=r"in the book: index\.html, book/index\.html"):
        assemble.make(tmp_path, executed, tmp_path / "build")
    assert not (tmp_path / "build" / "html").exists()


@pytest.mark.parametrize(
    ("kind", "content", "found"),
    [
        ("text/html", "<script>alert(1)</script>", "<script>"),
        ("text/html", "<p onclick='x()'>hm</p>", "onclick"),
        ("text/html", "<iframe src='https://example.org'></iframe>", "<iframe>"),
        ("text/html", "<a href='javascript:x()'>a</a>", "javascript:"),
        ("text/html", "<a href=' JavaScript:x()'>a</a>", "JavaScript:"),
        ("text/html", "<svg onload='x()'></svg>", "<svg>"),
        ("text/html", "<img src='https://example.org/a.png'>", "<img>"),
        ("text/html", "<style>@import 'https://example.org/a.css'</style>", "style sheet"),
        ("text/html", "<p style='background: url(//example.org/a.png)'>a</p>", "style"),
        ("text/markdown", "Text <script>alert(1)</script>", "<script>"),
        ("application/javascript", "alert(1)", "application/javascript"),
        ("image/svg+xml", "<svg/>", "image/svg"),
        ("image/png", tools.PIXEL, "without alt text"),
    ],
)
def test_an_unsafe_or_undescribed_output_is_refused(kind, content, found, tmp_path):
    notebook = tools.ledger()
    notebook.cells.append(new_code_cell("x", outputs=[tools.displayed({kind: content})]))
    executed = tools.tiny_book(tmp_path, notebook=notebook)
    with pytest.raises(assemble.BookError, match=re.escape(found)):
        assemble.assemble(tmp_path, executed, tmp_path / "site")


def test_glued_outputs_are_checked_too():
    notebook = tools.ledger()
    bad = tools.glued("bad", {"text/html": "<script></script>"})
    notebook.cells.append(new_code_cell("x", outputs=[bad]))
    text = tools.glued("text", {"text/markdown": "**a**", "text/plain": "<Markdown object>"})
    notebook.cells.append(new_code_cell("x", outputs=[text]))
    assert outputs.problems(notebook) == [
        "cell 6: <script>",
        "cell 7: glued Markdown does not reach other pages; glue HTML",
    ]


def test_pandas_tables_and_markdown_mathematics_pass():
    frame = pandas.DataFrame({"a": [1, 2]}, index=["x", "y"])
    notebook = tools.ledger()
    for text in (frame._repr_html_(), frame.style.format("{:.1f}").to_html()):
        notebook.cells.append(new_code_cell("x", outputs=[tools.displayed({"text/html": text})]))
    notebook.cells.append(nbformat.v4.new_markdown_cell("$a<b$ and `<x>`, <https://example.org>"))
    assert outputs.problems(notebook) == []


def test_a_clone_from_github_launches_its_own_notebooks(tmp_path):
    (tmp_path / "_config.yml").write_text((ROOT / "_config.yml").read_text())
    git = "git init -q && git remote add origin git@github.com:someone/fork.git"
    assert os.system(f"cd {tmp_path} && {git}") == 0
    assert "  url: https://github.com/someone/fork\n" in assemble.config(tmp_path)


def test_the_contents_name_pages_that_exist():
    for page in assemble.pages(ROOT / "_toc.yml"):
        suffix = ".ipynb" if page.startswith("notebooks/") else ".md"
        assert (ROOT / f"{page}{suffix}").is_file(), page


def test_every_page_of_the_repository_is_in_the_contents():
    listed = set(assemble.pages(ROOT / "_toc.yml"))
    written = [*ROOT.glob("book/**/*.md"), *ROOT.glob("notebooks/**/*.ipynb")]
    here = {str(path.relative_to(ROOT).with_suffix("")) for path in written}
    assert {page for page in here if ".ipynb_checkpoints" not in page} == listed


def test_every_checked_cell_has_an_output_to_be_checked_against():
    """nbval passes a marked cell without a stored output, and fails one without a number."""
    for path in ROOT.glob("notebooks/**/*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            if "# NBVAL_CHECK_OUTPUT" in cell.source:
                assert cell.outputs and cell.execution_count, f"{path.stem}, cell {cell.id}"
