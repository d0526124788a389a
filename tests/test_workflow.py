"""Notebooks run all or nothing, and the workflow knows its jobs."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import time

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from workflow import book, execute

ROOT = execute.ROOT
PARAMETERS = 'preset = "smoke"  # the scale\nlimit: int = 3'


def write_notebook(path, *sources):
    """Write a notebook with a parameters cell and the cells `sources`."""
    first = new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cells = [first, *map(new_code_cell, sources)]
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": spec}), path)
    return path


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Return a function that executes a notebook: its status, what it said last, its output."""
    monkeypatch.setenv("BUILD_DIR", str(tmp_path / "build"))
    out = tmp_path / "paper" / "out.ipynb"

    def command(*sources, words=()):
        notebook = write_notebook(tmp_path / "in.ipynb", *sources)
        status = execute.main([str(notebook), str(out), *words])
        return status, capsys.readouterr().err.strip().split("\n")[-1], out

    return command


def test_success_is_whole_and_says_where_it_comes_from(run):
    status, said, out = run("print(preset, limit)\nimport helpers", words=("-p", "limit", "7"))
    assert status == 0, said
    notebook = nbformat.read(out, as_version=4)
    assert execute.problem(out) is None
    assert notebook.cells[2].outputs[0].text == "smoke 7\n"
    assert set(notebook.metadata.provenance) == {"preset", "commit", "device", "seconds", "date"}
    assert notebook.cells[-1].source.startswith('<p class="run-footer">Preset smoke · commit ')
    assert [path.name for path in out.parent.iterdir()] == ["out.ipynb"]


def test_a_failing_cell_keeps_the_last_good_output(run, tmp_path):
    out = tmp_path / "paper" / "out.ipynb"
    out.parent.mkdir()
    out.write_text("the last good one")
    status, said, _ = run("1 + 1", "raise ValueError('no\\nsuch')", "2 + 2")
    assert status == 1
    assert said.endswith("in.ipynb: cell [3]: ValueError: no such")
    assert out.read_text() == "the last good one"
    assert [path.name for path in out.parent.iterdir()] == ["out.ipynb"]
    assert (tmp_path / "build" / "failed" / "paper-out.ipynb").is_file()


def test_a_dead_kernel_is_a_failure(run):
    status, said, out = run("import os\nos.kill(os.getpid(), 9)")
    assert status == 1 and "DeadKernelError" in said
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "reason"),
    [(("--cell-timeout", "1"), "CellTimeoutError"), (("--timeout", "5"), "not done after 5 s")],
)
def test_a_cell_that_hangs_is_stopped(run, words, reason):
    status, said, out = run("import time\ntime.sleep(300)", words=words)
    assert status == 1 and reason in said
    assert not out.exists()


def test_an_unknown_parameter_is_one_line(run):
    status, said, out = run("1", words=("-p", "presett", "quick"))
    assert status == 2 and not out.exists()
    assert (
        said == "parameter: 'presett' is not allowed; the parameters of in.ipynb are: preset, limit"
    )


def test_a_missing_and_a_broken_notebook_are_one_line(tmp_path, capsys):
    broken = tmp_path / "broken.ipynb"
    broken.write_text("{")
    for path in (tmp_path / "none.ipynb", broken):
        assert execute.main([str(path), str(tmp_path / "out.ipynb")]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_killed_run_leaves_no_output(tmp_path):
    started = tmp_path / "started"
    source = f"open({str(started)!r}, 'w').close()\nimport time\ntime.sleep(100)"
    notebook = write_notebook(tmp_path / "in.ipynb", source)
    out = tmp_path / "out.ipynb"
    process = subprocess.Popen(
        [sys.executable, "workflow/execute.py", str(notebook), str(out)], cwd=ROOT
    )
    give_up = time.monotonic() + 60
    while not started.exists() and time.monotonic() < give_up:
        time.sleep(0.1)
    assert started.exists()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not out.exists()
    partial = out.with_name("out.ipynb.partial")
    assert partial.exists() and execute.problem(partial)  # looks fine, and is told apart


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"end_time": None}, "did not finish"),
        ({"exception": True}, "did not finish"),
        ({}, "cell 1 is pending"),
    ],
)
def test_success_needs_every_mark(tmp_path, change, reason):
    marks = {"end_time": "2019-01-01", "exception": False} | change
    cell = {"cell_type": "code", "metadata": {"papermill": {"status": "pending"}}}
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps({"metadata": {"papermill": marks}, "cells": [cell]}))
    assert reason in execute.problem(path)


def snakemake(*words):
    """Run a dry run of the workflow."""
    line = [sys.executable, "-m", "snakemake", "-s", "workflow/Snakefile", "-n", "--cores", "2"]
    return subprocess.run([*line, *words], cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_the_workflow_lists_its_jobs(tmp_path):
    done = snakemake("--config", f"build={tmp_path / 'b'}", "preset=smoke", "gpu=1")
    assert done.returncode == 0, done.stderr
    said = done.stdout + done.stderr
    pages = list(ROOT.glob("notebooks/*/*.ipynb"))
    papers = {page.parent for page in pages}
    once = {"live": 1, "ledger": 1, "site": 1, "book": 1}
    assert jobs(said) == once | {"records": len(papers), "notebook": len(pages)}
    assert "gpu=1" in said


def test_at_quick_the_live_check_alone_is_trained_unless_all_is_asked_for(tmp_path):
    place = f"build={tmp_path / 'b'}"
    assert "records" not in jobs(snakemake("--config", place, "preset=quick").stdout)
    for asked in (["live=all"], ["preset=study"]):
        assert jobs(snakemake("--config", place, *asked).stdout)["records"] == 6


def jobs(said):
    """Return {rule: jobs} of the table in what a dry run said."""
    found = re.search(r"job +count\n-+ +-+\n(.*?)\ntotal ", said, re.DOTALL)
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", found[1], re.M)}


def test_an_unknown_preset_is_one_line(tmp_path):
    done = snakemake("--config", f"build={tmp_path / 'b'}", "preset=huge")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line == "preset: 'huge' is not allowed; use one of smoke, quick, study, long, paper"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--live", "some"), "LIVE: 'some' is not allowed; use one of check, all"),
        (("--preset", "huge"), "PRESET: 'huge' is not allowed; use one of smoke, quick"),
        (("--cores", "two"), "CORES: 'two' is not allowed; use a whole number"),
    ],
)
def test_a_setting_that_is_not_allowed_is_one_line(words, line, capsys):
    assert book.main(words) == 2
    said = capsys.readouterr()
    assert said.err.startswith(line) and said.err.count("\n") == 1 and not said.out


LOG = """Job stats:
job         count
--------  -------
book            1
ledger          1
live            1
notebook        2
site            1
total           6

localrule live:
    jobid: 1
  0%|          | 0/4 [00:00<?, ?run/s]
mnist vgg natural seed 0:  50%|█████     | 2/4 [00:10<00:09, 4.9s/run]
Finished jobid: 1 (Rule: live)
rule ledger:
[IPKernelApp] WARNING | Kernel is running over TCP without encryption.
Finished jobid: 2 (Rule: ledger)
rule notebook:
Finished jobid: 3 (Rule: notebook)
Finished jobid: 4 (Rule: notebook)
localrule site:
Finished jobid: 5 (Rule: site)
"""
SAID = [
    ("live check", "..."), ("live check", "0 of 4 trained"),
    ("live check", "2 of 4 trained, 00:09 left"), ("live check", "done"),
    ("notebooks", "0 of 3"), ("notebooks", "1 of 3"), ("notebooks", "1 of 3"),
    ("notebooks", "2 of 3"), ("notebooks", "3 of 3"), ("pages", "..."), ("pages", "done"),
]  # fmt: skip


def test_what_snakemake_says_becomes_how_far_each_stage_is():
    progress = book.Progress()
    assert [news for line in LOG.splitlines() if (news := progress.read(line))] == SAID


class Screen(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_has_one_line_a_stage_and_a_file_a_few(monkeypatch):
    out = Screen()
    lines = book.Lines(out)
    for news in SAID:
        lines.say(*news)
    lines.end()
    shown = [line.split("\r\x1b[K")[-1] for line in out.getvalue().strip().split("\n")]
    assert shown == ["live check: done", "notebooks: 3 of 3", "pages: done"]

    out, now = io.StringIO(), iter(range(100, 1000, 10))
    monkeypatch.setattr(book.time, "monotonic", lambda: next(now))
    lines = book.Lines(out)
    for news in SAID:
        lines.say(*news)
    lines.end()
    said = out.getvalue().splitlines()
    assert said[0] == "live check: ..." and said[-1] == "pages: done"
    assert len(said) < len(SAID) and "\r" not in out.getvalue()


def test_what_matters_of_a_log_is_kept():
    log = [
        "Error in rule notebook:", "    jobid: 3", "[IPKernelApp] WARNING | Kernel is running",
        "notebooks/a/b.ipynb: cell [3]: ValueError: no such", "",
        "RuleException:", "Shutting down, this might take some time.",
    ]  # fmt: skip
    assert book.why(log) == ["notebooks/a/b.ipynb: cell [3]: ValueError: no such"]
    assert book.why(["one", "  two", "three"]) == ["one", "three"]  # nothing that is known


@pytest.fixture
def commanded(tmp_path, monkeypatch):
    """Return a function that builds with a command in the place of snakemake's."""

    def build(source, **how):
        monkeypatch.setattr(book, "command", lambda _: [sys.executable, "-c", source])
        words = ["--build", str(tmp_path), "--cores", "1"]
        return book.main(words)

    return build


def test_a_failure_names_its_reason_and_the_log(commanded, tmp_path, capsys):
    assert commanded("print('a.ipynb: cell [1]: KeyError: x'); raise SystemExit(1)") == 1
    said = capsys.readouterr()
    assert said.err.splitlines() == [
        "The book was not built.", "a.ipynb: cell [1]: KeyError: x",
        f"Full log: {tmp_path}/log/book.log",
    ]  # fmt: skip
    assert commanded("print('all is well')") == 1  # no page, whatever was said


def test_a_success_names_the_page(commanded, tmp_path, capsys):
    (tmp_path / "html").mkdir()
    (tmp_path / "html" / "index.html").touch()
    assert commanded("print('all is well')") == 0
    assert capsys.readouterr().out.endswith(f"Open {tmp_path}/html/index.html\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_who_ends_the_build_ends_its_jobs(tmp_path, number):
    """The jobs are a child of a child, as those of snakemake are."""
    job = f"import time; open({str(tmp_path / 'started')!r}, 'w').close(); time.sleep(60)"
    middle = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {job!r}])"
    script = (
        "import signal, sys; from workflow import book\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # nohup and & ignore these
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"
        f"book.command = lambda _: [sys.executable, '-c', {middle!r}]\n"
        f"sys.exit(book.main(['--build', {str(tmp_path)!r}]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    give_up = time.monotonic() + 60
    while not (tmp_path / "started").exists() and time.monotonic() < give_up:
        time.sleep(0.05)
    process.send_signal(number)
    _, said = process.communicate(timeout=40)
    assert process.returncode == 130
    assert said == "interrupted: finished work is kept; the same command resumes\n"
    words = [" ".join(one.info["cmdline"] or ()) for one in psutil.process_iter(["cmdline"])]
    assert not any(str(tmp_path / "started") in line for line in words)  # nothing runs on


SMOKE = ROOT / os.environ.get("BOOK_BUILD", "build/smoke")
ALONE = """
import sys
from pathlib import Path
from helpers import claims, evidence, experiments, paths, queue, verdicts

def lacks(run, *_):
    raise SystemExit(f"{run.title()} has no record")

paths.RESULTS, queue.runs.execute = Path(sys.argv[1]), lacks
for paper, module in experiments.PAPERS.items():
    for name in module.GRIDS:
        found = evidence.of(paper, name, "smoke")
        assert found.preset == "smoke", (paper, name)
for paper in claims.PAPERS:
    for row in claims.paper(paper)["rows"]:
        if any("experiments" in statement for statement in claims.statements(row["id"])):
            verdicts.findings(row["id"], "smoke")
"""


@pytest.mark.skipif(not (SMOKE / "html").exists(), reason="the book at smoke is not built")
def test_every_verdict_can_be_had_without_published_records(tmp_path):
    """What is published stands before what was trained at smoke, and would hide that it fails."""
    words = [sys.executable, "-c", ALONE, str(tmp_path)]
    known = {**os.environ, "BUILD_DIR": str(SMOKE)}
    done = subprocess.run(words, cwd=ROOT, env=known, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
