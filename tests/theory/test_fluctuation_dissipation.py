"""The quadratic stationary state: known numbers, the Lyapunov equation, eigenvalues, and a simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import solve_discrete_lyapunov

from thermograd.theory.fluctuation_dissipation import quadratic

MODES, UNIT = (1.0, 0.1, 0.01), (1.0, 1.0, 1.0)
SETTINGS = [
    (0.1, 0.0, 0.0),
    (1.9, 0.0, 0.0),  # the fastest mode overshoots
    (0.1, 0.9, 0.0),
    (3.7, 0.9, 0.0),  # the fastest mode is close to unstable
    (0.5, 0.9, 0.5),
    (0.02, 0.99, 0.9),
    (1.0, 0.5, 0.9),
]


def update(curvature, rate, momentum, dampening):
    """Deterministic part of (x, b) -> (x - rate b', b'), b' = momentum b + (1 - dampening) curvature x."""
    buffer = np.array([(1 - dampening) * curvature, momentum])
    return np.array([[1.0, 0.0] - rate * buffer, buffer])


def moments(curvature, noise, rate, momentum, dampening):
    """<x²>, <b²> by scipy's discrete Lyapunov equation."""
    kick = (1 - dampening) * np.array([-rate, 1.0])
    return np.diag(
        solve_discrete_lyapunov(update(curvature, rate, momentum, dampening), noise * np.outer(kick, kick))
    )


def values(*arguments):
    return {name: prediction.value for name, prediction in quadratic(*arguments).items()}


def test_known_numbers_without_momentum():
    found = values(MODES, UNIT, 0.1)
    assert found["variance"] == pytest.approx([0.0526316, 0.502513, 5.002501], rel=1e-6)
    assert found["dissipation"] == pytest.approx(0.1529079, rel=1e-6)
    assert found["fluctuation"] == pytest.approx(0.1529079, rel=1e-6)
    assert found["temperature"] == pytest.approx(0.05096928, rel=1e-6)
    assert found["squared_gradient"] == pytest.approx(0.05815697, rel=1e-6)
    assert 2 * found["squared_gradient"] / 0.1 == pytest.approx(1.163139, rel=1e-6)
    assert found["trace_hessian_noise"] == pytest.approx(1.11, rel=1e-12)
    assert found["ratio"] == pytest.approx(1.0, rel=1e-12)


def test_known_numbers_with_momentum():
    found = values(MODES, UNIT, 0.1, 0.9)
    assert found["variance"] == pytest.approx([0.5135135, 5.013193, 50.01316], rel=1e-6)
    assert found["dissipation"] == pytest.approx(1.514964, rel=1e-6)
    assert found["fluctuation"] == pytest.approx(1.514964, rel=1e-6)


@pytest.mark.parametrize("setting", SETTINGS)
def test_variances_solve_the_lyapunov_equation(setting):
    rate, momentum, dampening = setting
    noise = np.array([0.3, 2.0, 0.7])
    found = values(MODES, noise, *setting)
    position, buffer = np.transpose([moments(h, s, *setting) for h, s in zip(MODES, noise, strict=True)])
    assert found["variance"] == pytest.approx(position, rel=1e-9)
    assert found["dissipation"] == pytest.approx(position @ MODES, rel=1e-9)
    assert found["squared_gradient"] == pytest.approx(position @ np.square(MODES), rel=1e-9)
    # The right side of FDR1' from the second moments of the steps, and both sides agree.
    steps = rate**2 * buffer.sum()
    right = (1 + momentum) / (2 * (1 - dampening)) * steps / rate
    assert found["fluctuation"] == pytest.approx(right, rel=1e-9)
    assert found["ratio"] == pytest.approx(1.0, rel=1e-12)
    assert found["temperature"] == pytest.approx(right / 3, rel=1e-9)


@pytest.mark.parametrize("setting", SETTINGS)
def test_general_mode_in_closed_form(setting):
    rate, mu, nu = setting
    h, s = 0.7, 1.3
    below = 2 * (1 + mu) - rate * (1 - nu) * h
    found = values([h], [s], *setting)
    assert found["variance"][0] == pytest.approx(
        rate * (1 - nu) * s * (1 + mu) / (h * (1 - mu) * below), rel=1e-12
    )
    buffer = 2 * (1 - nu) ** 2 * s / ((1 - mu) * below)
    assert found["fluctuation"] == pytest.approx((1 + mu) / (2 * (1 - nu)) * rate * buffer, rel=1e-12)


@pytest.mark.parametrize("rate", [0.01, 0.3, 1.9])
def test_second_relation_holds_with_the_two_point_matrix_and_not_with_the_noise_alone(rate):
    h, s = np.array(MODES), np.array([0.3, 2.0, 0.7])
    found = values(h, s, rate)
    two_point = s + h**2 * found["variance"]
    assert found["squared_gradient"] == pytest.approx(rate / 2 * h @ two_point, rel=1e-12)
    bends = 2 * found["squared_gradient"] / rate / found["trace_hessian_noise"]
    assert 1 + 0.05 * rate < bends < 1 / (1 - rate / 2)


def test_a_quadratic_bends_by_a_ninth_and_by_two():
    """At rate times curvature .2 and 1: 2 <|grad f|²> / rate is 1 / (1 - rate h / 2) times Tr(HC)."""
    for product, factor in ((0.2, 1 / 0.9), (1.0, 2.0)):
        found = values([product / 0.1], [1.0], 0.1)
        bend = 2 * found["squared_gradient"] / 0.1 / found["trace_hessian_noise"]
        assert bend == pytest.approx(factor, rel=1e-12)


@pytest.mark.parametrize("setting", [*SETTINGS, (0.05, 0.9, 0.0), (1e-9, 0.0, 0.0), (1e-9, 0.9, 0.3)])
def test_relaxation_times_are_those_of_the_eigenvalues(setting):
    found = values(MODES, UNIT, *setting)["relaxation_times"]
    radius = [np.abs(np.linalg.eigvals(update(h, *setting))).max() for h in MODES]
    # Eigenvalues near 1 are known to rounding only, which the logarithm magnifies by the time itself.
    assert found == pytest.approx(-1 / np.log(radius), rel=1e-9 + 1e-15 * found.max())


def test_relaxation_times_in_limits():
    slow = values([1.0], [1.0], 1e-12)["relaxation_times"][0]
    assert slow == pytest.approx(1e12, rel=1e-9)
    oscillating = values([1.0], [1.0], 0.5, 0.81)["relaxation_times"][0]
    assert oscillating == pytest.approx(-1 / np.log(0.9), rel=1e-12)
    assert values([2.0, 1.0], 1.0, 0.5)["relaxation_times"].tolist() == pytest.approx([0, 1 / np.log(2)])


@pytest.mark.parametrize(("momentum", "dampening"), [(0.0, 0.0), (0.8, 0.3)])
def test_simulation(momentum, dampening):
    """4000 trajectories from zero; a variance is known to sqrt(2/4000), an average of R numbers to std/sqrt(R)."""
    h, s, rate, count = np.array([1.0, 0.3]), np.array([1.0, 0.5]), 0.4, 4000
    generator = np.random.default_rng(3)
    position, buffer = np.zeros((2, count, 2))
    for _ in range(400):
        buffer = momentum * buffer + (1 - dampening) * (
            h * position + np.sqrt(s) * generator.standard_normal(position.shape)
        )
        before, position = position, position - rate * buffer
    found = values(h, s, rate, momentum, dampening)
    assert position.var(axis=0) == pytest.approx(found["variance"], rel=4 * np.sqrt(2 / count))
    fluctuation = (1 + momentum) / (2 * (1 - dampening)) * rate * (buffer**2).sum(axis=1)
    gradient = (h**2 * before**2).sum(axis=1)
    for each, name in ((fluctuation, "fluctuation"), (gradient, "squared_gradient")):
        assert each.mean() == pytest.approx(found[name], abs=4 * each.std() / np.sqrt(count))


def test_one_number_of_noise_is_that_of_every_mode():
    assert values(MODES, 1.0, 0.1)["variance"].tolist() == values(MODES, UNIT, 0.1)["variance"].tolist()


def test_what_a_prediction_says():
    found = quadratic(MODES, UNIT, 0.1)
    assert found["variance"].at.tolist() == list(MODES)
    assert "quadratic loss" in str(found["ratio"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0, 25.0], [1, 1], 0.1), r"mode 1 of curvature 25 is unstable.*is 2.5 .*= 2\. .* below 0.08"),
        (([40.0], [1], 0.1, 0.9), r"2 \(1 \+ momentum\) / \(1 - dampening\) = 3\.8"),
        (([20.0], [1], 0.1), "must be below"),
        (([1.0, 0.0], [1, 1], 0.1), "mode 1 has curvature 0"),
        (([-1.0], [1], 0.1), "mode 0 has curvature -1"),
        (([np.nan], [1], 0.1), "mode 0 has curvature nan"),
        (([], [], 0.1), "one number per mode"),
        (([1.0, 2.0], [1, 1, 1], 0.1), r"\(2,\) and \(3,\)"),
        (([1.0], [-1], 0.1), "0 or larger"),
        (([1.0], [np.inf], 0.1), "finite variances"),
        (([1.0], [0.0], 0.1), "the ratio of the relation is 0/0"),
        (([1.0], [1], 0.0), "learning_rate is 0"),
        (([1.0], [1], -0.1), "learning_rate is -0.1"),
        (([1.0], [1], np.nan), "learning_rate is nan"),
        (([1.0], [1], 0.1, 1.0), "momentum is 1.0; it must be from 0 to below 1"),
        (([1.0], [1], 0.1, 0.9, 1.0), "dampening is 1.0"),
    ],
)
def test_arguments_that_cannot_be_used(arguments, message):
    with pytest.raises(ValueError, match=message):
        quadratic(*arguments)


def test_just_below_the_bound_is_stable():
    assert values([20.0], [1.0], 0.0999999)["relaxation_times"][0] > 1e5
