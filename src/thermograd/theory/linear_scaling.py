"""Whether batch size and learning rate may be multiplied by the same factor without changing the stationary state."""

from __future__ import annotations

import numpy as np

from thermograd.errors import ConfigError
from thermograd.quantities import Landscape, Prediction, Verdict
from thermograd.theory.curvature import curvature_modes, diffusing, flat, no_noise, not_a_minimum, unstable
from thermograd.theory.minibatch_noise import batch_variance
from thermograd.theory.training_settings import TrainingSettings, check_landscape, check_positive


def linear_scaling(
    landscape: Landscape,
    *,
    learning_rate: float,
    batch_size: int,
    factor: float,
    distinct: bool = True,
    time: str = "discrete",
) -> Prediction | Verdict:
    """The ratio tr Σ(cη, cm) / tr Σ(η, m): whether batch and learning rate may be multiplied by c without changing the state.

    Per mode (M − cm)/(M − m) with distinct samples, 1 with repeats; in discrete time times (2 − ηh)/(2 − cηh).

    Args:
        landscape: at a minimum.
        learning_rate: η.
        batch_size: m.
        factor: c; c m must be a whole number.
        distinct: as in `predict`.
        time: as in `predict`.

    Returns:
        The ratio; or the `Verdict` of `predict` if one of the two states does not exist.

    Raises:
        ConfigError: a ValueError: an argument out of its range.

    >>> land = Landscape(sample_gradients=[[1.0], [-1.0], [1.0], [-1.0]], hessian=[[1.0]])
    >>> round(linear_scaling(land, learning_rate=0.1, batch_size=1, factor=2, time="continuous").value, 6)
    0.666667
    """
    check_landscape(landscape)
    check_positive("factor", factor)
    TrainingSettings(
        samples=landscape.samples,
        learning_rate=learning_rate,
        batch_size=batch_size,
        distinct=distinct,
        time=time,
    )
    scaled = batch_size * factor
    if not np.isclose(scaled, round(scaled), rtol=1e-12):
        message = f"factor is {factor!r}: factor times batch_size is {scaled:g}, it must be a whole number"
        raise ConfigError(message)
    modes = curvature_modes(landscape)
    for rate, size in ((learning_rate, batch_size), (learning_rate * factor, round(scaled))):
        TrainingSettings(
            samples=landscape.samples, learning_rate=rate, batch_size=size, distinct=distinct, time=time
        )
        refused = not_a_minimum(modes) or unstable(modes, rate, 2.0)
        if refused is not None:
            return refused
    loose = flat(modes)
    covariance = landscape.gradient_covariance
    refused = diffusing(modes, loose, covariance)
    if refused is not None:
        return refused
    held = modes.keep(~loose)
    noise = np.einsum("ik,ij,jk->k", held.basis, covariance, held.basis, optimize=True)

    def trace(rate: float, size: int) -> float:
        second = rate * held.rates if time == "discrete" else 0.0
        variance = batch_variance(landscape.samples, size, distinct=distinct)
        return float(np.sum(rate * variance * noise / (held.rates * (2 - second))))

    before = trace(learning_rate, batch_size)
    if before == 0:
        return no_noise()
    value = trace(learning_rate * factor, round(scaled)) / before
    return Prediction(value, rests_on="a quadratic loss; batches independent of each other")
