"""The manifest of an earlier format as one of a later, one step after another."""

from __future__ import annotations

import importlib
from typing import Any, Protocol, cast

Content = dict[str, Any]


class Step(Protocol):
    """A file `from_N.py` of this folder."""

    @staticmethod
    def upgraded(content: Content) -> Content:
        """The content of a manifest of format N as one of format N + 1; the one given is left as it is."""


def upgraded(content: Content, version: int, to: int) -> Content:
    """The content of a manifest of an earlier format in the words of a later one.

    Files on disk are never changed by it. The step from format N lies in `from_N.py` of this folder, as a function
    `upgraded`; it is found by its name.

    Args:
        content: of a manifest, its checksum verified.
        version: its format.
        to: the format wanted, `version` or later.

    Returns:
        The content in format `to`.

    >>> upgraded({"name": "x"}, 1, 1)
    {'name': 'x'}
    """
    for number in range(version, to):
        step = cast(Step, importlib.import_module(f"{__package__}.from_{number}"))
        content = step.upgraded(content)
    return content
