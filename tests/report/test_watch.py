from __future__ import annotations

import json
import re

import numpy as np
import pytest

from thermograd.errors import ConfigError
from thermograd.quantities import Verdict
from thermograd.report.equilibration import equilibration
from thermograd.report.figures import figures_of
from thermograd.report.temperature import temperature
from thermograd.report.waiting_and_cutting import waiting_and_cutting
from thermograd.report.watch import write_watch_page
from thermograd.report.watched_training import WatchedTraining

pytest.importorskip("plotly")


def block(step, rate, ratio=None, verdict="warming_up", **more):
    """One block; the ratio has an interval of ± 0.05."""
    found = {"step": step, "epoch": step / 10, "learning_rate": rate, "tolerance": 0.1, "verdict": verdict}
    if ratio is not None:
        found |= {"ratio": ratio, "ratio_low": ratio - 0.05, "ratio_high": ratio + 0.05}
        found |= {"ratio_origin": ratio, "ratio_origin_low": ratio - 0.2, "ratio_origin_high": ratio + 0.2}
        found |= {"coverage": step / 20, "dissipation": 0.1 * ratio, "fluctuation": 0.1, "temperature": 1e-4}
    return found | more


HISTORY = [
    block(10, 0.1),
    block(20, 0.1),
    block(30, 0.1, 0.5, "approaching"),
    block(40, 0.1, 0.8, "approaching"),
    block(50, 0.1, 0.97, "equilibrated"),
    block(60, 0.01),
    block(70, 0.01, 0.9, "slow_directions_remain"),
]
LOSSES = [
    entry | {"loss": 2.0 - entry["step"] / 100, "waiting": 0.05, "waiting_low": 0.04, "waiting_high": 0.06}
    for entry in HISTORY
]


def trace(figure, name):
    return [entry for entry in figure.traces if entry["name"] == name]


def test_bands_and_curves_pause_while_the_ratio_is_not_defined():
    figure = equilibration(WatchedTraining(HISTORY))
    *edges, curve = trace(figure, "about where the weights were")
    assert curve["y"] == [None, None, 0.5, 0.8, 0.97, None, 0.9]
    assert [edge["x"] for edge in edges] == [[30, 40, 50], [30, 40, 50], [70], [70]]
    assert edges[0]["y"] == pytest.approx([0.45, 0.75, 0.92])
    assert [entry["showlegend"] for entry in edges] == [False] * 4


def test_a_verdict_is_a_bar_over_the_blocks_it_was_drawn_from():
    figure = equilibration(WatchedTraining(HISTORY))
    (warming,) = trace(figure, "warming up")
    assert warming["x"] == [0, 20, None, 50, 60, None]
    lanes = figure.layout["yaxis2"]["ticktext"]
    assert lanes == ["equilibrated", "slow directions<br>remain", "approaching", "warming up"]
    assert len(set(warming["y"])) == 1
    assert figure.layout["yaxis2"]["tickvals"][lanes.index("warming up")] == warming["y"][0]


def test_the_band_is_the_tolerance_and_the_thresholds_are_named():
    figure = equilibration(WatchedTraining(HISTORY))
    low, high = trace(figure, "1 ± 0.1, equilibrium")
    assert (low["y"], high["y"]) == ([0.9, 0.9], [1.1, 1.1])
    assert trace(figure, "3: drift ruled out")[0]["y"] == [3, 3]
    assert trace(figure, "14: relaxed")[0]["y"] == [14, 14]


def test_the_sentence_is_the_last_verdict_with_its_cuts():
    assert equilibration(WatchedTraining(HISTORY)).conclusion == (
        "At step 70: slow directions remain, ratio 0.90 [0.85, 0.95]; the learning rate changed at step 50 "
        "from 0.1 to 0.01."
    )
    assert equilibration(WatchedTraining(HISTORY[:1])).conclusion == "At step 10: warming up."


def test_a_steep_beginning_does_not_hide_the_band():
    wild = [block(10, 0.1, -40.0, "approaching"), *HISTORY[1:]]
    figure = equilibration(WatchedTraining(wild))
    assert figure.layout["yaxis3"]["range"] == pytest.approx(
        [-1, 1.22]
    )  # the interval about the origin ends at 1.17
    assert "1 early blocks lie outside the drawing" in figure.conclusion


def test_without_losses_or_temperature_there_are_no_empty_drawings():
    training = WatchedTraining(HISTORY[:2])
    assert waiting_and_cutting(training) == ()
    assert temperature(training) == ()
    assert len(figures_of(WatchedTraining(HISTORY))) == 2
    assert len(figures_of(WatchedTraining(LOSSES))) == 3


@pytest.mark.parametrize(
    ("cutting", "said"), [(0.07, "cutting pays"), (0.03, "waiting pays"), (0.055, "cannot be told apart")]
)
def test_prices_say_which_is_larger(cutting, said):
    (figure,) = waiting_and_cutting(WatchedTraining([entry | {"cutting": cutting} for entry in LOSSES]))
    assert said in figure.conclusion
    assert "0.05 [0.04, 0.06]" in figure.conclusion
    assert "yaxis3" in figure.layout


def test_without_prices_the_loss_stands_alone():
    (figure,) = waiting_and_cutting(WatchedTraining([entry | {"waiting": None} for entry in LOSSES]))
    assert "yaxis3" not in figure.layout
    assert figure.conclusion == "Training loss 1.3 at step 70."


def test_every_number_can_be_written(tmp_path):
    for figure in figures_of(WatchedTraining(LOSSES)):
        json.dumps([figure.traces, figure.layout], allow_nan=False)
        assert len({len(column) for column in figure.table.values()}) == 1
    page = write_watch_page(
        tmp_path / "w.html",
        HISTORY,
        verdicts=[Verdict(True, "equilibrated", "It has.")],
        facts=[("Rule", "gain")],
    )
    text = page.read_text("utf-8")
    assert "It has." in text
    assert "7 blocks, 70 steps, 1 change of the learning rate" in text
    assert "gain" in text


def test_a_watch_that_saw_nothing_has_a_page_without_figures(tmp_path):
    text = write_watch_page(tmp_path / "w.html", []).read_text("utf-8")
    assert 'class="plot"' not in text
    with pytest.raises(ConfigError, match="does not exist"):
        write_watch_page(tmp_path / "no" / "w.html", [])


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 500])
def test_panels_have_the_height_they_ask_for(browse, tmp_path, width):
    seen = browse(write_watch_page(tmp_path / "w.html", LOSSES), width=width)
    assert seen.ready
    assert seen.console == ()
    heights = re.findall(r'class="plot[^"]*" style="height: (\d+)px', seen.dom)
    drawn = re.findall(r'class="main-svg"[^>]* height="(\d+)"', seen.dom)
    assert len(heights) == 3
    assert set(drawn) == set(heights)


def test_a_long_history_is_thinned_to_the_budget_of_a_page(tmp_path):
    steps = np.arange(1, 20_001)
    history = [block(int(step), 0.1, 1.0, "equilibrated") for step in steps]
    assert write_watch_page(tmp_path / "w.html", history).stat().st_size < 7e6
