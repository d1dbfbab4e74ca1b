"""The network with seven parameters: batches with and without replacement, and the shaken landscape."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.dynamics.earthquake import Earthquake
from thermograd.dynamics.sgd import SGD
from thermograd.estimators.stationary_state import circulation, covariance
from thermograd.estimators.stochastic_area import circulation as circulation_of_sums
from thermograd.minibatching.with_replacement import WithReplacement
from thermograd.minibatching.without_replacement import WithoutReplacement
from thermograd.quantities import Estimate, Verdict
from thermograd.report.curvature_and_noise import approximations_by_mode, bridge, variance_by_curvature
from thermograd.report.figure import Figure
from thermograd.report.plane_of_states import PlaneOfStates, plane_of_states
from thermograd.report.theory_beside_simulation import Elements, theory_beside_simulation
from thermograd.reproductions.reproduction import Reproduction, Row, Settings, Stages
from thermograd.reproductions.stationary_state_network import Network, recorded_network
from thermograd.reproductions.stationary_state_rows import (
    agreement,
    elements_of,
    fluctuation_rows,
    not_in_the_paper,
    ratio_row,
)
from thermograd.reproductions.stationary_state_simulation import (
    Plan,
    Simulated,
    bridge_of_an_epoch,
    circulation_along,
    circulation_of_all_updates,
    entropy_of_updates,
    exponent_along,
    full_gradient_step,
    noise_along,
    predicted_exponent,
    shift_in_spreads,
    simulate,
    spread_along,
)
from thermograd.theory.linear_process import StationaryState
from thermograd.theory.stationary_state import diffusion, earthquake, predict

Array = npt.NDArray[Any]

BATCH = 10
PLANE = (5, 6)


@dataclass(frozen=True)
class Sizes:
    """How much is simulated.

    Attributes:
        trajectories: of every dynamics.
        replaced: snapshots and updates between them, with replacement.
        reshuffled: the same in epochs, without replacement.
        shaken: the same, of the earthquake, in a quarter of the trajectories.
    """

    trajectories: int = 600
    replaced: tuple[int, int] = (100, 300)
    reshuffled: tuple[int, int] = (120, 8)
    shaken: tuple[int, int] = (60, 300)


FULL = Sizes(2000, (300, 300), (400, 10), (300, 150))


def regression(settings: Settings) -> Stages:
    """Figures 2 to 4 of the paper on its own network.

    Args:
        settings: `full` asks for ten times as many updates; `say` is told what is being done.

    Returns:
        The stages.
    """
    return stages(settings, FULL if settings.full else Sizes())


def stages(settings: Settings, sizes: Sizes) -> Stages:
    """The same at any size.

    Args:
        settings: as above.
        sizes: how much is simulated.

    Yields:
        What is there after each of the three dynamics.
    """
    setting = recorded_network()
    so_far = Reproduction(
        "stationary_state",
        "regression",
        "The stationary state of a network with seven parameters",
        facts=(("data", setting.source), ("loss at the minimum", f"{setting.land.loss:.6f}")),
        complete=False,
    )
    matrices: dict[str, tuple[Elements, Elements]] = {}
    variances: dict[str, Array] = {}
    exponents: dict[str, Estimate] = {}
    expected: dict[str, float] = {}
    for part, last in ((_replaced, False), (_reshuffled, False), (_shaken, True)):
        settings.say(f"simulating {part.__name__.strip('_')} updates")
        found, rows, figures = part(setting, sizes, settings.seed)
        name = part.__name__.strip("_")
        matrices[name] = _matrices(found, name)
        variances[name] = ((found.away @ setting.modes) ** 2).mean(axis=(0, 1))
        exponents[name] = exponent_along(found, setting.curvatures, setting.modes)
        expected[name] = predicted_exponent(found, setting.curvatures, setting.modes)
        so_far = replace(
            so_far,
            rows=(*so_far.rows, *rows),
            figures=(*so_far.figures, *figures),
            facts=(*so_far.facts, (f"{name} updates", found.length)),
        )
        if last:
            so_far = replace(
                so_far,
                rows=(*so_far.rows, *_exponent_rows(exponents, expected)),
                figures=(*so_far.figures, *_common_figures(setting, matrices, variances, exponents)),
                complete=True,
            )
        yield so_far


def _predicted(state: StationaryState | Verdict) -> StationaryState:
    assert isinstance(state, StationaryState)  # of a minimum, at rates that are small enough
    return state


def _replaced(setting: Network, sizes: Sizes, seed: int) -> tuple[Simulated, list[Row], list[Figure]]:
    rate, land, modes = 1e-6, setting.land, setting.modes
    state = _predicted(predict(land, learning_rate=rate, batch_size=BATCH))
    plan = Plan(
        setting.problem,
        WithReplacement(batch_size=BATCH),
        SGD(rate),
        sizes.trajectories,
        *sizes.replaced,
        seed,
    )
    found = simulate(plan, land, state, np.eye(len(modes)))
    drift = full_gradient_step(found, rate)
    assert state.entropy_production is not None  # without momentum
    shift = shift_in_spreads(found, modes[:, 0], land.position)
    expected = float(
        (state.mean - land.position) @ modes[:, 0] / np.sqrt(modes[:, 0] @ state.covariance @ modes[:, 0])
    )
    entropy = entropy_of_updates(found, drift, land.position)
    rows = [
        ratio_row(
            "Σ, five stiff directions, with replacement",
            "excellent agreement",
            spread_along(found, modes[:, 2:]),
        ),
        ratio_row(
            "Σ, two flat directions, with replacement",
            "excellent agreement",
            spread_along(found, modes[:, :2]),
            f"At this rate the flattest direction moves by {expected:.2g} of its own standard deviations and is not quite parabolic.",
        ),
        ratio_row("2D, all directions, with replacement", "not shown", noise_along(found, modes)),
        ratio_row(
            "C from full gradients at the snapshots, with replacement",
            "excellent agreement",
            circulation_along(found, drift),
        ),
        ratio_row(
            "C from the area swept in every update, with replacement",
            "excellent agreement",
            circulation_of_all_updates(found),
        ),
        Row(
            "entropy production per step from full gradients, with replacement",
            "not stated",
            entropy,
            agreement(entropy, state.entropy_production),
        ),
        Row(
            "shift of the mean along the flattest direction, standard deviations, with replacement",
            "left out",
            shift,
            agreement(shift, expected),
        ),
    ]
    theorems, figures = fluctuation_rows(found, "with replacement", land.position)
    return found, [*rows, *theorems], [_plane(setting, found, "replaced", "SGD with replacement"), *figures]


def _reshuffled(setting: Network, sizes: Sizes, seed: int) -> tuple[Simulated, list[Row], list[Figure]]:
    rate, land, modes = 1e-7, setting.land, setting.modes
    options: dict[str, Any] = {"learning_rate": rate, "batch_size": BATCH}
    state = _predicted(predict(land, **options, minibatching="without_replacement"))
    batches = WithoutReplacement(batch_size=BATCH)
    plan = Plan(setting.problem, batches, SGD(rate), sizes.trajectories, *sizes.reshuffled, seed)
    found = simulate(plan, land, state, np.eye(len(modes)))
    flattest = modes[:, 0]
    shift = shift_in_spreads(found, flattest, land.position)
    expected = float(
        (state.mean - land.position) @ flattest / np.sqrt(flattest @ state.covariance @ flattest)
    )
    replaced = _predicted(predict(land, **options))
    ratios = _approximations(setting, options)
    rows = [
        Row(
            "centre along the flattest direction, standard deviations from the minimum of L, without replacement",
            "minimum of the effective loss (16)",
            shift,
            agreement(shift, expected),
        ),
        ratio_row(
            "Σ, five stiff directions, without replacement",
            "agrees with (23)",
            spread_along(found, modes[:, 2:]),
        ),
        ratio_row(
            "Σ, two flat directions, without replacement",
            "agrees with (23)",
            spread_along(found, modes[:, :2]),
            "Its noise and its drift, which fix it, are measured in the rows of 2D and of the centre.",
        ),
        *_noise_of_an_epoch(found, modes, ratios),
        ratio_row(
            "C from the area swept in every epoch, without replacement",
            "agrees",
            circulation_of_all_updates(found),
        ),
        Row(
            "tr Σ with replacement over without, same rate",
            "orders of magnitude",
            f"{np.trace(replaced.covariance) / np.trace(state.covariance):.5g} (theory)",
            not_in_the_paper("both states above are measured at their own rate"),
        ),
    ]
    theorems, _ = fluctuation_rows(found, "without replacement", state.mean)
    steps, spread = bridge_of_an_epoch(plan, land, state)
    figures = [
        _plane(setting, found, "reshuffled", "SGD without replacement, ends of epochs"),
        approximations_by_mode(setting.curvatures, ratios),
        bridge(steps, spread, state.steps_per_update),
    ]
    return found, [*rows, *theorems], figures


def _noise_of_an_epoch(found: Simulated, modes: Array, ratios: dict[str, Array]) -> list[Row]:
    """2D of an epoch in stiff and in flat directions, with what published approximations make of the latter."""
    said = ", ".join(
        f"the {name} gives {ratio[:2].min():.2g} to {ratio[:2].max():.2g}" for name, ratio in ratios.items()
    )
    return [
        ratio_row("2D of an epoch, stiff directions", "not shown", noise_along(found, modes[:, 2:])),
        ratio_row(
            "2D of an epoch, two flat directions",
            "not shown",
            noise_along(found, modes[:, :2]),
            f"There {said} of it.",
        ),
    ]


def _approximations(setting: Network, options: dict[str, Any]) -> dict[str, Array]:
    """Published approximations of the noise of an epoch over the exact one, per direction of the Hessian."""
    land, modes = setting.land, setting.modes

    def along(form: str) -> Array:
        found = diffusion(land, **options, minibatching="without_replacement", form=form).value
        return np.diagonal(modes.T @ found @ modes)

    names = {"leading_term": "leading term (B21)", "large_sample": "large sample (18)"}
    return {name: along(form) / along("exact") for form, name in names.items()}


def _shaken(setting: Network, sizes: Sizes, seed: int) -> tuple[Simulated, list[Row], list[Figure]]:
    dynamics, land, modes = Earthquake(), setting.land, setting.modes
    state = earthquake(land.hessian, learning_rate=dynamics.learning_rate, noise_scale=dynamics.noise_scale)
    state = replace(_predicted(state), mean=land.position)
    plan = Plan(
        setting.problem,
        WithReplacement(batch_size=BATCH),
        dynamics,
        max(20, sizes.trajectories // 4),
        *sizes.shaken,
        seed,
    )
    found = simulate(plan, land, state, np.eye(len(modes)))
    turning = circulation(
        found.snapshots, conditional_displacement=full_gradient_step(found, dynamics.learning_rate)
    )
    scale = np.sqrt(np.outer(*[np.diagonal(state.covariance)] * 2))
    worst = float(np.abs(turning.value / scale).max())
    beta = state.inverse_temperature
    rows = [
        ratio_row("Σ, stiff directions, earthquake", "qualitative", spread_along(found, modes[:, 2:])),
        ratio_row("Σ, flat directions, earthquake", "qualitative", spread_along(found, modes[:, :2])),
        Row(
            "largest circulation over the product of spreads, earthquake",
            "0",
            f"{worst:.1e} per update",
            Verdict(
                bool(((turning.low <= 0) & (turning.high >= 0)).mean() > 0.8),
                "no_current",
                f"{100 * ((turning.low <= 0) & (turning.high >= 0)).mean():.0f} % of the 95 % intervals hold 0",
            ),
        ),
        Row(
            "inverse temperature of the earthquake",
            "ηζ²/2",
            f"2/(ηζ²) = {beta:.3g}",
            Verdict(
                None,
                "corrected",
                "the text prints the reciprocal; the measured variances, which decide, are those of the rows above",
            ),
        ),
    ]
    return found, rows, [_plane(setting, found, "shaken", "gradient descent on a shaken landscape")]


def _matrices(found: Simulated, name: str) -> tuple[Elements, Elements]:
    state = found.state
    words = {"replaced": "with replacement", "reshuffled": "without replacement", "shaken": "earthquake"}[
        name
    ]
    spread = covariance(found.snapshots)
    if name == "reshuffled":
        turning = circulation_of_sums(found.sums, shared_centre=True)
    else:
        rate = found.plan.dynamics.learning_rate
        turning = circulation(found.snapshots, conditional_displacement=full_gradient_step(found, rate))
    return (
        elements_of(words, state.covariance, spread, state.covariance, diagonal=True),
        elements_of(words, state.circulation, turning, state.covariance, diagonal=False),
    )


def _common_figures(
    setting: Network,
    matrices: dict[str, tuple[Elements, Elements]],
    variances: dict[str, Array],
    exponents: dict[str, Estimate],
) -> Iterator[Figure]:
    unit = "over both standard deviations"
    yield theory_beside_simulation([pair[0] for pair in matrices.values()], "Covariance", unit)
    turning = [matrices[name][1] for name in ("replaced", "reshuffled")]
    yield theory_beside_simulation(turning, "Circulation per update", unit)
    yield variance_by_curvature(setting.curvatures, variances, exponents)


def _exponent_rows(exponents: dict[str, Estimate], expected: dict[str, float]) -> Iterator[Row]:
    for name, exponent in exponents.items():
        verdict = agreement(exponent, expected[name])
        text = f"{verdict.text}. A Boltzmann distribution of the loss has −1"
        yield Row(
            f"exponent p of variance ∝ curvature^p, {name} updates",
            "+1" if name == "shaken" else "positive (Feng & Tu)",
            exponent,
            Verdict(verdict.holds, "variance_and_curvature", text),
        )


def _plane(setting: Network, found: Simulated, name: str, title: str) -> Figure:
    """Coordinates 6 and 7 of the paper, in predicted standard deviations of SGD with replacement at this rate."""
    rate = found.plan.dynamics.learning_rate
    unit = _predicted(predict(setting.land, learning_rate=rate, batch_size=BATCH))
    chosen = np.array(PLANE)
    scale = np.sqrt(np.diagonal(unit.covariance))[chosen]
    pair = found.state.marginal(*PLANE)
    inverse = np.linalg.inv(setting.land.hessian)[np.ix_(chosen, chosen)]
    size = np.outer(scale, scale)
    origin = setting.land.position[chosen]
    return plane_of_states(
        PlaneOfStates(
            name=name,
            title=title,
            axes=("δθ₆ (standard deviations with replacement)", "δθ₇ (standard deviations with replacement)"),
            weights=(found.snapshots[:, :, chosen].reshape(-1, 2) - origin) / scale,
            mean=(pair.mean - origin) / scale,
            covariance=pair.covariance / size,
            circulation=pair.circulation / size,
            loss_hessian=np.linalg.inv(inverse / size),
            minimum=np.zeros(2),
        )
    )
