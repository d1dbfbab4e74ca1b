"""The tables of a page in Markdown, each with the headings and the text that stand before it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """A table as it stands on a page.

    Attributes:
        section: the heading of level 2 above it.
        part: that of level 3, or "".
        text: of the section up to here, tables left out.
        head: names of the columns.
        rows: cells as text, one a column.
    """

    section: str
    part: str
    text: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tables(page: str) -> Iterator[Table]:
    """All tables, in order.

    >>> [found] = tables("## a\\n\\nsaid\\n\\n| x | y |\\n|---|---|\\n| 1 | 2 |\\n")
    >>> found.section, found.text, found.head, found.rows
    ('a', 'said', ('x', 'y'), (('1', '2'),))
    """
    for section in re.split(r"^## ", page, flags=re.MULTILINE)[1:]:
        name, _, body = section.partition("\n")
        part, text = "", ""
        for paragraph in re.split(r"\n{2,}", body.strip("\n")):
            if paragraph.startswith("### "):
                part = paragraph[4:].strip()
            elif paragraph.startswith("|"):
                head, _, *rows = map(cells, paragraph.splitlines())
                yield Table(name.strip(), part, text.strip(), head, tuple(rows))
            else:
                text += " " + " ".join(paragraph.split())


def cells(line: str) -> tuple[str, ...]:
    """The cells of a line of a table.

    >>> cells("| a | b\\\\|c | |")
    ('a', 'b\\\\|c', '')
    """
    return tuple(cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1])


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table as text.

    >>> print(table(("a", "b"), [("1", "2")]))
    | a | b |
    |---|---|
    | 1 | 2 |
    """
    lines = [f"| {' | '.join(row)} |" for row in (head, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]])
