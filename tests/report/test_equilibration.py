from __future__ import annotations

import pytest

from thermograd.report.equilibration import equilibration
from thermograd.report.watched_training import WatchedTraining


def test_bands_and_curves_pause_while_the_ratio_is_not_defined(history, trace):
    figure = equilibration(WatchedTraining(history))
    *edges, curve = trace(figure, "about where the weights were")
    assert curve["y"] == [None, None, 0.5, 0.8, 0.97, None, 0.9]
    assert [edge["x"] for edge in edges] == [[30, 40, 50], [30, 40, 50], [70], [70]]
    assert edges[0]["y"] == pytest.approx([0.45, 0.75, 0.92])
    assert [entry["showlegend"] for entry in edges] == [False] * 4


def test_a_verdict_is_a_bar_over_the_blocks_it_was_drawn_from(history, trace):
    figure = equilibration(WatchedTraining(history))
    (warming,) = trace(figure, "warming up")
    assert warming["x"] == [0, 20, None, 50, 60, None]
    lanes = figure.layout["yaxis2"]["ticktext"]
    assert lanes == ["equilibrated", "slow directions<br>remain", "approaching", "warming up"]
    assert len(set(warming["y"])) == 1
    assert figure.layout["yaxis2"]["tickvals"][lanes.index("warming up")] == warming["y"][0]


def test_the_band_is_the_tolerance_and_the_thresholds_are_named(history, trace):
    figure = equilibration(WatchedTraining(history))
    low, high = trace(figure, "1 ± 0.1, equilibrium")
    assert (low["y"], high["y"]) == ([0.9, 0.9], [1.1, 1.1])
    assert trace(figure, "3: drift ruled out")[0]["y"] == [3, 3]
    assert trace(figure, "14: relaxed")[0]["y"] == [14, 14]


def test_the_sentence_is_the_last_verdict_with_its_cuts(history):
    assert equilibration(WatchedTraining(history)).conclusion == (
        "At step 70: slow directions remain, ratio 0.90 [0.85, 0.95]; the learning rate changed at step 50 "
        "from 0.1 to 0.01."
    )
    assert equilibration(WatchedTraining(history[:1])).conclusion == "At step 10: warming up."


def test_a_steep_beginning_does_not_hide_the_band(history, block):
    wild = [block(10, 0.1, -40.0, "approaching"), *history[1:]]
    figure = equilibration(WatchedTraining(wild))
    assert figure.layout["yaxis3"]["range"] == pytest.approx(
        [-1, 1.22]
    )  # the interval about the origin ends at 1.17
    assert "1 early blocks lie outside the drawing" in figure.conclusion
