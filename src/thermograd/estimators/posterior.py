"""What draws from a posterior say: do they agree, how hot are they, how far from a known Gaussian, how calibrated."""

from __future__ import annotations

from thermograd.estimators.posterior_calibration import Calibration, calibration
from thermograd.estimators.posterior_convergence import convergence
from thermograd.estimators.posterior_divergence import gaussian_kl
from thermograd.estimators.posterior_mixing import EffectiveSampleSize, effective_sample_size, rhat
from thermograd.estimators.posterior_virial import virial_ratio

__all__ = [
    "Calibration",
    "EffectiveSampleSize",
    "calibration",
    "convergence",
    "effective_sample_size",
    "gaussian_kl",
    "rhat",
    "virial_ratio",
]
