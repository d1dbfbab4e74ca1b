"""The solver beside exact results: random matrices, ridge regression at finite size, Langevin, and known values."""

from __future__ import annotations

import math
import pickle
from concurrent.futures import Future
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.integrate import quad

from thermograd.errors import DivergedError, MemoryLimitError
from thermograd.theory import mean_field

AT = [5, 10, 15, 20, 25]
"""Lags of the response."""


def mixture(**fields):
    known = {
        "sample_ratio": 2.0,
        "cluster_variance": 0.5,
        "clusters": 2,
        "door_width": 0.7,
        "loss": "logistic",
    }
    rest = {"margin": 1.0, "weight_decay": 0.1, "initial_norm_squared": 1.0, "initial_overlap": 0.0}
    return SimpleNamespace(**known | rest | fields)


RIDGE = mixture(loss="square")
WARM = {"sample_ratio": 4.0, "weight_decay": 0.3}
DOOR = mixture(clusters=3, sample_ratio=3.0, cluster_variance=0.05, weight_decay=0.2, initial_overlap=0.3)


def over_curvatures(function, ratio, variance):
    """∫ρ(k) function(k) dk of the Marchenko-Pastur law of XᵀX/d, with the weight 1 − α at k = 0 if α < 1."""
    low, high = variance * (1 - math.sqrt(ratio)) ** 2, variance * (1 + math.sqrt(ratio)) ** 2

    def integrand(angle):
        k = (low + high) / 2 - (high - low) / 2 * math.cos(angle)
        return ((high - low) / 2 * math.sin(angle)) ** 2 / (2 * math.pi * variance * k) * function(k)

    inside = quad(integrand, 0, math.pi, epsabs=1e-12)[0]
    return inside + (1 - ratio) * function(0.0) if ratio < 1 else inside


def response_of_a_ridge(ratio, variance, decay, rate, lag):
    """R(t′ + 1 + j, t′)/η of gradient descent."""
    return over_curvatures(lambda k: (1 - rate * (k + decay)) ** lag, ratio, variance)


def responses(solution, first=0):
    """R(t′ + 1 + j, t′)/η from t′ = first on, mean over solutions."""
    return np.array([solution.response[:, first + 1 + lag, first].mean() for lag in AT])


def ratios(displacement, response):
    """Temperatures at lags 1 … of the curves, without the bias of a finite step: [D(j) + D(j+1) − D(1)] / 2χ(j)."""
    centred = (displacement[:, :-1] + displacement[:, 1:] - displacement[:, :1]) / 2
    return centred, response[:, :-1]


def temperatures(solution, waiting_time, lags, period=1):
    """The slope of D against χ, its first and its last point, each (mean, standard error)."""
    curves = solution.displacement_and_response(waiting_time, period=period)
    centred, response = ratios(*(curve[:, : lags + 1] for curve in curves))
    slope = (centred * response).sum(1) / (response**2).sum(1)
    found = slope, centred[:, 0] / response[:, 0], centred[:, -1] / response[:, -1]
    return [(values.mean(), values.std(ddof=1) / math.sqrt(len(values))) for values in found]


def agrees(measured, error, value, error_of_value):
    """Within 4 combined standard errors, and 1 in the last digit that is given."""
    assert abs(measured - value) < 4 * math.hypot(error, error_of_value), (measured, error, value)


@pytest.mark.parametrize("ratio", [2.0, 0.5, 1.0])
def test_response_of_gradient_descent_on_a_ridge_is_that_of_random_matrix_theory(ratio):
    solution = mean_field.solve(
        mixture(loss="square", sample_ratio=ratio),
        learning_rate=0.2,
        steps=28,
        selection="gd",
        paths=200,
        response_paths=2,
        seeds=1,
    )
    exact = np.array([response_of_a_ridge(ratio, 0.5, 0.1, 0.2, lag) for lag in AT])
    np.testing.assert_allclose(responses(solution) / 0.2, exact, atol=1e-6)
    np.testing.assert_allclose(responses(solution, first=2) / 0.2, exact, atol=1e-6)


def test_independent_batches_leave_the_response_of_a_ridge_as_it_is_and_persistent_ones_do_not():
    exact = np.array([response_of_a_ridge(2.0, 0.5, 0.1, 0.2, lag) for lag in AT])
    np.testing.assert_allclose(exact, [0.3751, 0.2008, 0.1228, 0.0805, 0.0549], atol=6e-5)
    settings = {"learning_rate": 0.2, "steps": 27, "paths": 4000, "response_paths": 4000, "seeds": 8}
    plain = mean_field.solve(RIDGE, selection="sgd", **settings)
    error = 0.2**-1 * plain.response[:, np.array(AT) + 1, 0].std(axis=0, ddof=1) / math.sqrt(8)
    assert error.max() < 1.5e-3
    assert (np.abs(responses(plain) / 0.2 - exact) < 4 * error).all()
    persistent = mean_field.solve(RIDGE, selection="persistent", persistence=10, **settings)
    found = responses(persistent) / 0.2
    np.testing.assert_allclose(found, [0.4452, 0.2651, 0.1710, 0.1170, 0.0836], atol=4e-3)
    assert (found - exact > 0.02).all()


def stationary_ridge(inputs, labels, decay, rate, fraction, lags):
    """D(j) and χ(j) of SGD with independent samples on a ridge of finite size, from exact second moments."""
    dimension = inputs.shape[1]
    scaled = inputs / math.sqrt(dimension)
    curvatures, modes = np.linalg.eigh(scaled.T @ scaled + decay * np.eye(dimension))
    turned = scaled @ modes
    keeps = 1 - rate * curvatures
    residual = (turned @ ((turned.T @ labels) / curvatures) - labels) ** 2
    square, covariance = residual, 0.0
    for _ in range(60):
        noise = rate**2 * (1 - fraction) / fraction * turned.T @ (square[:, None] * turned)
        covariance = noise / (1 - np.outer(keeps, keeps))
        square = residual + np.einsum("ij,ij->i", turned @ covariance, turned)
    gone = 1 - keeps ** np.arange(1, lags + 1)[:, None]
    return gone @ np.diagonal(covariance) / dimension, gone @ (1 / curvatures) / dimension


def drawn_ridge(dimension, ratio, variance, seed):
    generator = np.random.default_rng(seed)
    direction = generator.standard_normal(dimension)
    direction *= math.sqrt(dimension) / np.linalg.norm(direction)
    labels = np.resize([1.0, -1.0], round(ratio * dimension))
    noise = generator.standard_normal((len(labels), dimension))
    return labels[:, None] * direction / math.sqrt(dimension) + math.sqrt(variance) * noise, labels


def test_stationary_fluctuations_of_a_ridge_are_those_of_exact_moments_at_finite_size():
    lags = 40
    exact = [stationary_ridge(*drawn_ridge(200, 4, 0.5, seed), 0.3, 0.1, 0.3, lags) for seed in range(8)]
    solution = mean_field.solve(
        mixture(loss="square", **WARM), learning_rate=0.1, steps=120, paths=4000, seeds=8
    )
    for ours, theirs in zip(solution.displacement_and_response(80), np.swapaxes(exact, 0, 1), strict=True):
        error = np.hypot(ours.std(axis=0, ddof=1), theirs.std(axis=0, ddof=1)) / math.sqrt(8)
        assert (error < 0.03 * theirs.mean(axis=0)).all()
        assert (np.abs(ours.mean(axis=0) - theirs.mean(axis=0)) < 4 * error + 1e-9).all()


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.3])
def test_white_noise_on_a_ridge_has_its_own_temperature_at_every_lag(rate):
    """Every path has the same curvature, so that two of them give the exact response."""
    waiting, lags = round(10 / rate), 40
    solution = mean_field.solve(
        mixture(loss="square", sample_ratio=3.0, weight_decay=0.3),
        learning_rate=rate,
        steps=waiting + lags,
        selection="gd",
        temperature=0.02,
        paths=2000,
        response_paths=2,
        seeds=6,
    )
    curves = solution.displacement_and_response(waiting)
    centred, response = ratios(*curves)
    found = centred / response
    assert (found.std(axis=0, ddof=1) < 3e-4).all()
    np.testing.assert_allclose(found.mean(axis=0), 0.02, rtol=5e-3)
    plain = over_curvatures(lambda k: 0.02 / (1 - rate * (k + 0.3) / 2), 3.0, 0.5)
    assert (curves[0] / curves[1])[:, 0].mean() == pytest.approx(plain, rel=5e-3)


AGREEMENT = {
    ("logistic", "gd"): "1.3470(5) 1.6253(10) 2.5165(22) 3.6418(60) .2313(3) .1828(4) .1149(1) .1142(1)",
    ("logistic", "sgd"): "1.3517(13) 1.6286(20) 2.587(5) 3.692(11) .2332(4) .1840(4) .1173(1) .1153(1)",
    (
        "logistic",
        "persistent",
    ): "1.3182(20) 1.6047(22) 2.641(8) 3.679(12) .2485(5) .1940(6) .1256(1) .1184(1)",
    ("square", "sgd"): ".6224(11) .6303(19) .7511(33) .8108(72) .1053(7) .0999(5) .1549(4) .1611(5)",
    ("square", "persistent"): ".6040(16) .6202(31) .775(7) .838(10) .1328(8) .1219(7) .1659(6) .1689(4)",
}
"""m, q, train loss and generalization error, each at t = 20 and 59; standard errors in the last digits in brackets."""


def with_errors(text):
    """Numbers and their standard errors."""
    for entry in text.split():
        number, _, digits = entry.rstrip(")").partition("(")
        yield float(number), int(digits) * 10.0 ** -len(number.partition(".")[2])


@pytest.mark.parametrize(("loss", "selection"), AGREEMENT)
def test_order_parameters_are_the_known_ones(loss, selection):
    solution = mean_field.solve(
        mixture(loss=loss),
        learning_rate=0.2,
        steps=60,
        selection=selection,
        persistence=10 if selection == "persistent" else None,
        paths=4000,
        seeds=8,
    )
    names = ("overlap", "norm_squared", "train_loss", "generalization_error")
    places = [(getattr(solution, name), time) for name in names for time in (20, 59)]
    for (values, time), known in zip(places, with_errors(AGREEMENT[loss, selection]), strict=True):
        agrees(values[:, time].mean(), values[:, time].std(ddof=1) / math.sqrt(8), *known)


@pytest.mark.parametrize(
    ("selection", "known"),
    [
        ("gd", "1.5746(12) 1.6321(14) .0341(1) .0352(1)"),
        ("persistent", "1.5680(18) 1.6300(21) .0347(1) .0358(1)"),
    ],
)
def test_order_parameters_of_the_door_are_the_known_ones(selection, known):
    persistence = 10 if selection == "persistent" else None
    solution = mean_field.solve(
        DOOR, learning_rate=0.1, steps=99, selection=selection, persistence=persistence, paths=4000, seeds=8
    )
    places = [
        (values, time) for values in (solution.overlap, solution.generalization_error) for time in (30, 99)
    ]
    for (values, time), expected in zip(places, with_errors(known), strict=True):
        agrees(values[:, time].mean(), values[:, time].std(ddof=1) / math.sqrt(8), *expected)
    assert np.isnan(solution.boundary_width).all()


TEMPERATURES = [
    ("square", 0.3, None, 0.1, ".0513(4) .0629(3) .0503(5)"),
    ("square", 0.3, None, 0.2, ".1134(7) .1384(11) .1091(10)"),
    ("square", 0.3, 10, 0.1, ".1467(10) .0642(6) .1477(15)"),
    ("logistic", 0.3, None, 0.1, ".0129(1) .0141(1) .0127(1)"),
    ("logistic", 0.1, None, 0.1, ".0507(4) .0562(5) .0492(5)"),
    ("logistic", 0.3, 10, 0.1, ".0524(3) .0204(2) .0528(5)"),
    ("logistic", 0.3, 30, 0.1, ".1029(11) .0170(2) .1167(12)"),
]


@pytest.mark.parametrize(("loss", "fraction", "persistence", "rate", "known"), TEMPERATURES)
def test_temperatures_are_the_known_ones(loss, fraction, persistence, rate, known):
    waiting, lags = round(8 / rate), round(4 / rate)
    solution = mean_field.solve(
        mixture(loss=loss, **WARM),
        learning_rate=rate,
        steps=waiting + lags,
        selection="sgd" if persistence is None else "persistent",
        batch_fraction=fraction,
        persistence=persistence,
        paths=4000,
        seeds=8,
    )
    for measured, expected in zip(temperatures(solution, waiting, lags), with_errors(known), strict=True):
        agrees(*measured, *expected)


def test_half_the_learning_rate_halves_the_temperature_of_sgd_and_not_of_persistent_batches():
    """At a persistence that is fixed in steps times the learning rate."""
    settings = {"learning_rate": 0.05, "steps": 240, "paths": 2000, "response_paths": 400, "seeds": 6}
    plain = mean_field.solve(mixture(**WARM), **settings)
    persistent = mean_field.solve(mixture(**WARM), selection="persistent", persistence=20, **settings)
    agrees(*temperatures(plain, 160, 80)[0], 0.0062, 1e-4)
    agrees(*temperatures(persistent, 160, 80)[0], 0.0545, 5e-4)


def test_reshuffled_noise_is_cold_and_its_temperature_needs_starts_of_a_whole_epoch():
    solution = mean_field.solve(
        mixture(**WARM),
        learning_rate=0.1,
        steps=124,
        selection="reshuffled",
        batch_fraction=0.25,
        paths=4000,
        seeds=8,
    )
    fit, short, _ = temperatures(solution, 80, 40, period=4)
    agrees(*fit, 0.00178, 2e-5)
    agrees(*short, 0.0149, 2e-4)
    assert temperatures(solution, 80, 40)[0][0] < 0.6 * fit[0]


def test_persistence_of_one_over_the_fraction_is_sgd_bit_by_bit():
    settings = {"learning_rate": 0.2, "steps": 20, "paths": 400, "response_paths": 100, "seeds": 2}
    plain = mean_field.solve(mixture(), selection="sgd", **settings)
    persistent = mean_field.solve(mixture(), selection="persistent", persistence=1 / 0.3, **settings)
    for name, value in vars(plain).items():
        if isinstance(value, np.ndarray):
            assert np.array_equal(value, getattr(persistent, name)), name


def test_a_longer_solution_begins_with_the_shorter_one_and_seeds_are_their_own():
    settings = {"learning_rate": 0.2, "paths": 400, "response_paths": 100, "selection": "persistent"}
    settings |= {"persistence": 8, "replicas": 2}
    short = mean_field.solve(mixture(), steps=12, seeds=2, seed=3, **settings)
    long = mean_field.solve(mixture(), steps=21, seeds=3, seed=3, **settings)
    for name in ("overlap", "correlation", "response", "memory_kernel", "train_loss", "cross_correlation"):
        value = getattr(short, name)
        begin = getattr(long, name)[tuple(slice(size) for size in value.shape)]
        np.testing.assert_allclose(begin, value, rtol=1e-9, atol=1e-12)
    assert not np.allclose(long.overlap[1], long.overlap[0])


def test_two_replicas_of_gradient_descent_stay_together_and_of_sgd_do_not():
    problem = INTERPOLATING
    settings = {"learning_rate": 0.1, "steps": 60, "paths": 4000, "seeds": 6, "replicas": 2}
    still = mean_field.solve(problem, selection="gd", **settings | {"steps": 20, "seeds": 1})
    assert np.abs(still.replica_distance).max() < 1e-7
    noisy = mean_field.solve(problem, batch_fraction=0.1, **settings).replica_distance
    agrees(noisy[:, 60].mean(), noisy[:, 60].std(ddof=1) / math.sqrt(6), 0.0480, 0.0021)
    persistent = mean_field.solve(problem, selection="persistent", persistence=10, **settings)
    found = persistent.replica_distance
    agrees(found[:, 60].mean(), found[:, 60].std(ddof=1) / math.sqrt(6), 0.0548, 0.0029)
    assert (found[:, 0] == 0).all()
    assert (found[:, 1:] > -1e-12).all()
    one = mean_field.solve(problem, batch_fraction=0.1, **settings | {"replicas": 1})
    assert one.replica_distance is None
    assert one.cross_correlation is None


INTERPOLATING = mixture(loss="squared_hinge", sample_ratio=0.5, weight_decay=0.0)


def test_the_distance_of_replicas_that_interpolate_is_the_known_one():
    settings = {"learning_rate": 0.1, "steps": 120, "paths": 4000, "response_paths": 400, "seeds": 6}
    distance = mean_field.solve(INTERPOLATING, replicas=2, **settings).replica_distance[:, 120]
    agrees(distance.mean(), distance.std(ddof=1) / math.sqrt(6), 0.0043, 0.0010)


@pytest.mark.slow
def test_noisier_batches_end_further_from_the_boundary():
    """What SGD gains over gradient descent in 600 steps, beside a simulation of 12 draws in 300 dimensions."""
    settings = {"learning_rate": 0.1, "steps": 600, "paths": 4000, "response_paths": 300, "seeds": 4}
    still = mean_field.solve(INTERPOLATING, selection="gd", **settings)
    noisy = mean_field.solve(INTERPOLATING, batch_fraction=0.1, **settings)
    gain = (noisy.boundary_width - still.boundary_width)[:, -1]
    error = gain.std(ddof=1) / 2
    assert gain.mean() > 4 * error
    agrees(gain.mean(), error, 0.0167, 0.0015)


@pytest.mark.parametrize(
    ("loss", "window", "error", "reported"),
    [
        ("logistic", 10, 3.6e-2, 3.1e-2),
        ("logistic", 20, 1.9e-2, 3.5e-2),
        ("logistic", 40, 6.0e-3, 2.8e-2),
        ("square", 10, 5.4e-3, 4.9e-2),
        ("square", 20, 1.2e-3, 2.3e-2),
        ("square", 40, 1.0e-4, 5.9e-3),
    ],
)
def test_the_error_of_a_memory_cut_is_as_known(loss, window, error, reported, solved):
    full = solved(loss, None)
    cut = solved(loss, window)
    assert np.abs(cut.overlap - full.overlap).max() == pytest.approx(error, rel=0.25)
    assert cut.truncation_error.max() == pytest.approx(reported, rel=0.25)
    assert (full.truncation_error == 0).all()


@pytest.fixture(scope="module")
def solved():
    """Solutions of 160 steps with the same numbers, by loss and memory."""
    kept = {}

    def solve(loss, memory):
        if (loss, memory) not in kept:
            kept[loss, memory] = mean_field.solve(
                mixture(loss=loss, **WARM), learning_rate=0.1, steps=160, paths=4000, seeds=1, memory=memory
            )
        return kept[loss, memory]

    return solve


def test_a_memory_as_long_as_the_training_changes_nothing_and_a_short_one_is_warned_of():
    settings = {"learning_rate": 0.2, "steps": 50, "paths": 400, "response_paths": 100, "seeds": 1}
    full = mean_field.solve(mixture(), **settings)
    same = mean_field.solve(mixture(), memory=49, **settings)
    assert np.array_equal(full.correlation, same.correlation)
    with pytest.warns(UserWarning, match="memory is 20 steps, and the truncation error about"):
        mean_field.solve(mixture(), memory=20, **settings)


def test_a_selection_of_ones_own_that_is_plain_sgd_gives_what_sgd_gives():
    def halves(paths, steps, fraction, generator):
        return np.where(generator.random((steps, paths)) < fraction, 1 / fraction, 0.0)

    settings = {"learning_rate": 0.2, "steps": 30, "paths": 4000, "seeds": 8}
    own = mean_field.solve(mixture(), selection=halves, **settings)
    plain = mean_field.solve(mixture(), **settings)
    for name, time in (("overlap", 30), ("norm_squared", 30), ("train_loss", 29)):
        one, other = (getattr(found, name)[:, time] for found in (own, plain))
        agrees(one.mean(), one.std(ddof=1) / math.sqrt(8), other.mean(), other.std(ddof=1) / math.sqrt(8))
    assert "halves" in own.rests_on


def test_without_dividing_by_b_the_samples_pull_b_times_as_much():
    """At b = 1 nothing changes; at b = 0.5 the force of the first step is half as large."""
    settings = {"learning_rate": 0.1, "steps": 2, "paths": 4000, "seeds": 2, "selection": "sgd"}
    scaled, plain = (
        mean_field.solve(mixture(), batch_fraction=0.5, rescale=rescale, **settings)
        for rescale in (True, False)
    )
    np.testing.assert_allclose(plain.overlap[:, 1], scaled.overlap[:, 1] / 2, rtol=1e-12)


def test_divergence_is_said_with_its_step_its_limit_and_what_went_well():
    with pytest.raises(
        DivergedError, match=r"after step \d+.*largest curvature at the start is about 3\.85"
    ) as caught:
        mean_field.solve(RIDGE, learning_rate=2.0, steps=100, selection="gd", paths=200, response_paths=50)
    partial = caught.value.partial
    assert 5 < partial.steps < 100
    assert partial.overlap.shape == (1, partial.steps + 1)
    assert np.isfinite(partial.correlation).all()
    stable = mean_field.solve(
        RIDGE, learning_rate=1.95 / 3.85, steps=100, selection="gd", paths=1000, response_paths=50, seeds=1
    )
    assert stable.correlation[0, -1, -1] < 2
    unstable = mean_field.solve(
        RIDGE, learning_rate=2.1 / 3.85, steps=100, selection="gd", paths=1000, response_paths=50, seeds=1
    )
    assert unstable.correlation[0, -1, -1] > 2 * stable.correlation[0, -1, -1]


def test_what_does_not_fit_in_memory_is_refused_before_it_is_allocated(monkeypatch):
    import thermograd.theory.mean_field_settings as settings

    monkeypatch.setattr(settings, "free_memory", lambda: 10**9)
    with pytest.raises(MemoryLimitError, match=r"Use memory= .* or fewer response_paths"):
        mean_field.solve(mixture(), learning_rate=0.1, steps=1000)
    with pytest.raises(MemoryLimitError):
        mean_field.solve(mixture(), learning_rate=0.1, steps=10**6, memory=10)


def test_the_door_at_overlap_zero_is_warned_of():
    with pytest.warns(UserWarning, match="initial_overlap is 0: with the door"):
        mean_field.solve(mixture(clusters=3), learning_rate=0.1, steps=1, paths=40, response_paths=4, seeds=1)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
        ({"learning_rate": math.nan}, "learning_rate is nan"),
        ({"steps": 0}, "steps is 0; it must be a whole number, 1 or larger"),
        ({"steps": 2.5}, "steps is 2.5"),
        ({"temperature": -1.0}, "temperature is -1.0"),
        ({"replicas": 3}, "replicas is 3; use 1 or 2"),
        ({"response_paths": 1, "replicas": 2}, "response_paths is 1"),
        ({"seeds": 0}, "seeds is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"memory": 0}, "memory is 0"),
        ({"paths": 1}, "paths is 1"),
        ({"selection": "adam"}, "selection is 'adam'. Known: gd, persistent, reshuffled, sgd"),
        ({"batch_fraction": 0.0}, "batch_fraction is 0.0"),
        ({"persistence": 5.0}, "only selection='persistent' has one"),
        ({"selection": "persistent", "persistence": 2.0}, "1/batch_fraction = 3.33333 is plain SGD"),
        ({"selection": "reshuffled"}, "for example 0.333333"),
        ({"selection": lambda *_: np.ones((2, 2))}, r"shape \(2, 2\); it must return finite weights"),
        ({"selection": lambda paths, steps, *_: np.full((steps, paths), np.nan)}, "NaN or infinity"),
    ],
)
def test_bad_arguments_are_named(options, says):
    with pytest.raises(ValueError, match=says):
        mean_field.solve(
            mixture(), **{"learning_rate": 0.1, "steps": 3, "paths": 40, "response_paths": 4} | options
        )


def test_another_object_is_refused_by_what_it_lacks():
    with pytest.raises(
        ValueError, match=r"problem is SimpleNamespace without sample_ratio, .*give a GaussianMixture"
    ):
        mean_field.solve(SimpleNamespace(loss="square"), learning_rate=0.1, steps=3)


@pytest.fixture(scope="module")
def small():
    """A solution of 6 steps."""
    return mean_field.solve(mixture(), learning_rate=0.2, steps=6, paths=400, response_paths=40, seeds=3)


def test_shapes_and_what_is_zero(small):
    assert small.overlap.shape == small.generalization_error.shape == (3, 7)
    assert small.correlation.shape == (3, 7, 7)
    assert small.response.shape == (3, 7, 6)
    assert small.memory_kernel.shape == small.noise_kernel.shape == (3, 6, 6)
    assert small.train_loss.shape == small.train_error.shape == small.boundary_width.shape == (3, 6)
    assert small.jitter.shape == small.truncation_error.shape == (3,)
    assert (np.triu(small.response[0]) == 0).all()
    assert (np.triu(small.memory_kernel[0], 1) == 0).all()
    np.testing.assert_allclose(np.diagonal(small.response[0], -1), 0.2)
    np.testing.assert_allclose(small.correlation, small.correlation.swapaxes(1, 2), atol=1e-14)
    assert pickle.loads(pickle.dumps(small)).steps == 6
    assert repr(small).startswith("MeanField(3 solutions of 6 steps; at the end overlap ")


def test_a_prediction_is_the_mean_and_its_t_interval(small):
    found = small.prediction("norm_squared", 4)
    values = small.correlation[:, 4, 4]
    assert found.value == pytest.approx(values.mean())
    assert found.interval[1] - found.value == pytest.approx(
        4.3027 * values.std(ddof=1) / math.sqrt(3), rel=1e-4
    )
    assert "sgd batches, b = 0.3" in str(found)
    curve = small.prediction("train_loss")
    assert curve.value.shape == (6,)
    assert curve.at.tolist() == [0, 1, 2, 3, 4, 5]
    assert small.prediction("response", (3, 2)).value == pytest.approx(0.2)
    single = mean_field.solve(mixture(), learning_rate=0.2, steps=2, paths=40, response_paths=4, seeds=1)
    assert single.prediction("overlap", 2).interval == (-math.inf, math.inf)


@pytest.mark.parametrize(
    ("name", "time", "says"),
    [
        ("overlp", 1, "no quantity 'overlp'. Did you mean 'overlap'"),
        ("replica_distance", 1, "no quantity 'replica_distance'"),
        ("overlap", 7, "time is 7; overlap is known at 0 to 6"),
        ("overlap", (1, 1), r"time is \(1, 1\)"),
        ("correlation", 3, r"correlation is known at 0 to 6, 0 to 6 \(a pair of steps\)"),
    ],
)
def test_a_prediction_of_what_is_not_there_is_refused(small, name, time, says):
    with pytest.raises(ValueError, match=says):
        small.prediction(name, time)


def test_displacement_and_response_are_sums_over_the_kernels(small):
    displacement, response = small.displacement_and_response(1, period=2)
    assert displacement.shape == response.shape == (3, 4)
    lag, expected, answered = 3, 0.0, 0.0
    for start in (1, 2):
        kernel = small.correlation[:, [[start], [start + lag]], [[start, start + lag]]]
        expected += (kernel[:, 0, 0] + kernel[:, 1, 1] - 2 * kernel[:, 0, 1]) / 4
        answered += sum(small.response[:, start + lag, u] for u in range(start, start + lag)) / 2
    np.testing.assert_allclose(displacement[:, lag - 1], expected, atol=1e-12)
    np.testing.assert_allclose(response[:, lag - 1], answered, rtol=1e-12)
    with pytest.raises(ValueError, match="waiting_time is 5 and period 2"):
        small.displacement_and_response(5, period=2)


class Recorder:
    """An executor that runs at once and remembers what it was given."""

    def __init__(self):
        self.given = []

    def submit(self, function, *arguments):
        self.given.append(pickle.loads(pickle.dumps(arguments)))
        future = Future()
        future.set_result(function(*arguments))
        return future


def test_many_points_are_solved_in_their_order_here_or_by_an_executor():
    common = {"problem": mixture(), "steps": 3, "paths": 40, "response_paths": 4, "seeds": 2}
    points = [common | {"learning_rate": rate} for rate in (0.1, 0.2)]
    recorder = Recorder()
    here, elsewhere = mean_field.solve_many(points), mean_field.solve_many(points, executor=recorder)
    assert len(recorder.given) == 2
    for point, one, other in zip(points, here, elsewhere, strict=True):
        alone = mean_field.solve(**point)
        assert np.array_equal(one.overlap, alone.overlap)
        assert np.array_equal(other.overlap, alone.overlap)
    with pytest.raises(ValueError, match="point 0 has no problem"):
        mean_field.solve_many([{"steps": 3}])
    with pytest.raises(ValueError, match="point 0 has 'rate', which solve does not take"):
        mean_field.solve_many([{"problem": mixture(), "rate": 3}])
