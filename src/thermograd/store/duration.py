"""A time span as a person says it."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Seconds, minutes or hours.

    >>> duration(89.6), duration(600), duration(7200)
    ('90 s', '10 min', '2.0 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
