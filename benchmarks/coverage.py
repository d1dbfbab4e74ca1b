"""How often intervals hold the truth and verdicts are wrong: `make coverage`, that is `python benchmarks/coverage.py`.

Runs every case of `coverage_cases/`, writes `docs/coverage.md`, prints what is outside its range. Exit code 1
if a row is outside without a reason. Seeded: the same machine and versions give the same table.
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
import zlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import coverage_cases
import numpy as np
import scipy
from coverage_cases.case import Alarm, Case, Row
from scipy.special import betaincinv
from trust_parts.coverage_page import laid_out, laws

PAGE = Path(__file__).parents[1] / "docs" / "coverage.md"
QUICK, BLOCK = 10, 100
HEAD = (
    "# How often the intervals are right",
    "",
    "An interval of level 95 % is to hold the truth in 95 of 100 repetitions of the whole experiment. Here each is",
    "computed on many synthetic data sets of a law whose truth is known, and the hits are counted. In brackets stands",
    "the 95 % Clopper-Pearson interval of the share itself, which is known only as well as the number of data sets",
    "allows.",
    "",
    "What a deviation means. Fewer hits than the level: the interval is too narrow for data of that kind and size, and",
    "a conclusion drawn from its end is wrong more often than it says; of 88 % instead of 95 %, one in eight instead of",
    "one in twenty. More hits: it is wider than it needs to be, so it errs towards not deciding. Where a row is outside",
    "its range the reason is given.",
    "",
    "Verdicts are counted in the same way: how often something is said of data of which it is not so. All of them",
    "together: [Can I trust it?](trust.md)",
    "",
    "Each section begins with what was found; a click on the line below it shows every row, with the law of the data,",
    "the count and its interval. *Laws* says of how many laws the data were drawn.",
)


@dataclass(frozen=True)
class Result:
    """How often a row was observed.

    Attributes:
        row: what was asked.
        law: about which data.
        speaker: what says it, if an observation is a false alarm; "" if it is a truth that was covered.
        observed: number of data sets in which it was.
        sets: number of data sets.
    """

    row: Row
    law: str
    speaker: str
    observed: int
    sets: int

    @property
    def share(self) -> float:
        return self.observed / self.sets

    @property
    def interval(self) -> tuple[float, float]:
        """95 % Clopper-Pearson interval of the share itself."""
        seen, missed = self.observed, self.sets - self.observed
        low = float(betaincinv(seen, missed + 1, 0.025)) if seen else 0.0
        high = float(betaincinv(seen + 1, missed, 0.975)) if missed else 1.0
        return low, high

    @property
    def inside(self) -> bool:
        return self.row.wanted[0] <= self.share <= self.row.wanted[1]

    @property
    def reason(self) -> str:
        """Why the share is outside, if that is known for this side."""
        return self.row.why_fewer if self.share < self.row.wanted[0] else self.row.why_more

    @property
    def unexplained(self) -> bool:
        return not self.inside and not self.reason


def phenomena() -> dict[str, Sequence[Case]]:
    """The cases of every phenomenon, by the name of their file."""
    found = {}
    for entry in pkgutil.iter_modules(coverage_cases.__path__):
        module = importlib.import_module(f"coverage_cases.{entry.name}")
        if hasattr(module, "CASES"):
            found[entry.name] = module.CASES
    return found


def observed(case: Case, first: int, last: int) -> np.ndarray:
    """In how many of the data sets `first` ... `last` - 1 each row was observed."""
    law = zlib.crc32(case.law.encode())
    return sum(
        (np.array(case.observe(np.random.default_rng([law, number])), int) for number in range(first, last)),
        np.zeros(len(case.rows), int),
    )


def results(case: Case, counts: Iterable[int], sets: int) -> list[Result]:
    return [
        Result(row, case.law, case.speaker if isinstance(case, Alarm) else "", int(count), sets)
        for row, count in zip(case.rows, counts, strict=True)
    ]


def measure(quick: bool, workers: int, only: str) -> dict[str, list[Result]]:
    """All results by phenomenon; data set k of a case depends on the case and k alone."""
    found: dict[str, list[Result]] = {}
    with ProcessPoolExecutor(workers, initializer=alone) as executor:
        parts = {}
        for name, cases in phenomena().items():
            for place, case in enumerate(cases):
                sets = QUICK if quick else case.sets
                if only in f"{name} {case.law} {' '.join(row.quantity for row in case.rows)}":
                    parts[name, place, sets] = [
                        executor.submit(part, name, place, first, min(first + BLOCK, sets))
                        for first in range(0, sets, BLOCK)
                    ]
        for (name, place, sets), futures in parts.items():
            counts = sum(future.result() for future in futures)
            found.setdefault(name, []).extend(results(phenomena()[name][place], counts, sets))
    return found


def part(name: str, place: int, first: int, last: int) -> np.ndarray:
    return observed(phenomena()[name][place], first, last)


def alone() -> None:
    """One thread a worker, whatever the linear algebra would take."""
    os.environ["OMP_NUM_THREADS"] = "1"


def percent(share: float) -> str:
    return f"{100 * share:.1f}"


def line(result: Result) -> str:
    low, high = (percent(end) for end in result.interval)
    wanted = f"{100 * result.row.wanted[0]:g} to {100 * result.row.wanted[1]:g} %"
    verdict = "yes" if result.inside else f"**no**: {result.reason or 'not explained'}"
    truth = "" if result.speaker else f"{result.row.truth:.4g} | "
    return (
        f"| {result.row.quantity} | {truth}{result.observed} of {result.sets} = "
        f"**{percent(result.share)} %** ({low} to {high}) | {wanted}: {verdict} |"
    )


def block(law: str, speaker: str, found: Sequence[Result]) -> str:
    """The table of a law."""
    head = (
        f"| `{speaker}` says | in | wanted |" if speaker else "| interval of | truth | covered in | wanted |"
    )
    rule = "|---|---|---|" if speaker else "|---|---|---|---|"
    return "\n".join([titled(law), "", head, rule, *map(line, found), ""])


def titled(law: str) -> str:
    return f"**{law[0].upper()}{law[1:]}**"


def blocks(found: dict[str, Sequence[Result]]) -> dict[tuple[str, str], str]:
    """The table of every law, by the name of its phenomenon and its title."""
    return {
        (name, titled(law)): block(law, speaker, list(chosen))
        for name, part in found.items()
        for (law, speaker), chosen in groupby(part, key=lambda result: (result.law, result.speaker))
    }


def heading(name: str) -> str:
    return f"## {name.replace('_', ' ').capitalize()}"


def blocks_of(text: str) -> dict[tuple[str, str], str]:
    """The same of a page that was written before."""
    names = {heading(name): name for name in phenomena()}
    found = {}
    for part in text.split("\n## ")[1:]:
        first, _, rest = f"## {part}".partition("\n")
        if first in names:
            found |= {(names[first], title): f"{title}\n\n{rows}" for title, rows in laws(rest).items()}
    return found


def page(tables: dict[tuple[str, str], str], made: str) -> str:
    """The page, in Markdown, in the order of the cases.

    Args:
        tables: by phenomenon and title.
        made: how, in words.
    """
    ordered = {
        name: [
            tables[name, title]
            for title in dict.fromkeys(titled(case.law) for case in cases)
            if (name, title) in tables
        ]
        for name, cases in phenomena().items()
    }
    rows = [row for part in ordered.values() for table in part for row in table.split("\n")[4:] if row]
    inside = sum("%: yes |" in row for row in rows)
    lines = [
        *HEAD,
        "",
        f"{inside} of {len(rows)} rows are inside their range. {made} on {datetime.datetime.now(tz=datetime.UTC):%Y-%m-%d}:",
        f"{platform.machine()} with {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"numpy {np.__version__}, scipy {scipy.__version__}.",
        "",
    ]
    for name, part in ordered.items():
        lines += [heading(name), "", *part] if part else []
    return laid_out("\n".join(lines))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} data sets a case, prints only")
    parser.add_argument("--only", default="", help="cases with this text, prints only")
    parser.add_argument("--update", action="store_true", help="with --only: put these cases into the page")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    start = time.perf_counter()
    found = measure(arguments.quick, arguments.workers, arguments.only)
    tables, made = blocks(found), f"Made by `make coverage` in {time.perf_counter() - start:.0f} s"
    if arguments.quick or (arguments.only and not arguments.update):
        print(page(tables, made))
        return 0
    if arguments.only:
        tables = blocks_of(PAGE.read_text("utf-8")) | tables
        made = "Made by `make coverage`, some cases anew by `--only ... --update`, the latest"
    PAGE.write_text(page(tables, made), encoding="utf-8")
    unexplained = [result for part in found.values() for result in part if result.unexplained]
    print(f"wrote {PAGE}")
    for result in unexplained:
        print(line(result))
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
