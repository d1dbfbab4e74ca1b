"""A faster way of making updates beside the reference engine, before it is used."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from thermograd.ensemble.block import BlockState, Tensors
from thermograd.ensemble.engines.accelerated import AcceleratedEngine, Updates
from thermograd.ensemble.engines.accumulations import Accumulations
from thermograd.errors import EngineUnavailableError

if TYPE_CHECKING:
    from thermograd.ensemble.engines.eager import EagerEngine
    from thermograd.ensemble.experiment import Experiment

_MEMBERS = 2
_OTHER = 1.25
_TOLERANCE = {torch.float64: 1e-6, torch.float32: 2e-2}
_ROUNDINGS = 64


def tried(
    experiment: Experiment, eager: EagerEngine, updates: Updates, hyperparameters: set[str]
) -> AcceleratedEngine:
    """The engine that makes these updates, after single ones at several steps were those of the reference engine.

    What is traced is seen once, at one step. An update that reads the step or a field as a Python number, through
    numpy say, or draws random numbers of its own, would be frozen as it was then; here it shows.

    Args:
        experiment: what is trained.
        eager: the reference engine.
        updates: the faster way.
        hyperparameters: those that come in with each update; tried with another value where a perturbation may
            change them.

    Raises:
        EngineUnavailableError: they differ, or an update cannot be made on all of the training data.
    """
    _check_data(experiment)
    engine = AcceleratedEngine(experiment, eager, updates)
    start = eager.start(range(min(_MEMBERS, experiment.trajectories)))
    for step in _steps(experiment):
        _compare(eager, engine, replace(start, step=step), f"at step {step}")
    if experiment.perturbation is not None and hyperparameters:
        changed = {
            f"hyperparameters/{name}": torch.full(
                (len(start.trajectories),),
                _OTHER * getattr(experiment.dynamics, name),
                dtype=experiment.functional.dtype,
                device=experiment.functional.device,
            )
            for name in hyperparameters
        }
        _compare(eager, engine, replace(start, state=start.state | changed), "with other hyperparameters")
    return engine


def _steps(experiment: Experiment) -> list[int]:
    """Steps to try; not those at which a stretch of an accumulator ends that has begun before."""
    per_epoch, total = experiment.steps_per_epoch, experiment.total_steps
    some = {0, 1, 2, 3, 5, 8, 13, 100, 1000, per_epoch - 1, per_epoch, total // 2, total - 1}
    sums = Accumulations(experiment)
    found = []
    for step in sorted(entry for entry in some if 0 <= entry < total):
        flags = [sums.ends(entry, step, 1) for entry in sums.spaced]
        if all(begins or not ends for begins, ends in flags):
            found.append(step)
    return found


def _check_data(experiment: Experiment) -> None:
    """The loss of every training sample, once: a kernel would not notice a class that does not exist."""
    problem = experiment.functional
    weights = {name: value[0] for name, value in experiment.initial_state([0])[0].items()}
    try:
        with torch.no_grad():
            problem.training_loss(weights, problem.gradients.train)
    except (IndexError, RuntimeError) as failure:
        message = f"the loss of the whole training set fails ({str(failure).strip().splitlines()[0]})"
        raise EngineUnavailableError(message) from failure


def _compare(eager: EagerEngine, engine: AcceleratedEngine, block: BlockState, when: str) -> None:
    expected, found = eager.advance(block, 1), engine.advance(block, 1)
    precision = engine.experiment.functional.gradients.dtype
    for name, value in _moving(expected).items():
        before, other = _moving(block)[name], _moving(found)[name]
        change = (value - before).abs()
        size = float(torch.nan_to_num(change).max()) if change.numel() else 0.0
        scale = float(torch.nan_to_num(before).abs().max()) if before.numel() else 0.0
        allowed = _TOLERANCE[precision] * size + _ROUNDINGS * torch.finfo(value.dtype).eps * (scale + size)
        apart = (value - other).abs()
        both_gone = ~value.isfinite() & ~other.isfinite()
        worst = float(torch.where(both_gone, 0.0, torch.nan_to_num(apart, nan=torch.inf)).max())
        if worst > allowed:
            share = f"{worst / size:.2g} times its change" if size else f"{worst:.2g}"
            message = (
                f"an update differs from the reference engine's {when} ({name} by {share}); an update must be "
                "arithmetic on tensors: no numpy, no Python tables or random numbers that depend on step or fields"
            )
            raise EngineUnavailableError(message)


def _moving(block: BlockState) -> Tensors:
    state = {name: value for name, value in block.state.items() if name.startswith("optimizer/")}
    moving = {f"weights/{name}": value for name, value in block.weights.items()} | state
    return {name: value for name, value in moving.items() if value.is_floating_point()}
