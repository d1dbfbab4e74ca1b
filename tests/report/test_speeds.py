"""Marks, bars and the sentence of the speeds of engines."""

from __future__ import annotations

from thermograd.report.speeds import Speeds, speeds


def test_marks_stand_at_medians_with_bars_to_the_extremes(trace, writable):
    measured = {
        "small, one": {"by hand": (1.0, 2.0, 4.0), "kernel": (100.0, 200.0, 300.0)},
        "wide": {"by hand": (5.0,)},
    }
    figure = speeds(Speeds(measured))
    (mark,) = trace(figure, "by hand")
    assert mark["x"] == [2.0, 5.0]
    assert mark["y"] == [0, 1]
    assert mark["error_x"] == {"array": [2.0, 0.0], "arrayminus": [1.0, 0.0]}
    assert figure.layout["yaxis"]["ticktext"] == ["small,<br>one", "wide"]
    assert figure.conclusion.startswith(
        "small, one: kernel 2e+02 a second, 1e+02 times by hand; wide: by hand 5"
    )
    assert figure.table["network"] == ["small, one", "small, one", "wide"]
    writable(figure)
