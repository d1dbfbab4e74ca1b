"""The stationary state of SGD: `python benchmarks/stationary_state.py`, or some parts of it: `--theory`.

Every file of `stationary_state_parts` is a part and an option. It has a function `rows()` that yields (what, measured,
"<=" or ">=", bar). Ratios are taken within one run, both sides in turn. Exit code 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil

import stationary_state_parts


def main() -> int:
    """Measure the parts asked for and print the table."""
    parts = sorted(module.name for module in pkgutil.iter_modules(stationary_state_parts.__path__))
    parser = argparse.ArgumentParser(description=__doc__)
    for part in parts:
        parser.add_argument(f"--{part.replace('_', '-')}", action="store_true")
    asked = vars(parser.parse_args())
    met = True
    for part in [part for part in parts if asked[part]] or parts:
        for what, value, sense, bar in importlib.import_module(f"stationary_state_parts.{part}").rows():
            good = value <= bar if sense == "<=" else value >= bar
            met &= good
            print(f"{what:86s} {value:8.3g}  bar {sense} {bar:g}  {'met' if good else 'MISSED'}", flush=True)
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
