"""`tg.Hessian` beside PyHessian, curvlinops and hessian-eigenthings: time, what comes out, and what they leave behind.

    python benchmarks/curvature.py                       # everything
    python benchmarks/curvature.py --only product top    # one part, or several; each is a file of curvature_parts
    python benchmarks/curvature.py --quick               # short: shows that it runs, the figures are noise

The peers come with `pip install --no-deps -r benchmarks/peers.txt`; what is not there is a row that says so. One thread,
processor time, medians, all of a part in turn. Exit code 1 if a bar is missed, unless `--quick`.

The network is 64-200-200-10 tanh, 55 210 parameters, on real digits after 150 steps of SGD, float32; its Hessian is that of the
mean cross-entropy of the first 100 or 1500 images, or of 15 batches of 100. Times contain what a user pays: building the
object and its graph is part of a trace, of eigenvalues and of a density; a product is that of an object in use. Flat vectors
go in and come out.
"""

from __future__ import annotations

import argparse
import importlib
import os

PARTS = ("product", "batches", "trace", "top", "density", "faults")
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def main() -> int:
    """Measure the parts asked for and print their rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    os.environ.update(ONE_THREAD)  # read when numpy and torch are imported, which the parts do
    machine = importlib.import_module("engines_parts.machine")
    print(f"{machine.facts()}\n", flush=True)
    met = True
    for part in asked.only:
        print(f"{part}:")
        for row in importlib.import_module(f"curvature_parts.{part}").rows(asked.quick):
            met &= row.met is not False
            print(row, flush=True)
    return int(not met and not asked.quick)


if __name__ == "__main__":
    raise SystemExit(main())
