"""Records: one small JSON file per run, written atomically and checked when read."""

import hashlib
import json
import sys

from helpers import paths


def write(path, record):
    """Write `record`, a dict, to `path` atomically, with a digest of its content."""
    body = {**record, "digest": digest(record)}
    paths.write_atomic(path, json.dumps(body, separators=(",", ":"), sort_keys=True) + "\n")


def read(path):
    """Return the record at `path` (`Path`) as a dict; None if it is missing or damaged.

    Damage is reported on stderr.
    """
    try:
        record = json.loads(path.read_text())
        found = record.pop("digest")
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        return _damaged(path, error)
    return record if found == digest(record) else _damaged(path, "its digest does not match")


def read_any(candidates):
    """Return the first undamaged record of the paths `candidates`, in sorted order, or None."""
    return next((record for path in sorted(candidates) if (record := read(path))), None)


def digest(record):
    """Return 16 hex digits that identify the content of `record`, a dict."""
    text = json.dumps(record, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _damaged(path, cause):
    print(f"record {path}: damaged ({cause}); the run will be repeated", file=sys.stderr)
    return None
