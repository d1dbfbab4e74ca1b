from __future__ import annotations

import numpy as np
import pytest

from thermograd.report.live_series import LiveSeries
from thermograd.store.layout import ArraySpec

TIMES = np.arange(0, 60, 2)


class Table:
    """Numbers (trajectory, time) in blocks of 5; remembers what was read of them."""

    def __init__(self, seed=0, dtype="float64"):
        drawn = np.random.default_rng(seed).normal(3, 2, size=(15, TIMES.size))
        self.values = drawn.astype(dtype)
        self.asked = []

    def read(self, name, block, records):
        assert name == "loss"
        self.asked.append((block, records.start, records.stop))
        return self.values[5 * block : 5 * block + 5, records]

    def series(self, points=2000, chunk=7):
        spec = ArraySpec("loss", (), str(self.values.dtype), TIMES)
        return LiveSeries(spec, chunk, points, self.read, 1)


def none(count=5):
    return np.zeros(count, bool)


def test_blocks_of_unequal_progress_count_only_where_they_are():
    table = Table()
    series = table.series()
    series.take(0, 58, none(), finished=True, version=2)
    series.take(1, 21, none(), finished=False, version=3)
    points = series.points(-1)
    assert points["step"] == TIMES.tolist()
    assert points["trajectories"] == [10] * 11 + [5] * 19
    expected = [*table.values[:10, :11].mean(axis=0), *table.values[:5, 11:].mean(axis=0)]
    np.testing.assert_allclose(points["mean"], expected, rtol=1e-6)


def test_records_are_read_once_chunk_by_chunk():
    table = Table()
    series = table.series(chunk=7)
    for step in (3, 12, 13, 13, 40, 58):
        series.take(0, step, none(), finished=step == 58, version=2)
    ranges = [(start, stop) for _, start, stop in table.asked]
    assert [place for start, stop in ranges for place in range(start, stop)] == list(range(30))
    assert all(start // 7 == (stop - 1) // 7 for start, stop in ranges)


def test_a_trajectory_that_diverges_takes_its_past_with_it():
    table = Table()
    series = table.series()
    series.take(0, 58, none(), finished=True, version=2)
    series.take(1, 20, none(), finished=False, version=3)
    diverged = np.array([False, True, False, False, False])
    read_before = len(table.asked)
    series.take(1, 30, diverged, finished=False, version=4)
    assert {block for block, *_ in table.asked[read_before:]} == {1}
    kept = np.r_[0:6, 7:10]
    points = series.points(-1)
    assert points["trajectories"] == [9] * 16 + [5] * 14
    np.testing.assert_allclose(points["mean"][:16], table.values[kept, :16].mean(axis=0), rtol=1e-6)
    deviation = table.values[kept, :16].std(axis=0, ddof=1)
    np.testing.assert_allclose(np.subtract(points["high"], points["mean"])[:16], deviation, rtol=1e-5)
    changed = series.points(3)
    assert changed["step"] == TIMES[:16].tolist()


def test_a_huge_value_of_a_trajectory_that_diverges_leaves_no_trace():
    table = Table()
    table.values[6, :11] = 1e200
    series = table.series()
    series.take(1, 20, none(), finished=False, version=2)
    series.take(1, 20, np.arange(5) == 1, finished=False, version=3)
    kept = np.r_[5, 7:10]
    np.testing.assert_allclose(series.points(-1)["mean"], table.values[kept, :11].mean(axis=0), rtol=1e-6)


def test_all_diverged_leaves_points_without_a_value():
    series = Table().series()
    series.take(0, 20, none(), finished=False, version=2)
    series.take(0, 20, np.ones(5, bool), finished=False, version=3)
    assert series.points(-1) is None
    told = series.points(2)
    assert told["mean"] == [None] * 11
    assert told["trajectories"] == [0] * 11


def test_one_trajectory_has_no_spread():
    series = Table().series()
    series.take(0, 58, np.arange(5) > 0, finished=True, version=2)
    points = series.points(-1)
    assert None not in points["mean"]
    assert set(points["low"]) == set(points["high"]) == {None}


def test_thinning_keeps_first_and_last_and_reads_no_chunk_for_nothing():
    table = Table()
    series = table.series(points=4, chunk=3)
    series.take(0, 58, none(), finished=True, version=2)
    points = series.points(-1)
    assert points["step"] == [0, 20, 38, 58]
    np.testing.assert_allclose(points["mean"], table.values[:5][:, [0, 10, 19, 29]].mean(axis=0), rtol=1e-6)
    assert len(table.asked) == 4


def test_only_what_changed_after_a_version_is_told():
    series = Table().series()
    series.take(0, 20, none(), finished=False, version=5)
    series.take(0, 26, none(), finished=False, version=6)
    assert series.points(5)["step"] == [22, 24, 26]
    assert series.points(6) is None


def test_integers_and_what_is_not_finite():
    table = Table()
    table.values[2, 4] = np.inf
    series = table.series()
    series.take(0, 58, none(), finished=True, version=2)
    assert series.points(-1)["trajectories"][4] == 4
    whole = Table(dtype="int64")
    series = whole.series()
    series.take(0, 58, none(), finished=True, version=2)
    np.testing.assert_allclose(series.points(-1)["mean"], whole.values[:5].mean(axis=0), rtol=1e-6)


def test_a_finished_block_counts_once_and_reading_that_failed_is_taken_up_again():
    table = Table()
    series = table.series(chunk=7)
    read, failing = table.read, [True]

    def fails_once(name, block, records):
        if records.start == 14 and failing.pop():
            message = "unplugged"
            raise OSError(message)
        return read(name, block, records)

    series._read = fails_once
    with pytest.raises(OSError, match="unplugged"):
        series.take(0, 58, none(), finished=True, version=2)
    failing.append(False)
    for version in (3, 4):
        series.take(0, 58, none(), finished=True, version=version)
    points = series.points(-1)
    assert points["trajectories"] == [5] * 30
    np.testing.assert_allclose(points["mean"], table.values[:5].mean(axis=0), rtol=1e-6)
    assert series.points(3) is None
