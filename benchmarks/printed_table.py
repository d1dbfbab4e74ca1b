"""A table on stdout as it is measured, progress on stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from trust_parts.markdown_tables import table


def print_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    print(table(head, rows), end="\n\n", flush=True)


def say(*words: object) -> None:
    print(*words, file=sys.stderr, flush=True)
