"""Collect every command that the documentation shows."""

import ast
import inspect
import re
import shlex

import nbformat

from helpers.paths import ROOT

COMMAND = re.compile(
    r"([A-Z_]+=\S+ )*"
    r"(make( |$)|python (-m |\w+/)|(papermill|snakemake|conda|pip|uv|jupyter|git) )"
)
FENCE = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"(?<!`)`([^`]+)`(?!`)")


def shown(root=ROOT):
    """Return {command: [where it stands, ...]}, in the order of the pages.

    A command is a line of a code block, or inline code, that starts with the name of a program
    (`COMMAND`), in README.md, in the pages under book/, in the text of a notebook, in a docstring
    or a comment at the head of a file; or a target that `make` lists. It has no comment, and is the
    same with and without a DATA_DIR.
    """
    found = {}
    for name, text in _texts(root):
        for line in _code(text):
            line = re.sub(r"\s+# .*", "", line.strip())
            command = tuple(word for word in shlex.split(line) if not word.startswith("DATA_DIR="))
            lines, names = found.setdefault(command, ([], []))
            lines.append(line)
            names.append(name)
    return {max(lines, key=len): names for lines, names in found.values()}


def _texts(root):
    """Yield (file, Markdown) of all that documents."""
    for path in (root / "README.md", *sorted(root.glob("book/**/*.md"))):
        yield str(path.relative_to(root)), path.read_text()
    for path in sorted(root.glob("notebooks/**/*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
        yield str(path.relative_to(root)), text
    for folder in ("helpers", "workflow", "benchmarks"):
        for path in sorted((root / folder).rglob("*.py")):
            for text in _docstrings(path.read_text()):
                yield str(path.relative_to(root)), _indented(text)
    for path in (*(root / "workflow").rglob("Snakefile"), *(root / "workflow").rglob("*.yaml"),
                 root / "environment.yml"):  # fmt: skip
        lines = re.findall(r"^# ?(.*)$", path.read_text(), re.MULTILINE)
        yield str(path.relative_to(root)), "".join(f"```\n{line.strip()}\n```\n" for line in lines)
    targets = re.findall(r"^([a-z]+):.*## ", (root / "Makefile").read_text(), re.MULTILINE)
    yield "Makefile", "".join(f"`make {target}`\n" for target in targets)


def _docstrings(source):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            yield inspect.cleandoc(ast.get_docstring(node) or "")


def _indented(text):
    """Return a docstring with its indented blocks fenced."""
    return re.sub(r"(?m)(?<=\n\n)((?:    .*\n?)+)", lambda m: f"```\n{m[1]}\n```\n", text)


def _code(text):
    """Yield the commands of a Markdown text, a backslash at the end of a line resolved."""
    blocks = [re.sub(r"\\\n *", "", block) for block in FENCE.findall(text)]
    lines = [line for block in blocks for line in block.splitlines()]
    lines += [re.sub(r"\s+", " ", code) for code in INLINE.findall(FENCE.sub("", text))]
    yield from (line for line in lines if COMMAND.match(line.strip()))
