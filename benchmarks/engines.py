"""Speed of the engines beside other ways to train the same ensemble, in trajectory-steps per second.

    python benchmarks/engines.py                       # everything
    python benchmarks/engines.py --quick               # W1 and W2, one short repetition
    python benchmarks/engines.py --foundation          # overhead of the eager engine, see foundation.py

Every engine runs every workload in a process of its own (`--cell ENGINE WORKLOAD`) on one core and one thread. JAX and
numba come with `pip install --no-deps -r benchmarks/peers.txt`; what is not there is said. Exit code 1 if a bar is
missed, unless `--quick`.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from engines_parts import cell, foundation, machine, table
from engines_parts.workloads import NAMES

PEERS = ("loop", "vmap", "compile", "jax", "numba", "hand")


def _listed(known: tuple[str, ...]):
    def parse(text: str) -> list[str]:
        chosen = text.split(",")
        unknown = sorted(set(chosen) - set(known))
        if unknown:
            message = f"unknown: {', '.join(unknown)}; known: {', '.join(known)}"
            raise argparse.ArgumentTypeError(message)
        return chosen

    return parse


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--foundation", action="store_true", help="the overhead of the eager engine instead")
    parser.add_argument("--quick", action="store_true", help="one repetition of 0.3 s")
    parser.add_argument("--workloads", type=_listed(NAMES), help=f"some of {','.join(NAMES)}")
    parser.add_argument("--engines", type=_listed((*PEERS, *cell.OURS)), help="some of the peers and engines")
    parser.add_argument("--json", type=Path, help="file for all cells")
    parser.add_argument(
        "--cell", nargs=2, metavar=("ENGINE", "WORKLOAD"), help="measure one here, print JSON"
    )
    return parser.parse_args()


def measured(names: list[str], engines: list[str], quick: bool) -> list[cell.Cell]:
    """All cells, one process after another."""
    found = []
    for name in names:
        theirs = [peer for peer in table.BARS[name] if peer.partition(":")[0] in engines]
        for engine in [*table.our_engines(name, engines), *theirs]:
            found.append(cell.measured_apart(__file__, engine, name, quick))
            one = found[-1]
            speed = f"{one.rate:,.0f} /s" if one.rate else one.why
            print(f"{name} {engine}: {speed} {one.form} {one.forms or ''}", file=sys.stderr, flush=True)
    return found


def main() -> int:
    asked = arguments()
    if asked.cell:
        cell.print_cell(*asked.cell, asked.quick)
        return 0
    if asked.foundation:
        foundation.print_table()
        return 0
    names = asked.workloads or (["W1", "W2"] if asked.quick else list(NAMES))
    print(f"{machine.facts()}\n")
    cells = measured(names, asked.engines or [*PEERS, *cell.OURS], asked.quick)
    if asked.json:
        facts = {"machine": machine.facts(), "quick": asked.quick}
        asked.json.write_text(json.dumps(facts | {"cells": [asdict(one) for one in cells]}, indent=1))
    found = table.rows(cells)
    table.print_workloads(names)
    print()
    table.print_comparisons(found)
    print()
    table.print_ours(cells)
    return int(not asked.quick and any(row.met is False for row in found))


if __name__ == "__main__":
    raise SystemExit(main())
