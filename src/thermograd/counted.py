"""A number of things in words."""

from __future__ import annotations


def counted(count: float, thing: str) -> str:
    """The number and its noun, which is singular for 1 alone.

    >>> counted(1, "trajectory"), counted(0, "trajectory"), counted(2.5, "piece")
    ('1 trajectory', '0 trajectories', '2.5 pieces')
    """
    if count == 1:
        return f"1 {thing}"
    return f"{count:.15g} {thing[:-1]}ies" if thing.endswith("y") else f"{count:.15g} {thing}s"
