"""How docs/coverage.md is laid out: what was found comes first, and the table of every law can be unfolded below it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from trust_parts.folded import folded
from trust_parts.markdown_tables import cells, table

_LAW = re.compile(r"^(\*\*.+\*\*)\n\n((?:\|.*\|\n)+)", re.MULTILINE)
_POINT = re.compile(r" at (?:t|Δ\*) = [\d.]+")
_SHORT = "In short"


@dataclass(frozen=True)
class Count:
    """One counted row.

    Attributes:
        what: an interval, or the speaker and what it says.
        is_verdict: whether it is a false alarm, not a hit.
        percent: in how many of 100 data sets it was observed.
        wanted: the range it is to be in, in per cent.
        inside: whether it is.
        why: why not.
    """

    what: str
    is_verdict: bool
    percent: float
    wanted: str
    inside: bool
    why: str

    @property
    def is_low(self) -> bool:
        return not self.inside and self.percent < float(self.wanted.split()[0])


def laid_out(page: str) -> str:
    """The page anew from the tables of laws in it, which stay as they are; laid out again it is the same.

    Args:
        page: head, then sections with a table for every law, laid out already or not.

    Returns:
        Head, a summary, and per section what was counted of each interval and verdict, the laws folded below.
    """
    head, *sections = re.split(r"^## ", page, flags=re.MULTILINE)
    named = {
        name.strip(): laws(body)
        for name, _, body in (section.partition("\n") for section in sections)
        if name.strip() != _SHORT
    }
    counts = {name: [one for law in found.values() for one in _counts(law)] for name, found in named.items()}
    parts = [f"{head.rstrip()}\n\n## {_SHORT}\n\n{_overview(counts)}"]
    for name, found in named.items():
        total = len(counts[name])
        shown = "\n".join(f"{title}\n\n{rows}" for title, rows in found.items())
        parts.append(
            f"## {name}\n\n{_summaries(counts[name])}\n\n{folded(f'All {total} rows, law by law', shown)}"
        )
    return "\n\n".join(parts) + "\n"


def laws(section: str) -> dict[str, str]:
    """The table of every law by its title, as they stand.

    >>> laws("**A law**\\n\\n| x |\\n|---|\\n| 1 |\\n")
    {'**A law**': '| x |\\n|---|\\n| 1 |\\n'}
    """
    return dict(_LAW.findall(f"{section}\n"))


def _counts(rows: str) -> Iterable[Count]:
    head, _, *lines = map(cells, rows.splitlines())
    speaker = head[0].removesuffix(" says") if head[0].endswith(" says") else ""
    for name, *_, count, wanted in lines:
        band, _, answer = wanted.partition(" %: ")
        (percent,) = re.findall(r"\*\*([\d.]+) %", count)
        what = f"{speaker}: {name}" if speaker else _POINT.sub("", name)
        why = answer.removeprefix("**no**: ")
        yield Count(
            what, bool(speaker), float(percent), band, answer == "yes", "" if answer == "yes" else why
        )


def _overview(counts: dict[str, list[Count]]) -> str:
    rows = [
        (f"[{name}](#{name.lower().replace(' ', '-')})", *_summed(found)) for name, found in counts.items()
    ]
    rows.append(("all", *_summed([one for found in counts.values() for one in found])))
    head = (
        "phenomenon",
        "intervals",
        "in their range",
        "too narrow",
        "too wide",
        "verdicts",
        "said too often",
    )
    return table(head, rows)


def _summed(found: Sequence[Count]) -> tuple[str, ...]:
    intervals = [one for one in found if not one.is_verdict]
    said = [one for one in found if one.is_verdict]
    narrow = sum(one.is_low for one in intervals)
    inside = sum(one.inside for one in intervals)
    often = sum(not one.inside for one in said)
    numbers = (len(intervals), inside, narrow, len(intervals) - inside - narrow, len(said), often)
    return tuple(str(number) for number in numbers)


def _summaries(found: Sequence[Count]) -> str:
    """A table of the intervals of a section and one of its verdicts, as far as there are any."""
    heads = {
        False: ("interval", "laws", "holds the truth in, %", "wanted, %", "outside", "why"),
        True: ("wrongly said", "laws", "in, %", "wanted, %", "too often", "why"),
    }
    parts = []
    for is_verdict, head in heads.items():
        groups: dict[tuple[str, str], list[Count]] = {}
        for one in found:
            if one.is_verdict == is_verdict:
                groups.setdefault((one.what, one.wanted), []).append(one)
        if groups:
            parts.append(table(head, [_row(*key, group) for key, group in groups.items()]))
    return "\n\n".join(parts)


def _row(what: str, wanted: str, group: Sequence[Count]) -> tuple[str, ...]:
    low, high = (end(one.percent for one in group) for end in (min, max))
    between = f"{low:.1f}" if low == high else f"{low:.1f} to {high:.1f}"
    whys = "; ".join(dict.fromkeys(one.why for one in group if one.why))
    return what, str(len(group)), between, wanted, _outside(group), whys


def _outside(group: Sequence[Count]) -> str:
    outside = [one for one in group if not one.inside]
    if not outside or group[0].is_verdict:
        return f"**{len(outside)}**" if outside else "0"
    narrow = sum(one.is_low for one in outside)
    counted = {"narrow": narrow, "wide": len(outside) - narrow}
    return ", ".join(f"**{number} {kind}**" for kind, number in counted.items() if number)
