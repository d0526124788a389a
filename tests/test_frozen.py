"""What was fixed before a record: statements by their hashes, and the commit that made it."""

import subprocess

import pytest
from conftest import fails

from helpers import (
    claims,
    evidence,
    experiments,
    frozen,
    paths,
    queue,
    records,
    runs,
    verdicts,
)

RECORDS = sorted(paths.RESULTS.glob("*/*-*.json"))


def record_of(path):
    return records.read(path)


@pytest.fixture(scope="module")
def stated():
    """Return {statement's name: statement} of all claims."""
    return {
        frozen.title(row["id"], statement): statement
        for key in claims.PAPERS
        for row in claims.paper(key)["rows"]
        for statement in claims.statements(row["id"])
    }


def published(preset):
    """Return [(run, record)] of all experiments at a preset that are published."""
    found = []
    for paper in experiments.PAPERS:
        for run in experiments.every_run(paper, preset):
            if record := runs.find_published(run):
                found.append((run, record))
    return found


@pytest.mark.parametrize("preset", ["study", "long", "paper"])
def test_no_statement_changed_after_its_records_without_saying_so(preset, stated):
    """A statement may differ from what its records froze only if it carries `after`."""
    silent = {
        name
        for run, record in published(preset)
        for name in frozen.changed(frozen.bearing(run), record.get("statements", {}))
        if name in stated and "after" not in stated[name]
    }
    assert silent == set()


def test_a_changed_statement_is_noticed(tiny_run, monkeypatch):
    run = experiments.every_run("ivan2019", "study", "table1-cifar10")[0]
    bears_on = frozen.bearing(run)
    assert "ivan-table1/grows" in bears_on and len(bears_on) > 10
    assert frozen.changed(bears_on, bears_on) == []
    (statement,) = (s for s in claims.statements("ivan-table1") if s["id"] == "grows")
    for field, value in (("says", "other words"), ("resolution", 0.5), ("rule", "order"),
                         ("experiments", ["figure8"]), ("about", "ours")):  # fmt: skip
        other = frozen.digest({**statement, field: value})
        assert other != bears_on["ivan-table1/grows"], field
    assert frozen.digest({**statement, "after": "later"}) == frozen.digest(
        {k: v for k, v in statement.items() if k != "after"}
    )
    missing = {k: v for k, v in bears_on.items() if k != "ivan-table1/grows"}
    assert frozen.changed(bears_on, missing) == ["ivan-table1/grows"]


@pytest.mark.parametrize("known", [True, False])
def test_a_page_marks_only_what_its_own_records_did_not_freeze(known, monkeypatch):
    """A statement that its records carry unchanged needs no note, whatever older ones lack."""
    (statement,) = (s for s in claims.statements("ivan-table1") if s["id"] == "drop-cifar10")
    real, digest = evidence.table, frozen.digest(statement)
    carried = {"ivan-table1/drop-cifar10": digest} if known else {}
    monkeypatch.setattr(evidence, "table", lambda wanted, found: real(
        wanted, [{**record, "statements": carried} for record in found]))  # fmt: skip
    evidence.of.cache_clear()
    try:
        marked = verdicts.single("ivan-table1", statement, "study").after
    finally:
        evidence.of.cache_clear()
    assert marked == ("" if known else statement["after"])


@pytest.mark.usefixtures("folders")
def test_a_new_record_carries_its_statements(tiny_run, monkeypatch):
    monkeypatch.setattr(frozen, "bearing", lambda run: {"row/statement": f"of seed {run.seed}"})
    (record,) = queue.results([tiny_run(seed=3)], workers=1)
    assert record["statements"] == {"row/statement": "of seed 3"}


def test_new_records_name_a_commit_of_the_repository():
    """Older records, without hashes, are exempt: 140 of 751 name a commit that was never pushed."""
    shallow = subprocess.run(["git", "rev-parse", "--is-shallow-repository"], cwd=paths.ROOT,
                             capture_output=True, text=True, check=True)  # fmt: skip
    assert shallow.stdout.strip() == "false", "the check needs git's whole history"
    for path in RECORDS:
        record = record_of(path)
        if "statements" in record:
            commit = record["provenance"]["commit"]
            assert frozen.is_commit(commit), f"{path.name}: {commit}"
    assert not frozen.is_commit("0123456-dirty") and not frozen.is_commit("0000000")


def test_nothing_is_published_from_uncommitted_code(tmp_path, monkeypatch):
    def git(*arguments):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True, capture_output=True)

    monkeypatch.setattr(paths, "ROOT", tmp_path)
    fails(frozen.check_commit, "commit", "'none'", "git's history")
    git("init", "-q")
    git("config", "user.email", "a@example.org")
    git("config", "user.name", "a")
    (tmp_path / "helpers").mkdir()
    (tmp_path / "helpers" / "a.py").write_text("1\n")
    git("add", ".")
    git("commit", "-qm", "first")
    frozen.check_commit()
    (tmp_path / "notes.txt").write_text("what is not code may lie about\n")
    frozen.check_commit()
    (tmp_path / "helpers" / "b.py").write_text("2\n")
    fails(frozen.check_commit, "-dirty", "helpers/b.py")
