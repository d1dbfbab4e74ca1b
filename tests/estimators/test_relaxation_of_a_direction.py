"""The slowest visible direction: closed forms, and how often each bound of the coverage holds."""

import math

import numpy as np
import pytest

from thermograd.estimators.relaxation_of_a_direction import slowest_direction

TIMES = np.arange(32.0)


def walks(runs, points=17, directions=20, seed=0, drift=0.0):
    steps = np.random.default_rng(seed).normal(size=(runs, points, directions))
    steps[..., 0] += drift
    return steps.cumsum(1)


def relaxing(runs, relaxation, points=33, seed=0):
    """A stationary direction of that relaxation among nine that forget at once and are small."""
    generator = np.random.default_rng(seed)
    memory = math.exp(-1 / relaxation)
    found = 0.1 * generator.normal(size=(runs, points, 10))
    place = generator.normal(size=runs)
    for time in range(points):
        found[:, time, 0] = place
        place = memory * place + math.sqrt(1 - memory**2) * generator.normal(size=runs)
    return found


def coverages(records):
    return np.array([slowest_direction(record).coverage for record in records])


@pytest.mark.parametrize("relaxation", [3.0, 6.0, 10.0])
def test_an_exponential_is_recognised(relaxation):
    """R² is near 1, and it has settled where b² exp(−2t/τ) is the variance of the noise."""
    size = 0.05
    curve = 5 - 2 * np.exp(-TIMES / relaxation)
    draws = [np.random.default_rng(seed).normal(size=32) for seed in range(40)]
    found = [slowest_direction((curve + size * noise)[:, None]) for noise in draws]
    assert min(one.fit for one in found) > 0.98
    assert [one.share for one in found] == pytest.approx([1.0] * 40)
    expected = relaxation * math.log(2 / size)
    assert np.median([one.settled for one in found]) == pytest.approx(expected, rel=0.1)


def test_the_settling_time_grows_as_the_noise_shrinks():
    curve, noise = np.exp(-TIMES / 5)[:, None], np.random.default_rng(4).normal(size=(32, 1))
    settled = [slowest_direction(curve + size * noise).settled for size in (3e-2, 1e-2)]
    assert settled[1] - settled[0] == pytest.approx(5 * math.log(3), rel=0.5)  # τ is on a grid of 60


def test_a_straight_line_has_no_settling_time():
    """τ runs to the end of the grid: a steady drift, not a relaxation."""
    found = slowest_direction(TIMES[:, None])
    assert found.fit > 0.98
    assert found.settled is None
    assert found.coverage < 3


def test_noise_is_no_exponential():
    found = slowest_direction(np.random.default_rng(0).normal(size=(32, 5)))
    assert found.fit < 0.5
    assert found.settled is None


def test_a_direction_that_alternates_covers_without_end():
    found = slowest_direction(np.tile([1.0, -1.0], 16)[:, None])
    assert found.relaxation == 0
    assert found.coverage == math.inf


def test_nothing_moves():
    found = slowest_direction(np.ones((16, 3)))
    assert found.coverage == math.inf
    assert math.isnan(found.share)
    assert found.settled is None


def test_rotation_shift_and_units_do_not_matter():
    generator = np.random.default_rng(6)
    points = walks(1, seed=7)[0]
    turn = np.linalg.qr(generator.normal(size=(20, 20)))[0]
    plain, moved = slowest_direction(points), slowest_direction(8 * points @ turn + 3)
    assert moved.coverage == pytest.approx(plain.coverage, rel=1e-9)
    assert moved.share == pytest.approx(plain.share, rel=1e-9)
    assert moved.fit == pytest.approx(plain.fit, rel=1e-9)


def test_directed_drift_stays_below_3():
    assert coverages(walks(300, drift=20.0)).max() < 3


@pytest.mark.parametrize("points", [17, 25, 33])
def test_a_free_random_walk_seldom_reaches_14(points):
    """In one direction, small-sample bias makes it look relaxed some 5 times over; 14 times in 1 of 10
    looks or fewer."""
    found = coverages(walks(400, points, directions=1))
    assert 3.5 < np.median(found) < 6
    assert 0.8 < (found < 14).mean() < 0.99


@pytest.mark.parametrize(("points", "directions"), [(17, 20), (33, 20), (33, 256)])
def test_a_free_random_walk_in_many_directions_never_reaches_3(points, directions):
    """Its leading principal direction is half a cosine, whatever the noise: nothing forgets less."""
    assert coverages(walks(300, points, directions)).max() < 3


def test_what_has_relaxed_20_times_over_mostly_reaches_14():
    found = coverages(relaxing(400, relaxation=32 / 20))
    assert (found >= 14).mean() > 0.75


def test_the_interval_of_a_long_record_holds_the_truth():
    """Bartlett's error is that of a long record: 200 points, 90 %; 400 draws know it to 1.5 %."""
    records = relaxing(400, relaxation=3.0, points=200, seed=9)
    intervals = [slowest_direction(record, level=0.9).interval for record in records]
    assert 0.84 < np.mean([low < 3.0 < high for low, high in intervals]) < 0.95
