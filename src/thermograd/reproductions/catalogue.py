"""Which reproductions there are: the files of this folder that list experiments."""

from __future__ import annotations

import importlib
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
    file = importlib.import_module(f"thermograd.reproductions.{name}")
    return (inspect.getdoc(file) or name).partition("\n")[0].removesuffix(".")


def stages(name: str, experiment: str | None, settings: Settings) -> Stages:
    """Run an experiment of a reproduction.

    Args:
        name: of the reproduction.
        experiment: which one; its first if None.
        settings: how it is asked for.

    Returns:
        The reproduction, stage by stage.

    Raises:
        ConfigError: no such reproduction or experiment, or it does not know `live` or `full`.
    """
    known = available()
    if name not in known:
        message = f"no reproduction {name!r}. {nearest(name, [*known, 'all'])}"
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
    return entry.run(settings)


def _refused(option: str, experiment: str, experiments: Experiments) -> str:
    knowing = [name for name, entry in experiments.items() if option in entry.options]
    return f"--{option} is not for the experiment {experiment!r}; it is for: {', '.join(knowing) or 'none'}"


__all__ = ["ReproductionExperiment", "available", "stages", "subject"]
