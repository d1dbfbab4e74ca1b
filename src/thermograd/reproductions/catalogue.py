"""Which reproductions there are: the files of this folder that list experiments."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
from functools import cache

from thermograd.discover import nearest
from thermograd.errors import ConfigError
from thermograd.reproductions.reproduction import Experiments, ReproductionExperiment, Settings, Stages


@cache
def available() -> dict[str, Experiments]:
    """The experiments of every reproduction. A reproduction is a file with `EXPERIMENTS`; nothing is registered.

    >>> next(iter(available()["first_passage"]))  # the default experiment
    'digits'
    """
    root = importlib.import_module("thermograd.reproductions")
    found: dict[str, Experiments] = {}
    for file in pkgutil.iter_modules(root.__path__):
        experiments = getattr(importlib.import_module(f"{root.__name__}.{file.name}"), "EXPERIMENTS", None)
        if experiments is not None:
            found[file.name] = experiments
    return dict(sorted(found.items()))


def subject(name: str) -> str:
    """What a reproduction is about, and whose: the first line of its file.

    >>> subject("aging")
    'Ageing of training: Herrera Segura, Montoya, Tapias, Subaging in underparametrized deep neural networks'
    """
    file = f"thermograd.reproductions.{name}"
    about = inspect.getdoc(importlib.import_module(file)) if importlib.util.find_spec(file) else None
    return (about or name).partition("\n")[0].removesuffix(".")


def stages(name: str, experiment: str | None, settings: Settings) -> Stages:
    """Run an experiment of a reproduction.

    Args:
        name: of the reproduction.
        experiment: which one; its first if None.
        settings: how it is asked for.

    Returns:
        The reproduction, stage by stage.

    Raises:
        ConfigError: no such reproduction or experiment, or it does not know `live`, `full` or what is to be set.
    """
    known = available()
    if name not in known:
        message = f"no reproduction {name!r}. {_elsewhere(name)}{nearest(name, [*known, 'all'])}"
        raise ConfigError(message)
    experiments = known[name]
    chosen = next(iter(experiments)) if experiment is None else experiment
    if chosen not in experiments:
        message = f"{name} has no experiment {chosen!r}. {nearest(chosen, experiments)}"
        raise ConfigError(message)
    entry = experiments[chosen]
    for option in ("live", "full"):
        if getattr(settings, option) and option not in entry.options:
            raise ConfigError(_refused(option, chosen, experiments))
    for wanted in settings.changes:
        if wanted not in entry.settable:
            raise ConfigError(_not_settable(wanted, chosen, experiments))
    return entry.run(settings)


def _elsewhere(name: str) -> str:
    """Where a name is found that is no reproduction: an experiment of one, or a word of what one is about."""
    word = name.lower()
    for found, experiments in available().items():
        if word in experiments:
            return f"It is an experiment: thermograd reproduce {found} --experiment {word}. "
    papers = {found: subject(found) for found in available()} if len(word) > 3 else {}
    named = [f"{found} ({about})" for found, about in papers.items() if word in about.lower()]
    return f"Did you mean {named[0]}? " if named else ""


def _not_settable(name: str, experiment: str, experiments: Experiments) -> str:
    known = experiments[experiment].settable
    if known:
        return f"--set {name}: the experiment {experiment!r} has no such setting. {nearest(name, known)}"
    others = [other for other, entry in experiments.items() if entry.settable]
    return f"--set is not for the experiment {experiment!r}; it is for: {', '.join(others) or 'none'}"


def _refused(option: str, experiment: str, experiments: Experiments) -> str:
    knowing = [name for name, entry in experiments.items() if option in entry.options]
    return f"--{option} is not for the experiment {experiment!r}; it is for: {', '.join(knowing) or 'none'}"


__all__ = ["ReproductionExperiment", "available", "stages", "subject"]
