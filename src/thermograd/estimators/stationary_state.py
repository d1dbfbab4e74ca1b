"""The stationary state measured: covariance, circulation, entropy and whether training has come to rest in it."""

from __future__ import annotations

from thermograd.estimators.circulation import circulation
from thermograd.estimators.fluctuation_theorems import (
    entropy_production,
    integral_fluctuation,
    trajectory_entropy,
)
from thermograd.estimators.stationary_covariance import covariance

__all__ = [
    "circulation",
    "covariance",
    "entropy_production",
    "integral_fluctuation",
    "trajectory_entropy",
]
