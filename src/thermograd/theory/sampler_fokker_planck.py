"""A sampler as a continuous process: the stationary covariance of its Fokker-Planck equation with noise that depends on the weights.

Adhikari, Kabakçıoğlu, Strang, Yuret, Hinczewski, arXiv 2306.03521, (44) and (47). It knows neither the length of a step nor
that of an epoch, so it is not what the algorithm draws from; `stationary_distribution` is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.quantities import Landscape, Prediction, Verdict
from thermograd.theory.effective_loss import effective_loss
from thermograd.theory.gaussian import Gaussian
from thermograd.theory.minibatch_noise import minibatch_diffusion, noise_at
from thermograd.theory.reshuffled_diffusion import reshuffled_diffusion_of
from thermograd.theory.sample_parabolas import SampleParabolas, improper
from thermograd.theory.sampling_settings import CORRECTED, SamplingSettings
from thermograd.theory.training_settings import TrainingSettings, check_landscape

Array = npt.NDArray[Any]


def fokker_planck_distribution(
    landscape: Landscape, algorithm: str, *, learning_rate: float, batch_size: int, temperature: float = 1.0
) -> Prediction | Verdict:
    """The stationary Gaussian of the continuous equation of a sampler.

    H'Σ + ΣH' = (2/η) ⟨D'⟩ with D' quadratic in the weights, ⟨D'⟩ its mean under that Gaussian, solved as one linear system
    in the N(N+1)/2 numbers of Σ:

    | algorithm | H' | D' |
    |---|---|---|
    | sgld (44) | H | ηT + D |
    | sgworld, sgworld_published (47) | nH | ηnT + D̂ |
    | all others | nH + ∇∇δL, about the minimum of L̂ | ηnT + D̂ |

    D of a step and D̂ of an epoch are those of `theory.stationary_state.diffusion`. (44) and the Gaussians beside it lack a
    minus sign in the text.

    Args:
        landscape: of U, at or next to its minimum, with Hessians of the samples and at most 20 parameters.
        algorithm: one of `ALGORITHMS`.
        learning_rate: η, which multiplies ∇U.
        batch_size: m; a divisor of the number of samples, unless for "sgld".
        temperature: T.

    Returns:
        A `Prediction` whose value is a `Gaussian` with the absolute mean; or a `Verdict` of kind `no_stationary_state`,
        `not_a_minimum` or `improper`.

    Raises:
        ConfigError: a ValueError: an argument out of its range, no Hessians of the samples, or too many parameters.

    >>> land = Landscape(sample_gradients=[[2.0], [-2.0]], sample_hessians=[[[4.0]], [[4.0]]])
    >>> found = fokker_planck_distribution(land, "sgld", learning_rate=0.05, batch_size=1).value
    >>> round(float(found.covariance[0, 0]), 6)  # (1/h)(1 + D/η), D = η² 8/4
    0.275
    """
    check_landscape(landscape)
    settings = SamplingSettings(
        algorithm=algorithm,
        samples=landscape.samples,
        learning_rate=learning_rate,
        batch_size=batch_size,
        temperature=temperature,
    )
    refused = improper(landscape)
    if refused is not None:
        return refused
    there = SampleParabolas.of(landscape).landscape
    training = TrainingSettings(
        samples=landscape.samples,
        learning_rate=learning_rate,
        batch_size=batch_size,
        minibatching="with_replacement" if algorithm == "sgld" else "without_replacement",
    )
    duration, drift, centre = 1, there.hessian, there.position
    if algorithm != "sgld":
        duration = settings.steps_per_epoch
        drift = duration * there.hessian
    if algorithm not in ("sgld", *CORRECTED):
        effective = effective_loss(there, training)
        if np.linalg.eigvalsh(effective.hessian)[0] <= 0:
            return _no_state(settings, "the effective loss of an epoch has no minimum")
        drift, step = effective.hessian, effective.newton_step
        centre, there = centre + step, noise_at(there, step)
    covariance = _covariance(drift, duration * temperature, _doubled_noise(there, training), learning_rate)
    if covariance is None:
        return _no_state(
            settings, "the minibatch noise grows faster with the distance than the drift pulls back"
        )
    return Prediction(
        Gaussian(centre, covariance),
        rests_on="the continuous limit: steps and epochs short against every relaxation time; quadratic samples",
    )


def _doubled_noise(landscape: Landscape, training: TrainingSettings) -> Callable[[Array | None], Array]:
    """The function that gives 2D at the point, and with a displacement x what is quadratic in x: 2D of the gradients K_i x."""
    diffusion = minibatch_diffusion if training.replacing else reshuffled_diffusion_of

    def doubled(displacement: Array | None) -> Array:
        if displacement is None:
            return 2 * np.asarray(diffusion(landscape, training).value)
        assert landscape.sample_hessians is not None  # given by SampleParabolas
        moved = Landscape(
            sample_gradients=landscape.sample_hessians @ displacement,
            sample_hessians=landscape.sample_hessians,
        )
        return 2 * np.asarray(diffusion(moved, training).value)

    return doubled


def _covariance(
    drift: Array, heat: float, doubled: Callable[[Array | None], Array], rate: float
) -> Array | None:
    """Σ of drift Σ + Σ drift = 2 heat + ⟨2D⟩/η, or None if it would not be stable."""
    size = len(drift)
    rows, columns = np.triu_indices(size)
    units = np.eye(size)
    single = [doubled(unit) for unit in units]
    system = np.empty((len(rows), len(rows)))
    for place, (row, column) in enumerate(zip(rows, columns, strict=True)):
        direction = np.zeros((size, size))
        direction[row, column] = direction[column, row] = 1.0
        grown = single[row]
        if row != column:  # the mean over x of variance `direction`, by polarisation
            grown = doubled(units[row] + units[column]) - single[row] - single[column]
        system[:, place] = (drift @ direction + direction @ drift - grown / rate)[rows, columns]
    if np.linalg.eigvals(system).real.min() <= 0:
        return None
    noise = 2 * heat * units + doubled(None) / rate
    covariance = np.empty((size, size))
    covariance[rows, columns] = np.linalg.solve(system, noise[rows, columns])
    covariance[columns, rows] = covariance[rows, columns]
    return covariance


def _no_state(settings: SamplingSettings, why: str) -> Verdict:
    text = (
        f"no stationary state of the continuous equation of {settings.algorithm} at learning rate "
        f"{settings.learning_rate:.4g}: {why}. Take a smaller learning rate"
    )
    evidence = {"learning_rate": settings.learning_rate, "steps_per_epoch": settings.steps_per_epoch}
    return Verdict(False, "no_stationary_state", text, evidence)
