"""What the landscape adds to the linear process around it: excess loss, anharmonic shift of the mean, what is left open."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.quantities import Landscape
from thermograd.theory.linear_process import StationaryState
from thermograd.theory.minibatch_noise import batch_variance
from thermograd.theory.training_settings import TrainingSettings

Array = npt.NDArray[Any]

_OFF = 0.1  # standard deviations from the centre that are worth a word
_FAR = 3.0  # from which on they are a warning
_COUNTABLE = 1000
_ROUNDING = 1e-7  # of the largest standard deviation


def completed(state: StationaryState, landscape: Landscape, settings: TrainingSettings) -> StationaryState:
    """The state with excess loss, loss at its centre and anharmonic mean, and with what the landscape leaves open.

    The mean moves by −½ H⁻¹(T:Σ), T the third derivatives: to the flatter side, where it has more room. With replacement
    only; without, the covariance at the ends of epochs is too small for it to count.

    Args:
        state: of the linear process around the minimum of a parabola.
        landscape: of the loss.
        settings: of the training.
    """
    step = state.mean - landscape.position
    away = _standard_deviations(state, step)
    notes = [state.rests_on, *_notes(state, landscape, step, settings, away)]
    against = [_far(landscape, away)] if settings.replacing and away > _FAR else []
    mean = state.mean
    third = landscape.third_derivative
    if settings.replacing and third is not None:
        force = np.tensordot(third, state.covariance, axes=([1, 2], [0, 1]))
        mean = mean - np.linalg.pinv(landscape.hessian, rcond=1e-12, hermitian=True) @ force / 2
    elif settings.replacing:
        notes.append("third derivatives not given: the shift of the mean to the flatter side is left out")
    excess = float(np.vdot(landscape.hessian, state.covariance)) / 2
    if landscape.directions is not None and settings.replacing:
        beyond = _excess_beyond(landscape, settings)
        excess += beyond or 0.0
        notes.append(
            f"excess loss of all {len(landscape.directions)} parameters, outside these directions in continuous time"
            if beyond is not None
            else "excess loss of these directions only, a lower bound"
        )
    return replace(
        state,
        mean=mean,
        loss=landscape.loss + float(landscape.gradient @ step + step @ landscape.hessian @ step / 2),
        excess_loss=excess,
        directions=landscape.directions,
        note="; ".join(filter(None, (*against, landscape.note))),
        rests_on="; ".join(notes),
    )


def _excess_beyond(landscape: Landscape, settings: TrainingSettings) -> float | None:
    """Excess loss outside the directions, tr D/(2η) of continuous time; None if it cannot be known."""
    whole = landscape.gradient_covariance_trace
    if whole is None:
        return None
    variance = batch_variance(landscape.samples, settings.batch_size, distinct=settings.distinct)
    slowed = (1 - settings.dampening) / (1 - settings.momentum) if settings.momentum else 1.0
    beyond = max(whole - float(np.trace(landscape.gradient_covariance)), 0.0)
    return slowed * settings.learning_rate / 4 * variance * beyond


def _standard_deviations(state: StationaryState, step: Array) -> float:
    """The longest way to the centre, coordinate by coordinate, among those that fluctuate beyond rounding."""
    spread = np.sqrt(np.maximum(np.diagonal(state.covariance), 0.0))
    moving = spread > _ROUNDING * spread.max(initial=0.0)
    return float(np.max(np.abs(step)[moving] / spread[moving], initial=0.0))


def _far(landscape: Landscape, away: float) -> str:
    """What speaks against numbers of a point that is not at the minimum they are about."""
    size = float(np.linalg.norm(landscape.gradient))
    return (
        f"the gradient at this point is not 0 but {size:.3g} long: training has not settled here, and the minimum that these "
        f"numbers are about is guessed {_counted(away)} standard deviations away, where the theory applies only if the loss "
        "is a parabola as far as that. Train on, or take the landscape with refine=True"
    )


def _counted(away: float) -> str:
    return f"{away:.2g}" if away < _COUNTABLE else f"more than {_COUNTABLE}"


def _notes(
    state: StationaryState, landscape: Landscape, step: Array, settings: TrainingSettings, away: float
) -> list[str]:
    notes = []
    if state.dropped:
        listed = ", ".join(map(str, state.dropped[:10])) + (", ..." if len(state.dropped) > 10 else "")
        many = "s" if len(state.dropped) > 1 else ""
        notes.append(
            f"{len(state.dropped)} coordinate{many} without gradient and curvature left where {'they are' if many else 'it is'}: {listed}"
        )
    if away > _OFF and settings.replacing:
        notes.append(
            f"the centre is parameters − H⁻¹g, {_counted(away)} standard deviations off in some coordinate, as the gradient "
            "at parameters is not 0"
        )
    if away > _OFF and not settings.replacing:
        notes.append(
            f"the centre is the minimum of the effective loss, one Newton step or {_counted(away)} standard deviations from "
            "parameters; exact to the order of the theory where the landscape is taken at that minimum"
        )
    if landscape.directions is not None:
        notes.append(
            f"{len(step)} directions of {len(landscape.directions)} parameters: exact there if they are eigenvectors of "
            "the Hessian; entropy production is a lower bound of the whole"
        )
    return notes
