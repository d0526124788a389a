"""Put the pages and the executed notebooks of the book together and build its HTML.

    python workflow/assemble.py --executed build/executed/quick

BUILD_DIR/site mirrors the repository (_config.yml, _toc.yml, book/, notebooks/), so that a page
has the same path in both and the launch buttons open the real notebook. Jupyter Book then runs
with every warning an error, and only a site with every page of the table of contents replaces
BUILD_DIR/html.
"""

import argparse
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from helpers import paths  # noqa: E402 (the script may be started from any folder)
from workflow import outputs  # noqa: E402

MATHJAX = Path("static/mathjax/tex-svg-full.js")  # within the package sphinx-mathjax-offline


class BookError(Exception):
    """Raised if no new book can be made; the message says why in one line."""


def pages(toc):
    """Return the paths, without suffix, of all pages in the table of contents file `toc`."""

    def walk(node):
        if isinstance(node, dict):
            yield from (v for k, v in node.items() if k in ("root", "file"))
            yield from (page for v in node.values() for page in walk(v))
        elif isinstance(node, list):
            yield from (page for v in node for page in walk(v))

    return list(walk(yaml.safe_load(Path(toc).read_text())))


def notebooks(toc):
    """Return the pages in the table of contents `toc` that are notebooks, in reading order."""
    return [page for page in pages(toc) if page.startswith("notebooks/")]


def checked_notebook(path):
    """Return the bytes of the executed notebook at `path` (`Path`) if it may become a page.

    Raises `BookError` otherwise.
    """
    if not path.is_file():
        raise BookError(f"{path} is missing: execute the notebook first")
    content = path.read_bytes()
    if found := outputs.problems(json.loads(content)):
        raise BookError(f"{path} cannot go into the book: " + "; ".join(found[:5]))
    return content


def config(root):
    """Return the text of _config.yml for the book.

    root: of the repository. A clone from GitHub launches its own notebooks: its address replaces
    ours.
    """
    text = (root / "_config.yml").read_text()
    git = ("git", "remote", "get-url", "origin")
    try:
        origin = subprocess.run(git, cwd=root, capture_output=True, text=True).stdout
    except OSError:
        origin = ""
    if own := re.search(r"github\.com[:/]([\w.-]+/[\w.-]+?)(?:\.git)?\s*$", origin):
        text = re.sub(r"(?m)^(  url: https://github\.com/).*$", rf"\g<1>{own[1]}", text)
    return text


def assemble(root, executed, site):
    """Empty the folder `site` and fill it with the sources of the book.

    root: of the repository. executed: folder of the executed notebooks. Raises `BookError` if a
    notebook may not become a page, or if MathJax is not installed.
    """
    shutil.rmtree(site, ignore_errors=True)
    shutil.copytree(root / "book", site / "book")
    (site / "_config.yml").write_text(config(root))
    shutil.copy(root / "_toc.yml", site)
    for page in notebooks(root / "_toc.yml"):
        target = site / f"{page}.ipynb"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(checked_notebook(executed / f"{page}.ipynb"))
    package = importlib.util.find_spec("sphinx-mathjax-offline")
    if package is None:
        raise BookError("the package sphinx-mathjax-offline is missing: install requirements.lock")
    mathjax = site / "book" / "_static" / "mathjax"
    mathjax.mkdir(parents=True)
    shutil.copy(Path(package.origin).parent / MATHJAX, mathjax)


def build(site, folder):
    """Build the HTML of `site`; return its folder. Every warning is an error.

    folder: for the build and its log. Raises `BookError` with the first warnings.
    """
    shutil.rmtree(folder / "_build", ignore_errors=True)
    jb = Path(sys.executable).with_name("jb")
    command = [str(jb), "build", str(site), "-W", "-n", "--keep-going", "--path-output"]
    log = folder / "book.log"
    with log.open("w") as file:
        done = subprocess.run([*command, str(folder)], stdout=file, stderr=subprocess.STDOUT)
    if done.returncode:
        warnings = [x for x in log.read_text().splitlines() if re.search(r"WARNING|ERROR", x)]
        raise BookError("\n".join([f"jb build failed, see {log}", *warnings[:20]]))
    return folder / "_build" / "html"


def swap(html, target):
    """Replace the folder `target` by the finished folder `html`.

    Renaming takes an instant, so that a reader hardly ever finds no book.
    """
    old = target.with_name(target.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        os.replace(target, old)
    os.replace(html, target)
    shutil.rmtree(old, ignore_errors=True)


def make(root, executed, folder):
    """Make the book in `folder`/html and return its first page.

    root: of the repository. executed: folder of the executed notebooks. Raises `BookError` if the
    book is incomplete; the old one then stays.
    """
    folder.mkdir(parents=True, exist_ok=True)
    assemble(root, executed, folder / "site")
    html = build(folder / "site", folder)
    expected = ["index.html", *(f"{page}.html" for page in pages(root / "_toc.yml"))]
    if missing := [name for name in expected if not (html / name).is_file()]:
        raise BookError(f"missing in the book: {', '.join(missing)}")
    (html / ".complete").touch()
    swap(html, folder / "html")
    return folder / "html" / "index.html"


def main(words=None):
    """Run the command; return its exit status.

    words: list of arguments, None for those of the command line.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--executed", type=Path, required=True, help="folder of the executed notebooks"
    )
    options = parser.parse_args(words)
    try:
        print(make(ROOT, options.executed.resolve(), paths.build()))
    except BookError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
