"""Checks of arguments of the wrong kind, in the same words everywhere."""

from __future__ import annotations

import math
import os
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError

_LONGEST = 80


def check_has(name: str, value: object, attribute: str, give: str) -> None:
    """Refuse what is not the kind of object that is worked with.

    Args:
        name: of the argument.
        value: its value.
        attribute: that such objects have.
        give: what to give instead.

    Raises:
        ConfigError: a ValueError: it has no such attribute.

    >>> check_has("passages", [3, 5], "horizon", "what first_passage_times(values, target) returns")
    Traceback (most recent call last):
    thermograd.errors.ConfigError: passages is a list; give what first_passage_times(values, target) returns
    """
    if isinstance(value, type) or not hasattr(value, attribute):
        message = f"{name} is {_kind(value)}; give {give}"
        raise ConfigError(message)


def check_number(name: str, value: object, least: float = -math.inf) -> None:
    """Refuse what is no finite number, of Python or of numpy; True and False are none.

    Args:
        name: of the argument.
        value: its value.
        least: the smallest that is allowed.

    Raises:
        ConfigError: a ValueError: it is not.
    """
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value < least:  # type: ignore[arg-type,operator]  # a number
        bound = "" if least == -math.inf else f", {least:g} or larger"
        message = f"{name} is {value!r}; it must be a finite number{bound}"
        raise ConfigError(message)


def check_flag(name: str, value: object) -> None:
    """Refuse what is neither True nor False.

    Args:
        name: of the argument.
        value: its value.

    Raises:
        ConfigError: a ValueError: it is not.

    >>> check_flag("distinct", "no")
    Traceback (most recent call last):
    thermograd.errors.ConfigError: distinct is 'no'; it must be True or False
    """
    if not isinstance(value, bool | np.bool_):
        message = f"{name} is {value!r}; it must be True or False"
        raise ConfigError(message)


def checked_numbers(name: str, value: object) -> npt.NDArray[Any]:
    """The argument as an array of float64, NaN and infinity included.

    Args:
        name: of the argument.
        value: a number, or an array or list of numbers.

    Raises:
        ConfigError: a ValueError: it holds anything else, or rows of unequal length.

    >>> checked_numbers("targets", [1, 2.5]).tolist()
    [1.0, 2.5]
    >>> checked_numbers("targets", "high")
    Traceback (most recent call last):
    thermograd.errors.ConfigError: targets is a str; give a number or an array of numbers
    """
    try:
        given = np.asarray(value)
        if given.dtype.kind in "biuf" or (
            given.dtype == object and all(isinstance(n, Real) for n in given.flat)
        ):
            return given.astype(np.float64)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        message = (
            f"{name} is {_kind(value)}, no array of numbers ({error}); give a number or an array of numbers"
        )
        raise ConfigError(message) from error
    message = f"{name} is {_kind(value)}; give a number or an array of numbers"
    raise ConfigError(message)


def check_path(name: str, value: object) -> None:
    """Refuse what is no path.

    Args:
        name: of the argument.
        value: its value.

    Raises:
        ConfigError: a ValueError: it is not.
    """
    if not isinstance(value, str | os.PathLike):
        message = f"{name} is {_kind(value)}; give a path, as text or a pathlib.Path"
        raise ConfigError(message)


def value_in_words(value: object) -> str:
    """What was got, in a few words of one line, however long its `repr` is.

    >>> value_in_words("sgd"), value_in_words(dict), value_in_words([1] * 99)
    ("'sgd'", 'the class dict', 'a list')
    >>> value_in_words(np.ones(99))  # with its package: a name may mean another thing here
    'a numpy.ndarray'
    """
    if isinstance(value, type):
        return f"the class {value.__name__}"
    text = repr(value)
    if len(text) <= _LONGEST and text.isprintable() and " at 0x" not in text:
        return text
    kind = type(value)
    home = kind.__module__.partition(".")[0]
    return f"a {kind.__name__}" if home in {"builtins", "thermograd"} else f"a {home}.{kind.__name__}"


def instead_of_class(value: object) -> str:
    """The end of a refusal where a class was given in place of an object of it, "" otherwise.

    >>> instead_of_class(dict), instead_of_class({})
    ('; give an object of it: dict()', '')
    """
    return f"; give an object of it: {value.__name__}()" if isinstance(value, type) else ""


def _kind(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"
