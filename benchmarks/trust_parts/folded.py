"""A part of a page that is shown when it is asked for."""

from __future__ import annotations


def folded(title: str, body: str) -> str:
    """Markdown that stands behind a title until that is clicked.

    >>> print(folded("All rows", "| a |"))
    <details markdown="1">
    <summary>All rows</summary>
    <BLANKLINE>
    | a |
    <BLANKLINE>
    </details>
    """
    return f'<details markdown="1">\n<summary>{title}</summary>\n\n{body.strip()}\n\n</details>'
