"""The aging exponent of processes whose displacement is known exactly, what it says where there is none, and its interval."""

from dataclasses import replace

import numpy as np
import pytest

from thermograd.estimators import aging
from thermograd.estimators.displacement_table import DisplacementTable


def exponent_of_exact_sums(walk, thresholds):
    return aging.aging_exponent(walk.exact(), thresholds, resamples=2).exponent.value


def ornstein_uhlenbeck(trajectories, steps, *, pull=0.01, noise=1.0, parameters=100, seed=0):
    """θ′ = (1 − k)θ + √q ξ from its stationary state, `(trajectory, time, parameter)`."""
    generator = np.random.default_rng(seed)
    place = generator.normal(size=(trajectories, parameters)) * np.sqrt(noise / (1 - (1 - pull) ** 2))
    places = [place]
    for _ in range(steps):
        place = (1 - pull) * place + np.sqrt(noise) * generator.normal(size=place.shape)
        places.append(place)
    return np.stack(places, axis=1)


@pytest.mark.parametrize("power", [0.25, 0.5, 0.75])
@pytest.mark.parametrize("seed", [0, 1])
def test_step_variance_walks_age_with_the_power_of_their_steps(step_variance_walk, power, seed):
    walk = step_variance_walk(power)
    found = aging.aging_exponent(walk.simulate(24, seed=seed))
    expected = exponent_of_exact_sums(walk, found.per_threshold.thresholds)
    assert found.exponent.value == pytest.approx(expected, abs=0.03)
    assert found.exponent.high - found.exponent.low <= 0.15
    assert found.exponent.low - 0.02 <= expected <= found.exponent.high + 0.02
    assert found.outcome == "subaging"
    assert found.verdict.holds is True
    assert found.collapse < 0.05 < found.collapse_without
    assert found.trajectories == 24


def test_the_exponent_is_that_of_the_closed_form(step_variance_walk):
    """t* = (t_w^(1−a) + (1−a)Δ*)^(1/(1−a)) − t_w, with local slope ((1+u)^a − 1)/u at u = t*/t_w: 0.63 at u = 1, not a = 0.7."""
    walk = step_variance_walk(0.7, steps=200_000, first=1000, last=20_000)
    for level in (0.5, 5.0):
        found = aging.aging_exponent(walk.exact(), level)
        start = walk.waiting_times.astype(float)
        closed = (start**0.3 + 0.3 * level) ** (1 / 0.3) - start
        times = aging.characteristic_time(walk.exact(), level).times
        np.testing.assert_allclose(
            times, closed, rtol=0.01
        )  # the table interpolates, and sums are no integrals
        slopes = ((1 + closed / start) ** 0.7 - 1) / (closed / start)
        assert slopes.min() - 0.01 < found.exponent.value < slopes.max() + 0.01
    one = ((1 + 1.0) ** 0.7 - 1) / 1.0
    assert one == pytest.approx(0.62, abs=0.005)


def test_steps_that_fall_like_one_over_time_age_simply(step_variance_walk):
    walk = step_variance_walk(1.0)
    found = aging.aging_exponent(walk.simulate(24), 0.3)
    assert found.outcome == "simple"
    exact = exponent_of_exact_sums(walk, 0.3)  # not quite 1: sums from t_w = 20 are shifted by half a step
    assert exact == pytest.approx(0.996, abs=0.003)
    assert found.exponent.low <= exact <= found.exponent.high


def test_steps_that_fall_faster_age_faster_until_the_path_ends(step_variance_walk):
    """At a small level superaging; the path left, t_w^(1−a)/(a−1), falls below a high level at late waiting times only."""
    walk = step_variance_walk(1.3)
    table = walk.simulate(24, seed=2)
    found = aging.aging_exponent(table, 0.03)
    assert found.outcome == "superaging"
    assert found.exponent.value == pytest.approx(exponent_of_exact_sums(walk, 0.03), abs=0.03)
    late = aging.characteristic_time(table, 0.5)
    assert late.too_long[-1]
    first = int(late.too_long.argmax())
    assert first > 2
    assert late.too_long[first:].all()
    assert not late.censored[:first].any()
    left = walk.variances[-1] - walk.variances[late.waiting_times]
    assert (left[late.too_long] < 0.55).all()


def test_equal_steps_do_not_age(step_variance_walk):
    found = aging.aging_exponent(step_variance_walk(0.0).simulate(24))
    assert found.outcome == "stationary"
    assert found.verdict.holds is False
    assert abs(found.exponent.value) < 0.03


def test_a_stationary_process_does_not_age_and_above_its_plateau_there_is_nothing():
    points = ornstein_uhlenbeck(24, 3000)
    waiting = np.rint(np.geomspace(10, 1000, 13)).astype(int)
    table = aging.mean_square_displacement(points, np.arange(3001), waiting_times=waiting)
    time = np.arange(1, 3001)
    plateau = 2 / (1 - 0.99**2)
    exact = np.interp(table.lags, time, plateau * (1 - 0.99**time))
    inside = waiting[0] + table.lags <= 3000
    np.testing.assert_allclose(table.mean_square()[:, 0, inside, 0].mean(axis=0), exact[inside], rtol=0.15)
    found = aging.aging_exponent(table, 0.3 * plateau)
    assert found.outcome == "stationary"
    assert abs(found.exponent.value) < 0.03
    above = aging.aging_exponent(table, 2 * plateau)
    assert above.exponent is None
    assert above.outcome == "undetermined"
    assert above.censored_fraction == pytest.approx(1.0)
    assert above.verdict.text.startswith("the displacement never reaches 201; largest seen 1")
    assert np.isnan(above.thresholds).all()


def test_one_run_along_a_logarithm_ages_simply():
    """θ = v ln t: Δ = v² ln²(1 + t/t_w), so that t* is proportional to t_w."""
    waiting = np.rint(np.geomspace(100, 30_000, 13)).astype(int)
    lags = np.unique(np.rint(10 ** (np.arange(48) / 8)).astype(int))
    steps = np.union1d(waiting, (waiting[:, None] + lags).ravel())
    path = 0.1 * np.log(steps)[:, None]
    table = aging.mean_square_displacement(path, steps, waiting_times=waiting, lags=lags)
    found = aging.aging_exponent(table, (0.001, 0.003, 0.01))
    assert found.exponent.value == pytest.approx(1.0, abs=0.01)
    assert found.outcome == "simple"
    assert found.exponent.note == "one run"
    assert str(found) == "simple: 1.00 (1.00–1.00), one run, t_w 100…30000, Δ* 1e-3…0.01"


class Renewals:
    """Jumps of unit variance after sojourns with P(τ > k) = k^(−x): the mean displacement goes like (t_w + t)^x − t_w^x."""

    def __init__(self, power, steps=100_000, first=100, last=20_000):
        self.power, self.steps = power, steps
        self.waiting_times = np.rint(np.geomspace(first, last, 10)).astype(int)
        lags = np.unique(np.rint(10 ** (np.arange(40) / 8)).astype(int))
        self.lags = lags[lags < steps]

    def simulate(self, trajectories, parameters=10, *, seed=0):
        generator = np.random.default_rng(seed)
        ends = (self.waiting_times[:, None] + self.lags).ravel()
        times = np.union1d(self.waiting_times, ends[ends <= self.steps])
        counts = np.stack(
            [np.searchsorted(self._jumps(generator), times, "right") for _ in range(trajectories)]
        )
        kicks = generator.normal(size=(*counts.shape, parameters))
        points = np.cumsum(kicks * np.sqrt(np.diff(counts, axis=1, prepend=0))[..., None], axis=1)
        return aging.mean_square_displacement(points, times, waiting_times=self.waiting_times, lags=self.lags)

    def _jumps(self, generator):
        jumps = [0.0]
        while jumps[-1] <= self.steps:
            jumps += (
                jumps[-1] + np.cumsum(np.ceil(generator.uniform(size=200) ** (-1 / self.power)))
            ).tolist()
        return np.array(jumps[1:])


@pytest.mark.parametrize("power", [0.5, 0.3])
def test_intermittent_walks_age_as_their_sojourns_say_and_the_interval_stays_honest(power):
    """All weights jump at once, so 100 trajectories are 100 events: 95 % intervals hold 1 − x at least 16 of 20 times."""
    found = [
        aging.aging_exponent(Renewals(power).simulate(100, seed=seed), resamples=200) for seed in range(20)
    ]
    values = np.array([one.exponent.value for one in found])
    assert values.mean() == pytest.approx(1 - power, abs=0.06)
    assert sum(one.exponent.low <= 1 - power <= one.exponent.high for one in found) >= 16


def test_points_about_their_line_are_not_independent(step_variance_walk):
    """The control: least squares over waiting times, as if independent, holds 1 in a third of the cases; ours in 95 %.

    40 waiting times and t* = 3.5 t_w: the paths have most of their steps in common.
    """
    walk = step_variance_walk(1.0, first=20, last=1000, count=40)
    truth = exponent_of_exact_sums(walk, 1.5)
    naive = ours = 0
    for seed in range(40):
        table = walk.simulate(8, 50, seed=seed)
        times = aging.characteristic_time(table, 1.5).times
        (slope, _), covariance = np.polyfit(np.log(walk.waiting_times), np.log(times), 1, cov=True)
        naive += abs(slope - truth) < 2.02 * np.sqrt(covariance[0, 0])
        found = aging.aging_exponent(table, 1.5, resamples=200).exponent
        ours += found.low <= truth <= found.high
    assert naive < 0.6 * 40
    assert ours >= 34  # of 38 expected


def test_one_run_whose_paths_are_all_the_same_has_no_interval(step_variance_walk):
    walk = step_variance_walk(0.5, first=20, last=2000, count=40)
    found = aging.aging_exponent(walk.simulate(1, 50), 150.0)
    assert np.isinf(found.exponent.high)
    assert found.outcome == "undetermined"
    assert "share most of their steps" in str(found)


def test_levels_inside_one_step_are_noise_of_steps_and_refused(step_variance_walk):
    """The control: such levels, taken at their first lag, would make an aging walk a stationary one."""
    walk = step_variance_walk(0.5)
    table = walk.simulate(24)
    naive = aging.characteristic_time(table, 0.01).upper
    assert np.polyfit(np.log(walk.waiting_times), np.log(naive), 1)[0] == pytest.approx(0, abs=1e-9)
    found = aging.aging_exponent(table, 0.01)
    assert found.exponent is None
    assert found.outcome == "undetermined"
    assert "passes 0.01 at the first lag already at 13 of 13 waiting times (up to 5000)" in found.verdict.text
    assert found.censored_fraction == pytest.approx(1.0)


def test_a_level_that_some_waiting_times_pass_at_once_is_not_used(step_variance_walk):
    table = step_variance_walk(0.5).simulate(8)
    found = aging.aging_exponent(table, (0.1, 2.0))
    assert found.per_threshold.thresholds.tolist() == [2.0]
    assert "1 of 2 thresholds cannot be used" in found.exponent.note
    assert "1 of 2 thresholds cannot be used" in str(found)
    late = aging.aging_exponent(table, 0.1, waiting=(200, None))
    assert late.exponent is not None
    assert late.waiting_times[0] >= 200


@pytest.mark.parametrize("thresholds", ["stable", (1.0, 3.0)])
def test_the_unit_of_the_weights_does_not_matter(step_variance_walk, thresholds):
    table = step_variance_walk(0.5).simulate(6, 20)
    tenfold = replace(table, squared=10 * table.squared)
    found = aging.aging_exponent(table, thresholds)
    scaled = aging.aging_exponent(
        tenfold, thresholds if thresholds == "stable" else 10 * np.array(thresholds)
    )
    assert scaled.exponent.value == pytest.approx(found.exponent.value, abs=1e-12)
    assert scaled.exponent.interval == pytest.approx(found.exponent.interval, abs=1e-12)
    np.testing.assert_allclose(scaled.thresholds, 10 * np.array(found.thresholds), rtol=1e-12)


@pytest.mark.parametrize("average", ["displacement", "each"])
def test_the_order_of_trajectories_does_not_matter(step_variance_walk, average):
    table = step_variance_walk(0.5).simulate(6, 50)
    turned = replace(table, squared=table.squared[[3, 1, 5, 0, 2, 4]], anchor_norms=None)
    first, second = (aging.aging_exponent(given, 2.0, average=average).exponent for given in (table, turned))
    assert second.value == pytest.approx(first.value, abs=1e-12)
    assert second.high - second.low == pytest.approx(first.high - first.low, rel=0.3)  # other resamples


def test_times_of_every_trajectory_give_the_same_exponent_where_none_is_censored(step_variance_walk):
    walk = step_variance_walk(0.5)
    found = aging.aging_exponent(walk.simulate(24), 1.0, average="each")
    assert found.exponent.value == pytest.approx(exponent_of_exact_sums(walk, 1.0), abs=0.05)
    assert found.exponent.low <= exponent_of_exact_sums(walk, 1.0) <= found.exponent.high


def test_a_mapping_is_a_table(step_variance_walk):
    table = step_variance_walk(0.5).simulate(3, 20)
    names = (
        "waiting_times",
        "lags",
        "squared",
        "sizes",
        "groups",
        "anchor_norms",
        "relative_error",
        "eps",
        "missed",
    )
    given = {name: getattr(table, name) for name in names}
    assert str(aging.aging_exponent(given)) == str(aging.aging_exponent(table))
    assert str(aging.diffusion(given, lags="short")) == str(aging.diffusion(table, lags="short"))
    assert str(aging.curve_spread(given)) == str(aging.curve_spread(table))
    assert str(aging.characteristic_time(given, 1.0)) == str(aging.characteristic_time(table, 1.0))


def test_groups_age_each_in_its_own_way(step_variance_walk):
    slow, fast = step_variance_walk(0.5), step_variance_walk(0.0)
    parts = [walk.simulate(8, 50, seed=seed).squared for seed, walk in enumerate((slow, fast))]
    table = DisplacementTable(
        slow.waiting_times,
        slow.lags,
        np.concatenate([parts[0] + parts[1], *parts], axis=-1),
        [100, 50, 50],
        groups=("all", "head", "body"),
    )
    head, body = (aging.aging_exponent(table, group=name) for name in ("head", "body"))
    assert (head.outcome, body.outcome) == ("subaging", "stationary")
    assert str(aging.aging_exponent(table, group=1)) == str(head)
    sums = aging.aging_exponent(table, 50 * np.array([1.0, 2.0]), group=1, per="group")
    means = aging.aging_exponent(table, np.array([1.0, 2.0]), group=1)
    assert sums.exponent.value == pytest.approx(means.exponent.value, abs=1e-12)


def test_an_exponent_that_depends_on_the_threshold_says_so(step_variance_walk):
    """A walk of a = 0.9 measured far above its age: the local slope falls from 0.9 towards 0.5."""
    walk = step_variance_walk(0.9, steps=10**6, first=10, last=400)
    ages = walk.waiting_times
    # A curve whose slope changes by more than 0.05 between neighbours: t* = t_w^(log10 Δ*/3).
    levels = 10 ** (np.arange(1, 40) / 13.0)
    times = ages[:, None] ** (np.log10(levels) / 1.5) * levels**2
    lags = np.unique(np.rint(np.geomspace(1, 1e9, 300)).astype(int))
    delta = np.exp(np.stack([np.interp(np.log(lags), np.log(row), np.log(levels)) for row in times]))
    found = aging.aging_exponent(DisplacementTable(ages, lags, delta[None, ..., None], [1]))
    assert found.per_threshold.thresholds.size == 1
    assert "depends on the threshold: " in found.exponent.note
    assert "depends on the threshold: " in str(found)
