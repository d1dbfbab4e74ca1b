"""Text that came from a file, made safe to show in a terminal."""

from __future__ import annotations


def printable(text: object) -> str:
    r"""The text with control characters replaced, so that a hostile name cannot drive a terminal.

    >>> printable("a\x1b[31mb")
    'a�[31mb'
    """
    return "".join(character if character.isprintable() else "\ufffd" for character in str(text))


def excerpt(text: object, longest: int = 400) -> str:
    """The text made printable, and cut where it is longer than a message should be.

    >>> excerpt("loss, accuracy", longest=8)
    'loss, ac…'
    """
    whole = printable(text)
    return whole if len(whole) <= longest else f"{whole[:longest]}…"
