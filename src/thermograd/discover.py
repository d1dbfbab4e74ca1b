"""Find plug-ins without any registration: a plug-in is one dataclass in the file of its own name."""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import pkgutil
import re
from collections.abc import Callable, Iterable
from functools import cache
from importlib.metadata import entry_points
from typing import Any


def snake_case(name: str) -> str:
    """The file stem and configuration `kind` of a class name.

    >>> [snake_case(name) for name in ("ShrinkAndPerturb", "SGD", "MNISTLinear", "CIFAR10")]
    ['shrink_and_perturb', 'sgd', 'mnist_linear', 'cifar10']
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an error message about an unknown name: the nearest known one, and the list.

    >>> nearest("learning_rte", ["learning_rate", "momentum"])
    "Did you mean 'learning_rate'? Known: learning_rate, momentum"
    >>> nearest("lr", ["learning_rate", "momentum"])  # initials count
    "Did you mean 'learning_rate'? Known: learning_rate, momentum"
    >>> nearest("zzz", ["momentum"])
    'Known: momentum'
    >>> nearest("--bogus", ["--out"])  # the dashes of an option make it no nearer
    'Known: --out'
    """
    names = sorted(known)
    bare = {entry.lstrip("-"): entry for entry in names}
    initials = ["".join(word[:1] for word in re.split(r"[_-]", entry)) for entry in bare]
    close = [
        entry for entry, short in zip(bare, initials, strict=True) if len(short) > 1 and short == name.lower()
    ]
    close = close or difflib.get_close_matches(name.lstrip("-"), bare, n=1)
    guess = f"Did you mean {bare[close[0]]!r}? " if close else ""
    return f"{guess}Known: {', '.join(names)}"


@cache
def available(package: str) -> dict[str, type]:
    """The plug-ins of a package by `kind`, those of installed packages included.

    A plug-in is a dataclass that can be built without arguments, in the file whose stem is its name in
    snake case. Other distributions add theirs through the entry-point group `thermograd.plugins`, with
    entries named `<role>.<kind>`, for example `perturbations.my_kick = "my_package:MyKick"`.

    >>> sorted(available("thermograd.dynamics"))
    ['adam', 'earthquake', 'sgd', 'sgld', 'sgworld']
    """
    found: dict[str, type] = {}
    root = importlib.import_module(package)
    for module in pkgutil.iter_modules(root.__path__):
        for value in vars(importlib.import_module(f"{package}.{module.name}")).values():
            if isinstance(value, type) and _is_plugin(value) and snake_case(value.__name__) == module.name:
                found[module.name] = value
    role = package.rpartition(".")[2]
    for entry in entry_points(group="thermograd.plugins"):
        group, _, kind = entry.name.partition(".")
        if group == role:
            found.setdefault(kind, entry.load())
    return dict(sorted(found.items()))


def lazy_exports(package: str, **elsewhere: str) -> Callable[[str], Any]:
    """A module `__getattr__` that finds `ClassName` in the file `class_name` of the package (PEP 562).

    Args:
        package: name of the package.
        **elsewhere: stems of names that are in a file called otherwise.

    Returns:
        The function to assign to `__getattr__`.
    """

    def __getattr__(name: str) -> Any:  # ruff: ignore[dunder-function-name] - assigned to a module's __getattr__
        stem = elsewhere.get(name, snake_case(name) if name[:1].isupper() else "")
        files = pkgutil.iter_modules(importlib.import_module(package).__path__)
        if any(module.name == stem for module in files):
            return getattr(importlib.import_module(f"{package}.{stem}"), name)
        message = f"module {package!r} has no attribute {name!r}"
        raise AttributeError(message)

    return __getattr__


def _is_plugin(candidate: type) -> bool:
    return dataclasses.is_dataclass(candidate) and all(
        field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        for field in dataclasses.fields(candidate)
        if field.init
    )
