"""Loss of one sample of a mixture, with its derivatives by the preactivation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from thermograd.theory.mean_field_mixture import Mixture

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class MixtureLoss:
    """l(y, h) of the output φ(h): φ = h (linear), or φ = h² − L² (door), z = yφ.

    logistic log(1 + e^−z); squared_hinge (κ − z)₊²/2; square (φ − y)²/2 = (1 − z)²/2 since y² = 1. All are f(z), so that
    l′ = y φ′ f′ and l″ = φ′² f″ + y φ″ f′.

    Attributes:
        mixture: whose loss, door and margin these are.
    """

    mixture: Mixture

    def output(self, preactivation: Array) -> Array:
        """φ(h), of the shape of h."""
        if self.mixture.clusters == 2:
            return preactivation
        return preactivation**2 - self.mixture.door_width**2

    def derivatives(self, preactivation: Array, labels: Array) -> tuple[Array, Array, Array]:
        """l, l′ and l″ at h, each of its shape.

        Args:
            preactivation: h.
            labels: y, ±1.

        >>> from types import SimpleNamespace
        >>> names = ("sample_ratio", "cluster_variance", "weight_decay", "initial_norm_squared", "initial_overlap")
        >>> known = dict.fromkeys(names, 1.0) | {"clusters": 2, "door_width": 0.7, "loss": "squared_hinge", "margin": 2.0}
        >>> MixtureLoss(Mixture(**known)).derivatives(np.array([0.5, 3.0]), np.array([1.0, 1.0]))
        (array([1.125, 0.   ]), array([-1.5, -0. ]), array([1., 0.]))
        """
        value, first, second = self._of_margin(labels * self.output(preactivation))
        if self.mixture.clusters == 2:
            return value, labels * first, second
        slope = 2 * preactivation
        return value, labels * slope * first, slope**2 * second + 2 * labels * first

    def _of_margin(self, margin: Array) -> tuple[Array, Array, Array]:
        """f, f′ and f″ at z."""
        if self.mixture.loss == "logistic":
            wrong = expit(-margin)
            return np.logaddexp(0.0, -margin), -wrong, wrong * expit(margin)
        if self.mixture.loss == "square":
            short = 1 - margin
            return short**2 / 2, -short, np.ones_like(short)
        short = np.maximum(self.mixture.margin - margin, 0.0)
        return short**2 / 2, -short, (short > 0).astype(np.float64)
