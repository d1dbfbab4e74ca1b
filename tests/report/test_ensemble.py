from __future__ import annotations

import numpy as np
import pytest

from thermograd.report.ensemble import LARGEST_NUMBER, divergence, spread


def falling(seed=0, slope=-1.0, trajectories=30, count=21):
    noise = np.random.default_rng(seed).normal(0, 0.1, (trajectories, count))
    return 5 + slope * np.linspace(0, 1, count) + noise


@pytest.mark.parametrize(
    ("slope", "words"), [(-1.0, "It still falls"), (1.0, "It still rises"), (0.0, "cannot decide")]
)
def test_the_conclusion_follows_the_data(run_of, slope, words):
    (figure,) = spread(run_of({"train_loss": falling(slope=slope)}))
    assert words in figure.conclusion
    others = {"It still falls", "It still rises", "cannot decide"} - {words}
    assert not any(other in figure.conclusion for other in others)


def test_the_conclusion_quotes_the_last_mean_with_its_interval(run_of):
    values = falling()
    (figure,) = spread(run_of({"train_loss": values}))
    mean = values[:, -1].mean()
    assert f"Mean {mean:.3g}" in figure.conclusion
    assert figure.table["mean"][-1] == pytest.approx(mean)
    assert figure.table["mean, 95 % from"][-1] < mean < figure.table["to"][-1]


def test_one_trajectory_is_said_to_have_no_interval(run_of):
    (figure,) = spread(run_of({"train_loss": falling(trajectories=1)}))
    assert "no interval can be given" in figure.conclusion
    assert len(figure.traces) == 1


def test_axes_have_units_and_time_is_in_epochs(run_of):
    (figure,) = spread(run_of({"test_accuracy": falling()}))
    assert figure.layout["xaxis"]["title"]["text"] == "time (epochs completed)"
    assert figure.layout["yaxis"]["title"]["text"] == "test accuracy (fraction of samples)"
    assert figure.table["time (epochs)"][-1] == 20


def test_a_target_is_marked(run_of):
    run = run_of({"test_accuracy": falling()})
    names = [trace["name"] for trace in spread(run, {"test_accuracy": 4.5})[0].traces]
    assert "target 4.5" in names
    assert "target 4.5" not in [trace["name"] for trace in spread(run)[0].traces]


def test_only_scalars_and_only_so_many_are_drawn(run_of):
    values = {f"area_{number}": falling() for number in range(LARGEST_NUMBER + 3)}
    run = run_of({"matrix": np.zeros((30, 21, 2, 2)), **values})
    assert "matrix" not in run.scalars
    assert len(spread(run)) == LARGEST_NUMBER


def test_divergence_is_the_share_left_with_its_corners(run_of):
    diverged_at = np.full(50, -1)
    diverged_at[:5] = [20, 20, 40, 60, 60]
    (figure,) = divergence(run_of({"train_loss": falling(trajectories=50)}, diverged_at=diverged_at))
    share = dict(zip(figure.table["time (epochs)"], figure.table["share not diverged"], strict=True))
    assert share[0.0] == 1
    assert share[2.0] == pytest.approx(48 / 50)
    assert share[4.0] == pytest.approx(47 / 50)
    assert share[20.0] == pytest.approx(45 / 50)
    assert figure.conclusion.startswith("5 of 50 trajectories diverged, the first at epoch 2")


def test_without_divergence_there_is_no_such_figure(run_of):
    assert divergence(run_of({"train_loss": falling()})) == ()
