"""All folders of the project, and the only way to write a file."""

import os
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CLAIMS = ROOT / "claims"
EMBEDDED = ROOT / "data" / "embedded"
RESULTS = ROOT / "results"


def build():
    """Return the folder for everything generated (environment variable BUILD_DIR)."""
    return ROOT / os.environ.get("BUILD_DIR", "build")


def data():
    """Return the folder of full-size data sets (environment variable DATA_DIR)."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return Path(os.environ.get("DATA_DIR", cache / "pixels-out-of-place"))


def write_atomic(path, content):
    """Write `content`, bytes or text, to `path`, and return the path.

    A reader sees the complete old file or the complete new one, even if this process is killed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = content.encode() if isinstance(content, str) else content
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            # On disk before the renaming: a crash could otherwise leave an empty file.
            os.fsync(file.fileno())
        os.chmod(partial, 0o644)  # mkstemp makes files that only their owner can read
        os.replace(partial, path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise
    return path
