"""What a run directory and the command line cost: `python benchmarks/running.py`, or some parts: `--plain-zarr`.

Every file of `running_parts` with a function `rows(quick=...)`, which yields a `Row` for each number, is a part and an
option. Ratios are taken within one run, both sides in turn; processor time where it means the same as wall time. `--quick`
takes less than a minute, with fewer repetitions and smaller sizes. Exit code 1 if a bar is missed, unless `--quick`.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil

import running_parts
import torch
from running_parts.row import crowded, load

SHARED = {"fresh_folder", "process_cost", "row"}


def main() -> int:
    """Measure the parts asked for and print the table."""
    parts = sorted({module.name for module in pkgutil.iter_modules(running_parts.__path__)} - SHARED)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less than a minute")
    for part in parts:
        parser.add_argument(f"--{part.replace('_', '-')}", action="store_true")
    asked = vars(parser.parse_args())
    torch.set_num_threads(1)
    met = True
    for part in [part for part in parts if asked[part]] or parts:
        for row in importlib.import_module(f"running_parts.{part}").rows(quick=asked["quick"]):
            met &= row.met
            print(row, flush=True)
    if crowded():
        print(
            f"The load is {load():.1f}, more than there are processors: rows by the wall clock prove nothing."
        )
    return 0 if met or asked["quick"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
