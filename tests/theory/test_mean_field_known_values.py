"""The solver at settings whose values are known: from it and from simulation in 1000 dimensions."""

from __future__ import annotations

import math

import numpy as np
import pytest

from thermograd.theory import mean_field

WARM = {"sample_ratio": 4.0, "weight_decay": 0.3}
DOOR = {
    "clusters": 3,
    "sample_ratio": 3.0,
    "cluster_variance": 0.05,
    "weight_decay": 0.2,
    "initial_overlap": 0.3,
}
INTERPOLATING = {"loss": "squared_hinge", "sample_ratio": 0.5, "weight_decay": 0.0}


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
def test_order_parameters_are_the_known_ones(mixture, loss, selection, agrees):
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
def test_order_parameters_of_the_door_are_the_known_ones(mixture, selection, known, agrees):
    persistence = 10 if selection == "persistent" else None
    solution = mean_field.solve(
        mixture(**DOOR),
        learning_rate=0.1,
        steps=99,
        selection=selection,
        persistence=persistence,
        paths=4000,
        seeds=8,
    )
    places = [
        (values, time) for values in (solution.overlap, solution.generalization_error) for time in (30, 99)
    ]
    for (values, time), expected in zip(places, with_errors(known), strict=True):
        agrees(values[:, time].mean(), values[:, time].std(ddof=1) / math.sqrt(8), *expected)
    assert np.isnan(solution.boundary_width).all()


@pytest.fixture
def temperatures(centred_curves):
    """The slope of D against χ, its first and its last point, each (mean, standard error)."""

    def of(solution, waiting_time, lags, period=1):
        curves = solution.displacement_and_response(waiting_time, period=period)
        centred, response = centred_curves(*(curve[:, : lags + 1] for curve in curves))
        slope = (centred * response).sum(1) / (response**2).sum(1)
        found = slope, centred[:, 0] / response[:, 0], centred[:, -1] / response[:, -1]
        return [(values.mean(), values.std(ddof=1) / math.sqrt(len(values))) for values in found]

    return of


TEMPERATURES = [
    ("square", 0.3, None, 0.2, ".1134(7) .1384(11) .1091(10)"),
    ("logistic", 0.1, None, 0.1, ".0507(4) .0562(5) .0492(5)"),
    ("logistic", 0.3, 10, 0.1, ".0524(3) .0204(2) .0528(5)"),
]
MORE_TEMPERATURES = [
    ("square", 0.3, None, 0.1, ".0513(4) .0629(3) .0503(5)"),
    ("square", 0.3, 10, 0.1, ".1467(10) .0642(6) .1477(15)"),
    ("logistic", 0.3, None, 0.1, ".0129(1) .0141(1) .0127(1)"),
    ("logistic", 0.3, 30, 0.1, ".1029(11) .0170(2) .1167(12)"),
]
"""Of each loss and of each selection one is in the list above."""


@pytest.mark.parametrize(
    ("loss", "fraction", "persistence", "rate", "known"),
    [*TEMPERATURES, *(pytest.param(*entry, marks=pytest.mark.slow) for entry in MORE_TEMPERATURES)],
)
def test_temperatures_are_the_known_ones(
    mixture, loss, fraction, persistence, rate, known, temperatures, agrees
):
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


@pytest.mark.slow
def test_half_the_learning_rate_halves_the_temperature_of_sgd_and_not_of_persistent_batches(
    mixture, temperatures, agrees
):
    """At a persistence that is fixed in steps times the learning rate."""
    settings = {"learning_rate": 0.05, "steps": 240, "paths": 2000, "response_paths": 400, "seeds": 6}
    plain = mean_field.solve(mixture(**WARM), **settings)
    persistent = mean_field.solve(mixture(**WARM), selection="persistent", persistence=20, **settings)
    agrees(*temperatures(plain, 160, 80)[0], 0.0062, 1e-4)
    agrees(*temperatures(persistent, 160, 80)[0], 0.0545, 5e-4)


def test_reshuffled_noise_is_cold_and_its_temperature_needs_starts_of_a_whole_epoch(
    mixture, temperatures, agrees
):
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


def test_two_replicas_of_gradient_descent_stay_together_and_of_sgd_do_not(mixture, agrees):
    problem = mixture(**INTERPOLATING)
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


def test_the_distance_of_replicas_that_interpolate_is_the_known_one(mixture, agrees):
    settings = {"learning_rate": 0.1, "steps": 120, "paths": 4000, "response_paths": 400, "seeds": 6}
    distance = mean_field.solve(mixture(**INTERPOLATING), replicas=2, **settings).replica_distance[:, 120]
    agrees(distance.mean(), distance.std(ddof=1) / math.sqrt(6), 0.0043, 0.0010)


@pytest.mark.slow
def test_noisier_batches_end_further_from_the_boundary(mixture, agrees):
    """What SGD gains over gradient descent in 600 steps, beside a simulation of 12 draws in 300 dimensions."""
    settings = {"learning_rate": 0.1, "steps": 600, "paths": 4000, "response_paths": 300, "seeds": 4}
    still = mean_field.solve(mixture(**INTERPOLATING), selection="gd", **settings)
    noisy = mean_field.solve(mixture(**INTERPOLATING), batch_fraction=0.1, **settings)
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
def solved(mixture):
    """Solutions of 160 steps with the same numbers, by loss and memory."""
    kept = {}

    def solve(loss, memory):
        if (loss, memory) not in kept:
            kept[loss, memory] = mean_field.solve(
                mixture(loss=loss, **WARM), learning_rate=0.1, steps=160, paths=4000, seeds=1, memory=memory
            )
        return kept[loss, memory]

    return solve
