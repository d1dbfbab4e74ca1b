"""One of several results on a page that gathers them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from thermograd.quantities import Verdict


@dataclass(frozen=True, eq=False)
class Chapter:
    """A result with its own heading; all text is plain text.

    Attributes:
        name: where links on the page lead; unique there.
        title: heading.
        summary: column heading -> cell, its row in the table of contents; the same headings in all chapters of a page.
        verdicts: what was decided.
        table: column heading -> cells.
        links: (address, text, sentence) of what is shown elsewhere; the address is relative to the page.
        commands: command lines that give it again, and more of it.
    """

    name: str
    title: str
    summary: Mapping[str, str]
    verdicts: Sequence[Verdict] = ()
    table: Mapping[str, Sequence[str]] = field(default_factory=dict)
    links: Sequence[tuple[str, str, str]] = ()
    commands: Sequence[str] = ()
