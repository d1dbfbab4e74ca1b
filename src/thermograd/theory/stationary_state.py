"""The stationary state of SGD at a constant learning rate, from gradients and Hessians at one point.

Around a minimum SGD is a linear process: drift −η H δ and the noise of the minibatches. Centre, covariance, circulation
and entropy production follow (Adhikari, Kabakçıoğlu, Strang, Yuret, Hinczewski, *Machine learning in and out of
equilibrium*, arXiv 2306.03521). Every sample carries the regulariser, G_i = ∇ℓ_i + ∇R, K_i = ∇∇ℓ_i + ∇∇R.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError
from thermograd.numerics.lyapunov import RelaxationModes
from thermograd.quantities import Landscape, Prediction, Verdict
from thermograd.theory.curvature import (
    curvature_modes,
    diffusing,
    dropped_coordinates,
    flat,
    growing,
    no_noise,
    not_a_minimum,
    unstable,
)
from thermograd.theory.earthquake import earthquake as earthquake
from thermograd.theory.effective_loss import effective_minimum as effective_minimum
from thermograd.theory.heavy_ball import heavy_ball
from thermograd.theory.linear_process import StationaryState as StationaryState
from thermograd.theory.linear_process import linear_process as linear_process
from thermograd.theory.linear_process import settled
from thermograd.theory.linear_scaling import linear_scaling as linear_scaling
from thermograd.theory.minibatch_noise import batch_variance, minibatch_diffusion, noise_at
from thermograd.theory.multiplicative_noise import mean_diffusion
from thermograd.theory.reshuffled_diffusion import reshuffled_diffusion_of
from thermograd.theory.reshuffled_epoch import reshuffled_epoch
from thermograd.theory.state_of_a_landscape import completed
from thermograd.theory.training_settings import TrainingSettings, check_landscape

__all__ = [
    "StationaryState",
    "diffusion",
    "earthquake",
    "effective_minimum",
    "linear_process",
    "linear_scaling",
    "predict",
]

Array = npt.NDArray[Any]

AT_MINIMUM = 1e-14  # of the excess loss: a distance of 1e-7 standard deviations


def predict(
    landscape: Landscape,
    *,
    learning_rate: float,
    batch_size: int,
    minibatching: str = "with_replacement",
    distinct: bool = True,
    momentum: float = 0.0,
    dampening: float = 0.0,
    time: str = "discrete",
    form: str = "exact",
    multiplicative: bool = False,
) -> StationaryState | Verdict:
    """The stationary state of SGD around the minimum next to the point of the landscape.

    The centre is `parameters` − H⁻¹g, moved by −½ H⁻¹(T:Σ) where `third_derivative` is given. Gradients of the samples
    are taken at `parameters` − H⁻¹g where their Hessians are known. Without replacement an update is an epoch, and the
    centre is the minimum of the effective loss.

    Args:
        landscape: at or next to a minimum.
        learning_rate: η.
        batch_size: m.
        minibatching: "with_replacement", batches independent of each other; "without_replacement", the samples are
            shuffled once an epoch, PyTorch's `shuffle=True`.
        distinct: with replacement: False if a sample may come twice in one batch, PyTorch's
            `RandomSampler(replacement=True)`.
        momentum: β of `torch.optim.SGD`.
        dampening: its dampening; without momentum it has no effect.
        time: "discrete", exact for a quadratic loss; "continuous", the limit of a small learning rate (21).
        form: of the diffusion matrix, see `diffusion`.
        multiplicative: with replacement: that the noise depends on the weights, exact for quadratic samples; needs
            `sample_hessians`.

    Returns:
        The state; or a `Verdict` if there is none, of kind `not_a_minimum`, `unstable`, `diffusing`, `no_noise` or
        `infinite_variance`.

    Raises:
        ConfigError: a ValueError: an argument out of its range, or combined with one it does not go with.

    >>> land = Landscape(sample_gradients=[[1.0], [-1.0], [1.0], [-1.0]], hessian=[[2.0]])
    >>> print(predict(land, learning_rate=0.1, batch_size=2))
    stationary state of SGD, learning rate 0.1, batches of 2 of 4 with replacement
      excess loss, for as long as the learning rate stays: 0.009259
      relaxation times 4.48 to 4.48 steps: settled after 22 steps, 5 times the slowest
      a Boltzmann state exp(−βL): nothing circulates and the noise is the same in every direction (to first order ...)
      inverse temperature 60
      rests on a quadratic loss with noise that does not depend on the weights; distinct samples in a batch, ...
    """
    check_landscape(landscape)
    settings = TrainingSettings(
        samples=landscape.samples,
        learning_rate=learning_rate,
        batch_size=batch_size,
        minibatching=minibatching,
        distinct=distinct,
        momentum=momentum,
        dampening=dampening,
        time=time,
        form=form,
    )
    _check_combination(landscape, settings, multiplicative)
    modes = curvature_modes(landscape)
    bound = 2 * (1 + momentum) / (1 - dampening) if momentum else 2.0
    refused = not_a_minimum(modes) or unstable(modes, learning_rate, bound)
    if refused is not None:
        return refused
    if settings.replacing:
        state = _with_replacement(landscape, modes, settings, multiplicative)
    else:
        state = _without_replacement(landscape, settings)
    return state if isinstance(state, Verdict) else completed(state, landscape, settings)


def diffusion(
    landscape: Landscape,
    *,
    learning_rate: float,
    batch_size: int,
    minibatching: str = "with_replacement",
    distinct: bool = True,
    form: str = "exact",
) -> Prediction:
    """D, half the covariance of one update, `(N, N)`: of a step; without replacement of an epoch.

    Args:
        landscape: at whose point the gradients are.
        learning_rate: η.
        batch_size: m.
        minibatching: as in `predict`.
        distinct: as in `predict`.
        form: "exact", without replacement to O(η⁴); "large_sample", (14) second line and (18); without replacement
            also "leading_term" (B21).

    Raises:
        ConfigError: a ValueError: an argument out of its range.

    >>> land = Landscape(sample_gradients=[[1.0], [-1.0]], hessian=[[1.0]])
    >>> diffusion(land, learning_rate=0.1, batch_size=1).value.round(6).tolist()  # (η²/2) (1/m − 1/M) S
    [[0.005]]
    """
    check_landscape(landscape)
    settings = TrainingSettings(
        samples=landscape.samples,
        learning_rate=learning_rate,
        batch_size=batch_size,
        minibatching=minibatching,
        distinct=distinct,
        form=form,
    )
    if settings.replacing:
        return minibatch_diffusion(landscape, settings)
    return reshuffled_diffusion_of(landscape, settings)


def _check_combination(landscape: Landscape, settings: TrainingSettings, multiplicative: bool) -> None:
    if settings.momentum and not settings.discrete:
        message = "time is 'continuous' with momentum; only time='discrete' is offered with momentum, where it is exact"
        raise ConfigError(message)
    if not multiplicative:
        return
    if not settings.replacing or settings.momentum:
        message = "multiplicative=True is offered for minibatching='with_replacement' and momentum=0 only"
        raise ConfigError(message)
    if landscape.sample_hessians is None:
        message = (
            "multiplicative=True needs the Hessian of every sample, and the landscape has none: take it with "
            "sample_hessians=True, which costs (M, N, N) numbers"
        )
        raise ConfigError(message)


def _with_replacement(
    landscape: Landscape, modes: RelaxationModes, settings: TrainingSettings, multiplicative: bool
) -> StationaryState | Verdict:
    loose = flat(modes)
    held = modes.keep(~loose)
    step = -held.basis @ ((held.basis.T @ landscape.gradient) / held.rates)
    rate = settings.learning_rate
    predicted = _noise_at_the_centre(landscape, step, settings)
    noise = predicted.value
    if not noise.any() or not held.rates.size:
        return diffusing(modes, loose, noise) or no_noise()
    refused = diffusing(modes, loose, noise)
    if refused is not None:
        return refused
    relaxation = RelaxationModes(rate * held.rates, held.basis)
    if multiplicative:
        assert landscape.sample_hessians is not None  # checked
        variance = batch_variance(landscape.samples, settings.batch_size, distinct=settings.distinct)
        grown = mean_diffusion(
            relaxation,
            noise,
            landscape.sample_hessians,
            strength=rate**2 * variance / (landscape.samples - 1),
            discrete=settings.discrete,
        )
        if isinstance(grown, Verdict):
            return grown
        noise = grown
    facts = {
        "mean": landscape.position + step,
        "dropped": dropped_coordinates(modes, loose),
        "title": str(settings),
        "rests_on": _basis(multiplicative) + predicted.rests_on,
    }
    if settings.momentum:
        state = heavy_ball(
            held,
            noise,
            learning_rate=rate,
            momentum=settings.momentum,
            dampening=settings.dampening,
            facts=facts,
        )
    else:
        propagator = np.eye(len(noise)) - rate * landscape.hessian
        state = settled(relaxation, noise, propagator, discrete=settings.discrete, facts=facts)
    if state.equilibrium.kind != "boltzmann":
        return state
    slowed = (1 - settings.momentum) / (1 - settings.dampening) if settings.momentum else 1.0
    temperature = np.trace(noise) / held.rates.size / (rate * slowed)
    return replace(state, inverse_temperature=float(1 / temperature))


def _noise_at_the_centre(landscape: Landscape, step: Array, settings: TrainingSettings) -> Prediction:
    """D at the point or, unless it is as good as the minimum, a Newton step from it."""
    here = minibatch_diffusion(landscape, settings)
    loss_above = -float(landscape.gradient @ step)
    if settings.learning_rate * loss_above <= AT_MINIMUM * np.trace(here.value):
        return here
    return minibatch_diffusion(noise_at(landscape, step), settings)


def _without_replacement(landscape: Landscape, settings: TrainingSettings) -> StationaryState | Verdict:
    steps = settings.steps_per_epoch
    if steps == 1:
        return no_noise()
    epoch = reshuffled_epoch(landscape, settings)
    modes = RelaxationModes.of(epoch.relaxation)
    loose = flat(modes)
    refused = growing(modes) or diffusing(modes, loose, epoch.diffusion)
    if refused is not None:
        return refused
    held = modes.keep(~loose)
    if not held.into(epoch.diffusion).any():
        return no_noise()
    facts = {
        "mean": landscape.position + epoch.displacement,
        "dropped": dropped_coordinates(modes, loose),
        "title": str(settings),
        "steps_per_update": steps,
        "rests_on": f"weights at the ends of epochs (within one they stray further); {epoch.rests_on}",
    }
    state = settled(held, epoch.diffusion, epoch.propagator, discrete=settings.discrete, facts=facts)
    if state.equilibrium.kind != "boltzmann":
        return state
    temperature = np.trace(epoch.diffusion) / held.rates.size / (settings.learning_rate * steps)
    return replace(state, inverse_temperature=float(1 / temperature))


def _basis(multiplicative: bool) -> str:
    if multiplicative:
        return "quadratic samples, whose noise grows with the distance (diffusion and entropy production: with its mean); "
    return "a quadratic loss with noise that does not depend on the weights; "
