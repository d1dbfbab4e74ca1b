"""From the words of a command to the arguments of a function: a number, text, a truth value, a list, an array."""

from __future__ import annotations

import json
import re
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import numpy as np
import numpy.typing as npt

from thermograd.discover import nearest
from thermograd.errors import ConfigError

_TRUTH = {"true": True, "yes": True, "false": False, "no": False}
_LISTS = frozenset({tuple, list, Sequence})
_SCALARS = (int, float, bool, Path, str)


def option_name(argument: str) -> str:
    """How an argument is called on the command line.

    >>> option_name("learning_rate"), option_name("p.mean")
    ('--learning-rate', '--p.mean')
    """
    return f"--{argument.replace('_', '-')}"


def without_none(annotation: Any) -> Any:
    """The annotation of an argument when it is given.

    >>> without_none(int | None), without_none(str)
    (<class 'int'>, <class 'str'>)
    """
    rest = tuple(part for part in _members(annotation) if part is not type(None))
    return rest[0] if len(rest) == 1 else Union[rest]  # ruff: ignore[non-pep604-annotation-union] - of a tuple


def is_array(annotation: Any) -> bool:
    """Whether an array may be given.

    >>> is_array(npt.ArrayLike), is_array(npt.NDArray[np.float64] | None), is_array(float)
    (True, True, False)
    """
    members = _members(annotation)
    return any(get_origin(part) is np.ndarray for part in members) or set(_members(npt.ArrayLike)) <= set(
        members
    )


def may_be_text(annotation: Any) -> bool:
    """Whether text may be given where an array may be.

    >>> may_be_text(npt.NDArray[np.float64] | str), may_be_text(npt.ArrayLike)
    (True, False)
    """
    members = set(_members(annotation))
    return str in members and not set(_members(npt.ArrayLike)) <= members


def is_typed(annotation: Any) -> bool:
    """Whether words can say it.

    >>> is_typed(tuple[int, int] | None), is_typed(int | str), is_typed(npt.ArrayLike), is_typed(dict)
    (True, True, True, False)
    """
    return is_array(annotation) or any(_is_plain(part) for part in _members(annotation))


def annotation_text(annotation: Any) -> str:
    """An annotation as it is shown to people.

    >>> annotation_text(tuple[int, int] | None), annotation_text(float), annotation_text(Literal["up", "down"])
    ('int int', 'float', 'up|down')
    """
    if is_array(annotation):
        return "array"
    return "|".join(_plain_text(part) for part in _members(annotation) if _is_plain(part))


def grouped(words: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Each option `--NAME VALUE...` or `--NAME=VALUE` with the words up to the next one.

    Args:
        words: as typed.

    Returns:
        (option, words) in their order.

    Raises:
        ConfigError: a word before the first option.

    >>> grouped(["--window", "2", "10", "--level=0.9"])
    [('--window', ['2', '10']), ('--level', ['0.9'])]
    """
    found: list[tuple[str, list[str]]] = []
    for word in words:
        if word.startswith("--"):
            option, equals, value = word.partition("=")
            found.append((option, [value] if equals else []))
        elif found:
            found[-1][1].append(word)
        else:
            message = f"{word!r} is no option; what is asked for comes first, then --OPTION VALUE"
            raise ConfigError(message)
    return found


def value_of(option: str, annotation: Any, words: Sequence[str]) -> Any:
    """What words say of a plain type; arrays are another matter.

    Args:
        option: as typed.
        annotation: of the argument.
        words: after the option.

    Returns:
        The value.

    Raises:
        ConfigError: they do not fit.

    >>> value_of("--lags", tuple[int, int] | str, ["3,", "7"]), value_of("--lags", tuple[int, int] | str, ["all"])
    ((3, 7), 'all')
    """
    kinds = [part for part in _members(annotation) if _is_plain(part)]
    for kind in sorted(kinds, key=lambda part: part is str):  # anything is text
        found = _tried(kind, list(words))
        if found is not None:
            return found
    if len(kinds) == 1 and get_origin(kinds[0]) is Literal and len(words) == 1:
        message = f"{option} is {words[0]!r}. {nearest(words[0], map(str, get_args(kinds[0])))}"
        raise ConfigError(message)
    got = repr(words[0]) if len(words) == 1 else " ".join(words) or "nothing"
    message = f"{option} takes {annotation_text(annotation)}, got {got}"
    raise ConfigError(message)


def _members(annotation: Any) -> tuple[Any, ...]:
    union = get_origin(annotation) in {Union, types.UnionType}
    return get_args(annotation) if union else (annotation,)


def _is_plain(kind: Any) -> bool:
    if get_origin(kind) in _LISTS:
        return all(
            part is ... or part in _SCALARS or without_none(part) in _SCALARS for part in get_args(kind)
        )
    return get_origin(kind) is Literal or kind in _SCALARS


def _plain_text(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "|".join(map(str, get_args(kind)))
    if get_origin(kind) in _LISTS:
        repeated = "" if get_origin(kind) is tuple and ... not in get_args(kind) else " ..."
        parts = [without_none(part) for part in get_args(kind) if part is not ...]
        return " ".join(part.__name__ for part in parts) + repeated
    return "file" if kind is Path else str(kind.__name__)


def _tried(kind: Any, words: list[str]) -> Any:
    """The value, or None if the words do not say one of this kind."""
    try:
        if get_origin(kind) in _LISTS:
            return _listed(kind, words)
        if get_origin(kind) is Literal:
            return next((choice for choice in get_args(kind) if words == [str(choice)]), None)
        if kind is bool and not words:
            return True
        return _scalar(kind, words[0]) if len(words) == 1 else None
    except (KeyError, ValueError):
        return None


def _listed(kind: Any, words: list[str]) -> tuple[Any, ...] | None:
    parts = get_args(kind)
    texts = [text for word in words for text in re.split(r"[,\s]+", word.strip("[]()")) if text]
    fixed = get_origin(kind) is tuple and ... not in parts
    kinds = parts if fixed else (parts[0],) * len(texts)
    if not texts or len(texts) != len(kinds):
        return None
    return tuple(
        None
        if text.lower() == "none" and without_none(part) is not part
        else _scalar(without_none(part), text)
        for part, text in zip(kinds, texts, strict=True)
    )


def _scalar(kind: Any, text: str) -> Any:
    return _TRUTH[text.lower()] if kind is bool else kind(text)


def numbers_of(words: Sequence[str]) -> npt.NDArray[Any] | None:
    """An array that is written out: numbers, or nested lists of them as JSON; None if the words are none.

    >>> numbers_of(["1", "2.5,", "1e3"]).tolist(), numbers_of(["[[1,", "2], [3, 4]]"]).tolist(), numbers_of(["a.npy"])
    ([1.0, 2.5, 1000.0], [[1, 2], [3, 4]], None)
    """
    text = " ".join(words).strip()
    try:
        if text.startswith("["):
            found = np.array(json.loads(text))
        else:
            parts = [float(part) for part in re.split(r"[,\s]+", text) if part]
            found = np.array(parts[0] if len(parts) == 1 else parts)
    except (ValueError, IndexError, RecursionError):
        return None
    return found if found.dtype.kind in "biuf" and found.size else None
