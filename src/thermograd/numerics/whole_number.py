"""One check of counts, seeds and sizes: a whole number of a range, in the same words everywhere."""

from __future__ import annotations

import numpy as np

_SHORT = 2**31


def check_whole_number(
    name: str,
    value: object,
    least: int,
    largest: int | None = None,
    *,
    of: str = "",
    error: type[ValueError] = ValueError,
) -> None:
    """Refuse what is no whole number of a range, of Python or of numpy; True and False are none.

    Args:
        name: of the argument.
        value: its value.
        least: the smallest that is allowed.
        largest: the largest that is allowed; None for no bound.
        of: what is counted, for the message.
        error: what is raised.

    Raises:
        ValueError: it is not.

    >>> check_whole_number("workers", 0, 1, 4096)
    Traceback (most recent call last):
    ValueError: workers is 0; it must be a whole number from 1 to 4096
    """
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        if least <= value and (largest is None or value <= largest):
            return
    allowed = f", {least} or larger" if largest is None else f" from {least} to {_written(largest)}"
    message = f"{name} is {value!r}; it must be a whole number{f' of {of}' if of else ''}{allowed}"
    raise error(message)


def _written(largest: int) -> str:
    above = largest + 1
    power = above.bit_length() - 1
    return f"2^{power} − 1" if above >= _SHORT and above == 2**power else str(largest)
