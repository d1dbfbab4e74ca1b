"""Checks of arguments of the wrong kind, in the same words everywhere."""

from __future__ import annotations

import math
import os

import numpy as np

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
