"""Diffusion matrix of SGD whose minibatches are drawn independently at every step.

D = (η²/2)(1/m − 1/M) S for m distinct samples of M, exactly (Adhikari, Kabakçıoğlu, Strang, Yuret, Hinczewski,
arXiv 2306.03521, (14) and (A10)), with S the covariance of the per-sample gradients G_i = ∇ℓ_i + ∇R.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.quantities import Landscape, Prediction
from thermograd.theory.training_settings import TrainingSettings

Array = npt.NDArray[Any]


def batch_variance(samples: int, batch_size: int, *, distinct: bool) -> float:
    """Var of a minibatch mean over the covariance S: 1/m − 1/M, or (M − 1)/(M m) if a sample may come twice.

    Args:
        samples: M.
        batch_size: m.
        distinct: whether the samples of one batch are distinct.

    >>> batch_variance(200, 10, distinct=True)
    0.095
    >>> round(batch_variance(200, 10, distinct=False) / batch_variance(200, 10, distinct=True), 12) == round(199 / 190, 12)
    True
    """
    if distinct:
        return (samples - batch_size) / (samples * batch_size)
    return (samples - 1) / (samples * batch_size)


def minibatch_diffusion(landscape: Landscape, settings: TrainingSettings) -> Prediction:
    """D, half the covariance of one step with replacement, at the point of the landscape, `(N, N)`.

    The form "large_sample" is (14), second line, (η²/2m) (1/M) Σ G_i G_iᵀ: it leaves out that the batch is a part of the
    sample, and g gᵀ.

    Args:
        landscape: gradients of the samples.
        settings: of SGD with replacement.

    >>> land = Landscape(sample_gradients=[[1.0], [-1.0], [1.0], [-1.0]], hessian=[[1.0]])
    >>> settings = TrainingSettings(samples=4, learning_rate=1.0, batch_size=2)
    >>> minibatch_diffusion(land, settings).value.round(6).tolist()
    [[0.166667]]
    """
    rate, size = settings.learning_rate, settings.batch_size
    if settings.form == "large_sample":
        gradients = landscape.sample_gradients
        value = rate**2 / (2 * size * landscape.samples) * (gradients.T @ gradients)
        text = "the limit of many samples, a factor (M-1)n/((n-1)M) off, n = M/m, and the mean gradient counted as noise"
        return Prediction(value, rests_on=text)
    variance = batch_variance(landscape.samples, size, distinct=settings.distinct)
    kind = "distinct samples in a batch" if settings.distinct else "samples that may repeat within a batch"
    return Prediction(
        rate**2 / 2 * variance * landscape.gradient_covariance,
        rests_on=f"{kind}, batches independent of each other",
    )


def noise_at(landscape: Landscape, step: Array) -> Landscape:
    """The landscape with its per-sample gradients moved along their own Hessians by `step`, G_i + K_i step.

    Unchanged if the per-sample Hessians are not known.

    Args:
        landscape: where the gradients were taken.
        step: `(N,)`.

    >>> land = Landscape(sample_gradients=[[1.0], [-1.0]], sample_hessians=[[[2.0]], [[4.0]]])
    >>> noise_at(land, np.array([0.5])).sample_gradients.tolist()
    [[2.0], [1.0]]
    """
    if not step.any():
        return landscape
    if landscape.sample_hessians is not None:
        moved = landscape.sample_hessians @ step
    elif landscape.sample_hessian_products is not None:
        moved = np.asarray(landscape.sample_hessian_products(step))
    else:
        return landscape
    return Landscape(
        sample_gradients=landscape.sample_gradients + moved,
        sample_hessians=landscape.sample_hessians,
        sample_hessian_products=landscape.sample_hessian_products,
        hessian=landscape.hessian,
    )
