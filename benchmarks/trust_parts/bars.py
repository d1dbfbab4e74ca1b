"""What was measured beside a bar, read from the tables of `benchmarks/README.md`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from trust_parts.markdown_tables import Table, table, tables

_LABELS = {"peer", "images", "steps"}
_MISSED = re.compile(r",?\s*\*\*(missed[^*]*)\*\*")


@dataclass(frozen=True)
class Bar:
    """One number and what it is to be.

    Attributes:
        section: which benchmark.
        part: of it, or "".
        command: that measured it.
        when: day and machine, in the words of the page.
        what: is measured.
        measured: its value.
        bar: what it is to be.
        met: "yes", "not measured", or how it was missed.
    """

    section: str
    part: str
    command: str
    when: str
    what: str
    measured: str
    bar: str
    met: str

    @property
    def missed(self) -> bool:
        return self.met.startswith("missed")


def bars(page: str) -> list[Bar]:
    """All of a page, in its order."""
    return [bar for found in tables(page) for bar in _of_table(found)]


def _of_table(found: Table) -> Iterator[Bar]:
    command, when = _command(found.text), _when(found.text)
    part = re.sub(r"\s*\(bar [^)]*\)", "", found.part)
    label: tuple[str, ...] = ()
    for row in found.rows:
        label = _label(found.head, row, label)
        answer = dict(zip(found.head, row, strict=True)).get("met", "")
        for column, bar in _measured(found, row):
            named = "" if found.head[column] == "measured" else found.head[column]
            what = ": ".join(word for word in (*label, named) if word)
            value = _MISSED.sub("", row[column])
            missed = _MISSED.search(f"{row[column]} {answer}")
            met = missed[1] if missed else "not measured" if value.startswith("not measured") else "yes"
            yield Bar(found.section, part, command, when, what, value, bar, met)


def _measured(found: Table, row: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """The columns that have a bar, and it: from a column, the heading, or the label of the row."""
    columns = [place for place, name in enumerate(found.head) if name == "bar"]
    for place in columns:
        if row[place]:
            yield place - 1, row[place]
    common = re.search(r"\(bar ([^)]*)\)", found.part) or re.search(r"\(bar: ([^,)]*)", row[0])
    if columns or common is None or "(no bar)" in row[0] or row[0].startswith("("):
        return
    for place, value in enumerate(row):
        if place and value and not found.head[place].startswith("its"):
            yield place, common[1]


def _label(head: tuple[str, ...], row: tuple[str, ...], before: tuple[str, ...]) -> tuple[str, ...]:
    """What names a row: its first cell, that of a row above where it is empty, and columns that are no measurements."""
    first = re.sub(r"\s*\(bar:[^)]*\)", "", row[0]) or (before[0] if before else "")
    if first.replace(" ", "").isdigit():
        first = f"{first} {head[0]}"
    more = [
        f"{name} {cell}" if name != "peer" else cell
        for name, cell in zip(head[1:], row[1:], strict=True)
        if name in _LABELS and cell
    ]
    return first, *more


def _command(text: str) -> str:
    """The one named last before the table."""
    return (re.findall(r"`(python benchmarks/[^`]*)`", text) or [""])[-1]


def _when(text: str) -> str:
    """The day and the machine that are named last before the table."""
    return (re.findall(r"Measured (20\d\d-\d\d-\d\d.*?)(?:\. [A-Z]|\.?$|;)", text) or [""])[-1]


def page(found: list[Bar]) -> str:
    """All bars as a page."""
    missed = sum(bar.missed for bar in found)
    lines = [
        "# Measured speeds and their bars",
        "",
        "A bar says what a number had to be, before it was measured. Each benchmark prints its numbers beside their bars, and its exit",
        "code is 1 where one is missed. What was measured how, with what else is known of it, is in `benchmarks/README.md`, of which",
        "`make trust` makes this page; nothing is measured anew for it.",
        "",
        "`ours / peer` is how many times faster thermograd is. W1 to W5 and CNN are synthetic trainings, from a network of 7 weights",
        "(W1, 1000 trajectories) to one of 199 210 (W5, 4 trajectories); `benchmarks/README.md` gives their sizes.",
        "",
        f"{len(found)} bars, {missed} of them missed.",
        "",
    ]
    for section in dict.fromkeys(bar.section for bar in found):
        lines += [f"## {section.replace('_', ' ').capitalize()}", ""]
        said = ""
        for part, command, when in dict.fromkeys(
            (bar.part, bar.command, bar.when) for bar in found if bar.section == section
        ):
            source = f"`{command}`. Measured {when}."
            chosen = [
                bar
                for bar in found
                if (bar.section, bar.part, bar.command, bar.when) == (section, part, command, when)
            ]
            lines += [f"### {part}", ""] if part else []
            lines += [source, ""] if source != said else []
            said = source
            rows = [
                (bar.what, bar.measured, bar.bar, f"**{bar.met}**" if bar.missed else bar.met)
                for bar in chosen
            ]
            lines += [table(("what", "measured", "bar", "met"), rows), ""]
    return "\n".join(lines)
