"""The stationary state measured: covariance, circulation, entropy and whether training has come to rest in it."""

from __future__ import annotations

from thermograd.estimators.circulation import circulation
from thermograd.estimators.detailed_balance import detailed_balance
from thermograd.estimators.detailed_fluctuation import detailed_fluctuation, detailed_fluctuation_curve
from thermograd.estimators.fluctuation_theorems import (
    entropy_production,
    integral_fluctuation,
    trajectory_entropy,
)
from thermograd.estimators.lyapunov_residual import lyapunov_residual
from thermograd.estimators.stationary_covariance import covariance
from thermograd.estimators.variance_flatness import variance_flatness

__all__ = [
    "circulation",
    "covariance",
    "detailed_balance",
    "detailed_fluctuation",
    "detailed_fluctuation_curve",
    "entropy_production",
    "integral_fluctuation",
    "lyapunov_residual",
    "trajectory_entropy",
    "variance_flatness",
]
