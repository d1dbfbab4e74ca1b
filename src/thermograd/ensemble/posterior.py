"""`sample_posterior`: weights drawn from a posterior by several chains, in one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from thermograd.dynamics.sgworld import SGWORLD
from thermograd.dynamics.stability import algorithm_of, check_stability, expected_excess
from thermograd.ensemble.experiment import Experiment
from thermograd.ensemble.posterior_plan import SamplingPlan
from thermograd.ensemble.potential import Measurement, Potential, measure
from thermograd.ensemble.prior import checked_precision, mean_of_prior
from thermograd.ensemble.run import run as run_ensemble
from thermograd.errors import DivergedError
from thermograd.estimators.posterior_draws import PosteriorDraws
from thermograd.minibatching.with_replacement import WithReplacement
from thermograd.minibatching.without_replacement import WithoutReplacement
from thermograd.numerics.log_times import At
from thermograd.numerics.whole_number import check_whole_number

if TYPE_CHECKING:
    from torch import Tensor

    from thermograd.ensemble.posterior_plan import Schedule
    from thermograd.protocols import Minibatching
    from thermograd.store.run import Run

Array = npt.NDArray[Any]

_EXCESS = 0.1
_TOGETHER = 4096  # chains in a block, since the correction of an epoch costs a call for each block


def sample_posterior(
    problem: Any,
    *,
    dynamics: Any = None,
    prior_precision: float | None,
    batch_size: int,
    epochs: int,
    burn_in: int,
    chains: int = 4,
    thin: int = 1,
    seed: int = 0,
    start: Mapping[str, Tensor] | None = None,
    prior_mean: str | Mapping[str, Tensor] = "zero",
    preconditioner: Any = None,
    schedule: Schedule | None = None,
    virial_every: int = 10,
    directions: int = 0,
    minibatching: Minibatching | None = None,
    engine: str = "auto",
    dtype: str = "float64",
    device: str = "cpu",
    store: str | Path | None = None,
    progress: Callable[[int, int], None] | bool | None = None,
) -> PosteriorDraws:
    """Weights drawn from exp(−U/T) by independent chains, U = Σ_i l_i + ½ prior_precision |θ − prior_mean|².

    A chain is a trajectory of the ensemble: chain k depends on (seed, k) alone. A draw is the state at the end of an epoch;
    the first is that of epoch `burn_in` + 1. At every `virial_every`-th draw U and its full gradient are measured, at the cost of
    an epoch's gradients, with c of each chain the mean of the second half of the other chains' burn-in (the start, without
    one); see `PosteriorDraws.convergence`.

    Args:
        problem: its loss is each sample's negative log likelihood l_i; a `Problem` or a built-in one.
        dynamics: `SGLD` or `SGWORLD` (the default). Its learning rate multiplies ∇U: a rate of a mean loss, divided by M.
        prior_precision: of each weight, 1/variance; 0 for a flat prior; None if mean loss + regulariser of the problem is
            U already, as in the built-in regressions.
        batch_size: m.
        epochs: length of each chain, burn-in included.
        burn_in: epochs before the first draw.
        chains: their number; 4 or more for a verdict.
        thin: epochs from draw to draw.
        seed: of all random numbers.
        start: weights by name, one set or one for each chain (stacked); the problem's initial weights if None.
        prior_mean: "zero", "start" (one set for all chains), or weights by name.
        preconditioner: fixed P, positive tensors by name, or an Adam-like torch optimizer to read it from; see
            `dynamics.preconditioner`.
        schedule: epoch (0, 1, ...) -> (factor of the learning rate, factor of the temperature); draws at temperature 0
            have weight 0.
        virial_every: draws from measurement to measurement; 0 for none.
        directions: k, how many of the stiffest modes at c have a virial of their own.
        minibatching: another one than batches drawn independently (SGLD) or reshuffled epochs (SGWORLD).
        engine: see `Experiment`.
        dtype: see `Experiment`.
        device: see `Experiment`.
        store: path of a run directory, which survives interruption; the same call goes on there.
        progress: called with (block, step) now and then; or True, for a line with the share done and the time left, where
            stderr is a terminal.

    Returns:
        The draws, with what was measured.

    Raises:
        UnstableStepSizeError: a ValueError: before the first step: the learning rate is beyond the stability limit.
        DivergedError: a chain became infinite; `.partial` holds the draws made before.
        ValueError: arguments out of their range or that do not fit each other.

    >>> from thermograd.problems.quadratic import Quadratic
    >>> draws = sample_posterior(Quadratic(), dynamics=SGWORLD(1e-3), prior_precision=1.0, batch_size=50, epochs=12, burn_in=2)
    >>> draws.array().shape, draws.virial.shape
    ((4, 10, 3), (4, 1))
    """
    dynamics = SGWORLD() if dynamics is None else dynamics
    algorithm_of(dynamics)  # refuses what is no sampler
    _check_counts(epochs=epochs, burn_in=burn_in, thin=thin, chains=chains, virial_every=virial_every)
    potential = Potential.of(
        problem,
        prior_precision=checked_precision(prior_precision),
        prior_mean=mean_of_prior(prior_mean, start),
        preconditioner=preconditioner,
    )
    _check_directions(directions, potential.size)
    batches = batches_of(dynamics, batch_size, minibatching, potential.samples)
    plan = SamplingPlan(epochs, burn_in, thin, batches.steps_per_epoch(potential.samples), schedule)
    temperature = dynamics.temperature * (plan.temperature_factor if dynamics.temperature else 1.0)
    experiment = Experiment(
        potential.problem,
        minibatching=batches,
        dynamics=plan.at_first(dynamics),
        **plan.scheduled(dynamics),
        observe=(),
        trajectories=chains,
        epochs=epochs,
        start="independent" if start is None else potential.scaled(potential.sampled(start)),
        save_weights=At(tuple(plan.saved.tolist())),
        seed=seed,
        dtype=dtype,
        engine=engine,
        device=device,
        block_size=_TOGETHER,
    )
    curvature = _stable_curvature(potential, experiment, dynamics, plan)
    run = run_ensemble(experiment, store, progress=progress)
    survey = _Survey(
        potential, experiment, dynamics, temperature, batch_size, plan, curvature, virial_every, directions
    )
    facts = {"prior_precision": prior_precision, "thin": thin, "burn_in": burn_in}
    return _drawn(run, survey, facts)


def _stable_curvature(
    potential: Potential, experiment: Experiment, dynamics: Any, plan: SamplingPlan
) -> float:
    """The largest curvature where chain 0 starts, at which every learning rate of the plan is stable."""
    first = {name: value[0] for name, value in experiment.initial_state([0])[0].items()}
    curvature = potential.largest_curvature(first, seed=experiment.seed)
    largest = dynamics.learning_rate * plan.largest_factor
    check_stability(dynamics, curvature, plan.steps_per_epoch, learning_rate=largest)
    return curvature


@dataclass(frozen=True, eq=False)
class _Survey:
    """How the draws of a run are measured."""

    potential: Potential
    experiment: Experiment
    dynamics: Any
    temperature: float
    batch_size: int
    plan: SamplingPlan
    curvature: float
    virial_every: int
    directions: int
    curvature_at_start: float = float("nan")


def _drawn(run: Run, survey: _Survey, facts: dict[str, Any]) -> PosteriorDraws:
    """The draws of a run, or the error that a chain diverged, with those made before."""
    plan = survey.plan
    gone = run.diverged_at
    if (gone >= 0).all() or (gone[gone >= 0] <= plan.draws[0] * plan.steps_per_epoch).any():
        usable = 0
    else:
        last = gone[gone >= 0].min() if (gone >= 0).any() else np.iinfo(np.int64).max
        usable = int(np.searchsorted(plan.draws * plan.steps_per_epoch, last))
    partial = _measured(run, survey, facts, usable) if usable else None
    if not (gone >= 0).any():
        assert partial is not None  # there is a draw, since burn_in < epochs
        return partial
    first = int(np.flatnonzero(gone >= 0)[np.argmin(gone[gone >= 0])])
    dynamics = survey.dynamics
    message = (
        f"chain {first} became infinite in epoch {gone[first] / plan.steps_per_epoch:.4g} "
        f"({int((gone >= 0).sum())} of {len(gone)} chains did) at learning_rate {dynamics.learning_rate:.3g}, where the largest "
        f"curvature was {survey.curvature:.4g} at the start. Take a smaller learning rate, or start from trained weights; "
        f"the {usable} draws of every chain made before are in .partial"
    )
    raise DivergedError(message, partial)


def _measured(run: Run, survey: _Survey, facts: dict[str, Any], usable: int) -> PosteriorDraws:
    potential, plan = survey.potential, survey.plan
    epochs = plan.draws[:usable]
    times = run.weight_times() // plan.steps_per_epoch
    rows = np.searchsorted(times, epochs)
    stored = run.saved_weights(slice(0, int(rows[-1]) + 1))
    drawn = {name: value[:, rows] for name, value in stored.items()}
    last = {name: torch.tensor(value[0, -1]) for name, value in drawn.items()}
    stiffest = potential.largest_curvature(last, seed=survey.experiment.seed)
    survey = replace(survey, curvature=stiffest, curvature_at_start=survey.curvature)
    counting = np.flatnonzero(plan.weights[:usable] > 0)
    measured = counting[:: survey.virial_every] if survey.virial_every else counting[:0]
    taken = _measurement(survey, stored, np.searchsorted(times, plan.centres), drawn, epochs, measured)
    dynamics = survey.dynamics
    excess = expected_excess(
        survey.dynamics,
        survey.curvature,
        plan.steps_per_epoch,
        learning_rate=survey.dynamics.learning_rate * plan.last_factor,
        minibatching=survey.experiment.minibatching,
    )
    return PosteriorDraws(
        potential.unscaled(drawn),
        temperature=survey.temperature,
        weights=plan.weights[:usable],
        epochs=epochs,
        measured=measured,
        **_fields(taken, survey),
        facts={
            "sampler": type(dynamics).__name__,
            **_hyperparameters(dynamics),
            "batch_size": survey.batch_size,
            "minibatching": type(survey.experiment.minibatching).__name__,
            "steps_per_epoch": plan.steps_per_epoch,
            "samples": potential.samples,
            "seed": survey.experiment.seed,
            "largest_curvature": survey.curvature,
            "largest_curvature_at_start": survey.curvature_at_start,
            "expected_excess": excess,
            "preconditioned": potential.scales is not None,
            **facts,
            "notes": [*potential.notes, *run.notes, *_stiff(survey, excess)],
        },
    )


def _stiff(survey: _Survey, excess: float) -> tuple[str, ...]:
    """What to say of a step that has become too large on the way."""
    if excess <= _EXCESS:
        return ()
    extent = survey.plan.steps_per_epoch * survey.dynamics.learning_rate * survey.curvature
    return (
        f"the largest curvature is {survey.curvature:.4g} at the last draw ({survey.curvature_at_start:.4g} at the start), where "
        f"nηh = {extent:.3g}: the variance in the stiffest mode may be {100 * excess:.2g} % too large. Take the learning_rate "
        "of tg.advise_posterior_step, which looks at the curvature where the chains will be",
    )


def _hyperparameters(dynamics: Any) -> dict[str, Any]:
    return {
        name: value for name, value in vars(dynamics).items() if isinstance(value, bool | int | float | str)
    }


def _measurement(
    survey: _Survey,
    stored: dict[str, Array],
    centres: Array,
    drawn: dict[str, Array],
    epochs: Array,
    measured: Array,
) -> Measurement | None:
    if not measured.size:
        return None
    potential, experiment = survey.potential, survey.experiment
    known = potential.loss(experiment.device)
    flat = [
        potential.flat({name: value[:, rows] for name, value in weights.items()}).to(known.start)
        for weights, rows in ((drawn, measured), (stored, centres))
    ]
    return measure(
        known,
        flat[0],
        _centres(flat[1].mean(dim=1)),
        directions=survey.directions,
        batch_size=survey.batch_size,
        epochs=[int(epoch) for epoch in epochs[measured]],
        seed=experiment.seed,
    )


def _centres(means: Tensor) -> Tensor:
    """The fixed point c of each chain's virial: the mean of the other chains' burn-in, `(chain, N)`.

    That of its own burn-in, which a chain has alone, is remembered by the slow modes of its first draws, and makes the
    virial too small by their correlation.
    """
    count = len(means)
    return means if count == 1 else (means.sum(0) - means) / (count - 1)


def _fields(taken: Measurement | None, survey: _Survey) -> dict[str, Any]:
    """What was measured, as fields of the draws."""
    if taken is None:
        return {}
    dynamics, plan = survey.dynamics, survey.plan
    rate, temperature = float(dynamics.learning_rate), survey.temperature
    noise = rate * taken.batch_variance
    share = noise / np.maximum(noise + 2 * temperature * survey.potential.size, np.finfo(float).tiny)
    if isinstance(dynamics, SGWORLD):
        share = share * min(1.0, (plan.steps_per_epoch * rate * survey.curvature) ** 2 / 12)
    return {
        "potential": taken.potential,
        "virial": taken.virial,
        "directional_virial": taken.directional,
        "noise_share": share,
    }


def batches_of(dynamics: Any, batch_size: int, given: Minibatching | None, samples: int) -> Any:
    """The minibatching of a sampler: its own by default.

    Args:
        dynamics: `SGLD` or `SGWORLD`.
        batch_size: m.
        given: another one, or None.
        samples: M.

    Raises:
        ValueError: a batch size that cannot be.
    """
    if not isinstance(batch_size, int) or isinstance(batch_size, bool) or not 1 <= batch_size <= samples:
        message = f"batch_size is {batch_size!r}; it must be a whole number from 1 to the {samples} samples"
        raise ValueError(message)
    if given is not None:
        if getattr(given, "batch_size", None) != batch_size:
            message = f"minibatching {given!r} has not batch_size {batch_size}; give the same number twice"
            raise ValueError(message)
        return given
    if isinstance(dynamics, SGWORLD):
        if 2 * batch_size > samples:
            message = (
                f"batch_size {batch_size} leaves no two disjoint batches of the {samples} samples, which SGWORLD needs; use "
                f"batch_size <= {samples // 2}"
            )
            raise ValueError(message)
        return WithoutReplacement(batch_size, remainder="spread")
    return WithReplacement(batch_size)


def _check_counts(**counts: int) -> None:
    most = 2**32 - 1
    lows = {"epochs": 1, "burn_in": 0, "thin": 1, "chains": 1, "virial_every": 0}
    for name, value in counts.items():
        check_whole_number(name, value, lows[name], most)
    if counts["burn_in"] >= counts["epochs"]:
        message = f"burn_in is {counts['burn_in']} of {counts['epochs']} epochs, which leaves no draw; take burn_in < epochs"
        raise ValueError(message)


def _check_directions(directions: Any, size: int) -> None:
    whole = isinstance(directions, int) and not isinstance(directions, bool)
    if not whole or not 0 <= directions <= size:
        message = f"directions is {directions!r}; it must be a whole number from 0 to the {size} weights"
        raise ValueError(message)
