"""Ours beside every peer: times, and the ratio to the best."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from posterior_peers_parts.row import Row
from posterior_peers_parts.timing import seconds_each


def compared(
    what: str,
    calls: dict[str, Callable[[], object]],
    *,
    bar: float,
    quick: bool,
    seconds: float = 0.5,
    shares: dict[str, float] | None = None,
    notes: dict[str, str] | None = None,
    wrong: set[str] = frozenset(),
) -> Iterator[Row]:
    """A row for each call, in milliseconds, and one for the ratio of "ours" to the best peer that is right.

    Args:
        what: the task, in words.
        calls: by name, "ours" among them.
        bar: of the ratio.
        quick: one short repetition.
        seconds: of a repetition.
        shares: what a call is worth of the task, where it does more than that.
        notes: for the rows.
        wrong: those whose result is not right.
    """
    taken = seconds_each(calls, repeats=1 if quick else 5, seconds=0.01 if quick else seconds)
    taken = {name: value * (shares or {}).get(name, 1.0) for name, value in taken.items()}
    for name, value in taken.items():
        yield Row(f"{what}: {name}, ms", 1e3 * value, note=(notes or {}).get(name, ""))
    right = {name: value for name, value in taken.items() if name not in {"ours", "bare"} | set(wrong)}
    if right:
        best = min(right, key=right.__getitem__)
        yield Row(f"{what}: ours / {best}, the fastest that is right", taken["ours"] / right[best], "<=", bar)
    else:
        yield Row(f"{what}: ours / the fastest peer", note="no peer is installed, or none is right")
