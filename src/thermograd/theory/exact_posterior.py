"""The distribution that a sampler should draw from: exp(−U/T) of a quadratic U."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError
from thermograd.numerics.finite_number import check_finite_number
from thermograd.numerics.real_numbers import real_numbers
from thermograd.quantities import Landscape, Prediction, Verdict
from thermograd.theory.gaussian import Gaussian
from thermograd.theory.sample_parabolas import improper
from thermograd.theory.training_settings import check_landscape, check_positive

Array = npt.NDArray[Any]


def exact_posterior(landscape: Landscape, temperature: float = 1.0) -> Prediction | Verdict:
    """exp(−U/T) with U the loss of the landscape taken as a parabola: mean θ − H⁻¹g, covariance T H⁻¹.

    At T = 1 the posterior, if U is the sum over samples of −log likelihood, plus −log prior.

    Args:
        landscape: of U, at or next to its minimum.
        temperature: T.

    Returns:
        A `Prediction` whose value is a `Gaussian`; or a `Verdict` of kind `not_a_minimum` or `improper`.

    Raises:
        ConfigError: a ValueError: a temperature that is not positive.

    >>> land = Landscape(sample_gradients=[[1.0], [3.0]], hessian=[[4.0]])
    >>> found = exact_posterior(land, temperature=2.0).value
    >>> found.mean.tolist(), found.covariance.tolist()
    ([-0.5], [[0.5]])
    """
    check_landscape(landscape)
    check_positive("temperature", temperature)
    refused = improper(landscape)
    if refused is not None:
        return refused
    hessian = (landscape.hessian + landscape.hessian.T) / 2
    mean = landscape.position - np.linalg.solve(hessian, landscape.gradient)
    return Prediction(Gaussian(mean, temperature * np.linalg.inv(hessian)), rests_on="a quadratic potential")


def regression_posterior(
    features: npt.ArrayLike, targets: npt.ArrayLike, *, noise_std: float, prior_precision: float
) -> Prediction | Verdict:
    """The posterior of linear regression y = Φθ + noise, with a Gaussian prior around 0.

    Covariance Σ = (ΦᵀΦ/ε² + p)⁻¹ and mean ΣΦᵀy/ε² (Adhikari, Kabakçıoğlu, Strang, Yuret, Hinczewski, arXiv 2306.03521,
    (41) to (43), where the sign of the exponent of (41) is missing).

    Args:
        features: Φ, `(M, N)`.
        targets: y, `(M,)`.
        noise_std: ε, standard deviation of the noise.
        prior_precision: p, one over the variance of the prior; 0 = flat.

    Returns:
        A `Prediction` whose value is a `Gaussian`; or a `Verdict` of kind `improper` if a flat prior leaves a direction free.

    Raises:
        ConfigError: a ValueError: shapes that do not fit, or numbers out of their range.

    >>> found = regression_posterior([[1.0], [1.0]], [1.0, 3.0], noise_std=1.0, prior_precision=2.0).value
    >>> found.mean.tolist(), found.covariance.tolist()
    ([1.0], [[0.25]])
    """
    inputs, outputs = real_numbers("features", features), real_numbers("targets", targets)
    if inputs.ndim != 2 or 0 in inputs.shape or outputs.shape != inputs.shape[:1]:
        message = f"features have shape {inputs.shape} and targets {outputs.shape}; give (M, N) and (M,)"
        raise ConfigError(message)
    check_positive("noise_std", noise_std)
    check_finite_number("prior_precision", prior_precision, error=ConfigError)
    precision = 1 / noise_std**2
    landscape = Landscape(
        sample_gradients=-precision * len(inputs) * outputs[:, None] * inputs,
        hessian=precision * inputs.T @ inputs + prior_precision * np.eye(inputs.shape[1]),
    )
    found = exact_posterior(landscape)
    if isinstance(found, Verdict):
        return found
    return Prediction(found.value, rests_on="Gaussian noise of known size, and a Gaussian prior")
