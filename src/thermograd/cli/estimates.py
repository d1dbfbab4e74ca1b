"""Which estimates can be asked of a log or a run, and how words become their arguments: by signature, no list is kept."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import thermograd.estimators
from thermograd.discover import nearest, snake_case
from thermograd.errors import ConfigError
from thermograd.quantities import Estimate
from thermograd.store.saved_weights import SavedWeights
from thermograd.store.trajectories import Trajectories

_OF_A_RUN = frozenset({"trajectories", "run"})
_TRUTH = {"true": True, "yes": True, "false": False, "no": False}


@dataclass(frozen=True)
class Recipe:
    """How one estimate is made from a log.

    Attributes:
        name: `stem.function`.
        function: the estimator.
        recorded: its arguments that the log gives: values, times, unit; or a run directory: trajectories of saved
            weights, run.
        made: its arguments that another estimator makes, as passages.
        own: its options, with their annotations.
        required: those without a default.
    """

    name: str
    function: Callable[..., Any]
    recorded: tuple[str, ...]
    made: Mapping[str, Recipe]
    own: Mapping[str, Any]
    required: tuple[str, ...]

    @property
    def summary(self) -> str:
        """The first line of the documentation."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    @property
    def of_a_run(self) -> bool:
        """Whether it rests on what a run directory has and a log of one value has not."""
        return bool(_OF_A_RUN & set(self.recorded)) or any(recipe.of_a_run for recipe in self.made.values())

    @property
    def of_weights(self) -> bool:
        """Whether it rests on saved weights."""
        return "trajectories" in self.recorded or any(recipe.of_weights for recipe in self.made.values())

    def options(self) -> dict[str, Any]:
        """All options with their annotations, those of what is made first included; required ones first."""
        known = dict(self.own)
        if "trajectories" in self.recorded:
            known["since"] = int
        for recipe in self.made.values():
            known = {**recipe.options(), **known}
        return dict(sorted(known.items(), key=lambda option: option[0] not in self.needed()))

    def needed(self) -> tuple[str, ...]:
        """The options without a default."""
        return (*self.required, *(name for recipe in self.made.values() for name in recipe.needed()))

    def make(self, log: Trajectories | SavedWeights, given: Mapping[str, Any]) -> Any:
        """The estimate.

        Args:
            log: the runs; of saved weights, if it rests on them.
            given: values of options.

        Returns:
            What the function returns.
        """
        arguments = {name: getattr(log, name) for name in self.recorded}
        arguments |= {name: recipe.make(log, given) for name, recipe in self.made.items()}
        arguments |= {name: value for name, value in given.items() if name in self.own}
        return self.function(**arguments)

    def parsed(self, words: Sequence[str]) -> dict[str, Any]:
        """The values of options `--NAME VALUE...` or `--NAME=VALUE`.

        Args:
            words: as typed.

        Returns:
            Values by name.

        Raises:
            ConfigError: an unknown option, a value that does not fit, or a required option that is missing.
        """
        known = self.options()
        given: dict[str, Any] = {}
        for option, values in _grouped(words):
            name = option.removeprefix("--").replace("-", "_")
            if name not in known:
                near = nearest(option, [_option(entry) for entry in known])
                message = f"{self.name} has no option {option}. {near}"
                raise ConfigError(message)
            if name in given:
                message = f"{option} was given twice"
                raise ConfigError(message)
            given[name] = _value(option, known[name], values)
        missing = [_option(name) for name in self.needed() if name not in given]
        if missing:
            message = f"{self.name} needs {' and '.join(missing)}; see thermograd list estimates"
            raise ConfigError(message)
        return given


def known_estimates() -> dict[str, Recipe]:
    """All estimates a log or a run directory suffices for, by `stem.function`; where several stems export one, the one that is about it.

    >>> known_estimates()["first_passage.restricted_mean"].needed()
    ('target',)
    """
    found: dict[str, Recipe] = {}
    functions: set[Callable[..., Any]] = set()
    # a stem with a list of exports is the door to files that only hold its parts
    for stem, module in sorted(_modules(), key=lambda entry: not hasattr(entry[1], "__all__")):
        for function in _public(module):
            recipe = _recipe(stem, module, function)
            if isinstance(recipe, Recipe) and "run" not in recipe.recorded and function not in functions:
                functions.add(function)
                found[recipe.name] = recipe
    return dict(sorted(found.items()))


def estimate_named(name: str) -> Recipe:
    """The estimate `stem.function`.

    Args:
        name: what was asked for.

    Returns:
        How it is made.

    Raises:
        ConfigError: there is none of that name, or it needs more than a log.
    """
    stem, _, wanted = name.partition(".")
    module = dict(_modules()).get(stem)
    function = (
        next((entry for entry in _public(module) if entry.__name__ == wanted), None) if module else None
    )
    if module is None or function is None:
        file = f"{name} is a file, not an estimate: quote a pattern, and name one source. "
        wrong = file if Path(name).exists() else f"there is no estimate {name!r}. "
        message = wrong + nearest(name, known_estimates())
        raise ConfigError(message)
    recipe = _recipe(stem, module, function)
    if isinstance(recipe, str):
        message = (
            f"{name} needs {recipe!r}, which is no number and in no log: use it from Python, "
            f"thermograd.estimators.{name}. {nearest(name, known_estimates())}"
        )
        raise ConfigError(message)
    return recipe


def annotation_text(annotation: Any) -> str:
    """An annotation as it is shown to people.

    >>> annotation_text(tuple[int, int] | None), annotation_text(float)
    ('int int', 'float')
    """
    kind = _without_none(annotation)
    if get_origin(kind) in {tuple, list, Sequence}:
        return " ".join(annotation_text(part) if part is not ... else "..." for part in get_args(kind))
    return str(kind.__name__)


def _modules() -> Iterator[tuple[str, types.ModuleType]]:
    package = thermograd.estimators
    for found in pkgutil.iter_modules(package.__path__):
        yield found.name, importlib.import_module(f"{package.__name__}.{found.name}")


def _public(module: types.ModuleType) -> list[Callable[..., Any]]:
    exported = getattr(module, "__all__", None)
    own = [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    ]
    found = [getattr(module, name) for name in (own if exported is None else exported)]
    return [value for value in found if inspect.isfunction(value)]


def _recipe(stem: str, module: types.ModuleType, function: Callable[..., Any]) -> Recipe | str:
    """How to make it from a log, or the argument no log can give."""
    hints = _hints(function)
    parameters = inspect.signature(function).parameters
    recorded: list[str] = []
    made: dict[str, Recipe] = {}
    own: dict[str, Any] = {}
    required: list[str] = []
    for name, parameter in parameters.items():
        annotation = _without_none(hints.get(name))
        needed = parameter.default is inspect.Parameter.empty
        maker = _maker(module, annotation, name)
        from_log = name == "values" or (name in {"times", "unit"} and "values" in parameters)
        if from_log or (needed and name in _OF_A_RUN):
            recorded.append(name)
        elif maker is not None and maker is not function:
            recipe = _recipe(stem, module, maker)
            if isinstance(recipe, str):
                return recipe
            made[name] = recipe
        elif _is_typed(annotation):
            own[name] = annotation
            required += [name] if needed else []
        elif needed:
            return name
    if not recorded and not made:
        return next(iter(parameters), "nothing")
    return Recipe(f"{stem}.{function.__name__}", function, tuple(recorded), made, own, tuple(required))


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """The annotations; none where one names what only type checkers import, which no word and no log can give."""
    try:
        return get_type_hints(function)
    except NameError:
        return {}


def _maker(module: types.ModuleType, annotation: Any, argument: str) -> Callable[..., Any] | None:
    """What makes such an object: `first_passage_times` of `FirstPassageTimes`; of an `Estimate` what has its name."""
    if not isinstance(annotation, type) or annotation.__module__.partition(".")[0] != "thermograd":
        return None
    maker = getattr(module, argument if annotation is Estimate else snake_case(annotation.__name__), None)
    return maker if inspect.isfunction(maker) else None


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in {Union, types.UnionType}:
        rest = [part for part in get_args(annotation) if part is not type(None)]
        return rest[0] if len(rest) == 1 else annotation
    return annotation


def _is_typed(annotation: Any) -> bool:
    """Whether words can say it: a number, text, a truth value, or a few of these."""
    if get_origin(annotation) in {tuple, list, Sequence}:
        return all(part is ... or _is_typed(part) for part in get_args(annotation))
    return annotation in {int, float, str, bool}


def _grouped(words: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Each option with the words up to the next one."""
    found: list[tuple[str, list[str]]] = []
    for word in words:
        if word.startswith("--"):
            option, equals, value = word.partition("=")
            found.append((option, [value] if equals else []))
        elif found:
            found[-1][1].append(word)
        else:
            message = f"{word!r} is no option; SOURCE and NAME come first, then --OPTION VALUE"
            raise ConfigError(message)
    return found


def _value(option: str, annotation: Any, words: list[str]) -> Any:
    parts = get_args(annotation)
    if get_origin(annotation) in {tuple, list, Sequence}:
        texts = [text for word in words for text in re.split(r"[,\s]+", word) if text]
        kinds = parts if ... not in parts and get_origin(annotation) is tuple else (parts[0],) * len(texts)
        if len(texts) == len(kinds) > 0:
            return tuple(_scalar(option, kind, text) for kind, text in zip(kinds, texts, strict=True))
    elif annotation is bool and not words:
        return True
    elif len(words) == 1:
        return _scalar(option, annotation, words[0])
    message = f"{option} takes {annotation_text(annotation)}, got {' '.join(words) or 'nothing'}"
    raise ConfigError(message)


def _scalar(option: str, kind: Any, text: str) -> Any:
    try:
        return _TRUTH[text.lower()] if kind is bool else kind(text)
    except (KeyError, ValueError) as error:
        message = f"{option} takes {kind.__name__}, got {text!r}"
        raise ConfigError(message) from error


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
