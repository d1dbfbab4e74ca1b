from __future__ import annotations

import sys

import numpy as np
import pytest

from thermograd.errors import ConfigError, MissingExtraError
from thermograd.estimators.first_passage import FirstPassageTimes
from thermograd.quantities import Advice, Estimate, Prediction, Verdict
from thermograd.report.figures import available, figure, figures_of


def test_figure_functions_are_found_without_registration():
    assert {"ensemble.spread", "first_passage.survival", "speed_up.speed_up", "study.study"} <= set(
        available()
    )


def test_what_cannot_be_drawn_gives_no_figure():
    assert figures_of(object()) == ()


def test_options_reach_the_functions_that_take_them(run_of):
    run = run_of({"loss": np.zeros((3, 4))}, diverged_at=[-1, 10, -1])
    spread, divergence = figures_of(run, targets={"loss": 0.5})
    assert "target 0.5" in [trace["name"] for trace in spread.traces]
    assert divergence.name == "divergence"


@pytest.mark.parametrize(
    "quantity",
    [
        Estimate(1.0, (0.0, 2.0)),
        Estimate(np.arange(3.0), (np.zeros(3), np.full(3, 4.0))),
        Prediction(np.arange(3.0), at=np.arange(3)),
        Verdict(True, "kind", "Text.", {"p": 0.1}),
        Advice("Wait.", ("one",)),
    ],
)
def test_plot_gives_a_plotly_figure_of_every_quantity(quantity):
    pytest.importorskip("plotly")
    drawn = quantity.plot()
    assert type(drawn).__name__ == "Figure"
    assert drawn.data
    assert "<b>" not in drawn.layout.title.text


def test_plot_of_a_run_takes_the_name_of_an_observable(run_of):
    pytest.importorskip("plotly")
    run = run_of({"loss": np.zeros((3, 4)), "test_accuracy": np.ones((3, 4))})
    assert "Loss" in figure(run).layout.title.text
    assert "Test accuracy" in figure(run, "test_accuracy").layout.title.text
    with pytest.raises(ConfigError, match=r"'tset_accuracy' cannot be drawn .* loss, test_accuracy"):
        figure(run, "tset_accuracy")


def test_what_has_no_figure_says_so():
    with pytest.raises(ConfigError, match=r"cannot be drawn from this object; it has: none"):
        figure(object())


def test_hostile_text_is_escaped_for_plotly():
    pytest.importorskip("plotly")
    drawn = figure(Verdict(True, "<b>k</b>", "<a href='x'>t</a>", {}))
    assert "<a" not in drawn.layout.title.text
    assert "&lt;a" in drawn.layout.title.text


def test_without_plotly_the_error_holds_the_pip_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly.graph_objects", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'thermograd\[lab\]'"):
        figure(FirstPassageTimes([1, 2], [True, True], 3))
