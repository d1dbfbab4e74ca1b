"""The network with 7 parameters: virials of its stiff modes under the samplers, beside what theory expects of the parabola."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.estimators.posterior import virial_ratio
from thermograd.observables.landscape import gradients
from thermograd.quantities import Estimate, Landscape, Verdict
from thermograd.report.figure import Figure
from thermograd.report.virial import virial_by_mode
from thermograd.reproductions.reproduction import Row, Settings
from thermograd.reproductions.sgworld_chains import BATCH, LEVEL, Length, chains, ratios, virial_of_modes
from thermograd.reproductions.sgworld_samplers import NAMES
from thermograd.reproductions.stationary_state_network import Network, recorded_network
from thermograd.theory.posterior import stationary_distribution, variance_excess

Array = npt.NDArray[Any]

RATE = 3e-7
STIFF = 5
STIFFEST = 2
_ORDERS = 4000


@dataclass(frozen=True)
class NetworkLength:
    """What is simulated of the network.

    Attributes:
        each: of each sampler.
        algorithms: which samplers.
    """

    each: Length
    algorithms: Sequence[str] = ("sgld", "sgworld", "sgworld_published")


def of_the_network(
    length: NetworkLength, settings: Settings
) -> tuple[list[Row], list[Figure], list[tuple[str, str]]]:
    """Rows, the figure by mode, and what was run.

    Args:
        length: how much.
        settings: with the seed.
    """
    setting = recorded_network()
    curvatures, modes = setting.curvatures[-STIFF:], setting.modes[:, -STIFF:]
    rows, measured, predicted = [], {}, {}
    for algorithm in length.algorithms:
        virial = _virial(setting, algorithm, modes, length.each, settings.seed)
        measured[NAMES[algorithm]] = ratios(virial)
        expected = _expected(setting.land, algorithm, curvatures, modes)
        predicted[NAMES[algorithm]] = expected
        stiffest = virial_ratio(virial[..., -STIFFEST:].mean(axis=2), 1, level=LEVEL)
        quantity = f"virial ratio of the two stiffest modes, {NAMES[algorithm]}, 7 parameters"
        rows.append(_row(quantity, stiffest, float(expected[-STIFFEST:].mean())))
    each = length.each
    facts = [
        (
            "7 parameters",
            f"{each.chains} chains x {each.epochs} epochs at η = {RATE:g}; only stiff modes have relaxed",
        )
    ]
    figure = virial_by_mode(
        curvatures,
        measured,
        predicted,
        name="virial_by_mode_network",
        what=f"stiff modes of the network with 7 parameters at η = {RATE:g}",
        lines="exact moments of the parabola at the minimum",
    )
    return rows, [figure], facts


def _expected(land: Landscape, algorithm: str, curvatures: Array, modes: Array) -> Array:
    """The virial ratio of each mode by the exact moments of the algorithm on the parabola; to leading order if it has none."""
    exact = stationary_distribution(land, algorithm, learning_rate=RATE, batch_size=BATCH, orders=_ORDERS)
    if isinstance(exact, Verdict):
        steps = -(-land.samples // BATCH)
        return 1 + np.asarray(
            variance_excess(algorithm, curvatures, learning_rate=RATE, steps_per_epoch=steps)
        )
    found: Array = curvatures * np.einsum("im,ij,jm->m", modes, exact.value.covariance, modes)
    return found


def _virial(setting: Network, algorithm: str, modes: Array, length: Length, seed: int) -> Array:
    """Along some modes; begun at the minimum, with the spread of the posterior in the modes that relax."""
    minimum, curvatures = setting.land.position, setting.curvatures[-STIFF:]
    normal = np.random.default_rng(seed).normal(size=(length.chains, STIFF))
    start = minimum + normal / np.sqrt(curvatures) @ modes.T
    drawn = chains(setting.problem, setting.land, algorithm, RATE, start, length, seed)

    def gradient(points: Array) -> Array:
        return gradients(setting.problem, points=points)

    return virial_of_modes(drawn.array(), gradient, minimum, modes)


def _row(quantity: str, measured: Estimate, expected: float) -> Row:
    inside = bool(measured.low <= expected <= measured.high)
    just = "inside" if measured.low <= 1 <= measured.high else "outside"
    text = f"exact on the parabola {expected:.4g}; 1, which the posterior has, is {just} the interval"
    return Row(quantity, "not stated", measured, Verdict(inside, "virial_of_stiff_modes", text))
