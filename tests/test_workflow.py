"""Notebooks run all or nothing, and the workflow knows its jobs."""

import json
import os
import signal
import subprocess
import sys
import time

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from workflow import execute

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
    assert said == "parameter: 'presett' is not allowed; in.ipynb has: preset, limit"


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
        ({"end_time": None}, "did not reach its end"),
        ({"exception": True}, "did not reach its end"),
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
    once = {"ledger": 1, "site": 1, "book": 1}
    for rule, count in (once | {"records": len(papers), "notebook": len(pages)}).items():
        assert f"\n{rule} " in said and count == int(said.split(f"\n{rule} ")[1].split()[0])
    assert "gpu=1" in said


def test_an_unknown_preset_is_one_line(tmp_path):
    done = snakemake("--config", f"build={tmp_path / 'b'}", "preset=huge")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line == "preset: 'huge' is not allowed; use one of smoke, quick, study, long, paper"
