from __future__ import annotations

import numpy as np
import pytest

from thermograd.report.comparison import all_ends
from thermograd.report.passages_compared import level, passages_compared

TIMES = np.arange(21)


def rising(speed, trajectories=40, seed=0):
    """An accuracy that meets 0.5 at 10 / speed epochs, give or take one."""
    delay = np.random.default_rng(seed).uniform(-1, 1, (trajectories, 1))
    return 0.5 + 0.05 * (TIMES * speed - 10 - delay * speed)


def drawn(runs, scale=10):
    return passages_compared(runs, all_ends(runs), dict.fromkeys(runs, scale))


def test_the_level_is_what_the_worst_run_reaches(run_of):
    runs = {
        "slow": run_of({"test_accuracy": rising(0.5)}),
        "fast": run_of({"test_accuracy": rising(1.0, seed=1)}),
    }
    assert level(all_ends(runs)["test_accuracy"], "up") == pytest.approx(0.49)
    (figure,) = drawn(runs)
    assert figure.title == "Trajectories that have not reached test accuracy ≥ 0.49"


def test_mean_times_are_those_of_the_trajectories(run_of, writable):
    runs = {
        "slow": run_of({"test_accuracy": rising(0.5)}),
        "fast": run_of({"test_accuracy": rising(1.0, seed=1)}),
    }
    (figure,) = drawn(runs)
    writable(figure)
    target = 0.49
    means = {}
    for label, run in runs.items():
        values = run["test_accuracy"]
        met = values >= target
        means[label] = np.where(met.any(axis=1), np.argmax(met, axis=1), 20).mean()
        share = [
            value
            for key, value in zip(figure.table["run"], figure.table["share under way"], strict=True)
            if key == label
        ]
        assert share[-1] == pytest.approx(1 - met.any(axis=1).mean())
    assert f"slow: {means['slow']:.3g} (" in figure.conclusion
    assert f"fast: {means['fast']:.3g} (" in figure.conclusion
    assert "epochs longer than fast, a factor" in figure.conclusion


def test_equal_runs_cannot_be_told_apart(run_of):
    runs = {label: run_of({"test_accuracy": rising(1.0, seed=seed)}) for seed, label in enumerate("ab")}
    assert "the data cannot decide" in drawn(runs)[0].conclusion


def test_a_loss_is_reached_from_above(run_of):
    runs = {"a": run_of({"loss": 1 - rising(0.5)}), "b": run_of({"loss": 1 - rising(1.0)})}
    (figure,) = drawn(runs)
    assert "loss ≤ 0.51" in figure.title


def test_who_diverged_never_arrives(run_of):
    ends = np.full(40, -1)
    ends[:10] = 30
    runs = {
        "a": run_of({"test_accuracy": rising(1.0)}, diverged_at=ends),
        "b": run_of({"test_accuracy": rising(1.0)}),
    }
    (figure,) = drawn(runs)
    late = figure.conclusion.partition("arrived by then: ")[2]
    share_a = float(late.split("a: ")[1].split(",")[0].rstrip("."))
    assert share_a >= 0.25


def test_another_length_of_the_epoch_changes_no_epoch(run_of):
    runs = {
        "a": run_of({"test_accuracy": rising(1.0)}, steps_per_epoch=10),
        "b": run_of({"test_accuracy": rising(1.0)}, steps_per_epoch=40),
    }
    (figure,) = passages_compared(runs, all_ends(runs), {"a": 10, "b": 40})
    times = {
        label: [
            t
            for key, t in zip(figure.table["run"], figure.table["time (epochs)"], strict=True)
            if key == label
        ]
        for label in runs
    }
    assert times["a"] == times["b"]


@pytest.mark.parametrize(
    "values",
    [
        {"displacement": rising(1.0)},  # no way is better
        {"test_accuracy": rising(0.5)[:, ::-1]},  # it got worse
        {"test_accuracy": np.zeros((40, 21))},
    ],
)
def test_where_no_level_makes_sense_nothing_is_drawn(run_of, values):
    assert drawn({"a": run_of(values), "b": run_of(values)}) == ()


def test_many_runs_are_drawn_without_their_bands_which_are_in_the_table(run_of, trace):
    runs = {str(seed): run_of({"test_accuracy": rising(1.0, seed=seed)}) for seed in range(6)}
    (figure,) = drawn(runs)
    assert len(figure.traces) == 6
    assert figure.conclusion.endswith("The bands are in the table.")
    few = drawn({label: runs[label] for label in "0123"})[0]
    assert len(few.traces) == 12
    assert "bands are" not in few.conclusion
