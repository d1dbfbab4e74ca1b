from __future__ import annotations

import numpy as np
import pytest

from thermograd.report.branches import branches, branches_of


def recorded(depth, interval, runs=200, seed=0):
    """Values around 0 that fall by `depth` at the perturbation and come back within ten units."""
    time = np.arange(1, 61)
    since = time - interval
    fall = np.where(since > 0, depth * np.exp(-np.maximum(since, 0) / 3), 0.0)
    return np.random.default_rng(seed).normal(0, 0.1, (runs, 60)) - fall


def of(depth, interval, seed=0, alive=None):
    values = recorded(depth, interval, seed=seed)
    return branches_of(
        f"P = {interval}", values, np.ones(200, bool) if alive is None else alive, interval, reach=20
    )


def test_branches_begin_before_the_kick_and_end_before_the_next():
    entry = of(1.0, 8)
    assert entry.after.shape == (200, 8)
    assert entry.before.mean() == pytest.approx(0.0, abs=0.03)
    means = [mean.value for mean in entry.means()]
    assert means[1:] == pytest.approx(-np.exp(-np.arange(1, 9) / 3), abs=0.04)


def test_only_runs_under_way_count():
    alive = np.arange(200) < 30
    assert len(of(1.0, 8, alive=alive).before) == 30


def test_the_same_kick_at_two_times_is_not_told_apart_once_centred():
    raw, centred = branches({str(P): of(1.0, P, seed=P) for P in (10, 30)})
    assert "the value falls every time" in raw.conclusion
    assert "cannot decide" in centred.conclusion
    assert raw.table["time (epochs)"][0] == 10
    assert [trace["x"][0] for trace in centred.traces] == [0] * len(centred.traces)


def test_kicks_that_differ_are_told_apart():
    deep, shallow = of(20.0, 10), of(0.5, 30, seed=1)
    assert "depends on when the perturbation came" in branches({"a": deep, "b": shallow})[1].conclusion


def test_one_branch_needs_no_second_drawing():
    assert [figure.name for figure in branches({"a": of(1.0, 10)})] == ["branches"]
    assert branches({}) == ()
