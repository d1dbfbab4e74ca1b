"""The parts of a docstring in our fixed Google style: prose, sections, and examples wherever they stand."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_SECTION = re.compile(r"(Args|Attributes|Returns|Yields|Raises):")


@dataclass(frozen=True)
class Parts:
    """A docstring, taken apart; a sentence that ends in a colon belongs to the example below it."""

    paragraphs: tuple[str, ...]
    sections: dict[str, str]
    examples: tuple[str, ...]

    @property
    def first(self) -> str:
        return " ".join(self.paragraphs[0].split()) if self.paragraphs else ""

    def documented(self, section: str) -> dict[str, str]:
        """The entries of a section by name; those that share a line by both."""
        entries: dict[str, str] = {}
        name = ""
        for line in self.sections.get(section, "").splitlines():
            begins = re.match(r"(\**[\w.]+(?:, \**[\w.]+)*): (.*)", line)
            if begins:
                name = begins[1]
                entries[name] = begins[2]
            elif name:
                entries[name] += " " + line.strip()
        return {key: " ".join(value.split()) for key, value in entries.items()}


def parts_of(thing: Any) -> Parts:
    """Of an object, or of a text.

    >>> found = parts_of('''First line.
    ...
    ... Args:
    ...     a: one
    ...         thing.
    ...
    ... >>> 1 + 1
    ... 2
    ... ''')
    >>> found.first, found.documented("Args"), found.examples
    ('First line.', {'a': 'one thing.'}, ('>>> 1 + 1\\n2',))
    """
    text = thing if isinstance(thing, str) else inspect.getdoc(thing) or ""
    paragraphs, examples = [], []
    sections: dict[str, list[str]] = {}
    section = before = ""
    for block in _blocks(text):
        head, _, rest = block.partition("\n")
        found = _SECTION.fullmatch(head)
        if found:
            section = found[1]
            sections[section] = [textwrap.dedent(rest)]
        elif block.startswith(">>>"):
            if before.endswith(":") and before in paragraphs[-1:]:
                examples.append(paragraphs.pop())
            examples.append(block)
        elif section and block.startswith("    "):
            sections[section].append(textwrap.dedent(block))
        else:
            section = ""
            paragraphs.append(block)
        before = block
    joined = {name: "\n".join(lines) for name, lines in sections.items()}
    return Parts(tuple(paragraphs), joined, tuple(examples))


def _blocks(text: str) -> Iterator[str]:
    """What blank lines part; an example right below a sentence is parted from it too."""
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        before, mark, example = block.partition("\n>>>")
        if mark and not block.startswith(">>>"):
            yield before
            yield ">>>" + example
        else:
            yield block.rstrip()
