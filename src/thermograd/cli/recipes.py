"""How a function of a role is called with words: by its signature, no list is kept."""

from __future__ import annotations

import contextlib
import difflib
import importlib
import inspect
import pkgutil
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, get_args, get_type_hints

from thermograd.cli.array_words import array_of
from thermograd.cli.option_words import (
    annotation_text,
    grouped,
    is_array,
    is_typed,
    may_be_text,
    numbers_of,
    option_name,
    value_of,
    without_none,
)
from thermograd.discover import nearest, snake_case
from thermograd.errors import ConfigError, ThermogradError
from thermograd.quantities import Estimate
from thermograd.store.printable import printable

_NAMED_OTHERWISE = {"sigma": "trajectory_entropy"}
_OF_PARTS = {"weights.trajectories": {"since": int}}


class Material(Protocol):
    """What a source of recorded numbers gives."""

    def part(self, role: str) -> Any:
        """A part of it, `weights.trajectories` for one."""

    source: str

    @property
    def names(self) -> tuple[str, ...]:
        """Of the recorded arrays."""

    def record(self, name: str) -> Any:
        """A recorded array, None if there is none of that name."""


@dataclass(frozen=True)
class Recipe:
    """How one result is made.

    Attributes:
        name: `stem.function`.
        function: what makes it.
        recorded: arguments that a source gives, and which part of the source each is.
        made: arguments that another recipe makes, as passages.
        own: arguments that are options, with their annotations.
        required: those without a default.
        prefix: what the names of its own options begin with, where two arguments are made alike.
    """

    name: str
    function: Callable[..., Any]
    recorded: Mapping[str, str]
    made: Mapping[str, Recipe]
    own: Mapping[str, Any]
    required: tuple[str, ...]
    prefix: str = ""

    @property
    def summary(self) -> str:
        """The first line of the documentation."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    @property
    def parts(self) -> frozenset[str]:
        """Every part of a source that it needs."""
        return frozenset(self.recorded.values()).union(*(recipe.parts for recipe in self.made.values()))

    def options(self) -> dict[str, Any]:
        """All options with their annotations, those of what is made first included; required ones first."""
        known: dict[str, Any] = {}
        for recipe in self.made.values():
            known |= recipe.options()
        for role in self.recorded.values():
            known |= _OF_PARTS.get(role, {})
        known |= {self.prefix + name: annotation for name, annotation in self.own.items()}
        return dict(sorted(known.items(), key=lambda option: option[0] not in self.needed()))

    def needed(self) -> tuple[str, ...]:
        """The options without a default."""
        first = tuple(self.prefix + name for name in self.required)
        return (*first, *(name for recipe in self.made.values() for name in recipe.needed()))

    def parsed(self, words: Sequence[str]) -> dict[str, Any]:
        """The values of options `--NAME VALUE...` or `--NAME=VALUE`; arrays stay words.

        Args:
            words: as typed.

        Returns:
            Values by name.

        Raises:
            ConfigError: an unknown option, one given twice, or a value that does not fit.
        """
        known = self.options()
        given: dict[str, Any] = {}
        for option, values in grouped(words):
            name = option.removeprefix("--").replace("-", "_")
            if name not in known:
                message = f"{self.name} has no option {option}. {nearest(option, map(option_name, known))}"
                raise ConfigError(message)
            if name in given:
                message = f"{option} was given twice"
                raise ConfigError(message)
            given[name] = values if is_array(known[name]) else value_of(option, known[name], values)
        return given

    def make(self, given: Mapping[str, Any], source: Material | None = None) -> Any:
        """The result.

        Args:
            given: values of options; words of arrays.
            source: what gives recorded parts, and arrays by name.

        Returns:
            What the function returns.

        Raises:
            ConfigError: a required option is missing, or an array cannot be read or does not fit.
            ThermogradError: what the function itself refuses.
        """
        values = dict(given)
        self._look_up(values, source)
        missing = [option_name(name) for name in self.needed() if name not in values]
        if missing:
            kinds = {
                option_name(name): annotation_text(kind).upper() for name, kind in self.options().items()
            }
            wanted = " and ".join(f"{option} {kinds[option]}" for option in missing)
            arrays = any(is_array(self.options()[name]) for name in self.needed() if name not in values)
            message = f"{self.name} needs {wanted}{_held(source) if arrays else ''}"
            raise ConfigError(message)
        try:
            return self._call(values, source)
        except ThermogradError:
            raise
        except (ValueError, TypeError) as error:  # of numpy, for shapes that do not fit
            message = f"{self.name} cannot use these values: {printable(error)}"
            raise ConfigError(message) from error

    def _call(self, values: Mapping[str, Any], source: Material | None) -> Any:
        arguments = {name: recipe._call(values, source) for name, recipe in self.made.items()}
        if source is not None:
            arguments |= {name: source.part(role) for name, role in self.recorded.items()}
        arguments |= {name: values[key] for name in self.own if (key := self.prefix + name) in values}
        return self.function(**arguments)

    def _look_up(self, values: dict[str, Any], source: Material | None) -> None:
        """Arrays: of the source by name, else what the words say; a required one may have its own name there."""
        for name, annotation in self.options().items():
            words = values.get(name)
            if not is_array(annotation) or not (words is None or isinstance(words, list)):
                continue
            if words is None and name not in self.needed():
                continue
            written = words is not None and (len(words) != 1 or numbers_of(words) is not None)
            asked = None if written else name if words is None else words[0]
            found = source.record(asked) if source is not None and asked is not None else None
            if found is None and words is not None:
                found = _array_or_word(option_name(name), annotation, words, source)
            if found is not None:
                values[name] = found


def _array_or_word(option: str, annotation: Any, words: list[str], source: Material | None) -> Any:
    """An array; where text is allowed too, one word that is neither numbers nor a file."""
    text = may_be_text(annotation) and len(words) == 1 and numbers_of(words) is None
    if text and "." not in words[0]:
        return words[0]
    try:
        return array_of(option, words)
    except ConfigError as error:
        message = f"{error}{_held(source)}"
        raise ConfigError(message) from error


def _held(source: Material | None) -> str:
    """Which arrays a source has, as the end of a message."""
    names = source.names if source is not None else ()
    return f". {printable(source.source)} holds: {printable(', '.join(names))}" if source and names else ""


def doors(package: types.ModuleType) -> dict[str, types.ModuleType]:
    """The files of a role that list what they export; the others hold parts of these.

    >>> import thermograd.theory
    >>> "first_passage" in doors(thermograd.theory), "curvature" in doors(thermograd.theory)
    (True, False)
    """
    return {stem: module for stem, module in files(package) if hasattr(module, "__all__")}


def files(package: types.ModuleType) -> Iterator[tuple[str, types.ModuleType]]:
    """Every file of a role, with its stem."""
    for found in pkgutil.iter_modules(package.__path__):
        yield found.name, importlib.import_module(f"{package.__name__}.{found.name}")


def nearest_recipe(name: str, known: Iterable[str], listing: str) -> str:
    """The end of a message about an unknown name: the one with this function, else the nearest one, and its neighbours.

    Args:
        name: what was asked for.
        known: `stem.function` of all.
        listing: the word of `thermograd list` that prints all of them.

    >>> nearest_recipe("mean", ["first_passage.mean", "first_passage.median", "aging.table"], "estimates")
    "Did you mean 'first_passage.mean'? first_passage has: mean, median; all: thermograd list estimates"
    >>> nearest_recipe("zzz", ["first_passage.mean", "aging.table"], "estimates")
    'Files: aging, first_passage; all: thermograd list estimates'
    """
    names = sorted(known)
    stem, dot, function = name.partition(".")
    close = [entry for entry in names if entry.partition(".")[2] == (function if dot else name)]
    close = close or difflib.get_close_matches(name, names, n=1)
    guess = f"Did you mean {close[0]!r}? " if close else ""
    shown = close[0].partition(".")[0] if close else stem
    neighbours = ", ".join(entry.partition(".")[2] for entry in names if entry.startswith(f"{shown}."))
    stems = ", ".join(dict.fromkeys(entry.partition(".")[0] for entry in names))
    return f"{guess}{f'{shown} has: {neighbours}' if neighbours else f'Files: {stems}'}; all: thermograd list {listing}"


def asked_for(
    name: str,
    found: Recipe | str | None,
    known: Iterable[str],
    kind: str,
    *,
    home: str,
    needs: str,
    other: str = "",
) -> Recipe:
    """The recipe of that name, or why there is none.

    Args:
        name: what was asked for.
        found: its recipe; or the argument that nothing can give; or None.
        known: `stem.function` of all.
        kind: "estimate" or "prediction"; with an s the word of `thermograd list` that prints all.
        home: the package that has the function.
        needs: what cannot give the argument, in words.
        other: a sentence in place of the one that there is none of that name.

    Returns:
        The recipe.

    Raises:
        ConfigError: there is none of that name, or it needs what nothing can give.
    """
    if isinstance(found, Recipe):
        return found
    near = nearest_recipe(name, known, f"{kind}s")
    if found is None:
        message = f"{other or f'there is no {kind} {printable(name)!r}.'} {near}"
    else:
        message = f"{name} needs {found}, which {needs} can say: use it from Python, {home}.{name}. {near}"
    raise ConfigError(message)


def functions(module: types.ModuleType) -> list[Callable[..., Any]]:
    """What a file exports; without a list of exports, what it defines."""
    exported = getattr(module, "__all__", None)
    own = [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    ]
    found = [getattr(module, name) for name in (own if exported is None else exported)]
    return [value for value in found if inspect.isfunction(value)]


def recipe_of(
    stem: str,
    module: types.ModuleType,
    function: Callable[..., Any],
    recorded_of: Callable[[Callable[..., Any]], Mapping[str, str]],
    makers: Mapping[str, Callable[..., Any]],
) -> Recipe | str:
    """How to call a function with words, or the argument that no word and no source can give.

    Args:
        stem: how its file is called here.
        module: where functions that make its arguments are looked for.
        function: the function.
        recorded_of: arguments of a function that a source gives.
        makers: what makes an argument of some class, or some name, where the file has no function for it.

    Returns:
        The recipe, or the argument in words: its name and its type.
    """
    hints = _hints(function)
    parameters = inspect.signature(function).parameters
    recorded = {name: role for name, role in recorded_of(function).items() if name in parameters}
    made: dict[str, Recipe] = {}
    own: dict[str, Any] = {}
    required: list[str] = []
    for name, parameter in parameters.items():
        if name in recorded:
            continue
        annotation = without_none(hints.get(name))
        needed = parameter.default is inspect.Parameter.empty
        maker = _maker(module, annotation, name, makers)
        if maker is not None and maker is not function and (needed or not is_typed(annotation)):
            recipe = recipe_of(stem, module, maker, recorded_of, makers)
            if isinstance(recipe, str):
                return recipe
            made[name] = recipe
        elif is_typed(annotation):
            own[name] = annotation
            required += [name] if needed else []
        elif needed:
            return f"{name}: {_shown(parameter.annotation)}"
    if len({recipe.function for recipe in made.values()}) < len(made):
        made = {name: _prefixed(recipe, name) for name, recipe in made.items()}
    return Recipe(f"{stem}.{function.__name__}", function, recorded, made, own, tuple(required))


def _prefixed(recipe: Recipe, argument: str) -> Recipe:
    return Recipe(
        recipe.name,
        recipe.function,
        recipe.recorded,
        recipe.made,
        recipe.own,
        recipe.required,
        f"{argument}.",
    )


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """The annotations; without those that name what only type checkers import, which no word can give."""
    asked = function.__init__ if isinstance(function, type) else function  # type: ignore[misc]  # of a dataclass
    try:
        return get_type_hints(asked)
    except NameError:
        found = {}
        for name, text in asked.__annotations__.items():
            with contextlib.suppress(NameError, TypeError):
                found[name] = eval(text, asked.__globals__)  # annotations of installed code
        return found


def _maker(
    module: types.ModuleType, annotation: Any, argument: str, makers: Mapping[str, Callable[..., Any]]
) -> Callable[..., Any] | None:
    """What makes such an object: `first_passage_times` of `FirstPassageTimes`; of an `Estimate` what has its name."""
    if argument in makers:
        return makers[argument]
    if is_array(annotation):  # an estimate or a prediction may stand for the numbers it holds
        return None
    if argument in _NAMED_OTHERWISE:
        maker = getattr(module, _NAMED_OTHERWISE[argument], None)
        return maker if inspect.isfunction(maker) else None
    for part in (annotation, *get_args(annotation)):
        if not isinstance(part, type) or part.__module__.partition(".")[0] != "thermograd":
            continue
        if part.__name__ in makers:
            return makers[part.__name__]
        names = [argument] if part is Estimate else [snake_case(part.__name__), argument]
        found = [getattr(module, name, None) for name in names]
        function = next((entry for entry in found if inspect.isfunction(entry)), None)
        if function is not None:
            return function
    return None


def _shown(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else str(getattr(annotation, "__name__", annotation))
