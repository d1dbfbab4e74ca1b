"""Which reproductions there are: the files of this folder that list experiments."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
import re
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
        listed = nearest(name, [*known, "all"])
        message = (
            f"no reproduction {name!r}. {_elsewhere(name, titles=not listed.startswith('Did you'))}{listed}"
        )
        raise ConfigError(message)
    experiments = known[name]
    chosen = next(iter(experiments)) if experiment is None else experiment
    if chosen not in experiments:
        message = f"{name} has no experiment {chosen!r}. {_of_figure(chosen, experiments)}{nearest(chosen, experiments)}"
        raise ConfigError(message)
    entry = experiments[chosen]
    for option in ("live", "full"):
        if getattr(settings, option) and option not in entry.options:
            raise ConfigError(_refused(option, chosen, experiments))
    for wanted in settings.changes:
        if wanted not in entry.settable:
            raise ConfigError(_not_settable(wanted, chosen, experiments))
    return entry.run(settings)


def _elsewhere(name: str, *, titles: bool) -> str:
    """Where a name is found that is no reproduction: an experiment of one, or, in titles, a word of what one is about."""
    word = name.lower()
    for found, experiments in available().items():
        if word in experiments:
            return f"It is an experiment: thermograd reproduce {found} --experiment {word}. "
    papers = {found: subject(found) for found in available()} if titles and len(word) > 3 else {}
    named = [f"{found} ({about})" for found, about in papers.items() if word in about.lower()]
    return f"Did you mean {named[0]}? " if named else ""


def _of_figure(name: str, experiments: Experiments) -> str:
    """Which experiments have a figure, where a figure was named, as fig2 or 2a."""
    figure = re.fullmatch(r"(?:fig(?:ure|s)?)?[ ._-]*(\d+[a-z]?)", name.lower())
    if figure is None:
        return ""
    found = [known for known, entry in experiments.items() if _shows(entry.summary, figure[1])]
    return f"Figure {figure[1]}: {' or '.join(found)}. " if found else ""


def _shows(summary: str, figure: str) -> bool:
    """Whether a figure is among those a summary begins with.

    >>> _shows("Figs 2 to 4, A.1: seven parameters", "3"), _shows("Fig 2a: digits", "2"), _shows("5 of them", "5")
    (True, True, False)
    """
    begins = re.search(r"Figs? ([^:;]*):", summary)
    listed = begins[1] if begins else ""
    for first, part, last in re.findall(r"(?<![.\d])(\d+)([a-z]?)(?: to (\d+))?", listed):
        if figure in {first, first + part} or (
            last and figure.isdigit() and int(first) <= int(figure) <= int(last)
        ):
            return True
    return False


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
