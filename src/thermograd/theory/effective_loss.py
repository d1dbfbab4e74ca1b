"""The loss that SGD without replacement minimises: reshuffling every epoch biases the minimum.

An epoch of n minibatches, each sample once, moves the weights on average by −η∇L̂ with

    L̂ = n L + δL,   δL = −(η n (n − 1)/4) [ |g|² − tr(S)/M ]

(Adhikari, Kabakçıoğlu, Strang, Yuret, Hinczewski, arXiv 2306.03521, (16), with the regulariser carried by every sample).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError
from thermograd.quantities import Landscape, Prediction
from thermograd.theory.training_settings import TrainingSettings, check_landscape

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class EffectiveLoss:
    """Derivatives of L̂ at the point of a landscape.

    Attributes:
        gradient: ∇L̂, `(N,)`.
        hessian: ∇∇L̂, `(N, N)`.
        rests_on: which third derivatives went in, in words.
    """

    gradient: Array
    hessian: Array
    rests_on: str

    @property
    def newton_step(self) -> Array:
        """From the point to the minimum of L̂, `(N,)`; coordinates without curvature stay where they are."""
        step: Array = -np.linalg.pinv(self.hessian, rcond=1e-12, hermitian=True) @ self.gradient
        return step


def effective_minimum(landscape: Landscape, *, learning_rate: float, batch_size: int) -> Prediction:
    """Where SGD that reshuffles every epoch is centred: the minimum of L̂ by one Newton step, `(N,)`.

    θ̂ = θ − (nH + ∇∇δL)⁻¹ (ng + ∇δL), right to O(η²) of a landscape at the minimum of L. There the whole shift is from the
    variance of the gradients.

    Args:
        landscape: at or next to a minimum, with Hessians of the samples.
        learning_rate: η.
        batch_size: m, a divisor of the number of samples.

    Raises:
        ConfigError: a ValueError: an argument out of its range, or a landscape without Hessians of the samples.

    >>> land = Landscape(sample_gradients=[[1.0], [-1.0]], sample_hessians=[[[1.5]], [[0.5]]])
    >>> effective_minimum(land, learning_rate=0.1, batch_size=1).value.round(6).tolist()  # −0.005 an epoch, of 0.1925
    [-0.025974]
    """
    check_landscape(landscape)
    settings = TrainingSettings(
        samples=landscape.samples,
        learning_rate=learning_rate,
        batch_size=batch_size,
        minibatching="without_replacement",
    )
    effective = effective_loss(landscape, settings)
    return Prediction(landscape.position + effective.newton_step, rests_on=effective.rests_on)


def effective_loss(landscape: Landscape, settings: TrainingSettings) -> EffectiveLoss:
    """Gradient and Hessian of L̂ at the point of the landscape.

    ∇δL = −(η n (n−1)/2) [ M/(M−1) Hg − Σ K_iG_i / (M(M−1)) ],
    ∇∇δL = −(η n (n−1)/2) [ M/(M−1) (H² + T·g) − Σ (K_i² + T_i·G_i) / (M(M−1)) ].

    Args:
        landscape: with Hessians of the samples.
        settings: of SGD without replacement.

    Raises:
        ConfigError: a ValueError: no Hessians of the samples.

    >>> land = Landscape(sample_gradients=[[3.0], [-1.0]], sample_hessians=[[[1.0]], [[1.0]]])
    >>> settings = TrainingSettings(samples=2, learning_rate=0.1, batch_size=1, minibatching="without_replacement")
    >>> float(effective_loss(land, settings).gradient[0])  # of an epoch of 2 steps: 2 − 0.1 (2 − 1)
    1.9
    """
    count, steps = landscape.samples, settings.steps_per_epoch
    hessian, gradient = landscape.hessian, landscape.gradient
    if steps == 1:
        return EffectiveLoss(gradient, hessian, "one batch an epoch, which shuffling does not change")
    products = sample_products(landscape)
    size = len(hessian)
    along_gradient, squared = np.zeros(size), np.zeros((size, size))
    for axis, unit in enumerate(np.eye(size)):
        column = products(unit)
        along_gradient += column.T @ landscape.sample_gradients[:, axis]
        squared += column.T @ column
    bent = hessian @ hessian
    spread = squared / count
    left_out = []
    if landscape.third_derivative is not None:
        bent = bent + landscape.third_derivative @ gradient
    elif gradient.any():
        left_out.append("of the mean")
    if landscape.third_derivative_gradient is not None:
        spread = spread + landscape.third_derivative_gradient
    else:
        left_out.append("of the samples")
    third = (
        f"third derivatives {' and '.join(left_out)} taken as 0" if left_out else "third derivatives included"
    )
    strength = settings.learning_rate * steps * (steps - 1) / 2
    slope = (count * hessian @ gradient - along_gradient / count) / (count - 1)
    curvature = (count * bent - spread) / (count - 1)
    curvature = (curvature + curvature.T) / 2
    return EffectiveLoss(
        gradient=steps * gradient - strength * slope,
        hessian=steps * hessian - strength * curvature,
        rests_on=f"the effective loss to first order in the learning rate, {third}",
    )


def sample_products(landscape: Landscape) -> Callable[[Array], Array]:
    """The function v -> K_i v of all samples, `(N,)` -> `(M, N)`, whichever way the landscape holds the Hessians.

    Args:
        landscape: with `sample_hessians` or `sample_hessian_products`.

    Raises:
        ConfigError: a ValueError: it has neither, or holds them in a subspace, where a product needs the rest.
    """
    if landscape.directions is not None:
        message = (
            f"the landscape is in {landscape.directions.shape[1]} directions of {len(landscape.directions)} parameters, and "
            "SGD without replacement mixes them with all others. Take a landscape without directions=, "
            "form='large_sample', or minibatching='with_replacement'"
        )
        raise ConfigError(message)
    if landscape.sample_hessians is not None:
        shape = landscape.sample_gradients.shape
        rows = landscape.sample_hessians.reshape(-1, shape[1])  # one product in place of M small ones
        return lambda vector: np.asarray(rows @ vector).reshape(shape)
    if landscape.sample_hessian_products is not None:
        return landscape.sample_hessian_products
    count, size = landscape.sample_gradients.shape
    message = (
        "SGD without replacement needs the Hessian of every sample, and the landscape has none. Take it with "
        f"sample_hessians=True ({size} products of {count} x {size} numbers each), or form='large_sample'"
    )
    raise ConfigError(message)
