"""The linear classifier: hundreds of weights, with and without replacement, on digits or MNIST."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.dynamics.sgd import SGD
from thermograd.estimators.stationary_state import circulation, covariance
from thermograd.estimators.stochastic_area import circulation as circulation_of_sums
from thermograd.minibatching.with_replacement import WithReplacement
from thermograd.minibatching.without_replacement import WithoutReplacement
from thermograd.observables.landscape import landscape
from thermograd.problems.digits_linear import DigitsLinear
from thermograd.problems.mnist_linear import MnistLinear
from thermograd.quantities import Estimate, Landscape
from thermograd.report.figure import Figure
from thermograd.report.theory_beside_simulation import Elements, theory_beside_simulation
from thermograd.reproductions.reproduction import Reproduction, Row, Settings, Stages
from thermograd.reproductions.stationary_state_rows import (
    agreement,
    elements_of,
    entropy_of_single_updates,
    fluctuation_rows,
    not_in_the_paper,
    ratio_row,
    slope_row,
)
from thermograd.reproductions.stationary_state_simulation import (
    Plan,
    Simulated,
    circulation_along,
    circulation_of_all_updates,
    entropy_of_updates,
    full_gradient_step,
    noise_along,
    simulate,
    spread_along,
)
from thermograd.theory.linear_process import StationaryState
from thermograd.theory.stationary_state import predict

Array = npt.NDArray[Any]

PAPER_RATE = 1e-4
SHOWN = 12
"""Directions of the Hessian, evenly over its spectrum, whose elements are drawn."""


@dataclass(frozen=True)
class Classifier:
    """What is trained, and how much of it.

    Attributes:
        experiment: its name.
        title: of the page.
        problem: what is trained.
        batch_size: m.
        rates: learning rate with replacement, and without.
        trajectories: their number.
        replaced: snapshots and updates between them.
        reshuffled: the same in epochs.
        theorems: the same, with replacement at the paper's learning rate.
    """

    experiment: str
    title: str
    problem: Any
    batch_size: int
    rates: tuple[float, float]
    trajectories: int
    replaced: tuple[int, int]
    reshuffled: tuple[int, int]
    theorems: tuple[int, int] = (100, 4)


def digits(settings: Settings) -> Stages:
    """The classifier of digits with 160 weights.

    Args:
        settings: `full` asks for ten times as many updates.

    Returns:
        The stages.
    """
    longer = 10 if settings.full else 1
    what = Classifier(
        "digits",
        "The stationary state of a linear classifier of digits",
        DigitsLinear(),
        batch_size=20,
        rates=(1e-2, 1e-3),
        trajectories=200,
        replaced=(60 * longer, 100),
        reshuffled=(20 * longer, 5),
    )
    return stages(what, settings)


def mnist(settings: Settings) -> Stages:
    """The classifier of MNIST with 490 weights.

    Args:
        settings: `full` asks for all 60 000 images instead of 5000.

    Returns:
        The stages.
    """
    samples = 60_000 if settings.full else 5000
    what = Classifier(
        "mnist",
        f"The stationary state of a linear classifier of MNIST, {samples} images",
        MnistLinear(train_samples=samples),
        batch_size=100,
        rates=(1e-2, 1e-4 if settings.full else 1e-3),
        trajectories=100,
        replaced=(40, 100),
        reshuffled=(8, 4),
    )
    return stages(what, settings)


def stages(what: Classifier, settings: Settings) -> Stages:
    """Theory and simulation with replacement, then without.

    Args:
        what: is trained.
        settings: `say` is told what is being done.

    Yields:
        What is there after each of the two.
    """
    settings.say("gradients and curvatures at the minimum")
    land = landscape(what.problem, refine=True, sample_hessians=True)
    curvatures, modes = np.linalg.eigh(land.hessian)
    moving = np.diagonal(modes.T @ land.gradient_covariance @ modes) > 1e-12 * np.trace(
        land.gradient_covariance
    )
    modes = modes[:, moving]
    so_far = Reproduction(
        "stationary_state",
        what.experiment,
        what.title,
        facts=(
            ("samples, weights", f"{land.samples}, {len(land.hessian)}"),
            ("curvatures", f"{curvatures[0]:.4g} to {curvatures[-1]:.4g}"),
            ("weights that do not move", str(int((~moving).sum()))),
        ),
        complete=False,
    )
    compared: list[tuple[Elements, Elements]] = []
    for reshuffled in (False, True):
        name = "without replacement" if reshuffled else "with replacement"
        settings.say(f"simulating {name}")
        found, rows = _dynamics(what, land, modes, reshuffled=reshuffled, seed=settings.seed)
        compared.append(_elements(found, name))
        theorems, figures = ([], []) if reshuffled else _theorems(what, land, modes, found, settings.seed)
        so_far = replace(
            so_far,
            rows=(*so_far.rows, *rows, *theorems),
            figures=(*so_far.figures, *figures),
            facts=(
                *so_far.facts,
                (name, f"learning rate {found.plan.dynamics.learning_rate:g}, {found.length}"),
            ),
        )
        if reshuffled:
            unit = "over both standard deviations"
            title = f"in {SHOWN} directions of the Hessian"
            pictures = (
                theory_beside_simulation([pair[0] for pair in compared], f"Covariance {title}", unit),
                theory_beside_simulation(
                    [pair[1] for pair in compared], f"Circulation per update {title}", unit
                ),
            )
            so_far = replace(so_far, figures=(*pictures, *so_far.figures), complete=True)
        yield so_far


def _dynamics(
    what: Classifier, land: Landscape, modes: Array, *, reshuffled: bool, seed: int
) -> tuple[Simulated, list[Row]]:
    rate = what.rates[reshuffled]
    words = "without_replacement" if reshuffled else "with_replacement"
    batches = WithoutReplacement(what.batch_size) if reshuffled else WithReplacement(what.batch_size)
    state = predict(land, learning_rate=rate, batch_size=what.batch_size, minibatching=words)
    assert isinstance(state, StationaryState)  # of a convex loss, at rates that are small enough
    length = what.reshuffled if reshuffled else what.replaced
    plan = Plan(what.problem, batches, SGD(rate), what.trajectories, *length, seed)
    found = simulate(plan, land, state, _shown(modes))
    half = modes.shape[1] // 2
    name = words.replace("_", " ")
    rows = [
        ratio_row(
            f"Σ, stiffer half of the directions, {name}",
            "very good agreement",
            spread_along(found, modes[:, half:]),
        ),
        ratio_row(
            f"Σ, flatter half of the directions, {name}",
            "very good agreement",
            spread_along(found, modes[:, :half]),
        ),
        ratio_row(
            f"2D, stiffer half of the directions, {name}", "not shown", noise_along(found, modes[:, half:])
        ),
        ratio_row(
            f"2D, flatter half of the directions, {name}", "not shown", noise_along(found, modes[:, :half])
        ),
        ratio_row(
            f"C from the area swept in every update, {SHOWN} directions, {name}",
            "very good agreement",
            circulation_of_all_updates(found),
        ),
    ]
    if not reshuffled:
        drift = full_gradient_step(found, rate)
        entropy = entropy_of_updates(found, drift, state.mean)
        assert state.entropy_production is not None  # without momentum
        rows += [
            ratio_row(
                f"C from full gradients at the snapshots, {name}",
                "very good agreement",
                circulation_along(found, drift),
            ),
            Row(
                f"entropy production per step from full gradients, {name}",
                "not stated",
                entropy,
                agreement(entropy, state.entropy_production),
            ),
        ]
    return found, rows


def _theorems(
    what: Classifier, land: Landscape, modes: Array, found: Simulated, seed: int
) -> tuple[list[Row], list[Figure]]:
    """At the paper's rate, where σ is small and the noise of a batch Gaussian on its scale; and the slope at ours."""
    state = predict(land, learning_rate=PAPER_RATE, batch_size=what.batch_size)
    assert isinstance(state, StationaryState)  # as above, at a smaller rate
    batches = WithReplacement(what.batch_size)
    plan = Plan(what.problem, batches, SGD(PAPER_RATE), what.trajectories, *what.theorems, seed)
    small = simulate(plan, land, state, _shown(modes))
    rows, figures = fluctuation_rows(small, f"learning rate {PAPER_RATE:g}", state.mean)
    text = f"a batch of {what.batch_size} samples is not Gaussian on the scale of {found.state.entropy_production:.3g} per step"
    name = f"slope of ln P(−σ)/P(σ), windows of 1, learning rate {what.rates[0]:g}"
    sigma = entropy_of_single_updates(found, found.state.mean)
    return [*rows, slope_row(name, "not stated", sigma, not_in_the_paper(text))], figures


def _shown(modes: Array) -> Array:
    return modes[:, np.linspace(0, modes.shape[1] - 1, SHOWN).round().astype(int)]


def _elements(found: Simulated, name: str) -> tuple[Elements, Elements]:
    chosen = found.basis
    inside = found.points @ chosen
    state = found.state
    spread, turning = (chosen.T @ part @ chosen for part in (state.covariance, state.circulation))
    measured: Estimate = covariance(inside[:, :, 0])
    if state.steps_per_update > 1:
        swept = circulation_of_sums(found.sums, shared_centre=True)
    else:
        rate = found.plan.dynamics.learning_rate
        swept = circulation(
            inside[:, :, 0], conditional_displacement=full_gradient_step(found, rate) @ chosen
        )
    return (
        elements_of(name, spread, measured, spread, diagonal=True),
        elements_of(name, turning, swept, spread, diagonal=False),
    )
