"""The squared gradient against the learning rate: exact quadratics, simulated landscapes, and both samplers."""

from __future__ import annotations

import numpy as np
import pytest

from thermograd.estimators.landscape_response import landscape_response
from thermograd.theory.fluctuation_dissipation import quadratic

INDEPENDENT = "with_replacement"
RATES = np.array([0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.2])
CURVATURES = np.geomspace(0.01, 1.0, 30)
NOISE = np.random.default_rng(0).uniform(0.5, 2.0, 30)
TRACE = float(CURVATURES @ NOISE)


def of_quadratic(rates, momentum=0.0, dampening=0.0):
    return np.array(
        [quadratic(CURVATURES, NOISE, rate, momentum, dampening)["squared_gradient"].value for rate in rates]
    )


def stationary(gradient, noise, rates, *, trajectories=4000, time=12.0):
    """Mean |∇f|² of SGD on ∇f = gradient(x), x of one mode, after `time` / rate steps; with its error."""
    generator = np.random.default_rng(5)
    means, errors = [], []
    for rate in rates:
        x = np.zeros(trajectories)
        for _ in range(int(time / rate)):
            x = x - rate * (gradient(x) + noise * generator.standard_normal(trajectories))
        square = gradient(x) ** 2
        means.append(square.mean())
        errors.append(square.std() / np.sqrt(trajectories))
    return np.array(means), np.array(errors)


def test_the_slope_is_that_of_weighted_least_squares_through_the_origin():
    generator = np.random.default_rng(1)
    error = generator.uniform(0.5, 2.0, RATES.size) * 0.02 * RATES
    gradients = 1.5 * RATES + error * generator.standard_normal(RATES.size)
    fit = landscape_response(RATES, gradients, error, sampling=INDEPENDENT)
    weight = np.diag(error**-2)
    slope = (RATES @ weight @ gradients) / (RATES @ weight @ RATES)
    half = 1.959964 / np.sqrt(RATES @ weight @ RATES)
    assert fit.slope.value == pytest.approx(slope, rel=1e-12)
    assert fit.slope.interval == pytest.approx((slope - half, slope + half), rel=1e-6)
    assert fit.trace_hessian_noise.value == pytest.approx(2 * slope, rel=1e-12)
    assert (fit.verdict.holds, fit.verdict.kind) == (True, "harmonic")
    assert fit.linear_up_to == fit.harmonic_up_to == RATES[-1]
    assert fit.trace_hessian_noise.pieces == RATES.size
    square = float(np.sum(((gradients - slope * RATES) / error) ** 2))
    assert fit.verdict.evidence["chi_square_of_line"] == pytest.approx(square, rel=1e-9)


def test_the_interval_reaches_down_to_what_a_straight_bend_says():
    gradients = RATES * (1 + 0.2 * RATES)
    error = 0.1 * RATES
    fit = landscape_response(RATES, gradients, error, sampling=INDEPENDENT)
    assert fit.linear_up_to == RATES[-1]
    trace = 2 * gradients / RATES
    (_, start), covariance = np.polyfit(RATES, trace, 1, w=RATES / error / 2, cov="unscaled")
    low = start - 1.959964 * covariance[1, 1] ** 0.5
    assert fit.trace_hessian_noise.low == pytest.approx(low, rel=1e-6)
    assert fit.trace_hessian_noise.high - fit.trace_hessian_noise.value == pytest.approx(
        1.959964 * np.sum((RATES / error / 2) ** 2) ** -0.5, rel=1e-6
    )


def test_a_quadratic_of_many_modes_bends_and_is_not_anharmonic():
    gradients = of_quadratic(RATES)
    error = 0.01 * gradients
    alone = landscape_response(RATES, gradients, error, sampling=INDEPENDENT)
    assert (alone.verdict.holds, alone.verdict.kind) == (None, "nonlinear")
    assert "A quadratic loss bends like that too" in alone.verdict.text
    assert alone.linear_up_to == alone.harmonic_up_to < RATES[-1]
    assert alone.envelope is None
    known = landscape_response(RATES, gradients, error, sampling=INDEPENDENT, largest_curvature=1.0)
    assert (known.verdict.holds, known.verdict.kind) == (True, "harmonic")
    assert (known.linear_up_to, known.harmonic_up_to) == (alone.linear_up_to, RATES[-1])
    assert known.trace_hessian_noise.low < TRACE < known.trace_hessian_noise.high
    low, high = known.envelope
    assert high / low == pytest.approx(1 / (1 - RATES / 2), rel=1e-12)
    # Negative control: a largest curvature far below the true one does not cover the bend.
    small = landscape_response(RATES, gradients, error, sampling=INDEPENDENT, largest_curvature=0.2)
    assert (small.verdict.holds, small.verdict.kind) == (False, "anharmonic")


def test_a_quadratic_with_momentum():
    mu, nu = 0.9, 0.3
    rates = RATES * (1 - mu) / (1 - nu)
    gradients = of_quadratic(rates, mu, nu)
    settings = {"sampling": INDEPENDENT, "largest_curvature": 1.0, "momentum": mu, "dampening": nu}
    fit = landscape_response(rates, gradients, 0.003 * gradients, **settings)
    assert fit.verdict.kind == "harmonic"
    assert fit.trace_hessian_noise.low < TRACE < fit.trace_hessian_noise.high
    assert fit.slope.value == pytest.approx(fit.trace_hessian_noise.value / 2 * (1 - nu) / (1 - mu))
    # Negative control: read as plain SGD the trace is seven times too large.
    plain = landscape_response(rates, gradients, 0.003 * gradients, sampling=INDEPENDENT)
    assert plain.trace_hessian_noise.value == pytest.approx(7 * TRACE, rel=0.05)


def test_a_simulated_quartic_is_anharmonic_and_a_simulated_quadratic_is_not():
    rates = np.array([0.02, 0.05, 0.1, 0.2, 0.4])
    harder = stationary(lambda x: x + x**3, 1.0, rates)
    alone = landscape_response(rates, *harder, sampling=INDEPENDENT)
    assert (alone.verdict.holds, alone.verdict.kind) == (None, "nonlinear")
    known = landscape_response(rates, *harder, sampling=INDEPENDENT, largest_curvature=1.0)
    assert (known.verdict.holds, known.verdict.kind) == (False, "anharmonic")
    assert known.harmonic_up_to < rates[-1]
    even = landscape_response(
        rates, *stationary(lambda x: x, 1.0, rates), sampling=INDEPENDENT, largest_curvature=1.0
    )
    assert (even.verdict.holds, even.verdict.kind) == (True, "harmonic")
    assert even.trace_hessian_noise.low < 1.0 < even.trace_hessian_noise.high


def test_a_landscape_that_softens_falls_short_of_the_line_which_no_quadratic_does():
    rates = np.array([0.05, 0.1, 0.2, 0.5, 1.0])
    softer = stationary(np.tanh, 1.0, rates, time=20.0)
    known = landscape_response(rates, *softer, sampling=INDEPENDENT, largest_curvature=1.0)
    assert (known.verdict.holds, known.verdict.kind) == (False, "anharmonic")
    alone = landscape_response(rates, *softer, sampling=INDEPENDENT)
    assert alone.verdict.kind == "nonlinear"
    assert "no quadratic loss does that" in alone.verdict.text


def of_regression(rates, *, reshuffled, trajectories=300, epochs=60):
    """Mean |∇f|² of a seven-weight regression at ends of epochs, 20 samples one by one; and exact Tr(HC)."""
    generator = np.random.default_rng(8)
    inputs = generator.standard_normal((20, 7))
    targets = inputs @ generator.standard_normal(7) + generator.standard_normal(20)
    best = np.linalg.lstsq(inputs, targets, rcond=None)[0]
    hessian = inputs.T @ inputs / 20
    each = inputs * (inputs @ best - targets)[:, None]
    means, errors = [], []
    for rate in rates:
        weights = np.tile(best, (trajectories, 1))
        for _ in range(int(epochs * 0.02 / rate)):
            order = generator.integers(20, size=(trajectories, 20))
            if reshuffled:
                order = generator.permuted(np.tile(np.arange(20), (trajectories, 1)), axis=1)
            for chosen in order.T:
                x = inputs[chosen]
                weights -= rate * x * ((x * weights).sum(axis=1) - targets[chosen])[:, None]
        square = (((weights - best) @ hessian) ** 2).sum(axis=1)
        means.append(square.mean())
        errors.append(square.std() / np.sqrt(trajectories))
    return np.array(means), np.array(errors), float(np.trace(hessian @ each.T @ each) / 20)


def test_reshuffled_epochs_give_no_trace():
    rates = np.array([0.001, 0.002, 0.004])
    gradients, error, trace = of_regression(rates, reshuffled=True)
    fit = landscape_response(rates, gradients, error, sampling="without_replacement")
    assert (fit.verdict.holds, fit.verdict.kind) == (None, "sampler_biased")
    assert np.isnan(fit.trace_hessian_noise.value)
    assert np.isnan(fit.harmonic_up_to)
    # The bias is there: the slope would give a trace hundreds of times too small.
    assert 2 * fit.slope.high < trace / 100
    independent, error, _ = of_regression(rates, reshuffled=False)
    assert (gradients < independent / 100).all()
    right = landscape_response(rates, independent, error, sampling=INDEPENDENT)
    assert right.trace_hessian_noise.low < trace < right.trace_hessian_noise.high


def test_order_does_not_matter():
    gradients = of_quadratic(RATES)
    shuffled = np.random.default_rng(2).permutation(RATES.size)
    sorted_fit, other = (
        landscape_response(RATES[order], gradients[order], 0.01 * gradients[order], sampling=INDEPENDENT)
        for order in (slice(None), shuffled)
    )
    assert other.learning_rates.tolist() == RATES.tolist()
    assert other.squared_gradients.tolist() == gradients.tolist()
    assert other.trace_hessian_noise.value == sorted_fit.trace_hessian_noise.value
    assert str(other) == str(sorted_fit)


@pytest.mark.parametrize("errors_known", [True, False])
@pytest.mark.parametrize("known", [True, False])
def test_units_do_not_matter(known, errors_known):
    """A loss a times as large, with learning rates divided by a, trains alike."""
    gradients = of_quadratic(RATES)
    kinds = set()
    for a in (1e-6, 1.0, 1e6):
        error = 0.01 * gradients * a**2 if errors_known else None
        curvature = a if known else None
        fit = landscape_response(
            RATES / a, gradients * a**2, error, sampling=INDEPENDENT, largest_curvature=curvature
        )
        assert fit.trace_hessian_noise.value / a**3 == pytest.approx(TRACE, rel=0.2)
        kinds.add((fit.verdict.kind, round(fit.linear_up_to * a, 9), round(fit.harmonic_up_to * a, 9)))
    assert len(kinds) == 1


def test_values_that_cancel_are_undecided():
    fit = landscape_response([0.1, 0.2, 0.4], [-0.1, 0.2, 0.0], [0.1, 0.2, 0.4], sampling=INDEPENDENT)
    assert fit.trace_hessian_noise.value == 0
    assert fit.verdict.kind == "undecided"


def test_the_same_rate_may_come_twice():
    rates, gradients = np.repeat(RATES, 2), np.repeat(RATES, 2) * np.tile([0.99, 1.01], RATES.size)
    fit = landscape_response(rates, gradients, 0.01 * rates, sampling=INDEPENDENT)
    assert fit.trace_hessian_noise.value == pytest.approx(2.0)
    assert fit.verdict.kind == "harmonic"


def test_a_negative_value_is_kept_if_its_error_allows_it():
    rates = np.array([0.001, 0.01, 0.02, 0.04])
    gradients, error = np.array([-0.001, 0.01, 0.02, 0.04]), np.array([0.001, 1e-3, 1e-3, 1e-3])
    fit = landscape_response(rates, gradients, error, sampling=INDEPENDENT, largest_curvature=1.0)
    assert fit.squared_gradients[0] < 0
    assert fit.verdict.kind == "harmonic"
    with pytest.raises(
        ValueError, match=r"at learning rate 0.001 is -0.001, negative beyond its error 0.0002"
    ):
        landscape_response(rates, gradients, error / 5, sampling=INDEPENDENT)
    with pytest.raises(ValueError, match="negative beyond its error: pass standard_errors"):
        landscape_response(rates, gradients, sampling=INDEPENDENT)


def test_without_standard_errors_they_are_taken_from_the_scatter():
    generator = np.random.default_rng(4)
    scattered = RATES * (1 + 0.03 * generator.standard_normal(RATES.size))
    fit = landscape_response(RATES, scattered, sampling=INDEPENDENT)
    assert fit.verdict.kind == "harmonic"
    assert 0.01 < (fit.standard_errors / RATES).max() < 0.09
    assert fit.trace_hessian_noise.low < 2.0 < fit.trace_hessian_noise.high
    bent = landscape_response(RATES, of_quadratic(RATES), sampling=INDEPENDENT)
    assert bent.verdict.kind == "nonlinear"
    known = landscape_response(RATES, of_quadratic(RATES), sampling=INDEPENDENT, largest_curvature=1.0)
    assert known.verdict.kind == "harmonic"


def test_values_that_agree_exactly():
    fit = landscape_response(RATES, 3 * RATES, sampling=INDEPENDENT)
    assert fit.verdict.kind == "harmonic"
    assert fit.trace_hessian_noise.value == pytest.approx(6.0)


@pytest.mark.parametrize("known", [True, False])
def test_errors_that_hide_everything_leave_it_undecided(known):
    fit = landscape_response(
        RATES, RATES, 0.8 * RATES, sampling=INDEPENDENT, largest_curvature=1.0 if known else None
    )
    assert (fit.verdict.holds, fit.verdict.kind) == (None, "undecided")
    assert "would not show" in fit.verdict.text


def test_stationary_where_a_quadratic_would_diverge_is_anharmonic():
    rates = np.array([0.1, 0.2, 0.4])
    fit = landscape_response(rates, rates, 0.01 * rates, sampling=INDEPENDENT, largest_curvature=10.0)
    assert (fit.verdict.holds, fit.verdict.kind) == (False, "anharmonic")
    assert "from 0.2 on it would not even be stable" in fit.verdict.text


@pytest.mark.parametrize("errors_known", [True, False])
def test_false_alarms_and_power(errors_known):
    """At most 5 % of straight lines are called bent; a doubling at the last of seven rates is always seen."""
    generator = np.random.default_rng(6)
    relative = 0.05

    def kinds(truth, sets, **known):
        for _ in range(sets):
            gradients = truth + relative * RATES * generator.standard_normal(RATES.size)
            error = relative * RATES if errors_known else None
            yield landscape_response(RATES, gradients, error, sampling=INDEPENDENT, **known).verdict.kind

    lines = list(kinds(RATES, 400))
    # Binomial(400, 0.05): above 37 with probability 1e-4.
    assert lines.count("nonlinear") <= 37
    quadratics = list(kinds(of_quadratic(RATES) / TRACE * 2, 200, largest_curvature=1.0))
    assert quadratics.count("anharmonic") <= 0.05 * 200
    bent = list(kinds(RATES * (1 + (RATES / RATES[-1]) ** 2), 50))
    assert bent.count("nonlinear") == 50


@pytest.mark.parametrize(
    ("arguments", "settings", "message"),
    [
        (([0.1, 0.2], [1, 2]), {}, r"3 different learning rates or more, got \[0.1, 0.2\]"),
        (([0.1, 0.2, 0.2], [1, 2, 2]), {}, "3 different"),
        (([0.1, 0.2, 0.3], [1, 2]), {}, "equally long lists"),
        (([0.1, 0.2, 0.3], [1, 2, 3], [1, 2]), {}, "equally long lists"),
        (([0.0, 0.2, 0.3], [1, 2, 3]), {}, "must be positive"),
        (([0.1, 0.2, 0.3], [1, 2, np.inf]), {}, "leave out the rates at which training diverged"),
        (([0.1, 0.2, 0.3], [0, 0, 0]), {}, "all squared gradients are 0"),
        (([0.1, 0.2, 0.3], [1, 2, 3], [1, 0, 1]), {}, "standard_errors must be positive"),
        (([0.1, 0.2, 0.3], [1, 2, 3]), {"sampling": "shuffled"}, "sampling must be .* got 'shuffled'"),
        (([0.1, 0.2, 0.3], [1, 2, 3]), {"largest_curvature": -1.0}, "largest_curvature is -1.0"),
        (([0.1, 0.2, 0.3], [1, 2, 3]), {"momentum": 1.0}, "momentum is 1.0"),
        (([0.1, 0.2, 0.3], [1, 2, 3]), {"dampening": -0.1}, "dampening is -0.1"),
    ],
)
def test_arguments_that_cannot_be_used(arguments, settings, message):
    with pytest.raises(ValueError, match=message):
        landscape_response(*arguments, **{"sampling": INDEPENDENT} | settings)
