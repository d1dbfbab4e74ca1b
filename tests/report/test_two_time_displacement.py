from __future__ import annotations

import numpy as np
import pytest

from thermograd.errors import ConfigError
from thermograd.estimators.displacement_table import DisplacementTable
from thermograd.report.figures import figure, figures_of
from thermograd.report.look import INK
from thermograd.report.two_time_displacement import two_time_displacement


def straight(ages=(1, 10, 100), slower=10.0, runs=2):
    """Δ = t / slower^k from the k-th waiting time on, for one weight, the same in all runs but for a factor."""
    lags = np.array([1, 2, 4, 8])
    delta = lags / slower ** np.arange(len(ages))[:, None]
    factor = np.linspace(0.9, 1.1, runs)[:, None, None] if runs > 1 else np.ones((1, 1, 1))
    return DisplacementTable(ages, lags, (factor * delta)[..., None], [1])


def test_curves_and_table_hold_the_mean(walk, trace, writable):
    drawn = two_time_displacement(walk)
    writable(drawn)
    mean = (walk.squared[..., 0] / 40).mean(axis=0)
    for row, waiting in enumerate(walk.waiting_times):
        (curve,) = trace(drawn, f"t_w = {waiting}")
        known = np.isfinite(mean[row])
        assert curve["x"] == walk.lags[known].tolist()
        assert curve["y"] == pytest.approx(mean[row][known], rel=1e-6)
        assert curve["showlegend"] is False
    assert drawn.table["mean-square displacement Δ"] == pytest.approx(mean[np.isfinite(mean)])
    assert drawn.table["waiting time (steps)"][:2] == [3, 3]
    assert drawn.layout["xaxis"]["type"] == drawn.layout["yaxis"]["type"] == "log"
    assert len(trace(drawn, "t_w (steps)")) == 1


def test_the_conclusion_says_how_much_shorter_the_way_becomes():
    text = two_time_displacement(straight()).conclusion
    assert text == (
        "Over 4 steps the weights move 100 times less from step 100 on than from step 1 on in mean square "
        "(100 to 100 at 95 %): 4 before, 0.04 after."
    )
    assert "(one run)" in two_time_displacement(straight(runs=1)).conclusion
    assert "100 times more" in two_time_displacement(straight(slower=0.1)).conclusion


def test_a_stationary_walk_moves_about_as_far(walks):
    """Negative control: no slowing down is found where there is none."""
    text = two_time_displacement(walks(0.0)).conclusion
    assert "about as far from step 1000 on as from step 3 on" in text


def test_the_interval_holds_the_ratio_of_a_slowing_walk(walks):
    """Steps of variance c s^(-1/2): over t steps the ratio of the sums; 40 seeds, 95 %: at least 33 of 40 (p = 0.001)."""
    held = 0
    for seed in range(40):
        table = walks(runs=8, size=10, steps=1100, first=10, last=100, seed=seed)
        text = two_time_displacement(table).conclusion
        lag = int(text.split()[1])
        low, _, high = text.split("(")[1].split(" at ")[0].split()
        variance = np.arange(1, 1101) ** -0.5
        truth = variance[10 : 10 + lag].sum() / variance[100 : 100 + lag].sum()
        held += float(low) <= truth <= float(high)
    assert held >= 33


def test_thresholds_and_the_largest_step_are_drawn(trace):
    drawn = two_time_displacement(straight(), thresholds=(0.2, 0.5))
    lower, upper = trace(drawn, "thresholds Δ* 0.2…0.5")
    assert lower["y"] == [0.2, 0.2]
    assert upper["y"] == [0.5, 0.5]
    (step,) = trace(drawn, "largest Δ of one step")
    assert step["y"] == [1.0, 1.0]
    assert trace(two_time_displacement(straight(), thresholds=(0.2, 0.2)), "threshold Δ* 0.2")
    assert len(two_time_displacement(straight(), thresholds=(np.nan, np.nan)).traces) == 5


def test_a_waiting_time_of_0_has_a_colour_of_its_own_and_zeros_are_no_points(trace):
    squared = np.array([0.0, 1.0, 2.0, np.nan, 1.0, 3.0]).reshape(1, 2, 3, 1)
    drawn = two_time_displacement(DisplacementTable([0, 5], [2, 3, 5], squared, [1]))
    (first,) = trace(drawn, "t_w = 0")
    assert first["line"]["color"] == INK
    assert first["x"] == [3, 5]
    assert not trace(drawn, "largest Δ of one step")


def test_groups_and_units_are_named(walk):
    two = DisplacementTable(
        walk.waiting_times, walk.lags, np.repeat(walk.squared, 2, axis=3), [40, 40], groups=("all", "head.0")
    )
    drawn = two_time_displacement(two, group="head.0", per="group", what="digits")
    assert drawn.title == "Displacement of head.0 against the lag, from every waiting time on, digits"
    assert drawn.name == "two_time_displacement_of_head.0"
    assert drawn.layout["yaxis"]["title"]["text"] == "squared displacement Δ"


def test_nothing_measured_gives_axes_and_a_sentence(writable):
    empty = two_time_displacement(DisplacementTable([], [], np.zeros((1, 0, 0, 1)), [3]))
    assert empty.traces == ()
    assert empty.table == {}
    nothing = two_time_displacement(DisplacementTable([1, 2], [1], np.full((1, 2, 1, 1), np.nan), [3]))
    assert "was measured" in nothing.conclusion
    one = two_time_displacement(DisplacementTable([4], [1, 2], np.ones((1, 1, 2, 1)), [1]))
    writable(one)
    assert "waiting time 4" in one.conclusion
    with pytest.raises(ConfigError, match="no group"):
        two_time_displacement(DisplacementTable([4], [1], np.ones((1, 1, 1, 1)), [1]), group=3)


def test_weights_that_never_move_are_said(writable):
    still = two_time_displacement(DisplacementTable([1, 2], [1, 2], np.zeros((2, 2, 2, 1)), [3]))
    writable(still)
    assert "no lag" in still.conclusion or "nothing moves" in still.conclusion.lower()


def test_a_table_is_drawn_by_itself(walk):
    pytest.importorskip("plotly")
    assert [entry.name for entry in figures_of(walk)] == ["two_time_displacement"]
    assert "Displacement" in figure(walk).layout.title.text
