"""The drawings of the effective noise: theory as lines, simulation as points."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from thermograd.report.displacement_against_response import displacement_against_response
from thermograd.report.figure import Figure
from thermograd.report.noise_by_setting import NoiseSeries, noise_by_setting
from thermograd.report.temperature_by_lag import temperature_by_lag
from thermograd.report.theory_over_simulation import Course, theory_over_simulation
from thermograd.report.width_and_distance import WidthAndDistance, width_against_distance
from thermograd.reproductions.effective_noise_settings import (
    BY_FRACTION,
    BY_PERSISTENCE,
    BY_RATE,
    Setting,
)
from thermograd.reproductions.effective_noise_simulation import Interpolated, Simulated, mean_over_draws
from thermograd.reproductions.effective_noise_theory import Theory

AXES = {
    "overlap": "overlap m",
    "norm_squared": "norm q",
    "train_loss": "training loss",
    "generalization_error": "new samples' error",
}
SHOWN = (Setting(), Setting(persistence=10.0), Setting(persistence=30.0))
BASELINE = "gradient descent"


def figures(
    under: Mapping[Setting, Theory],
    over: Mapping[Setting, Theory],
    simulation: Mapping[Setting, Simulated],
    boundaries: Mapping[str, Interpolated],
) -> tuple[Figure, ...]:
    """All drawings that what is there allows.

    Args:
        under: theory of stationary states.
        over: theory of interpolation.
        simulation: stationary states, possibly none yet.
        boundaries: interpolation by the name of the setting, possibly none yet.
    """
    shown = {setting.name: under[setting].temperature for setting in SHOWN}
    memories = {setting.name: setting.point.noise_memory for setting in SHOWN}
    drawn = [
        displacement_against_response(shown, what="theory"),
        temperature_by_lag(shown, noise_memory=memories, what="theory"),
    ]
    axes = {
        "batch fraction b": (BY_FRACTION, "batch_fraction"),
        "learning rate η": (BY_RATE, "learning_rate"),
        "persistence τ (steps)": (BY_PERSISTENCE, "persistence"),
    }
    for axis, (settings, name) in axes.items():
        series = _series(settings, name, under, over, simulation, boundaries)
        drawn.append(noise_by_setting(series, axis))
    if boundaries:
        drawn.append(_widths(boundaries))
    drawn.append(
        theory_over_simulation(
            {setting.name: _course(under[setting], simulation) for setting in SHOWN[:2]}, AXES
        )
    )
    return tuple(drawn)


def _series(
    settings: tuple[Setting, ...],
    name: str,
    under: Mapping[Setting, Theory],
    over: Mapping[Setting, Theory],
    simulation: Mapping[Setting, Simulated],
    boundaries: Mapping[str, Interpolated],
) -> list[NoiseSeries]:
    """Temperature with the distance of the same states, and the distance of the interpolating problem."""
    numbers = [getattr(setting, name) or 1 / setting.batch_fraction for setting in settings]
    measured = [simulation.get(setting) for setting in settings]
    stationary = NoiseSeries(
        "under-parametrised",
        numbers,
        [under[setting].temperature.fit for setting in settings],
        [under[setting].distance for setting in settings],
        [None if one is None else one.temperature.fit for one in measured],
        [None if one is None else mean_over_draws(one.curves["replica_distance"][:, -1]) for one in measured],
    )
    known = [boundaries.get(setting.name) for setting in settings]
    interpolating = NoiseSeries(
        "over-parametrised",
        numbers,
        [None] * len(settings),
        [over[setting].distance for setting in settings],
        [],
        [None if one is None else mean_over_draws(one.distance) for one in known],
    )
    return [stationary, interpolating]


def _widths(boundaries: Mapping[str, Interpolated]) -> Figure:
    """What the width exceeds that of gradient descent by, on the same data."""
    still = boundaries[BASELINE]
    settings = {
        name: WidthAndDistance(mean_over_draws(one.width - still.width), mean_over_draws(one.last_distance))
        for name, one in boundaries.items()
        if name != BASELINE
    }
    return width_against_distance(
        settings, width="excess boundary width", what="beyond that of gradient descent on the same data"
    )


def _course(theory: Theory, simulation: Mapping[Setting, Simulated]) -> Course:
    predicted = {name: theory.solution.prediction(name) for name in AXES}
    one = simulation.get(theory.setting)
    if one is None:
        return Course(predicted, {}, np.arange(0))
    return Course(predicted, {name: mean_over_draws(one.curves[name]) for name in AXES}, one.times)
