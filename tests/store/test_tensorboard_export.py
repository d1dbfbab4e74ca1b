"""TensorBoard downloads: the wall time decides which of two records of a step is the later one."""

from __future__ import annotations

import pytest

from thermograd.errors import ConfigError
from thermograd.store.trajectories import load_trajectories


def test_the_later_wall_time_wins_in_whatever_order(tmp_path):
    file = tmp_path / "seed0.csv"
    file.write_text("Wall time,Step,Value\n300.5,10,0.9\n100,10,0.1\n200,20,0.2\n", encoding="utf-8")
    read = load_trajectories(file)
    assert read.values.tolist() == [[0.9, 0.2]]
    assert (read.names, read.unit, read.times.tolist()) == (("seed0",), "step", [10, 20])
    assert read.notes == (f"{file}: 1 repeated steps, the later value counts",)


def test_a_metric_it_does_not_hold(tmp_path):
    file = tmp_path / "run-seed0-tag-val_acc.csv"
    file.write_text("wall time,step,value\n1,10,0.5\n", encoding="utf-8")
    for metric in (None, "val/acc", "val_acc", "Value"):
        assert load_trajectories(file, metric=metric).values.tolist() == [[0.5]]
    with pytest.raises(ConfigError, match=r"is of val_acc: there is no metric 'loss'"):
        load_trajectories(file, metric="loss")
    other = file.rename(tmp_path / "seed0.csv")
    with pytest.raises(ConfigError, match=r"holds one value, Value: there is no metric 'loss'"):
        load_trajectories(other, metric="loss")
