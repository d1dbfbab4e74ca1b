"""What the measurements say about trust, on one page: `make trust`, that is `python benchmarks/trust.py`.

Reads docs/coverage.md, docs/agreement.md, docs/reliability.md and benchmarks/README.md, writes docs/trust.md and
docs/benchmarks.md, and lays out docs/coverage.md. Nothing is measured anew. `tests/documents/test_trust.py` fails where a page is not
what this writes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from trust_parts.bars import Bar, bars
from trust_parts.bars import page as page_of_bars
from trust_parts.coverage_page import laid_out
from trust_parts.folded import folded
from trust_parts.markdown_tables import Table, table, tables
from trust_parts.not_counted import NOT_COUNTED, WHY

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


@dataclass(frozen=True)
class Sources:
    """The pages that measurements have written, as text."""

    coverage: str
    agreement: str
    reliability: str
    benchmarks: str


def sources() -> Sources:
    """As they are on disk."""
    pages = (DOCS / f"{name}.md" for name in ("coverage", "agreement", "reliability"))
    return Sources(
        *(page.read_text("utf-8") for page in pages), (ROOT / "benchmarks" / "README.md").read_text("utf-8")
    )


def pages(given: Sources) -> dict[str, str]:
    """The text of every page by the name of its file."""
    found = bars(given.benchmarks)
    return {
        "trust.md": trust(given, found),
        "benchmarks.md": page_of_bars(found),
        "coverage.md": laid_out(given.coverage),
    }


def trust(given: Sources, found: list[Bar]) -> str:
    """The page that gathers all."""
    parts = [
        "# Can I trust it?",
        "What an interval, a verdict, a theory, a stored run and a speed are worth was measured, not assumed. This page gathers the "
        "counts; every section says when they were made, on which machine, and how to repeat them. Where something is worse than it "
        "promises, it says so. What is long unfolds at a click. `make trust` gathers the counts anew without measuring.",
        in_short(given, found),
        "## Does the interval hold the truth?",
        *intervals(given.coverage),
        "## How often is a verdict wrong?",
        *verdicts(given.coverage),
        "## Do theory and simulation agree?",
        *agreement(given.agreement),
        "## Does a run survive?",
        *reliability(given.reliability),
        "## How fast is it?",
        *speeds(found),
    ]
    return "\n\n".join(parts) + "\n"


def in_short(given: Sources, found: list[Bar]) -> str:
    """One line for every section."""
    *_, (_, total, inside, narrow, wide) = _intervals(given.coverage)
    said = [row for rows in _verdicts(given.coverage).values() for row in rows]
    above = sum(not _inside(row[-1]) for row in said)
    compared = [row for one in tables(given.agreement) for row in one.rows]
    agreeing = sum(row[-1] == "yes" for row in compared)
    played, _ = _played(given.reliability)
    missed = sum(bar.missed for bar in found)
    rows = (
        (
            "[an interval](#does-the-interval-hold-the-truth)",
            f"{total} intervals, 400 to 4000 data sets each",
            f"{inside} hold the truth as often as they are to; **{narrow}** less often, {wide} more often",
        ),
        (
            "[a verdict](#how-often-is-a-verdict-wrong)",
            f"{len(said)} ways to be wrong",
            f"{len(said) - above} not more often than is wanted, **{above}** more often",
        ),
        (
            "[a theory](#do-theory-and-simulation-agree)",
            f"{len(compared)} comparisons with a simulation",
            f"{agreeing} agree",
        ),
        (
            "[a stored run](#does-a-run-survive)",
            f"{sum(map(_rounds, played))} rounds of {len(played)} kinds of harm",
            f"{sum(int(row[3]) for row in played)} failures",
        ),
        (
            "[a speed](#how-fast-is-it)",
            f"{len(found)} bars, set before",
            f"{len(found) - missed} met, **{missed}** missed",
        ),
    )
    return table(("what is trusted", "counted", "found"), rows)


def intervals(page: str) -> Iterator[str]:
    """Per phenomenon, how many intervals hold the truth as often as they say."""
    yield (
        "Every interval was computed on 400 to 4000 synthetic data sets of a law whose truth is known, and the hits were counted. "
        "*Inside* are those that held it as often as their level says; *narrow* ones held it less often, and mislead; *wide* ones more often. "
        "For each the page named below gives the reason."
    )
    yield table(("phenomenon", "intervals", "inside", "narrow", "wide"), _intervals(page))
    yield f"{_made(page)} Each one: [How often the intervals are right](coverage.md)."


def _intervals(page: str) -> list[tuple[str, ...]]:
    rows = []
    for name, chosen in _by_section(one for one in tables(page) if one.head[0] == "interval of"):
        cells = [row for one in chosen for row in one.rows]
        narrow = sum(not _inside(row[-1]) and _share(row[2]) < _wanted(row[-1])[0] for row in cells)
        outside = sum(not _inside(row[-1]) for row in cells)
        rows.append((name, str(len(cells)), str(len(cells) - outside), str(narrow), str(outside - narrow)))
    return [*rows, ("all", *(str(sum(int(row[place]) for row in rows)) for place in range(1, 5)))]


def verdicts(page: str) -> Iterator[str]:
    """Every false alarm that was counted, and what was not."""
    yield (
        "Each verdict is asked about data of which it is not true, and what is counted is how often it is said all the same. In brackets is the 95 % Clopper-Pearson "
        "interval of the share. *Cannot decide* is never wrong and not counted. Rates are for one look unless looks are named."
    )
    counted = _verdicts(page)
    yield table(
        ("verdicts of", "rates", "above what is wanted", "largest, %"),
        [(speaker, *_summed(rows)) for speaker, rows in sorted(counted.items())],
    )
    yield f"{_made(page)} The tables they come from: [How often the intervals are right](coverage.md)."
    above = [
        (f"{speaker}: {said}", *rest)
        for speaker, rows in sorted(counted.items())
        for said, *rest in rows
        if not _inside(rest[-1])
    ]
    if above:
        yield "### Said too often"
        yield table(("verdict", "must not be said of", "said in", "wanted, and why it is more"), above)
    yield "### Every rate"
    for speaker, rows in sorted(counted.items()):
        body = table(("verdict", "must not be said of", "said in", "wanted"), rows)
        yield folded(
            f"<code>{speaker.strip('`')}</code>: {len(rows)} {'rate' if len(rows) == 1 else 'rates'}", body
        )
    yield "### Not counted"
    for kind, why in WHY.items():
        listed = [f"`{module}` ({words})" for module, (of, words) in NOT_COUNTED.items() if of == kind]
        yield f"{why}: {', '.join(listed)}."


def _verdicts(page: str) -> dict[str, list[tuple[str, str, str, str]]]:
    """By who speaks: what is said, of which law it must not be, how often it was, and how often it may be."""
    counted: dict[str, list[tuple[str, str, str, str]]] = {}
    for one in tables(page):
        if one.head[0].endswith(" says"):
            rows = counted.setdefault(one.head[0].removesuffix(" says"), [])
            rows += [(said, _law(one), count, wanted) for said, count, wanted in one.rows]
    return counted


def _summed(rows: list[tuple[str, str, str, str]]) -> tuple[str, str, str]:
    """How many, how many of them are too large, and the largest share."""
    above = sum(not _inside(wanted) for *_, wanted in rows)
    largest = max(_share(count) for _, _, count, _ in rows)
    return str(len(rows)), f"**{above}**" if above else "0", f"{largest:.1f}"


def agreement(page: str) -> Iterator[str]:
    """Per phenomenon, how far theory and simulation are apart."""
    yield (
        "A prediction never touches the code that analyses data, so their agreement is evidence. z is the difference in standard "
        "errors; of numbers that agree 95.4 % have |z| < 2. *By chance* is how often the largest of so many is as large."
    )
    sections = [
        (name, [row for one in chosen for row in one.rows]) for name, chosen in _by_section(tables(page))
    ]
    head = ("phenomenon", "comparisons", "numbers", "worst abs(z)", "abs(z) < 2", "agree")
    yield table(head, [(name, *_agreement(rows)) for name, rows in sections])
    head = (
        "phenomenon",
        "theory",
        "simulation",
        "numbers",
        "worst abs(z)",
        "by chance",
        "abs(z) < 2",
        "agree",
    )
    every = [(name, *row) for name, rows in sections for row in rows]
    yield folded(f"All {len(every)} comparisons", table(head, every))
    yield f"{_made(page)} More of it: [Where theory and simulation agree](agreement.md)."


def _agreement(rows: list[tuple[str, ...]]) -> tuple[str, ...]:
    """How many comparisons, of how many numbers, the worst of them, how many are near, how many comparisons agree."""
    near, of = (sum(int(row[5].split(" of ")[place]) for row in rows) for place in (0, 1))
    worst = max(float(row[3]) for row in rows)
    agreeing = sum(row[-1] == "yes" for row in rows)
    return str(len(rows)), str(of), f"{worst:.2f}", f"{near} of {of}", f"{agreeing} of {len(rows)}"


def reliability(page: str) -> Iterator[str]:
    """What was done to runs, and how often they did not come out the same."""
    played, control = _played(page)
    rounds = sum(map(_rounds, played))
    failures = sum(int(row[3]) for row in played)
    yield (
        f"Runs were killed, starved of disk, damaged and started four times at once: {len(played)} ways, {rounds} rounds, {failures} "
        f"failures. {len(control)} faults that were built in on purpose were looked for, and {sum(row[-1] == 'holds' for row in control)} noticed."
    )
    yield table(
        ("what is done", "rounds", "failures", "so"), [(row[0], row[1], row[3], row[4]) for row in played]
    )
    made = " ".join(re.findall(r"^(Made by .*)$", page, re.MULTILINE))
    yield f"{made} What must hold, and what is not proved: [What a run survives](reliability.md)."


def _played(page: str) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    """What is done to a run, and the faults that were built in on purpose."""
    rows = [row for one in _with_text_before(page) for row in one.rows]
    control = [row for row in rows if row[0].startswith("negative control")]
    return [row for row in rows if row not in control], control


def _rounds(row: tuple[str, ...]) -> int:
    return int(row[1].replace(" ", ""))


def speeds(found: Iterable[Bar]) -> Iterator[str]:
    """Per benchmark, how many bars are met."""
    rows = []
    every = list(found)
    for section in dict.fromkeys(bar.section for bar in every):
        chosen = [bar for bar in every if bar.section == section]
        missed = sum(bar.missed for bar in chosen)
        when = "; ".join(dict.fromkeys(bar.when for bar in chosen))
        rows.append((section.replace("_", " "), str(len(chosen)), f"**{missed}**" if missed else "0", when))
    yield "Each speed and ratio was measured beside a bar that was set before."
    yield table(("benchmark", "bars", "missed", "measured"), rows)
    yield "Each bar, with the missed ones marked and the command: [Measured speeds and their bars](benchmarks.md)."


def _by_section(found: Iterable[Table]) -> list[tuple[str, list[Table]]]:
    grouped: dict[str, list[Table]] = {}
    for one in found:
        grouped.setdefault(one.section, []).append(one)
    return list(grouped.items())


def _with_text_before(page: str) -> list[Table]:
    """The tables of a page whose first stands before any section."""
    return list(tables("## all\n\n" + page.partition("\n## ")[0].split("\n", 1)[1]))


def _law(one: Table) -> str:
    """The title in bold that stands last before a table."""
    return re.findall(r"\*\*(.*?)\*\*", one.text)[-1]


def _inside(wanted: str) -> bool:
    return wanted.endswith("%: yes")


def _share(count: str) -> float:
    """Per cent, of "1 of 400 = **0.2 %** (0.0 to 1.4)"."""
    return float(re.findall(r"\*\*([\d.]+) %", count)[0])


def _wanted(wanted: str) -> tuple[float, float]:
    """Per cent, of "93 to 97 %: yes"."""
    low, high = re.findall(r"^([\d.]+) to ([\d.]+) %", wanted)[0]
    return float(low), float(high)


def _made(page: str) -> str:
    """The sentence that says how, when and where a page was made."""
    return " ".join(re.findall(r"(Made by `make .*?)\n\n", page, re.DOTALL)[0].split())


if __name__ == "__main__":
    for file, text in pages(sources()).items():
        (DOCS / file).write_text(text, encoding="utf-8")
        print(f"wrote {DOCS / file}")
