"""Effective noise of SGD: `python benchmarks/effective_noise.py`, or some parts of it: `--mean-field`.

Every file of `effective_noise_parts` with a function `rows()`, which yields (what, measured, "<=" or ">=" or "", bar), is
a part and an option; without a sense there is no bar. Ratios are taken within one run, both sides in turn. Exit code 1 if a
bar is missed.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil

import effective_noise_parts

SHARED = {"fixed_point"}


def main() -> int:
    """Measure the parts asked for and print the table."""
    parts = sorted({module.name for module in pkgutil.iter_modules(effective_noise_parts.__path__)} - SHARED)
    parser = argparse.ArgumentParser(description=__doc__)
    for part in parts:
        parser.add_argument(f"--{part.replace('_', '-')}", action="store_true")
    asked = vars(parser.parse_args())
    met = True
    for part in [part for part in parts if asked[part]] or parts:
        for what, value, sense, bar in importlib.import_module(f"effective_noise_parts.{part}").rows():
            good = value <= bar if sense == "<=" else value >= bar
            met &= good or not sense
            verdict = f"bar {sense} {bar:g}  {'met' if good else 'MISSED'}" if sense else ""
            print(f"{what:92s} {value:9.3g}  {verdict}", flush=True)
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
