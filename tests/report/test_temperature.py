from __future__ import annotations

from thermograd.report.temperature import temperature
from thermograd.report.watched_training import WatchedTraining


def test_what_cannot_be_shown_on_a_logarithm_pauses(history, block, trace):
    (figure,) = temperature(WatchedTraining([*history, block(80, 0.01, -0.5, "approaching")]))
    assert trace(figure, "dissipation")[0]["y"][-1] is None
    assert trace(figure, "fluctuation")[0]["y"][-1] > 0
    assert (
        "fluctuation is 0.1 and the dissipation -0.05; temperature 0.0001 per parameter" in figure.conclusion
    )


def test_an_optimizer_without_a_temperature_has_one_panel(history):
    (figure,) = temperature(WatchedTraining([entry | {"temperature": None} for entry in history]))
    assert "yaxis2" not in figure.layout
    assert "temperature" not in figure.conclusion
