"""What the quickstart tries by brute force: what is recommended, else the best that was in the running."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from thermograd.advisor.perturbation_interval import advise, recommended
from thermograd.cli.quickstart import _checked
from thermograd.store.perturbation_record import PerturbationRecord


def record_of(times, residual, interval=60, horizon=40):
    grid = np.arange(1, interval + 1)
    values = np.where(grid > times[:, None], np.nan, (grid >= times[:, None]).astype(float))
    survivor = np.flatnonzero(times > interval)
    after = np.arange(1, horizon + 1)
    branches = (after >= np.full(survivor.size, residual)[:, None]).astype(float)
    return PerturbationRecord(
        values, {"kick": branches}, survivor, target=1.0, direction="up", interval=interval, horizon=horizon
    )


class Study:
    """Notes what was to be verified."""

    def __init__(self, record):
        self.record = record
        self.asked = []

    def verify(self, intervals, names):
        self.asked.append((intervals, names))


def checked(record, capsys):
    study = Study(record)
    advice = advise(record)
    _checked(study, advice)
    return SimpleNamespace(advice=advice, asked=study.asked, said=capsys.readouterr().err)


def test_the_recommended_one_is_checked_not_the_bound_that_ranks_first(capsys):
    times = np.where(np.arange(200) % 2, 8 + np.arange(200) % 4, 1000)
    result = checked(record_of(times, 1000, horizon=3), capsys)
    chosen = recommended(result.advice)
    assert result.advice.ranking[0].name == "kick"
    assert chosen.name == "reset"
    assert result.asked == [([chosen.interval], ["reset"])]
    assert "leave training alone" not in result.said


def test_left_alone_still_checks_the_best_alternative(capsys):
    times = np.random.default_rng(5).geometric(0.05, 64)
    result = checked(record_of(times, 1000), capsys)
    assert recommended(result.advice) is None
    ((intervals, names),) = result.asked
    assert names == ["reset"]
    assert intervals[0] > 0
    assert "leave training alone; the best alternative is checked all the same" in result.said


def test_where_all_arrived_at_once_there_is_nothing_to_check(capsys):
    result = checked(record_of(np.full(30, 3), 1000), capsys)
    assert result.asked == []
    assert "there is nothing to check" in result.said
