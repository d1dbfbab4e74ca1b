"""Dynamical mean-field theory of infinitely many dimensions, and training in 300 of them."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from agreement_cases.comparison import Comparison
from thermograd.estimators.displacement_drift import welch
from thermograd.reproductions.effective_noise_mixture import stationary_comparisons
from thermograd.reproductions.effective_noise_settings import Setting, Sizes
from thermograd.reproductions.effective_noise_simulation import simulated
from thermograd.reproductions.effective_noise_theory import theory_of

Array = npt.NDArray[Any]

SIZES = Sizes(dimension=300, data_seeds=8, paths=4000)
SETTINGS = (Setting(0.2), Setting(0.2, batch_fraction=0.1), Setting(0.2, persistence=10.0))


def scores(setting: Setting) -> Array:
    """Of order parameters, loss, error, replica distance and three temperatures."""
    known = theory_of([setting], SIZES, seed=0)
    compared = stationary_comparisons({setting: simulated(setting, SIZES, seed=0)}, known)
    usable = [one for one in compared if np.isfinite(one.theory).all() and np.isfinite(one.simulation).all()]
    signs = [np.sign(one.simulation.mean() - one.theory.mean()) for one in usable]
    sizes = [-ndtri(max(welch(one.theory, one.simulation), 1e-300) / 2) for one in usable]
    return np.array(signs) * np.array(sizes)


COMPARISONS = [
    Comparison(
        "`mean_field.solve`: overlap, norm, loss, error, replica distance, temperatures at three lags",
        f"two Gaussian clusters, {setting.name}: {SIZES.data_seeds} draws of the data in {SIZES.dimension} dimensions",
        partial(scores, setting),
    )
    for setting in SETTINGS
]
