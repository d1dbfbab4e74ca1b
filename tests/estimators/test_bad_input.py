"""No argument, however wrong, ends in an error of numpy: the message names what is wrong and what to give."""

import numpy as np
import pytest

from thermograd.errors import ConfigError
from thermograd.estimators import (
    aging,
    effective_temperature,
    first_passage,
    fluctuation_dissipation,
    posterior,
    replica_distance,
    stationary_state,
)
from thermograd.estimators import landscape as curvature
from thermograd.estimators.fall_to_come import fall_to_come
from thermograd.estimators.gradient_noise import gradient_noise_scale, micro_batch_moments
from thermograd.estimators.posterior_draws import PosteriorDraws
from thermograd.estimators.stochastic_area import AreaSums
from thermograd.estimators.waiting_or_cutting import waiting
from thermograd.quantities import Estimate

random = np.random.default_rng(0)
POINTS = random.normal(size=(6, 40, 2))
TABLE = aging.mean_square_displacement(POINTS[:2].cumsum(axis=1), np.arange(40))
CURVES = random.normal(size=(30, 20)).cumsum(axis=1)
PASSAGES = first_passage.first_passage_times(CURVES, 2.0)
STEADY = first_passage.quasi_steady_state(CURVES, PASSAGES, resamples=5)
DENSITY = curvature.SpectralDensity(random.normal(size=(3, 4)), np.full((3, 4), 0.25))
DRAWS = PosteriorDraws({"w": POINTS})
SUMS = {
    "times": [10.0, 20.0],
    "count": [[10.0, 20.0]],
    "sum": np.zeros((1, 2, 2)),
    "second_moment": np.tile(np.eye(2), (1, 2, 1, 1)),
    "area": np.zeros((1, 2, 2, 2)),
}
ENDS = fluctuation_dissipation.block_ends(POINTS[0], np.ones(39), steps_per_block=2)
RATES = {
    "learning_rates": [0.1, 0.2, 0.3],
    "squared_gradients": [1.0, 2.0, 3.0],
    "sampling": "with_replacement",
}
LOSS = 1 / np.arange(1.0, 41.0)
ROWS = np.abs(POINTS[:, :3, 0]).cumsum(axis=1)
FIGURES = {
    "resamples": [0, 1.5, None, 1j, "x"],
    "level": [0, 1, 95, 1j, None, "x", []],
    "seed": [-1, 0.5, None],
}
NUMBERS = ["x", 1j, {}, [[1.0], [2.0, 3.0]], None]

CASES = {
    aging.aging_exponent: (
        {"table": TABLE},
        {
            "thresholds": ["x", 1j, -1.0],
            "waiting": [0, "x", (1, 2, 3)],
            "group": [1j, 0.5, []],
            "margin": [1j, None],
        }
        | {"per": [1, []], "average": [1, []]}
        | FIGURES,
    ),
    aging.characteristic_time: ({"table": TABLE, "threshold": 1.0}, {"threshold": ["x", 1j, [1, 2], None]}),
    aging.curve_spread: ({"table": TABLE}, {"waiting": [0, "x"]} | FIGURES),
    aging.diffusion: ({"table": TABLE, "lags": "short"}, {"lags": [0, [], "x", ("a", 1)]} | FIGURES),
    aging.mean_square_displacement: (
        {"positions": POINTS, "times": np.arange(40)},
        {"positions": NUMBERS, "times": [*NUMBERS, np.arange(40) + 0.5, np.full(40, np.nan)]}
        | {"waiting_times": ["x", 0.5], "lags": ["x", 0.5]},
    ),
    aging.DisplacementTable: (
        {"waiting_times": [1], "lags": [1], "squared": [[[[1.0]]]], "sizes": [1]},
        dict.fromkeys(("waiting_times", "lags", "squared", "sizes"), NUMBERS)
        | {
            "missed": [np.nan, -1, "x"],
            "eps": ["x", 1j],
            "relative_error": [[], "x", -1.0],
            "groups": [0, None],
        },
    ),
    aging.learning_phases: (
        {"steps": np.arange(1, 41), "loss": LOSS},
        {"steps": NUMBERS, "loss": NUMBERS, "remaining": [0, 1, "x", 1j], "per_decade": [0, 1.5, np.inf, "x"]}
        | FIGURES,
    ),
    effective_temperature.estimate: (
        {"displacement": ROWS, "response": ROWS},
        {"displacement": NUMBERS, "response": NUMBERS, "tolerance": [0, 1j, "x"], "noise_memory": [-1, "x"]}
        | {"common": [0], "level": FIGURES["level"]},
    ),
    first_passage.first_passage_times: (
        {"values": CURVES, "target": 2.0},
        {
            "values": ["x", 1j],
            "target": ["x", 1j, None, np.nan, [1.0]],
            "direction": [[], 1],
            "times": ["x", [1j] * 20],
        },
    ),
    first_passage.FirstPassageTimes: (
        {"time": [1, 2], "reached": [True, True], "horizon": 3},
        {"time": [*NUMBERS, [np.nan, 1]], "horizon": [np.nan, np.inf, 1j, -1, 1.5, "x"]},
    ),
    first_passage.restricted_mean: (
        {"passages": PASSAGES},
        FIGURES | {"horizon": [1j, 0, "x"], "passages": [0]},
    ),
    first_passage.extrapolated_mean: ({"passages": PASSAGES}, FIGURES | {"tail_start": [1j, -1, 0.5, "x"]}),
    first_passage.quasi_steady_state: (
        {"values": CURVES, "passages": PASSAGES},
        {"values": [*NUMBERS, CURVES[:, :0]], "passages": [0, None], "window": [0, "x", (3, 1), (1, 2, 3)]}
        | {"times": ["x", np.arange(20) + 0.5, np.nan], "resamples": FIGURES["resamples"]},
    ),
    first_passage.relaxation_time: (
        {"steady": STEADY},
        {"tolerance": ["x", 1j, None, []], "criterion": ["x"]},
    ),
    first_passage.restarted_times: (
        {"passages": first_passage.FirstPassageTimes([1, 2], [True, True], 3), "interval": 2},
        {"interval": [0, "x", 1j], "draws": [0, 1.5, "x"], "seed": [-1, "x"]},
    ),
    fluctuation_dissipation.ratio: (
        {"dissipation": ROWS, "fluctuation": ROWS},
        {
            "dissipation": NUMBERS,
            "fluctuation": [*NUMBERS, 0 * ROWS, np.nan * ROWS],
            "steps_per_epoch": [0, 0.5, "x"],
        }
        | {"window": ["x", None], "level": FIGURES["level"]},
    ),
    fluctuation_dissipation.landscape_response: (
        RATES,
        {
            "learning_rates": NUMBERS,
            "squared_gradients": NUMBERS,
            "sampling": [[], 1],
            "momentum": [1, 1j, "x"],
        }
        | {"largest_curvature": [-1, 1j, "x"]},
    ),
    fluctuation_dissipation.block_ends: (
        {"positions": POINTS[0], "squared_updates": np.ones(39), "steps_per_block": 2},
        {"positions": NUMBERS, "squared_updates": NUMBERS, "steps_per_block": [0, 0.5, "x", 10**30]}
        | {"momentum": [1, -1, "x"], "most": [0, -1, -np.inf, "x"]},
    ),
    fluctuation_dissipation.stationarity: (
        {"ends": ENDS},
        {"ends": [0], "tolerance": [1j, "x"], "level": FIGURES["level"], "earlier": [0]},
    ),
    fluctuation_dissipation.slowest_direction: (
        {"points": POINTS[0]},
        {"points": [*NUMBERS, [], 0, POINTS[0, :3], np.full((8, 2), np.nan)]},
    ),
    gradient_noise_scale: (
        {"trace_blocks": [1.0, 2.0], "squared_gradient_blocks": [1.0, 2.0]},
        {"trace_blocks": NUMBERS, "squared_gradient_blocks": NUMBERS, "counts": ["x", 1j]},
    ),
    micro_batch_moments: (
        {"sizes": [1, 1], "squared_norms": [1.0, 2.0], "squared_norm_of_mean": 1.0},
        {"sizes": NUMBERS, "squared_norms": NUMBERS, "squared_norm_of_mean": ["x", None, np.nan]},
    ),
    curvature.spectrum_summary: (
        {"eigenvalues": [1.0, 2.0]},
        {"eigenvalues": NUMBERS, "zero": ["x", 1j, -1.0]},
    ),
    curvature.SpectralDensity: (
        {"nodes": DENSITY.nodes, "weights": DENSITY.weights},
        {"nodes": [*NUMBERS, np.nan * DENSITY.nodes], "weights": NUMBERS},
    ),
    DENSITY.moment: ({"power": 2}, {"power": [0.5, -1, 8, 1j, "x"]}),
    DENSITY.fraction_below: ({"bound": 0.0}, {"bound": ["x", None, []]}),
    DENSITY.curve: ({"points": [0.0], "width": 1.0}, {"points": ["x", 1j], "width": [0, 1j, "x"]}),
    curvature.root_mean_square: (
        {"norms": ROWS, "steps": [1, 2, 3], "since": 1},
        {"norms": NUMBERS, "steps": NUMBERS, "since": ["x", None, []]},
    ),
    curvature.flatness_correlation: (
        {"traces": [1.0, 2.0, 3.0, 4.0], "gaps": [1.0, 2.0, 3.0, 5.0], "samples": 10},
        {"traces": NUMBERS, "gaps": NUMBERS, "samples": ["x", 1j, 0]},
    ),
    posterior.calibration: (
        {"probabilities": [[0.5, 0.5]] * 4, "labels": [0, 1, 0, 1]},
        {"probabilities": NUMBERS, "labels": NUMBERS, "bins": [0, 1.5, np.nan, 10**30]} | FIGURES,
    ),
    posterior.gaussian_kl: (
        {"draws": POINTS, "mean": [0.0, 0.0], "covariance": np.eye(2)},
        {"draws": NUMBERS, "mean": [*NUMBERS, [np.nan, 0.0]], "covariance": NUMBERS},
    ),
    posterior.convergence: ({"draws": DRAWS}, {"tolerance": [0, 1j, "x"], "quantities": [0, {}, {"a": "x"}]}),
    posterior.rhat: ({"draws": POINTS}, {"draws": NUMBERS}),
    posterior.virial_ratio: (
        {"virial": ROWS, "dimension": 2},
        {"virial": NUMBERS, "dimension": [0, 1j, "x"], "temperature": [0, 1j, "x"], "weights": ["x"]},
    ),
    PosteriorDraws: (
        {"parameters": {"w": POINTS}},
        {
            "temperature": [-1, [], "x", 10**400],
            "potential": NUMBERS[:-1],
            "weights": ["x", 1j],
            "measured": ["x", 1j],
        },
    ),
    DRAWS.save: ({"path": "x"}, {"path": [0, None]}),
    PosteriorDraws.load: ({"path": "x"}, {"path": [0, None]}),
    TABLE.save: ({"path": "x"}, {"path": [0, None]}),
    aging.DisplacementTable.load: ({"path": "x"}, {"path": [0, None]}),
    replica_distance.estimate: (
        {"record": POINTS, "parameters": 2},
        {"record": NUMBERS, "parameters": [0, 1.5, "x"]},
    ),
    stationary_state.covariance: ({"trajectories": POINTS}, {"trajectories": NUMBERS, "centre": ["x", 1j]}),
    stationary_state.circulation: (
        {"trajectories": POINTS},
        {"trajectories": NUMBERS, "conditional_displacement": ["x", 1j], "level": FIGURES["level"]},
    ),
    stationary_state.lyapunov_residual: (
        {"trajectories": POINTS, "hessian": np.eye(2), "diffusion": np.eye(2), "learning_rate": 0.1},
        {"hessian": NUMBERS, "diffusion": NUMBERS, "learning_rate": [0, 1j, "x"], "tolerance": [0, 1, 1j]},
    ),
    stationary_state.trajectory_entropy: (
        {"trajectories": POINTS, "entropy_force": np.eye(2)},
        {"entropy_force": NUMBERS, "length": [0, 1.5, "x", 1j]},
    ),
    stationary_state.detailed_fluctuation: (
        {"sigma": ROWS - 1},
        {"sigma": NUMBERS, "bins": [2, np.nan, 1j, "x"]},
    ),
    stationary_state.detailed_balance: (
        {"circulation": Estimate(np.zeros((2, 2)), (-np.ones((2, 2)), np.ones((2, 2))), pieces=9)},
        {"circulation": [0], "scale": [0, 1j, "x"]},
    ),
    AreaSums: (SUMS, dict.fromkeys(SUMS, NUMBERS)),
    fall_to_come: (
        {"times": np.arange(1, 41), "losses": LOSS, "now": 40, "until": 80},
        {"times": NUMBERS, "losses": [*NUMBERS, np.nan * LOSS], "now": ["x", None], "until": [np.inf, 1j]},
    ),
    waiting: (
        {"losses": LOSS, "steps": np.arange(1, 41)},
        {"losses": ["x"], "steps": ["x", 0 * LOSS], "age": ["x", []]},
    ),
}


@pytest.mark.parametrize("function", CASES, ids=lambda function: function.__qualname__)
def test_what_cannot_be_used_is_refused_in_words(function):
    options, wrong = CASES[function]
    for name, values in wrong.items():
        for value in values:
            with pytest.raises(ConfigError) as caught:
                function(**options | {name: value})
            assert len(str(caught.value).split()) > 4, (name, value)


def test_a_diverged_entry_is_forgotten_with_the_half_that_holds_it():
    """Against the definition, entry by entry: a sum from the start on would carry the NaN for ever."""
    recorded = np.array([np.nan, 2.0, 4.0, 6.0, np.inf, 10.0, 1.0, 1.0, 1.0, 1.0])
    found = fluctuation_dissipation.half_running_average(recorded)
    for last in range(1, 11):
        inside = recorded[last // 2 : last]
        expected = inside.mean() if np.isfinite(inside).all() else np.nan
        assert found[last - 1] == pytest.approx(expected, nan_ok=True)
    assert np.isfinite(found[[1, 2, 3, 9]]).all()


def test_fitted_slopes_of_two_bins_are_no_plateau():
    """A loss that falls by the same share in every decade rests nowhere, however wide the bins are."""
    steps = np.arange(1, 30_001)
    for per_decade in (1, 2, 3, 8):
        found = aging.learning_phases(steps, 5 - np.log10(steps), per_decade=per_decade)
        assert found.plateaus == ()


def test_a_trajectory_that_stands_still_leaves_no_interval_but_no_nan():
    """Of two trajectories a quarter of the resamples hold only the still one, which has no exponent."""
    lags = 2 ** np.arange(8)
    squared = np.stack([lags, 0 * lags]).reshape(2, 1, 8, 1).astype(float)
    found = aging.diffusion(aging.DisplacementTable([1000], lags, squared, [1]), lags="short")
    assert found.exponent.value[0] == pytest.approx(1.0)
    assert (found.exponent.low[0], found.exponent.high[0]) == (-np.inf, np.inf)
    assert (found.coefficient.low[0], found.coefficient.high[0]) == (0.0, np.inf)
