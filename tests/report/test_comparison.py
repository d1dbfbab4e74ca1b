from __future__ import annotations

import numpy as np
import pytest

from thermograd.report.comparison import against_setting, all_ends, compared


def falling(seed=0, shift=0.0, trajectories=30, count=21):
    noise = np.random.default_rng(seed).normal(0, 0.1, (trajectories, count))
    return 5 + shift - np.linspace(0, 1, count) + noise


def with_seed(run, seed):
    object.__setattr__(run.source.header, "seed", seed)
    return run


def independent(run_of, shifts, **more):
    return {
        str(place): with_seed(run_of({"loss": falling(place, shift)}, **more), place)
        for place, shift in enumerate(shifts)
    }


@pytest.mark.parametrize(("shift", "words"), [(1.0, "1 ends above 0 by"), (0.0, "cannot decide")])
def test_the_sentence_follows_the_data(run_of, writable, shift, words):
    (figure,) = compared(independent(run_of, [0.0, shift]))
    assert words in figure.conclusion
    assert set(figure.table["run"]) == {"0", "1"}
    writable(figure)


def test_comparing_more_runs_needs_more_evidence(run_of):
    (figure,) = compared(independent(run_of, [0.0] * 20))  # 190 differences of equal runs
    assert "cannot decide" in figure.conclusion
    assert "of 190 pairs 0 differ" in figure.conclusion


def test_every_curve_has_its_band_and_its_own_look(run_of, trace):
    (figure,) = compared(independent(run_of, [0.0] * 12))
    looks = set()
    for label in map(str, range(12)):
        lines = [entry for entry in trace(figure, label) if entry.get("showlegend", True)]
        assert len(lines) == 1
        assert len(trace(figure, label)) == 3  # and the two edges of its band
        looks.add((lines[0]["line"]["color"], lines[0]["line"]["dash"]))
    assert len(looks) == 12


def test_a_scalar_of_one_run_alone_is_not_drawn(run_of):
    runs = {"a": run_of({"loss": falling(), "mine": falling()}), "b": run_of({"loss": falling(1)})}
    assert [figure.name for figure in compared(runs)] == ["loss"]


def test_the_numbers_of_every_curve_go_to_its_own_end(run_of):
    runs = {"long": run_of({"loss": falling(count=21)}), "short": run_of({"loss": falling(count=11)})}
    (figure,) = compared(runs)
    ends = dict(zip(figure.table["run"], figure.table["time (epochs)"], strict=True))
    assert ends == {"long": 20, "short": 10}
    assert figure.conclusion.startswith("At epoch 10: ")


def test_a_sweep_names_the_best_setting_if_it_can_be_told(run_of, writable):
    shifts = [1.0, 0.0, 0.5, 2.0]
    runs = independent(run_of, shifts)
    rates = dict(zip(runs, [0.01, 0.1, 0.3, 1.0], strict=True))
    (figure,) = against_setting("dynamics.learning_rate", rates, all_ends(runs))
    assert "smallest at learning rate 0.1: " in figure.conclusion
    assert "largest at learning rate 1: " in figure.conclusion
    assert "not told apart" not in figure.conclusion
    assert figure.layout["xaxis"]["type"] == "log"
    assert figure.table["dynamics.learning_rate"] == [0.01, 0.1, 0.3, 1.0]
    writable(figure)


def test_a_sweep_says_if_the_best_is_not_told_apart(run_of):
    runs = independent(run_of, [0.0, 0.0, 2.0])
    (figure,) = against_setting("rate", dict(zip(runs, [1.0, 2.0, 3.0], strict=True)), all_ends(runs))
    smallest, largest = figure.conclusion.split("; ")
    assert "not told apart from" in smallest
    assert "not told apart" not in largest
    assert "type" not in figure.layout["xaxis"]


def test_two_runs_are_no_sweep(run_of):
    runs = {"a": run_of({"loss": falling()}), "b": run_of({"loss": falling(1)})}
    assert against_setting("rate", {"a": 1.0, "b": 2.0}, all_ends(runs)) == ()
