"""Sweeps of mean-field theory against the temperatures known of infinite dimension."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from thermograd.advisor.effective_temperature import sweep
from thermograd.advisor.temperature_sweep import SweepPoint
from thermograd.errors import ConfigError, DivergedError
from thermograd.estimators import effective_temperature
from thermograd.problems import GaussianMixture
from thermograd.theory import mean_field

SOLVER = {"paths": 2000, "response_paths": 200, "seeds": 4}
MIXTURE = GaussianMixture(sample_ratio=4, cluster_variance=0.5, weight_decay=0.3, loss="square")


def swept(**options):
    arguments = {"learning_rate": 0.1, "batch_fraction": 0.3, "waiting_time": 80, "lags": 41}
    return sweep(options.pop("problem", MIXTURE), **{**arguments, **SOLVER, **options})


@pytest.fixture(scope="module")
def square():
    return swept(batch_fraction=[0.1, 0.3], persistence=(None, 30), replicas=2)


def test_temperatures_of_the_square_loss(square):
    """Known fits .2418(21) and .0513(4) of SGD, .2106(27) at b = .3 and 30 steps; 4 standard errors of both."""
    assert [point.selection for point in square.points] == ["sgd", "persistent"] * 2
    known = {0: (0.2418, 0.0021), 2: (0.0513, 0.0004), 3: (0.2106, 0.0027)}
    for place, (value, error) in known.items():
        fit = square.temperatures[place].fit
        own = (fit.high - fit.low) / 2 / 3.18
        assert abs(fit.value - value) < 4 * np.hypot(own, error), place
    assert square.temperatures[2].verdict.holds is False


def test_the_table_holds_every_point(square):
    table = square.table()
    assert {len(column) for column in table.values()} == {4}
    assert table["persistence (steps)"] == [None, 30, None, 30]
    for place, one in enumerate(square.temperatures):
        assert table["fit temperature"][place] == one.fit.value
        assert (table["from"][place], table["to"][place]) == one.fit.interval
    assert table["replica distance"][0] > table["replica distance"][2] > 0
    assert "replica distance" not in swept(lags=6, waiting_time=4).table()
    assert repr(square) == "Sweep(4 settings, waiting time 80 steps)"


def test_a_point_is_that_of_the_solver_by_hand():
    """And with workers the same."""
    options = {"batch_fraction": 0.25, "selection": "reshuffled", "waiting_time": 20, "lags": 14}
    found = swept(**options)
    solution = mean_field.solve(
        MIXTURE, learning_rate=0.1, steps=37, selection="reshuffled", batch_fraction=0.25, **SOLVER
    )
    displacement, response = solution.displacement_and_response(20, period=4)
    assert displacement.shape[1] == 14
    expected = effective_temperature.estimate(displacement, response, noise_memory=4)
    assert np.array_equal(found.temperatures[0].curve, expected.curve)
    with ThreadPoolExecutor(2) as executor:
        assert np.array_equal(swept(**options, executor=executor).temperatures[0].curve, expected.curve)


def test_what_still_moves_and_what_is_inside_the_memory_has_no_temperature():
    """Interpolation freezes; gradient descent is still; lags below 3 bτ show the memory of the batches."""
    over = GaussianMixture(
        sample_ratio=0.5, cluster_variance=0.5, weight_decay=0.0, loss="squared_hinge", margin=1.0
    )
    assert swept(problem=over, waiting_time=20).temperatures[0].verdict.kind == "not_stationary"
    short = swept(persistence=40, lags=20, waiting_time=60).temperatures[0]
    assert short.verdict.kind == "lags_inside_noise_memory"
    assert swept(persistence=40, lags=20, waiting_time=60).table()["fit temperature"] == [None]


@pytest.mark.parametrize(("waiting", "kind"), [(5, "not_stationary"), (80, "no_single_temperature")])
def test_what_two_replicas_share_is_no_noise(waiting, kind):
    """While the norm relaxes, both replicas move the same way; D at two ages may not tell, and later they share nothing."""
    options = {"learning_rate": 0.02, "selection": "gd", "temperature": 0.02, "lags": 9, "replicas": 2}
    relaxing = GaussianMixture(
        sample_ratio=0.01, cluster_variance=0.1, weight_decay=0.3, initial_norm_squared=40
    )
    steady = swept(problem=relaxing, waiting_time=3, **options).temperatures[0]
    assert steady.verdict.kind == "not_stationary"
    assert "a drift that all rows share" in steady.verdict.text
    alone = swept(problem=relaxing, waiting_time=3, **{**options, "replicas": 1}).temperatures[0]
    assert alone.verdict.kind != "not_stationary"
    assert swept(batch_fraction=0.3, waiting_time=waiting, replicas=2).temperatures[0].verdict.kind == kind


@pytest.mark.parametrize(
    ("selection", "persistence", "memory"),
    [
        ("persistent", 20.0, 6.0),
        ("persistent", None, 1.0),
        ("sgd", None, 1.0),
        ("gd", None, 0.0),
        (max, None, 0.0),
    ],
)
def test_memory_of_the_batches(selection, persistence, memory):
    assert SweepPoint(0.1, 0.3, persistence, selection).noise_memory == pytest.approx(memory)


def test_names_of_points():
    assert SweepPoint(0.1, 0.25, None, "reshuffled").noise_memory == 4
    assert str(SweepPoint(0.1, 0.3, 20.0, "persistent")) == "persistent 20 steps, η = 0.1, b = 0.3"
    assert str(SweepPoint(0.1, 0.3, None, max)).startswith("own selection")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"learning_rate": []}, "learning_rate is empty"),
        ({"lags": 3}, "lags is 3; it must be a whole number of steps, 4 or larger"),
        ({"waiting_time": -1}, "waiting_time is -1"),
        ({"steps": 40}, "steps is 40; a sweep takes waiting_time"),
        ({"persistence": 20, "selection": "sgd"}, "persistence"),
        ({"path": 40}, "path"),
    ],
)
def test_bad_input_is_named(options, says):
    with pytest.raises(ConfigError, match=says):
        swept(**options)


@pytest.mark.parametrize("workers", [False, True])
def test_a_point_that_diverges_is_a_row_and_the_others_are_as_without_it(workers):
    options = {"lags": 6, "waiting_time": 4, "replicas": 2}
    executor = ThreadPoolExecutor(2) if workers else None
    found = swept(learning_rate=[0.1, 5.0, 0.2], executor=executor, **options)
    if executor is not None:
        executor.shutdown()
    alone = swept(learning_rate=[0.1, 0.2], **options)
    for place, same in ((0, 0), (2, 1)):
        assert np.array_equal(found.temperatures[place].curve, alone.temperatures[same].curve)
        assert found.widths[place].value == alone.widths[same].value
    lost = found.temperatures[1]
    assert (lost.verdict.kind, lost.verdict.holds) == ("diverged", None)
    assert "got 5. No temperature is defined." in lost.verdict.text
    assert np.isnan([found.widths[1].value, found.distances[1].value]).all()
    table = found.table()
    assert table["verdict"][1] == "diverged"
    for name in (
        "short temperature",
        "fit temperature",
        "long temperature",
        "from",
        "to",
        "replica distance",
    ):
        assert [cell is None for cell in table[name]] in ([False, True, False], [True, True, True])
    assert None not in alone.table()["replica distance"]


def test_a_sweep_in_which_all_diverge_says_so_of_each():
    found = swept(learning_rate=[5.0, 6.0], lags=6, waiting_time=4)
    assert found.table()["verdict"] == ["diverged", "diverged"]
    assert found.distances is None


def test_alone_a_divergence_is_an_error():
    point = {"problem": MIXTURE, "batch_fraction": 0.3, "steps": 10, **SOLVER}
    with pytest.raises(DivergedError, match="got 5"):
        mean_field.solve_many([point | {"learning_rate": rate} for rate in (0.1, 5.0)])
