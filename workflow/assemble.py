"""Put the pages and the executed notebooks of the book together and build its HTML.

    python workflow/assemble.py --executed build/executed/quick

BUILD_DIR/site mirrors the repository (_config.yml, _toc.yml, book/, notebooks/), so that a page
has the same path in both and the launch buttons open the real notebook. Jupyter Book then runs
with every warning an error, and only a site that holds every page of the table of contents takes
the place of BUILD_DIR/html.
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
    """Say in one line why there is no new book."""


def pages(toc):
    """Return the paths, without suffix, of every page of the table of contents file `toc`."""

    def walk(node):
        if isinstance(node, dict):
            yield from (v for k, v in node.items() if k in ("root", "file"))
            yield from (page for v in node.values() for page in walk(v))
        elif isinstance(node, list):
            yield from (page for v in node for page in walk(v))

    return list(walk(yaml.safe_load(Path(toc).read_text())))


def notebooks(toc):
    """Return those of the pages that are notebooks, in reading order."""
    return [page for page in pages(toc) if page.startswith("notebooks/")]


def checked_notebook(path):
    """Return the bytes of the executed notebook at `path` if it may become a page."""
    if not path.is_file():
        raise BookError(f"{path} is missing: execute the notebook first")
    content = path.read_bytes()
    if found := outputs.problems(json.loads(content)):
        raise BookError(f"{path} may not enter the book: " + "; ".join(found[:5]))
    return content


def config(root):
    """Return the text of _config.yml; a clone from GitHub launches its own notebooks."""
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
    """Fill the folder `site` with the sources of the book, anew."""
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
    """Build the HTML of `site`; return where it lies. Every warning is an error."""
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
    """Put the finished folder `html` in the place of `target`."""
    old = target.with_name(target.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        os.replace(target, old)
    os.replace(html, target)
    shutil.rmtree(old, ignore_errors=True)


def make(root, executed, folder):
    """Make `folder`/html from the repository `root` and the notebooks in `executed`."""
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
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--executed", type=Path, required=True, help="folder of the notebooks")
    options = parser.parse_args(words)
    try:
        print(make(ROOT, options.executed.resolve(), paths.build()))
    except BookError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
