"""Print every finding as JSON, one line each, to compare before and after a change of structure.

    python tests/findings.py > build/before.txt
    python tests/findings.py | diff build/before.txt -

Nothing is trained. Values are printed to the last digit, so both sides need the same machine. The
rows of `pnn-s3.2` are times, and differ from run to run.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from helpers import claims, evidence, verdicts

SHOWN = ("verdict", "grade", "estimate", "low", "high", "n", "preset", "about", "parts")


def lines(preset="study"):
    """Yield a line for each statement of each row at a preset; one without evidence says so."""
    with evidence.looking():
        for paper in claims.PAPERS:
            for row in claims.paper(paper)["rows"]:
                for statement in claims.statements(row["id"]):
                    name = [row["id"], statement["id"], statement.get("key", "")]
                    try:
                        found = verdicts.single(row["id"], statement, preset)
                        yield json.dumps([*name, *(getattr(found, part) for part in SHOWN)])
                    except evidence.MissingError:
                        yield json.dumps([*name, "no evidence"])


if __name__ == "__main__":
    print(*lines(*sys.argv[1:]), sep="\n")
