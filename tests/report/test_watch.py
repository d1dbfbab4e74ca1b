from __future__ import annotations

import json
import re

import numpy as np
import pytest

from thermograd.errors import ConfigError
from thermograd.quantities import Verdict
from thermograd.report.figures import figures_of
from thermograd.report.temperature import temperature
from thermograd.report.waiting_and_cutting import waiting_and_cutting
from thermograd.report.watch import write_watch_page
from thermograd.report.watched_training import WatchedTraining

pytest.importorskip("plotly")


def test_without_losses_or_temperature_there_are_no_empty_drawings(history, losses):
    training = WatchedTraining(history[:2])
    assert waiting_and_cutting(training) == ()
    assert temperature(training) == ()
    assert len(figures_of(WatchedTraining(history))) == 2
    assert len(figures_of(WatchedTraining(losses))) == 3


def test_every_number_can_be_written(tmp_path, history, losses):
    for figure in figures_of(WatchedTraining(losses)):
        json.dumps([figure.traces, figure.layout], allow_nan=False)
        assert len({len(column) for column in figure.table.values()}) == 1
    page = write_watch_page(
        tmp_path / "w.html",
        history,
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
def test_panels_have_the_height_they_ask_for(browse, tmp_path, width, losses):
    seen = browse(write_watch_page(tmp_path / "w.html", losses), width=width)
    assert seen.ready
    assert seen.console == ()
    heights = re.findall(r'class="plot[^"]*" style="height: (\d+)px', seen.dom)
    drawn = re.findall(r'class="main-svg"[^>]* height="(\d+)"', seen.dom)
    assert len(heights) == 3
    assert set(drawn) == set(heights)


def test_a_long_history_is_thinned_to_the_budget_of_a_page(tmp_path, history, block):
    steps = np.arange(1, 20_001)
    history = [block(int(step), 0.1, 1.0, "equilibrated") for step in steps]
    assert write_watch_page(tmp_path / "w.html", history).stat().st_size < 7e6
