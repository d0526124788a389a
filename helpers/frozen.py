"""What was fixed before a record was made: the hashes of the statements that use it.

A new record carries the hash of each statement that its experiment serves: its text, its rule with
all arguments, and the evidence it is judged on. `changed` finds the statements that have changed
since. Such a statement has to say so with `after`, a key of `claims.AFTER`, and its page shows it.
"""

import hashlib
import json
import subprocess
from functools import lru_cache

from helpers import claims, experiments, paths, presets
from helpers.errors import InputError

NOT_HASHED = ("after", "unit")  # they do not change what a statement asks


def digest(statement):
    """Return 16 hex digits that identify `statement`, a dict from `claims.statements`."""
    asked = {k: v for k, v in statement.items() if k not in NOT_HASHED}
    text = json.dumps(asked, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@lru_cache(maxsize=1)
def every():
    """Return {(paper, experiment): {statement's name: its digest}} of all claims.

    A statement's name is `row/statement`, followed by the printed figure's name if there are
    several.
    """
    found = {}
    for key in claims.PAPERS:
        for row in claims.paper(key)["rows"]:
            for statement in claims.statements(row["id"]):
                for name in statement.get("experiments", ()):
                    place = found.setdefault(experiments.split(name, key), {})
                    place[title(row["id"], statement)] = digest(statement)
    return found


def title(row, statement):
    """Return the name of a statement, such as `ivan-table1/grows`.

    row: the row's id. statement: dict from `claims.statements`.
    """
    name = f"{row}/{statement['id']}"
    return f"{name}/{statement['key']}" if "key" in statement else name


def bearing(run):
    """Return {statement's name: digest} of all statements that use the record of `run`."""
    found = {}
    for place, digests in every().items():
        if run.key() in _keys(*place, run.seed):
            found |= digests
    return dict(sorted(found.items()))


@lru_cache(maxsize=512)
def _keys(paper, name, seed):
    """Return the keys of an experiment's runs with one seed, at all presets."""
    grid = experiments.PAPERS[paper].GRIDS[name]
    seeds = {"seeds": seed + 1} if experiments.takes_seeds(grid) else {}
    return {
        run.key()
        for preset in presets.PRESETS
        for run in (*grid(preset), *(grid(preset, **seeds) if seeds else ()))
        if run.seed == seed
    }


def changed(bears_on, recorded):
    """Return the names of a record's statements that have changed since it was made, sorted.

    bears_on: {name: digest} now. recorded: {name: digest} in the record; {} for a record older than
    this check, for which every statement counts as changed.
    """
    return sorted(name for name, found in bears_on.items() if recorded.get(name) != found)


def is_commit(name):
    """Return whether the commit `name` is in the repository and an ancestor of the current one."""
    found = subprocess.run(["git", "merge-base", "--is-ancestor", name, "HEAD"],
                           cwd=paths.ROOT, capture_output=True, check=False)  # fmt: skip
    return found.returncode == 0


def check_commit():
    """Raise `InputError` unless code and claims are committed: a record names its commit."""
    where = {"cwd": paths.ROOT, "capture_output": True, "text": True}
    try:
        head = subprocess.run(["git", "rev-parse", "--short", "HEAD"], **where, check=True)
        left = subprocess.run(["git", "status", "--porcelain", "--", "helpers", "claims"],
                              **where, check=True)  # fmt: skip
    except (OSError, subprocess.CalledProcessError) as error:
        raise InputError("commit", "none", "use a clone with git's history") from error
    if left.stdout.strip():
        file = left.stdout.splitlines()[0][3:]
        allowed = f"commit {file} first: a published record names the commit that made it"
        raise InputError("commit", f"{head.stdout.strip()}-dirty", allowed)
