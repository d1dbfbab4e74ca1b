"""Theory beside simulation: `make agreement`, that is `python benchmarks/agreement.py`.

Runs every comparison of `agreement_cases/` and writes `docs/agreement.md`. Exit code 1 if one differs without a reason.
Seeded: the same machine and versions give the same table.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import os
import pkgutil
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import agreement_cases
import numpy as np
import numpy.typing as npt
import scipy
import torch
from agreement_cases.comparison import Comparison
from scipy.special import ndtr

PAGE = Path(__file__).parents[1] / "docs" / "agreement.md"
CHANCE = 0.001


@dataclass(frozen=True)
class Compared:
    """What came of a comparison.

    Attributes:
        comparison: what was compared.
        scores: measured less predicted, in standard errors.
    """

    comparison: Comparison
    scores: npt.NDArray[Any]

    @property
    def worst(self) -> float:
        return float(np.abs(self.scores).max())

    @property
    def chance(self) -> float:
        """Of a largest score as large, were all independent and normal."""
        each = 2 * ndtr(-self.worst)
        return float(-np.expm1(self.scores.size * np.log1p(-each)))

    @property
    def near(self) -> int:
        """How many lie within two standard errors."""
        return int((np.abs(self.scores) < 2).sum())

    @property
    def agrees(self) -> bool:
        return self.chance > CHANCE


def phenomena() -> dict[str, Sequence[Comparison]]:
    """The comparisons of every phenomenon, by the name of their file."""
    names = [entry.name for entry in pkgutil.iter_modules(agreement_cases.__path__)]
    modules = {name: importlib.import_module(f"agreement_cases.{name}") for name in names}
    return {name: module.COMPARISONS for name, module in modules.items() if hasattr(module, "COMPARISONS")}


def line(one: Compared) -> str:
    """A row of the table."""
    verdict = "yes" if one.agrees else f"**no**: {one.comparison.why or 'not explained'}"
    count = one.scores.size
    return (
        f"| {one.comparison.theory} | {one.comparison.simulation} | {count} | {one.worst:.2f} | {one.chance:.2g} | "
        f"{one.near} of {count} | {verdict} |"
    )


def page(found: Mapping[str, Sequence[Compared]], seconds: float) -> str:
    """The page, in Markdown."""
    every = [one for part in found.values() for one in part]
    scores = np.concatenate([one.scores for one in every])
    near = float((np.abs(scores) < 2).mean())
    lines = [
        "# Where theory and simulation agree",
        "",
        "Theory and measurement share no code here: a prediction never touches what analyses the data, and the data are trained",
        "or drawn step by step. z is measured less predicted in standard errors of the measurement (of both, where theory is itself",
        "computed by sampling). *By chance* is how often the largest of so many independent normal numbers is as large; a row",
        f"agrees above {CHANCE:g}. Of numbers that agree 95.4 % have |z| < 2.",
        "",
        f"{sum(one.agrees for one in every)} of {len(every)} rows agree; {100 * near:.1f} % of {scores.size} numbers have |z| < 2. "
        f"Made by `make agreement` in {seconds:.0f} s on {datetime.datetime.now(tz=datetime.UTC):%Y-%m-%d}:",
        f"{platform.machine()} with {os.cpu_count()} cores, Python {platform.python_version()}, torch {torch.__version__}, "
        f"numpy {np.__version__}, scipy {scipy.__version__}.",
        "",
    ]
    for name, part in found.items():
        lines += [
            f"## {name.replace('_', ' ').capitalize()}",
            "",
            "| theory | simulation | numbers | worst abs(z) | by chance | abs(z) < 2 | agree |",
            "|---|---|---|---|---|---|---|",
            *map(line, part),
            "",
        ]
    lines += [
        "Aging has no theory here: exponents are compared with walks whose exponent is known, in",
        "[How often the intervals are right](coverage.md). Simulations at the sizes of the papers:",
        "[Reproduce published numbers](reproduce.md).",
        "",
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="comparisons with this text, prints only")
    arguments = parser.parse_args()
    start = time.perf_counter()
    found: dict[str, list[Compared]] = {}
    for name, comparisons in phenomena().items():
        for one in comparisons:
            if arguments.only in f"{name} {one.theory} {one.simulation}":
                begun = time.perf_counter()
                found.setdefault(name, []).append(Compared(one, one.scores()))
                print(f"{time.perf_counter() - begun:.1f} s {line(found[name][-1])}", file=sys.stderr)
    text = page(found, time.perf_counter() - start)
    if arguments.only:
        print(text)
        return 0
    PAGE.write_text(text, encoding="utf-8")
    print(f"wrote {PAGE}")
    return int(any(not one.agrees and not one.comparison.why for part in found.values() for one in part))


if __name__ == "__main__":
    sys.exit(main())
