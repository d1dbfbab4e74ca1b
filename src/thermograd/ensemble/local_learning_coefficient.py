"""The local learning coefficient: how fast the volume of nearly as good weights shrinks around a minimum."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import t as student

from thermograd.dynamics.sgworld import SGWORLD
from thermograd.ensemble.posterior import sample_posterior
from thermograd.ensemble.potential import Potential
from thermograd.problems.problem import built
from thermograd.quantities import Estimate, Verdict
from thermograd.theory.posterior import step_size

if TYPE_CHECKING:
    from torch import Tensor

    from thermograd.estimators.posterior_draws import PosteriorDraws

Array = npt.NDArray[Any]

_BIAS = 0.01
_FALL = 0.05
_DRAWS = 100


def local_learning_coefficient(
    problem: Any,
    *,
    start: Mapping[str, Tensor],
    batch_size: int,
    localization: float = 1.0,
    chains: int = 8,
    epochs: int = 500,
    burn_in: int = 200,
    seed: int = 0,
    dynamics: Any = None,
    preconditioner: Any = None,
    tolerance: float = 0.05,
    level: float = 0.95,
    engine: str = "auto",
    device: str = "cpu",
) -> Estimate | Verdict:
    """λ̂ = (M/log M) (E L(w) − L(w*)) under exp(−M L(w)/log M − ½ γ |w − w*|²), around trained weights w*.

    Lau, Furman, Wang, Murfet and Wei, *The local learning coefficient* (arXiv 2308.12108, Definition 1 and Eq 12). It is
    sampled as exp(−U/T) with U = M L + ½ γ log M |w − w*|² and T = log M. L is the mean negative log likelihood
    of all samples at every draw, never that of minibatches. Of a quadratic L it is ½ Σ_k h_k/(h_k + γ log M), h_k the
    curvatures of M L, which goes to N/2.

    Args:
        problem: its loss is each sample's negative log likelihood; no regulariser.
        start: w*, by name.
        batch_size: m.
        localization: γ, how tightly weights are held at w*.
        chains: independent chains, all from w*.
        epochs: length of each chain, burn-in included.
        burn_in: epochs before the first draw.
        seed: of all random numbers.
        dynamics: the sampler, with learning rate; its temperature becomes log M. If None `SGWORLD` at the rate whose bias is 1 %
            in the stiffest mode.
        preconditioner: as in `sample_posterior`.
        tolerance: of the virial ratio, see `PosteriorDraws.convergence`.
        level: of the interval.
        engine: see `Experiment`.
        device: see `Experiment`.

    Returns:
        λ̂ with an interval from the means of the chains (a `Verdict` `not_a_minimum` if L falls from w* on), whose `note` is the verdict of convergence (of the virial and of the mixing
        of the loss); or, where the chains have not converged, that verdict, with the estimate so far in `evidence["partial"]`.

    Raises:
        ValueError: arguments that do not fit each other.
        UnstableStepSizeError: a ValueError: the learning rate is beyond the stability limit.

    >>> from thermograd.problems.quadratic import Quadratic
    >>> problem = Quadratic(curvatures=(1.0, 1.0), samples=50)
    >>> best = {"position": problem.build().train[0].mean(0)}
    >>> far_too_few = {"chains": 2, "epochs": 12, "burn_in": 4, "engine": "eager"}
    >>> found = local_learning_coefficient(problem, start=best, batch_size=25, **far_too_few)
    >>> found.holds, found.kind, type(found.evidence["partial"]).__name__
    (None, 'not_enough_draws', 'Estimate')
    """
    if not (math.isfinite(localization) and localization > 0):
        message = (
            f"localization is {localization!r}; it must be a positive number: without it the chains drift off"
        )
        raise ValueError(message)
    if chains < 2:
        message = f"chains is {chains!r}; an interval needs 2 or more"
        raise ValueError(message)
    names = Potential.of(problem, prior_precision=0.0, prior_mean=None, preconditioner=None).sampled(start)
    weights = {name: torch.as_tensor(value).detach() for name, value in names.items()}
    options = {
        "prior_precision": localization * _log_samples(problem),
        "prior_mean": weights,
        "preconditioner": preconditioner,
    }
    draws = sample_posterior(
        problem,
        dynamics=_sampler(problem, dynamics, weights, batch_size, options),
        start=weights,
        batch_size=batch_size,
        chains=chains,
        epochs=epochs,
        burn_in=burn_in,
        thin=max(1, (epochs - burn_in) // _DRAWS),
        seed=seed,
        virial_every=1,
        engine=engine,
        device=device,
        **options,
    )
    likelihood = _likelihood(draws, weights)
    estimate = _estimate(problem, draws, likelihood, weights, level)
    refused = _not_a_minimum(problem, draws, likelihood, weights, estimate)
    if refused is not None:
        return refused
    verdict = draws.convergence(tolerance=tolerance, level=level, quantities={"the loss": likelihood})
    if verdict.holds:
        return replace(estimate, note=verdict.text)
    text = f"no learning coefficient yet: {verdict.text}; so far {estimate.value:.4g}"
    return Verdict(verdict.holds, verdict.kind, text, {**verdict.evidence, "partial": estimate})


def _log_samples(problem: Any) -> float:
    return math.log(len(built(problem).train[0]))


def _sampler(
    problem: Any, dynamics: Any, weights: Mapping[str, Tensor], batch_size: int, options: Mapping[str, Any]
) -> Any:
    temperature = _log_samples(problem)
    if dynamics is not None:
        return replace(dynamics, temperature=temperature)
    potential = Potential.of(problem, **options)
    rate = step_size(
        "sgworld",
        potential.largest_curvature(potential.initial(weights)),
        steps_per_epoch=-(-potential.samples // batch_size),
        bias=_BIAS,
    )
    return SGWORLD(learning_rate=rate, temperature=temperature)


def _likelihood(draws: PosteriorDraws, weights: Mapping[str, Tensor]) -> Array:
    """M L of every draw, `(chain, draw)`: the potential less what the localisation adds to it."""
    away = sum(
        np.square(value - weights[name].double().cpu().numpy()).reshape(*value.shape[:2], -1).sum(-1)
        for name, value in draws.parameters.items()
    )
    found: Array = draws.potential - draws.facts["prior_precision"] / 2 * away
    return found


def _not_a_minimum(
    problem: Any, draws: PosteriorDraws, likelihood: Array, weights: Mapping[str, Tensor], estimate: Estimate
) -> Verdict | None:
    """The verdict that L falls from w* on, by more than a twentieth of the estimate; None if it is not seen to.

    Along the gradient g of M L a parabola falls by |g|⁴/(2 gᵀHg), and draws with a smaller loss have found the way down.
    """
    whole = Potential.of(problem, prior_precision=0.0, prior_mean=None, preconditioner=None)
    known, place = whole.loss(), whole.flat(weights)
    slope = known.gradient(place)
    bent = float(slope @ known.hessian_vector(place, slope))
    square = float(slope @ slope)
    along = square**2 / (2 * bent) if bent > 0 else (float("inf") if square > 0 else 0.0)
    deeper = float(known.value(place)) - float(likelihood.min())
    fall = max(along, deeper, 0.0) / draws.temperature
    if fall <= _FALL * abs(float(estimate.value)) and estimate.value >= 0:
        return None
    text = (
        f"no learning coefficient: the start is not a minimum, the loss falls from there by {fall:.3g} in units of log M/M and "
        "more, which is missing in the estimate. Train further (full batches, a small learning rate) and start again"
    )
    evidence = {"fall": fall, "squared_gradient": square, "partial": estimate}
    return Verdict(False, "not_a_minimum", text, evidence)


def _estimate(
    problem: Any, draws: PosteriorDraws, likelihood: Array, weights: Mapping[str, Tensor], level: float
) -> Estimate:
    whole = Potential.of(problem, prior_precision=0.0, prior_mean=None, preconditioner=None)
    best = float(whole.loss().value(whole.flat(weights)))
    means = (likelihood.mean(axis=1) - best) / draws.temperature
    count = len(means)
    half = student.ppf((1 + level) / 2, count - 1) * means.std(ddof=1) / math.sqrt(count)
    value = float(means.mean())
    return Estimate(value, (value - half, value + half), level=level, pieces=count, samples=means)
