"""Speed of the engines.

    python benchmarks/engines.py --foundation

The overhead of the eager engine over a bare `vmap(grad)` loop, see `engines_parts/foundation.py`.
"""

from __future__ import annotations

import argparse

from engines_parts import foundation


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--foundation", action="store_true", required=True, help="the eager tier")
    parser.parse_args()
    foundation.print_table()


if __name__ == "__main__":
    main()
