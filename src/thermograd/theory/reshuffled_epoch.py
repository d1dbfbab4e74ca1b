"""One epoch of SGD without replacement as a linear process: where it leads, how it relaxes, what noise it adds.

To fourth order in the learning rate the noise of an epoch is D̂ of `reshuffled_diffusion`, and its drift −η∇L̂ of
`effective_loss`. In discrete time the part of both that the Hessian alone gives is taken to all orders of ηH.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.quantities import Landscape
from thermograd.theory.effective_loss import EffectiveLoss, effective_loss
from thermograd.theory.minibatch_noise import batch_variance, noise_at
from thermograd.theory.reshuffled_diffusion import reshuffled_diffusion_of
from thermograd.theory.training_settings import TrainingSettings

Array = npt.NDArray[Any]

LARGEST_EPOCH = 0.5  # of η n h, beyond which the expansion of the order effects is not to be trusted


@dataclass(frozen=True, eq=False)
class Epoch:
    """The map δ ← (I − F) δ + noise of an epoch around its fixed point.

    Attributes:
        displacement: of the fixed point from the point of the landscape, `(N,)`.
        relaxation: F, symmetric `(N, N)`; in continuous time η∇∇L̂.
        diffusion: D, half the covariance of the noise, `(N, N)`.
        rests_on: the assumptions, in words.
    """

    displacement: Array
    relaxation: Array
    diffusion: Array
    rests_on: str

    @property
    def propagator(self) -> Array:
        """A = I − F."""
        return np.eye(len(self.relaxation)) - self.relaxation


def reshuffled_epoch(landscape: Landscape, settings: TrainingSettings) -> Epoch:
    """The linear process of one epoch without replacement.

    In discrete time, with n steps, Ω = (1/m − 1/M) S, W_t = (I − ηH)^(n−1−t) and W̄ their mean:

        A = (I − ηH)ⁿ − η∇∇δL − (η² n(n−1)/2) H²,   D = D̂ − D₄ + D_all,
        D_all = (η²/2)(n/(n−1)) Σ_t (W_t − W̄) Ω (W_t − W̄)ᵀ,

    and D₄ the same with W_t − W̄ to first order in ηH. Gradients of the samples are moved to the fixed point along their
    Hessians, which are kept.

    Args:
        landscape: with Hessians of the samples; for form "large_sample" they may be missing, then the bias of the
            minimum is left out.
        settings: of SGD without replacement.

    Raises:
        ConfigError: a ValueError: no Hessians of the samples.
    """
    effective = _effective_loss(landscape, settings)
    step = effective.newton_step
    there = noise_at(landscape, step)
    predicted = reshuffled_diffusion_of(there, settings)
    rate, steps = settings.learning_rate, settings.steps_per_epoch
    curvatures, basis = np.linalg.eigh((landscape.hessian + landscape.hessian.T) / 2)
    notes = [effective.rests_on, predicted.rests_on]
    extent = rate * steps * float(curvatures[-1])
    if extent >= LARGEST_EPOCH:
        notes.append(
            f"learning rate x steps per epoch x largest curvature = {extent:.3g}, beyond {LARGEST_EPOCH}: the expansion in "
            "the order of the samples is not reliable here"
        )
    relaxation, diffusion = rate * effective.hessian, predicted.value
    if settings.discrete:
        relaxation = relaxation + basis @ (_decay_beyond(curvatures, rate, steps)[:, None] * basis.T)
        variance = batch_variance(landscape.samples, settings.batch_size, distinct=True)
        noise = basis.T @ there.gradient_covariance @ basis * variance
        diffusion = diffusion + basis @ (noise * _spread_beyond(curvatures, rate, steps)) @ basis.T
    return Epoch(
        displacement=step,
        relaxation=(relaxation + relaxation.T) / 2,
        diffusion=(diffusion + diffusion.T) / 2,
        rests_on="; ".join(notes),
    )


def _effective_loss(landscape: Landscape, settings: TrainingSettings) -> EffectiveLoss:
    known = landscape.sample_hessians is not None or landscape.sample_hessian_products is not None
    if settings.form != "large_sample" or (known and landscape.directions is None):
        return effective_loss(landscape, settings)
    steps = settings.steps_per_epoch
    text = "Hessians of the samples not given: the bias of the minimum by reshuffling is left out"
    # H² of the two first terms of δL, so that the epoch contracts by (1 − ηh)ⁿ
    bent = settings.learning_rate * steps * (steps - 1) / 2 * landscape.hessian @ landscape.hessian
    return EffectiveLoss(steps * landscape.gradient, steps * landscape.hessian - bent, text)


def _decay_beyond(curvatures: Array, rate: float, steps: int) -> Array:
    """1 − (1 − ηh)ⁿ without its first two orders in ηh, `(N,)`."""
    small = rate * curvatures
    with np.errstate(divide="ignore", invalid="ignore"):  # ηh >= 1: the logarithm has no sign
        decayed = np.where(small < 1, -np.expm1(steps * np.log1p(-small)), 1 - (1 - small) ** steps)
    beyond: Array = decayed - steps * small + steps * (steps - 1) / 2 * small**2
    return beyond


def _spread_beyond(curvatures: Array, rate: float, steps: int) -> Array:
    """(η²/2)(n/(n−1)) Σ_t w_ta w_tb with w_t = W_t − W̄, less its lowest order in ηh, `(N, N)`."""
    if steps == 1:
        return np.zeros((len(curvatures), len(curvatures)))
    left = np.arange(steps - 1, -1, -1)
    weights = (1 - rate * curvatures) ** left[:, None]
    away = weights - weights.mean(axis=0)
    first = -rate * curvatures * (left[:, None] - (steps - 1) / 2)
    beyond: Array = rate**2 / 2 * steps / (steps - 1) * (away.T @ away - first.T @ first)
    return beyond
