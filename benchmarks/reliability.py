"""What a run survives: `make reliability`, that is `python benchmarks/reliability.py`.

Plays every row of the reliability plan as often as at night, writes `docs/reliability.md`, prints what fails. Exit code 1
if a row does. The same rows in a terminal: `thermograd reproduce running --full`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from thermograd.reproductions.reproduction import Settings
from thermograd.reproductions.running_document import document
from thermograd.reproductions.running_reliability import play

PAGE = Path(__file__).parents[1] / "docs" / "reliability.md"


def main() -> int:
    """Play, write, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds, a few minutes")
    parser.add_argument("--page", type=Path, default=PAGE, help="where the page is written")
    options = parser.parse_args()
    played = []
    for row in play(Settings(full=not options.quick, say=lambda line: print(line, file=sys.stderr))):
        print(f"{row.name}: {row.counted.found}; {row.counted.verdict.text}; {row.seconds:.0f} s", flush=True)
        played.append(row)
    options.page.write_text(document(played, full=not options.quick), encoding="utf-8")
    failing = [row.name for row in played if row.counted.verdict.holds is False]
    print(f"{options.page}: {len(failing)} of {len(played)} rows fail", *failing)
    return 1 if failing else 0


if __name__ == "__main__":
    sys.exit(main())
