"""Chart exports of W&B: names with dashes, several metrics, groups, and what W&B allows but we cannot."""

from __future__ import annotations

import numpy as np
import pytest

from thermograd.errors import ConfigError
from thermograd.store.trajectories import load_trajectories


def written(folder, text):
    file = folder / "wandb_export.csv"
    file.write_text(text, encoding="utf-8")
    return file


def test_runs_with_minimum_and_maximum_beside_them(tmp_path):
    text = (
        '"Step","olive - sun-1 - val/acc","olive - sun-1 - val/acc__MIN","olive - sun-1 - val/acc__MAX",'
        '"b - val/acc","b - val/acc__MIN","b - val/acc__MAX"\n'
        '"10","0.5","0.5","0.5","","",""\n"20","","","","0.25","0.25","0.25"\n'
    )
    read = load_trajectories(written(tmp_path, text))
    assert read.names == ("olive - sun-1", "b")
    assert np.array_equal(read.values, [[0.5, np.nan], [np.nan, 0.25]], equal_nan=True)
    assert (read.unit, read.times.tolist()) == ("step", [10, 20])
    assert len(read.notes) == 1  # a ends before b


@pytest.mark.parametrize(
    ("axis", "unit"), [("epoch", "epoch"), ("trainer/global_step", "step"), (" STEP ", "step")]
)
def test_the_axis_says_what_is_counted(tmp_path, axis, unit):
    read = load_trajectories(written(tmp_path, f"{axis},a - acc,b - acc\n1,0.5,0.6\n"))
    assert (read.unit, read.names) == (unit, ("a", "b"))


def test_an_axis_of_hours_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"export against 'Relative Time \(Process\)'.*Step or epoch"):
        load_trajectories(written(tmp_path, "Relative Time (Process),a - acc,a - acc__MIN\n1,1,1\n"))


def test_several_metrics_are_named(tmp_path):
    file = written(
        tmp_path, "Step,a - loss,a - acc,a - _step,b - loss,b - acc,b - _step\n1,2,0.5,1,3,0.6,1\n"
    )
    with pytest.raises(ConfigError, match=r"wandb_export\.csv is a W&B export of 2 metrics.*: loss, acc\."):
        load_trajectories(file)
    read = load_trajectories(file, metric="acc")
    assert (read.names, read.values.tolist()) == (("a", "b"), [[0.5], [0.6]])
    with pytest.raises(ConfigError, match=r"without the metric 'ac'. Did you mean 'acc'\?"):
        load_trajectories(file, metric="ac")


def test_a_metric_with_a_dash_is_reached_by_name(tmp_path):
    read = load_trajectories(written(tmp_path, "Step,a - val - top1\n1,2\n"), metric="val - top1")
    assert read.names == ("a",)


def test_two_runs_of_one_name_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="two runs called 'a'"):
        load_trajectories(written(tmp_path, "Step,a - acc,a - acc\n1,2,3\n"))


def test_means_of_a_group_are_noted(tmp_path):
    grouped = "Step,lr: 0.1 - acc,lr: 0.1 - acc__MIN,lr: 0.1 - acc__MAX\n1,0.5,0.4,0.6\n2,0.7,0.7,0.7\n3,,,\n"
    read = load_trajectories(written(tmp_path, grouped))
    assert "1 values differ from their __MIN or __MAX" in read.notes[0]
    assert read.values.tolist()[0][:2] == [0.5, 0.7]
