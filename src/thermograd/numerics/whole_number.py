"""One check of counts, seeds and sizes: a whole number of a range, in the same words everywhere."""

from __future__ import annotations


def check_whole_number(name: str, value: object, least: int, largest: int | None = None) -> None:
    """Refuse what is no whole number of a range; True and False are none.

    Args:
        name: of the argument.
        value: its value.
        least: the smallest that is allowed.
        largest: the largest that is allowed; None for no bound.

    Raises:
        ValueError: it is not.

    >>> check_whole_number("workers", 0, 1, 4096)
    Traceback (most recent call last):
    ValueError: workers is 0; it must be a whole number from 1 to 4096
    """
    if isinstance(value, int) and not isinstance(value, bool):
        if least <= value and (largest is None or value <= largest):
            return
    allowed = f", {least} or larger" if largest is None else f" from {least} to {largest}"
    message = f"{name} is {value!r}; it must be a whole number{allowed}"
    raise ValueError(message)
