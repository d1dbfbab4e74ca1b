"""Does training slow down with age? Displacement between two times, the aging exponent, the phases of the loss."""

from __future__ import annotations

from thermograd.estimators.aging_exponent import Aging, aging_exponent
from thermograd.estimators.characteristic_time import CharacteristicTime, characteristic_time
from thermograd.estimators.curve_spread import CurveSpread, curve_spread
from thermograd.estimators.diffusion_of_displacement import Diffusion, diffusion
from thermograd.estimators.displacement_of_a_run import table
from thermograd.estimators.displacement_of_positions import mean_square_displacement
from thermograd.estimators.displacement_table import DisplacementTable
from thermograd.estimators.learning_phases import Phases, learning_phases

__all__ = [
    "Aging",
    "CharacteristicTime",
    "CurveSpread",
    "Diffusion",
    "DisplacementTable",
    "Phases",
    "aging_exponent",
    "characteristic_time",
    "curve_spread",
    "diffusion",
    "learning_phases",
    "mean_square_displacement",
    "table",
]
