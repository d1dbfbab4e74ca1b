"""A number of bytes as people say it."""

from __future__ import annotations

_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB", "EB")


def byte_size(count: int) -> str:
    """The number with a unit, three digits.

    >>> byte_size(77_312_000_000), byte_size(8 * 10**12), byte_size(512), byte_size(10**400)
    ('77.3 GB', '8 TB', '512 bytes', '1e382 EB')
    """
    if count >= 10**21:
        return f"1e{len(str(count)) - 19} {_UNITS[-1]}"
    power = min(max(0, (len(str(count)) - 1) // 3), len(_UNITS) - 1)
    return f"{count / 1000**power:.3g} {_UNITS[power]}"
