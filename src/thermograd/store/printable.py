"""Text that came from a file, made safe to show in a terminal."""

from __future__ import annotations


def printable(text: object) -> str:
    r"""The text with control characters replaced, so that a hostile name cannot drive a terminal.

    >>> printable("a\x1b[31mb")
    'a�[31mb'
    """
    return "".join(character if character.isprintable() else "\ufffd" for character in str(text))
