"""What a researcher may change of the trainings of a reproduction: `--set batch_size=20`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from thermograd.errors import ConfigError
from thermograd.reproductions.fluctuation_dissipation_ratio import Plan
from thermograd.reproductions.fluctuation_dissipation_training import Training

Kind = TypeVar("Kind", int, float)
SETTABLE = frozenset({"learning_rates", "epochs", "seeds", "batch_size", "momentum", "weight_decay"})


def changed(plan: Plan, changes: Mapping[str, str]) -> Plan:
    """A plan with other settings; its rows and its page say which.

    Args:
        plan: what would be trained.
        changes: of `SETTABLE`, as typed: `learning_rates` separated by commas, `epochs` at each of them, `seeds`,
            `batch_size`, `momentum`, and the `weight_decay` of the optimiser.

    Returns:
        The plan.

    Raises:
        ConfigError: a value that cannot be used.
    """
    rates, epochs = plan.rates, plan.epochs
    if "learning_rates" in changes:
        texts = changes["learning_rates"].split(",")
        rates = tuple(_number("learning_rates", text, float, above=0) for text in texts)
        epochs = (epochs[0],) * len(rates)
    if "epochs" in changes:
        epochs = (_number("epochs", changes["epochs"], int, least=4),) * len(rates)
    seeds = _number("seeds", changes["seeds"], int, least=1) if "seeds" in changes else plan.seeds
    training = _changed_training(plan.training, changes)
    shown = [
        f"{name} {changes[name]}" for name in ("batch_size", "momentum", "weight_decay") if name in changes
    ]
    what = ", ".join([plan.what, *(entry.replace("_", " ") for entry in shown)])
    return replace(plan, training=training, what=what, rates=rates, epochs=epochs, seeds=seeds)


def _changed_training(training: Training, changes: Mapping[str, str]) -> Training:
    if "batch_size" in changes:
        samples = len(training.problem.train[1])
        size = _number("batch_size", changes["batch_size"], int, least=1, most=samples)
        training = replace(training, batch_size=size)
    if "momentum" in changes:
        momentum = _number("momentum", changes["momentum"], float, least=0, below=1)
        training = replace(training, momentum=momentum)
    if "weight_decay" in changes:  # λ Σ θ² of a problem is a weight decay of 2 λ
        decay = _number("weight_decay", changes["weight_decay"], float, above=0)
        training = replace(training, problem=replace(training.problem, regulariser=decay / 2))
    return training


def _number(
    name: str,
    text: str,
    kind: Callable[[str], Kind],
    *,
    above: float = -math.inf,
    least: float = -math.inf,
    most: float = math.inf,
    below: float = math.inf,
) -> Kind:
    value: Kind | None
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is not None and above < value < below and least <= value <= most:
        return value
    limits: list[str] = [
        f"{word} {limit:g}"
        for word, limit in (("above", above), ("at least", least), ("at most", most), ("below", below))
        if math.isfinite(limit)
    ]
    wanted = ", ".join(["a whole number" if kind is int else "a number", *limits])
    message = f"--set {name}: {text!r} is not {wanted}"
    raise ConfigError(message)
