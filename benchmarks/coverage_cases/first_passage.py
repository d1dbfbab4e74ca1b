"""First passage: laws of arrival that are known exactly, and every interval the library gives about them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from coverage_cases.case import Alarm, Case, Coverage, Interval, Row
from coverage_cases.laws_of_arrival import (
    Law,
    all_seen,
    geometric,
    seen_until,
    stopped_early,
    survival_of_geometric,
    survival_of_two_branch,
    two_branch,
)
from thermograd.advisor.perturbation_interval import advise, recommended
from thermograd.advisor.speed_up import speed_up
from thermograd.estimators.first_passage import (
    FirstPassageTimes,
    extrapolated_mean,
    mean_residual_time,
    quasi_steady_state,
    relaxation_time,
    restricted_mean,
    survival_function,
)
from thermograd.numerics.bootstrap import percentile_interval
from thermograd.quantities import Estimate, Prediction
from thermograd.theory.first_passage import best_interval, perturbed_mean, restart_mean

Array = npt.NDArray[Any]

RESAMPLES = 1000
SMALL = "so few runs do not show the rare late arrivals that carry the mean; take 30 or more"
DISCRETE = (
    "wider on purpose: the exact binomial band holds at least its level, and the count is a whole number"
)
CHOSEN = "the same data chose P and say how good it is; `advise` adds its estimate of this optimism"
WHOLE = "whole numbers: the ends of the interval cannot be moved by less than 1"
FEW = "few runs show few times of arrival, and all resamples have their optimum at one of them"
EDGE = "in 10 % of these data sets the measured residual time exceeds the true optimum, which is then not valid; in others the few times of arrival decide"
ONE = "one to three arrivals: resampling them spreads too little downwards; where none arrives the interval is wide enough"
NONE = "where none arrives the lower end is that of the earliest possible arrivals"
ENDLESS = "the upper end is infinite where a resample may hold no arrival in the tail"


def survival_cases() -> list[Case]:
    hazard, horizon, times = 0.03, 40, (2, 10, 20, 35)
    curve = survival_of_geometric(hazard, horizon)

    def estimate(passages: FirstPassageTimes) -> list[Interval]:
        survival = survival_function(passages, resamples=0)
        return [(survival.low[t], survival.high[t]) for t in times]

    rows = tuple(Row(f"survival band at t = {t}", curve[t], why_more=DISCRETE) for t in times)
    law = geometric(hazard)
    return [
        Coverage(
            f"geometric, hazard {hazard}, seen to {horizon}, {how}n = {runs}",
            rows,
            watched(law, runs, horizon),
            estimate,
            4000,
        )
        for how, watched in (("", seen_until), ("half stopped early at random, ", stopped_early))
        for runs in (24, 100, 1000)
    ]


def mean_cases() -> list[Case]:
    hazard, horizon = 0.02, 45  # 40 % are censored
    inside = float(survival_of_geometric(hazard, horizon)[:-1].sum())

    def estimate(passages: FirstPassageTimes) -> list[Interval]:
        return [
            restricted_mean(passages, resamples=RESAMPLES).interval,
            extrapolated_mean(passages, resamples=RESAMPLES).interval,
        ]

    rows = (Row("restricted mean", inside), Row("extrapolated mean", 1.0 / hazard, why_more=ENDLESS))
    cases: list[Case] = [
        Coverage(
            f"geometric, hazard {hazard}, 40 % censored at {horizon}, n = {runs}",
            rows,
            seen_until(geometric(hazard), runs, horizon),
            estimate,
        )
        for runs in (24, 100, 400, 1000)
    ]
    cases.append(
        Coverage(
            f"geometric, hazard {hazard}, seen to {horizon}, half stopped early at random, n = 100",
            rows,
            stopped_early(geometric(hazard), 100, horizon),
            estimate,
        )
    )
    share, quick, slow, end = 0.6, 0.1, 0.002, 60
    truth = share / quick + (1.0 - share) / slow
    until = float(survival_of_two_branch(share, quick, slow, end)[:-1].sum())
    cases.append(
        Coverage(
            f"two branches, {share} at hazard {quick} and {1 - share:.1g} at {slow}, seen to {end}, n = 400: "
            "at half the record the quick branch is not gone",
            (
                Row("restricted mean", until),
                Row(
                    "extrapolated mean",
                    truth,
                    why_fewer="the tail is not exponential, which the interval takes for granted; `note` lists other tail starts",
                ),
            ),
            seen_until(two_branch(share, quick, slow), 400, end),
            estimate,
        )
    )
    return cases


def comparison_cases() -> list[Case]:
    """Two unrelated groups of the same mean: one of few slow runs, of which none may arrive, one that always arrives."""
    horizon, rival = 200, 64

    def case(runs: int, silence: float) -> Case:
        hazard = 1.0 - silence ** (1.0 / (runs * horizon))
        slow = seen_until(geometric(hazard), runs, horizon)
        mean = float(survival_of_geometric(hazard, horizon)[:-1].sum())

        def draw(generator: np.random.Generator) -> tuple[FirstPassageTimes, FirstPassageTimes]:
            # whole numbers of this mean, so that neither group is the sooner one
            times = np.floor(mean + generator.uniform(-9, 9, rival) + generator.random(rival)).astype(int)
            return slow(generator), FirstPassageTimes(times, times <= horizon, horizon)

        words = f"none of n = {runs} arrives in {100 * silence:.2g} % of the data sets, seen to {horizon}"
        row = Row(
            "difference of its restricted mean from that of 64 others", 0.0, why_fewer=ONE, why_more=NONE
        )
        return Coverage(f"geometric, {words}; the others as fast, all arrive", (row,), draw, difference)

    return [case(runs, silence) for runs in (8, 16, 32) for silence in (0.1, 0.5, 0.9)]


def difference(data: tuple[FirstPassageTimes, FirstPassageTimes]) -> list[Interval]:
    few, others = (restricted_mean(passages, resamples=RESAMPLES) for passages in data)
    return [percentile_interval(few.samples - others.samples, pieces=few.pieces)]


def residual_cases() -> list[Case]:
    interval = 20

    def estimate(passages: FirstPassageTimes) -> list[Interval]:
        return [mean_residual_time(passages, interval, resamples=RESAMPLES).interval]

    def case(words: str, law: Law, truth: float, runs: int, reason: str = "") -> Case:
        row = Row("mean residual time", truth, why_fewer=reason)
        return Coverage(f"{words}, {runs} survivors", (row,), all_seen(law, runs), estimate, 2000)

    skewed = "geometric residual, hazard 0.1"
    even = "sum of 4 geometric times, hazard 0.4"

    def sum_of_four(generator: np.random.Generator, runs: int) -> Array:
        return interval + generator.geometric(0.4, (4, runs)).sum(axis=0)

    return [
        *(
            case(skewed, geometric(0.1, interval), 10.0, runs, SMALL if runs < 30 else "")
            for runs in (10, 30, 100)
        ),
        *(case(even, sum_of_four, 10.0, runs) for runs in (10, 30)),
    ]


LATE = {"share": 0.6, "quick": 0.3, "slow": 0.01, "delay": 15}
TAU, LONGEST = 18.0, 60


def late_law() -> Law:
    return two_branch(LATE["share"], LATE["quick"], LATE["slow"], int(LATE["delay"]))


def late_survival() -> Array:
    return survival_of_two_branch(LATE["share"], LATE["quick"], LATE["slow"], LONGEST, int(LATE["delay"]))


def kicked(
    runs: int, others: int
) -> Callable[[np.random.Generator], tuple[FirstPassageTimes, FirstPassageTimes]]:
    """Unperturbed runs seen to 60, and others perturbed at 60, whose residual time is geometric."""
    watch = seen_until(late_law(), runs, LONGEST)

    def draw(generator: np.random.Generator) -> tuple[FirstPassageTimes, FirstPassageTimes]:
        times = late_law()(generator, others)
        late = times > LONGEST
        times[late] = LONGEST + generator.geometric(1.0 / TAU, late.sum())
        return watch(generator), FirstPassageTimes(times, np.ones(others, bool), int(times.max()))

    return draw


FIXED = 20
EXACT, RESTART = perturbed_mean(late_survival(), TAU, measured_at=LONGEST), restart_mean(late_survival())


def predictions(data: tuple[FirstPassageTimes, FirstPassageTimes]) -> list[Interval]:
    """Every interval that rests on a prediction, in the order of `prediction_rows`."""
    passages, perturbed = data
    survival = survival_function(passages, resamples=RESAMPLES)
    residual = mean_residual_time(perturbed, LONGEST, resamples=RESAMPLES)
    at_its_own = Estimate(
        np.array([residual.value]), pieces=residual.pieces, samples=residual.samples[:, None], interval=(0, 0)
    )
    eq3 = perturbed_mean(survival, at_its_own, [LONGEST])
    eq5 = restart_mean(survival)
    eq9 = perturbed_mean(survival, residual, measured_at=LONGEST)
    alone = perturbed_mean(survival, residual, [FIXED], measured_at=LONGEST)
    return [
        at(eq9.interval, FIXED),
        at(eq3.interval, 1),
        at(eq5.interval, FIXED),
        at(speed_up(passages, alone, resamples=RESAMPLES).at_least.interval, 1),
        *of_the_best(eq9, np.asarray(EXACT.value), np.asarray(EXACT.valid)),
        *of_the_best(eq5, np.asarray(RESTART.value), np.asarray(RESTART.valid)),
    ]


def at(band: Interval, place: int) -> Interval:
    return band[0][place - 1], band[1][place - 1]


def of_the_best(curve: Prediction, truth: Array, valid: Array) -> list[Interval]:
    """The best interval; the smallest true mean in it, over the smallest of all; what is promised there."""
    best = best_interval(curve)
    low, high = (int(end) for end in best.interval)
    allowed = np.where(valid, truth, np.inf)
    excess = float(allowed[low - 1 : high].min() / allowed.min())
    # The truth depends on what was chosen: the difference from it is to hold 0.
    least, most = at(curve.interval, int(best.value))
    there = float(truth[int(best.value) - 1])
    return [best.interval, (excess, np.inf), (least - there, most - there)]


def prediction_rows(runs: int) -> tuple[Row, ...]:
    few9, few5, chosen = (EDGE, FEW, CHOSEN) if runs < 1000 else ("", "", "")
    near = "an interval within 3 % of the best mean is in the best interval"
    slowest, eq9 = float(late_survival()[:-1].sum()), float(EXACT.value[FIXED - 1])
    return (
        Row(f"Eq 9 at P = {FIXED}", eq9),
        Row(f"Eq 3 at P = {LONGEST}", float(EXACT.value[LONGEST - 1])),
        Row(f"Eq 5 at P = {FIXED}", float(RESTART.value[FIXED - 1])),
        Row(f"speed-up, at least, Eq 9 at P = {FIXED}", slowest / eq9),
        Row("best interval, Eq 9", float(best_interval(EXACT).value), why_fewer=few9, why_more=WHOLE),
        Row(f"Eq 9: {near}", 1.03, (0.93, 1.0), why_fewer=few9),
        Row("Eq 9 at the chosen P, less the truth there", 0.0, why_fewer=chosen),
        Row("best interval, Eq 5", float(best_interval(RESTART).value), why_fewer=few5, why_more=WHOLE),
        Row(f"Eq 5: {near}", 1.03, (0.93, 1.0), why_fewer=few5),
        Row("Eq 5 at the chosen P, less the truth there", 0.0, why_fewer=chosen),
    )


def prediction_cases() -> list[Case]:
    words = "60 % at hazard 0.3 after a delay of 15, 40 % at 0.01; seen to 60; residual geometric, mean 18"
    return [
        Coverage(
            f"{words}; n = {runs}, and {others} others perturbed",
            prediction_rows(runs),
            kicked(runs, others),
            predictions,
        )
        for runs, others in ((24, 100), (100, 100), (1000, 1000))
    ]


def relaxation_cases() -> list[Case]:
    shift, decay, horizon, window, correlation = 3.0, 4.0, 40, (11, 40), 0.7
    time = np.arange(1, horizon + 1)
    mean = -shift * np.exp(-time / decay)

    def draw(runs: int) -> Callable[[np.random.Generator], Array]:
        def values(generator: np.random.Generator) -> Array:
            noise = generator.normal(size=(runs, horizon))
            for t in range(1, horizon):
                kick = np.sqrt(1.0 - correlation**2) * noise[:, t]
                noise[:, t] = correlation * noise[:, t - 1] + kick
            return mean + noise

        return values

    def estimate(values: Array) -> list[Interval | None]:
        never = FirstPassageTimes(np.full(len(values), horizon), np.zeros(len(values), bool), horizon)
        found = relaxation_time(quasi_steady_state(values, never, window=window))
        return [found.interval if isinstance(found, Estimate) else None]

    truth = first_near(mean, window)
    row = Row(
        "relaxation time by distance (90 % interval)",
        truth,
        (0.88, 0.92),
        0.9,
        why_more=WHOLE,
    )
    words = (
        f"Gaussian, correlation {correlation} a step, mean relaxing as {shift:g} exp(-t/{decay:g}), "
        f"seen to {horizon}"
    )
    return [Coverage(f"{words}, n = {runs}", (row,), draw(runs), estimate, 400) for runs in (100, 400)]


def first_near(mean: Array, window: tuple[int, int], tolerance: float = 0.1) -> float:
    """First time at which the square root of the integral of (F_t - F)^2 dF is within the tolerance."""
    grid = np.linspace(-9.0, 6.0, 6001)
    law = ndtr(grid - mean[:, None])
    average = law[window[0] - 1 : window[1]].mean(axis=0)
    middle = ((law - average) ** 2)[:, :-1]
    distance = np.sqrt(middle @ np.diff(average))
    return float(np.flatnonzero(distance <= tolerance)[0] + 1)


def alarm_cases() -> list[Case]:
    hazard, runs = 0.05, 64

    def draw(horizon: int) -> Callable[[np.random.Generator], tuple[Array, Array]]:
        # Values without memory: no time is better than another to restart, and a kick changes nothing.
        def values(generator: np.random.Generator) -> tuple[Array, Array]:
            return generator.random((runs, horizon)), generator.random((runs, 3 * horizon))

        return values

    def raised(interval: int) -> Callable[[tuple[Array, Array]], list[bool]]:
        def said(data: tuple[Array, Array]) -> list[bool]:
            unperturbed, perturbed = data
            advice = advise(unperturbed, {"kick": (perturbed, interval)}, target=1.0 - hazard, resamples=500)
            chosen = recommended(advice)
            name = None if chosen is None else chosen.name
            return [name is not None, name == "reset", name == "kick"]

        return said

    rows = tuple(
        Row(said, wanted=(0.0, 0.05))
        for said in ("recommends a restart or the kick", "recommends a restart", "recommends the kick")
    )
    return [
        Alarm(
            f"geometric, hazard {hazard}, n = {runs} seen to {horizon} ({100 * 0.95**horizon:.2g} % censored), "
            f"and as many with a useless kick at {interval}: does `advise` recommend anything?",
            rows,
            draw(horizon),
            raised(interval),
            speaker="tg.advise",
        )
        for horizon, interval in ((50, 20), (120, 20), (120, 40))
    ]


CASES: list[Case] = [
    *survival_cases(),
    *mean_cases(),
    *comparison_cases(),
    *residual_cases(),
    *prediction_cases(),
    *relaxation_cases(),
    *alarm_cases(),
]
