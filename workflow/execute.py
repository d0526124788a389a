"""Execute one notebook with papermill, so that its output exists only if every cell completed.

    python workflow/execute.py notebooks/ivan2019/02_pixel_permutations.ipynb out.ipynb \
        -p preset study

Exit status 0: the second file is complete. 1: the notebook failed, and its executed part is in
BUILD_DIR/failed. 2: bad input, such as a parameter that the notebook does not have.
"""

import argparse
import ast
import datetime
import json
import os
import platform
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

sys.modules["rfc3987_syntax"] = None  # a grammar, built at import for a second: no URL is checked
import nbformat  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from helpers import paths  # noqa: E402 (the script may be started from any folder)
from helpers.errors import InputError  # noqa: E402

SOURCES = ("helpers", "notebooks", "claims", "data", "workflow")


class NotebookFailed(Exception):
    """Raised if a notebook failed; the message names the cell and the reason."""


def declared_parameters(notebook):
    """Return {name: value} assigned in the cell of `notebook` tagged `parameters`.

    papermill only warns about other names; we refuse them.
    """
    found = {}
    for cell in notebook.cells:
        if "parameters" in cell.metadata.get("tags", []):
            for node in ast.parse(cell.source).body:
                if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
                    found[target.id] = ast.literal_eval(node.value)
    return found


def parse_value(text):
    """Return `text` read as a Python literal, or as it is if it is none."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def check(source, parameters):
    """Return all parameters of the notebook at `source` (`Path`), with `parameters` put in.

    parameters: {name: value}. Raises `InputError` for a file that is no notebook and for a
    parameter that it does not have.
    """
    if not source.is_file():
        raise InputError("notebook", str(source), "use a file that exists")
    try:
        notebook = nbformat.read(source, as_version=4)
    except (ValueError, nbformat.reader.NotJSONError) as error:
        raise InputError("notebook", str(source), "use a Jupyter notebook") from error
    known = declared_parameters(notebook)
    for name in parameters:
        if name not in known:
            allowed = ", ".join(known) or "none"
            raise InputError("parameter", name, f"the parameters of {source.name} are: {allowed}")
    return known | parameters


def problem(path):
    """Return why the executed notebook at `path` is not a success, or None.

    A killed run leaves a file that looks fine, so the marks inside the file decide.
    """
    try:
        notebook = json.loads(path.read_text())
    except (OSError, ValueError):
        return "the executed notebook is not valid JSON"
    marks = notebook["metadata"].get("papermill", {})
    if marks.get("exception") or not marks.get("end_time"):
        return "the run did not finish"
    for number, cell in enumerate(notebook["cells"], 1):
        status = cell["metadata"].get("papermill", {}).get("status")
        if cell["cell_type"] == "code" and status != "completed":
            return f"cell {number} is {status or 'unmarked'}, not completed"
    return None


def run(source, partial, parameters, cell_timeout, **options):
    """Execute `source` and write the result to `partial`.

    parameters: {name: value}. cell_timeout: seconds per cell. options: of nbclient's
    `NotebookClient`, such as another `kernel_manager_class`. Raises `NotebookFailed` with one line
    that names the cell.
    """
    import papermill
    from papermill.exceptions import PapermillExecutionError

    warnings.filterwarnings("ignore", message="The specified file .* does not end in")
    try:
        papermill.execute_notebook(
            str(source), str(partial), parameters=parameters, kernel_name="python3",
            cwd=str(ROOT), progress_bar=False, execution_timeout=cell_timeout, start_timeout=180,
            **options,
        )  # fmt: skip
    except PapermillExecutionError as error:
        message = " ".join(str(error.evalue).split())
        raise NotebookFailed(f"cell [{error.exec_count}]: {error.ename}: {message}") from error
    except Exception as error:  # a dead kernel or a timeout: papermill names no cell
        message = " ".join(str(error).split())[:300]
        running = running_cell(partial)
        raise NotebookFailed(f"{running}: {type(error).__name__}: {message}") from error
    if reason := problem(partial):
        raise NotebookFailed(reason)


def running_cell(partial):
    """Return in words which cell of the unfinished notebook at `partial` was running."""
    try:
        cells = json.loads(partial.read_text())["cells"]
    except (OSError, ValueError):
        return "before the first cell"
    done = [c["metadata"].get("papermill", {}).get("status") for c in cells]
    return f"cell {done.index('running') + 1} of {len(done)}" if "running" in done else "a cell"


def device():
    """Return the name of the machine's GPU, or else of its CPU.

    We ask the driver's own tool: importing PyTorch for it would cost each notebook seconds.
    """
    try:
        words = ("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")
        found = subprocess.run(words, capture_output=True, text=True)
        if found.returncode == 0 and found.stdout.strip():
            return found.stdout.splitlines()[0].strip()
    except OSError:
        pass
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores"


def commit():
    """Return the short commit, followed by '+' if a tracked source file differs from it."""

    def git(*words):
        return subprocess.run(("git", *words), cwd=ROOT, capture_output=True, text=True)

    try:
        head = git("rev-parse", "--short", "HEAD")
        changed = git("status", "--porcelain", "--untracked-files=no", "--", *SOURCES).stdout
    except OSError:
        return "unknown"
    return head.stdout.strip() + ("+" if changed else "") if head.returncode == 0 else "unknown"


def add_provenance(path, parameters, seconds):
    """Add to the executed notebook where it comes from, in its metadata and as a last line.

    path: of the notebook. parameters: {name: value}. seconds: that it took.
    """
    notebook = nbformat.read(path, as_version=4)
    facts = {
        "preset": parameters.get("preset", "none"),
        "commit": commit(),
        "device": device(),
        "seconds": round(seconds, 1),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }
    notebook.metadata["provenance"] = facts
    line = (
        f"Preset {facts['preset']} · commit {facts['commit']} · {facts['device']} · "
        f"{facts['seconds']} s · {facts['date']}"
    )
    footer = nbformat.v4.new_markdown_cell(f'<p class="run-footer">{line}</p>', id="run-footer")
    notebook.cells.append(footer)
    paths.write_atomic(path, nbformat.writes(notebook))


def execute(source, out, parameters, cell_timeout=7200, **options):
    """Execute `source` into `out`, all or nothing.

    parameters: {name: value}. cell_timeout: seconds per cell. options: see `run`. Raises
    `InputError` before anything runs, and `NotebookFailed` after moving the partial notebook to
    BUILD_DIR/failed.
    """
    effective = check(source, parameters)
    partial = out.with_name(out.name + ".partial")
    out.parent.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    try:
        run(source, partial, parameters, cell_timeout, **options)
    except NotebookFailed:
        failed = paths.build() / "failed" / f"{out.parent.name}-{out.name}"
        failed.parent.mkdir(parents=True, exist_ok=True)
        if partial.exists():
            os.replace(partial, failed)
        raise
    add_provenance(partial, effective, time.perf_counter() - start)
    os.replace(partial, out)


def main(words=None, **client):
    """Run the command; return its exit status.

    words: list of arguments, None for those of the command line. client: options of `run`.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebook", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("-p", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"))
    parser.add_argument("--cell-timeout", type=int, default=7200, help="most seconds for one cell")
    parser.add_argument("--timeout", type=int, default=86400, help="most seconds for the notebook")
    options = parser.parse_args(words)
    parameters = {name: parse_value(value) for name, value in options.p}

    def stop(*_):
        raise NotebookFailed(f"not done after {options.timeout} s")

    # papermill can hang outside any cell (kernel start, end of run), so there is a second limit
    signal.signal(signal.SIGALRM, stop)
    signal.alarm(options.timeout)
    try:
        execute(options.notebook, options.out, parameters, options.cell_timeout, **client)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    except NotebookFailed as error:
        print(f"{options.notebook}: {error}", file=sys.stderr)
        return 1
    finally:
        signal.alarm(0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
