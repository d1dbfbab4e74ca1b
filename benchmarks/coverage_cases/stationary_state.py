"""The stationary state: a linear process whose covariance, circulation and entropy production are exact."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg import solve_continuous_lyapunov, solve_discrete_lyapunov
from scipy.signal import lfilter

from coverage_cases.case import Alarm, Case, Coverage, Interval, Row
from thermograd.estimators import stationary_state as measured
from thermograd.estimators import stochastic_area
from thermograd.estimators.landscape import flatness_exponent
from thermograd.quantities import Estimate

Array = npt.NDArray[Any]

RATE = 0.01
DRIFT = np.array([[0.10, 0.02, 0.0], [0.02, 0.20, 0.0], [0.0, 0.0, 0.05]])
DIFFUSION = np.array([[0.5, 0.4, 0.0], [0.4, 0.6, 0.1], [0.0, 0.1, 0.3]])
RATES, MODES = np.linalg.eigh(DRIFT)
ORIGIN = np.zeros(3)


class Process:
    """x ← x − F x + noise of covariance 2D, F symmetric: independent filters in its modes."""

    def __init__(self, diffusion: Array) -> None:
        self.diffusion = diffusion
        self.covariance = solve_discrete_lyapunov(np.eye(3) - DRIFT, 2 * diffusion)
        turned = self.covariance @ (np.eye(3) - DRIFT)
        self.circulation = (turned - turned.T) / 2
        settled = solve_continuous_lyapunov(DRIFT, 2 * diffusion)
        self.force = -np.linalg.solve(diffusion, DRIFT @ settled - diffusion) @ np.linalg.inv(settled)
        self.entropy_production = -float(np.trace(self.force.T @ DRIFT @ self.covariance))

    def states(
        self, generator: np.random.Generator, trajectories: int, times: int, spread: float = 1.0
    ) -> Array:
        """`(trajectory, time, 3)` from the stationary state, its distances × `spread`."""
        normal = generator.normal(size=(trajectories, times, 3))
        start = spread * normal[:, 0] @ np.linalg.cholesky(self.covariance).T @ MODES
        noise = normal @ np.linalg.cholesky(2 * self.diffusion).T @ MODES
        noise[:, 0] = start
        modes = [lfilter([1.0], [1.0, rate - 1], noise[..., mode]) for mode, rate in enumerate(RATES)]
        return np.stack(modes, axis=-1) @ MODES.T


TURNING, RESTING = Process(DIFFUSION), Process(2 * DRIFT)
APART = Process(np.diag([1.0, 6.0, 0.1]) @ DRIFT + DRIFT @ np.diag([1.0, 6.0, 0.1]))


def drawn(
    trajectories: int, times: int, process: Process = TURNING, spread: float = 1.0
) -> Callable[[np.random.Generator], Array]:
    return lambda generator: process.states(generator, trajectories, times, spread)


def named(trajectories: int) -> str:
    return "one trajectory" if trajectories == 1 else f"{trajectories} trajectories"


def element(found: Estimate, row: int, column: int) -> Interval:
    return found.low[row, column], found.high[row, column]


def second_moments(points: Array) -> list[Interval]:
    """Elements of the covariance, and of the circulation in one form or both."""
    spread = measured.covariance(points)
    found = [element(spread, 0, 0), element(spread, 0, 1), element(spread, 2, 2)]
    if points.shape[1] > 1:
        found.append(element(measured.circulation(points), 0, 1))
    drift = -points @ DRIFT
    return [*found, element(measured.circulation(points, conditional_displacement=drift), 0, 1)]


def totals(points: Array, every: int, displaced: bool) -> stochastic_area.AreaSums:
    """What an accumulator writes, counted from the first state of each trajectory."""
    away, steps = points[:, :-1] - points[:, :1], np.diff(points, axis=1)
    written = np.arange(every, steps.shape[1] + 1, every)
    shape = (len(points), -1, every, 3)
    outer = away.reshape(shape).swapaxes(2, 3) @ steps.reshape(shape)
    area = (outer - outer.swapaxes(2, 3)) / 2
    second = away.reshape(shape).swapaxes(2, 3) @ away.reshape(shape)
    return stochastic_area.AreaSums(
        times=written,
        count=np.tile(written, (len(points), 1)),
        sum=away.reshape(shape).sum(2).cumsum(1),
        second_moment=second.cumsum(1),
        area=area.cumsum(1),
        displacement=steps.reshape(shape).sum(2).cumsum(1) if displaced else None,
    )


def running_sums(every: int) -> Callable[[Array], list[Interval]]:
    def estimate(points: Array) -> list[Interval]:
        sums = totals(points, every, displaced=True)
        plain = totals(points, every, displaced=False)
        spread = stochastic_area.covariance(sums)
        return [
            element(spread, 0, 0),
            element(spread, 0, 1),
            element(spread, 2, 2),
            element(stochastic_area.circulation(sums), 0, 1),
            element(stochastic_area.circulation(plain), 0, 1),
        ]

    return estimate


def entropies(points: Array) -> list[Interval]:
    sigma = measured.trajectory_entropy(points, TURNING.force, centre=ORIGIN)
    long = measured.trajectory_entropy(points, TURNING.force, length=10, centre=ORIGIN)
    centres, curve = measured.detailed_fluctuation_curve(sigma)
    return [
        measured.entropy_production(sigma).interval,
        measured.entropy_production(long, length=10).interval,
        measured.integral_fluctuation(sigma).interval,
        measured.detailed_fluctuation(sigma).interval,
        *((curve.low[place] + centres[place], curve.high[place] + centres[place]) for place in (0, 4)),
    ]


def ratios(points: Array) -> list[Interval]:
    verdict = measured.lyapunov_residual(points, DRIFT / RATE, DIFFUSION, RATE)
    return [verdict.evidence["ratios"][mode].interval for mode in (0, 2)]


def exponents(points: Array) -> list[Interval]:
    return [
        measured.variance_flatness(points, DRIFT, directions=word).interval
        for word in ("principal", "hessian")
    ]


def exact_exponents(process: Process) -> tuple[float, float]:
    values, vectors = np.linalg.eigh(process.covariance)
    principal = flatness_exponent(np.diagonal(vectors.T @ DRIFT @ vectors), values)
    along = flatness_exponent(RATES, np.diagonal(MODES.T @ process.covariance @ MODES))
    return principal.value, along.value


def of_exponents(process: Process, law: str, trajectories: int, times: int, why: str) -> Coverage:
    principal, along = exact_exponents(process)
    few = FEW if trajectories < 20 else ""
    return Coverage(
        f"{law}, {named(trajectories)} of {times} states, spread against curvature",
        (
            Row("exponent, principal directions", principal, why_fewer=why or few),
            Row("exponent, Hessian directions", along, why_fewer=few),
        ),
        drawn(trajectories, times, process),
        exponents,
        1000,
    )


def called_circulating(points: Array) -> list[bool]:
    return [measured.detailed_balance(measured.circulation(points)).holds is False]


def called_balanced(points: Array) -> list[bool]:
    scale = float(np.linalg.norm(DRIFT) * np.linalg.norm(TURNING.covariance))
    found = measured.circulation(points)
    return [
        measured.detailed_balance(found).holds is True,
        measured.detailed_balance(found, scale=scale).holds is True,
    ]


def called_moving(points: Array) -> list[bool]:
    return [measured.lyapunov_residual(points, DRIFT / RATE, DIFFUSION, RATE).holds is False]


def called_stationary(points: Array) -> list[bool]:
    return [measured.lyapunov_residual(points, DRIFT / RATE, DIFFUSION, RATE).holds is True]


WORDS = "linear process of 3 parameters, relaxation 4 to 20 updates"
SKEWED = "products of 20 single states have heavy tails on both sides, which a correction for skewness does not see"
FEW = (
    "the standard error from 15 to 31 blocks of squares is itself uncertain by a quarter, which is more than Student's "
    "t of so many normal pieces allows for; record longer, or more trajectories"
)
MIXED = "two principal variances lie within their errors, so the directions are not resolved: `note` says so"
WIDER = "wider on purpose: the exact binomial interval holds at least its level"
SIGMA, TURN = TURNING.covariance, float(TURNING.circulation[0, 1])


def rows(*, single: bool = False, sums: bool = False, few: bool = False) -> tuple[Row, ...]:
    why = SKEWED if single else FEW if few else ""
    spread = (
        Row("variance", float(SIGMA[0, 0]), why_fewer=why),
        Row("covariance", float(SIGMA[0, 1]), why_fewer=why),
        Row("variance of the slowest", float(SIGMA[2, 2]), why_fewer=why),
    )
    if sums:
        return (*spread, Row("circulation", TURN), Row("circulation, displacement not recorded", TURN))
    conditional = Row("circulation, conditional", TURN, why_fewer=why)
    return (*spread, conditional) if single else (*spread, Row("circulation, recorded", TURN), conditional)


ENTROPY = (
    Row("entropy production", TURNING.entropy_production),
    Row("entropy production, windows of 10", TURNING.entropy_production),
    Row("⟨exp(−σ)⟩", 1.0),
    Row("slope of ln P(−σ)/P(σ)", -1.0),
    Row("ln P(−σ)/P(σ) + σ, first pair of bins", 0.0, why_more=WIDER),
    Row("ln P(−σ)/P(σ) + σ, fifth pair of bins", 0.0, why_more=WIDER),
)

CASES: list[Case] = [
    *(
        Coverage(
            f"{WORDS}, {named(trajectories)} of {times} states",
            rows(few=trajectories < 20),
            drawn(trajectories, times),
            second_moments,
            sets,
        )
        for trajectories, times, sets in ((20, 200, 1000), (40, 200, 1000), (5, 1000, 500), (1, 4000, 500))
    ),
    *(
        Coverage(
            f"{WORDS}, {trajectories} single states",
            rows(single=True),
            drawn(trajectories, 1),
            second_moments,
            2000,
        )
        for trajectories in (20, 100, 400)
    ),
    *(
        Coverage(
            f"{WORDS}, sums of {named(trajectories)} of {times} updates, written every {every}",
            rows(sums=True, few=trajectories < 20),
            drawn(trajectories, times + 1),
            running_sums(every),
            sets,
        )
        for trajectories, times, every, sets in (
            (40, 200, 10, 1000),
            (5, 1000, 20, 1000),
            (1, 4000, 20, 1000),
        )
    ),
    *(
        Coverage(
            f"{WORDS}, entropy of {named(trajectories)} of {times} updates",
            ENTROPY,
            drawn(trajectories, times + 1),
            entropies,
            500,
        )
        for trajectories, times in ((40, 200), (1, 8000))
    ),
    *(
        Coverage(
            f"{WORDS}, {named(trajectories)} of {times} states, spread against noise and curvature",
            (
                Row("variance over theory, flattest mode", 1.0),
                Row("variance over theory, steepest mode", 1.0),
            ),
            drawn(trajectories, times),
            ratios,
            1000,
        )
        for trajectories, times in ((40, 200), (1, 4000))
    ),
    *(
        of_exponents(process, law, trajectories, times, why)
        for trajectories, times in ((40, 200), (1, 4000))
        for process, law, why in ((TURNING, WORDS, MIXED), (APART, f"{WORDS}, principal variances apart", ""))
    ),
    *(
        Alarm(
            f"{WORDS}, with detailed balance, {named(trajectories)} of {times} states",
            (Row("circulates", wanted=(0.0, 0.06)),),
            drawn(trajectories, times, RESTING),
            called_circulating,
            1000,
            speaker="detailed_balance",
        )
        for trajectories, times in ((20, 200), (1, 4000))
    ),
    *(
        Alarm(
            f"{WORDS}, no detailed balance, {named(trajectories)} of {times} states",
            (
                Row("detailed balance, no scale given", wanted=(0.0, 0.0)),
                Row("detailed balance, against the scale ‖F‖ ‖Σ‖", wanted=(0.0, 0.01)),
            ),
            drawn(trajectories, times),
            called_balanced,
            speaker="detailed_balance",
        )
        for trajectories, times in ((20, 3), (20, 200))
    ),
    *(
        Alarm(
            f"{WORDS}, at rest, {named(trajectories)} of {times} states",
            (Row("not stationary", wanted=(0.0, 0.06)),),
            drawn(trajectories, times),
            called_moving,
            1000,
            speaker="lyapunov_residual",
        )
        for trajectories, times in ((20, 200), (1, 4000))
    ),
    Alarm(
        f"{WORDS}, started 3 standard deviations off, 100 trajectories of 10 states",
        (Row("stationary", wanted=(0.0, 0.01)),),
        drawn(100, 10, TURNING, 3.0),
        called_stationary,
        speaker="lyapunov_residual",
    ),
]
