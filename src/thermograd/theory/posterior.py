"""Posterior sampling: what should be drawn, what an algorithm draws instead, and how far apart they are.

U(θ) = M · (mean negative log likelihood) + ½ · prior_precision · |θ|², the target exp(−U/T). The learning rate multiplies ∇U;
a rate used on a mean loss is M times as large. Draws are weights at the ends of epochs.
"""

from __future__ import annotations

from thermograd.theory.exact_posterior import exact_posterior as exact_posterior
from thermograd.theory.exact_posterior import regression_posterior as regression_posterior
from thermograd.theory.gaussian import Gaussian as Gaussian
from thermograd.theory.gaussian import kl_divergence as kl_divergence
from thermograd.theory.sampler_bias import step_size as step_size
from thermograd.theory.sampler_bias import variance_excess as variance_excess
from thermograd.theory.sampler_fokker_planck import fokker_planck_distribution as fokker_planck_distribution
from thermograd.theory.sampler_moments import stationary_distribution as stationary_distribution
from thermograd.theory.sampling_settings import ALGORITHMS as ALGORITHMS

__all__ = [
    "ALGORITHMS",
    "Gaussian",
    "exact_posterior",
    "fokker_planck_distribution",
    "kl_divergence",
    "regression_posterior",
    "stationary_distribution",
    "step_size",
    "variance_excess",
]
