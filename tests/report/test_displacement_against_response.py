from __future__ import annotations

import numpy as np
import pytest

from thermograd.ensemble.temperature_reading import TemperatureReading
from thermograd.report.displacement_against_response import by_name, displacement_against_response
from thermograd.report.figures import available, figures_of


@pytest.fixture
def reading(langevin):
    return lambda **groups: TemperatureReading(langevin(0.5), 1.0, 0.0, groups, 1, 0.1, 0.1, None, 10)


def test_the_slope_is_the_temperature(trace, writable, langevin):
    drawn = displacement_against_response({"cold": langevin(0.5), "hot": langevin(2.0)}, what="a parabola")
    writable(drawn)
    for name, temperature in (("cold", 0.5), ("hot", 2.0)):
        (mark,) = trace(drawn, name)
        assert np.divide(mark["y"], mark["x"]) == pytest.approx(temperature, rel=0.03)
        fit = next(entry for entry in drawn.traces if entry["name"].startswith(f"{name}, slope"))
        assert fit["y"][1] / fit["x"][1] == pytest.approx(temperature, rel=0.03)
        low, high = trace(drawn, f"{name} fit")
        assert low["y"][1] < fit["y"][1] < high["y"][1]
    assert "hot 2" in drawn.conclusion
    assert drawn.table["lag (steps)"] == [*range(1, 21), *range(1, 21)]


def test_what_has_no_temperature_has_points_and_no_line(trace, writable, langevin):
    drifting = langevin(1.0, earlier=np.full((6, 21), 9.0) + 0.01 * np.arange(6)[:, None])
    drawn = displacement_against_response({"drifting": drifting, "still": langevin(0.5)})
    writable(drawn)
    assert trace(drawn, "drifting")
    assert not any("drifting, slope" in entry["name"] for entry in drawn.traces)
    assert "drifting none (not stationary)" in drawn.conclusion
    assert displacement_against_response(drifting).conclusion == drifting.verdict.text


def test_one_row_has_a_line_without_a_band(writable, langevin):
    drawn = displacement_against_response(langevin(0.5, rows=1))
    writable(drawn)
    assert len(drawn.traces) == 2


def test_a_temperature_and_a_reading_are_drawn_by_themselves(langevin, reading):
    pytest.importorskip("plotly")
    assert {"displacement_against_response.displacement_against_response"} <= set(available())
    for thing in (langevin(0.5), reading()):
        names = [entry.name for entry in figures_of(thing)]
        assert names == ["displacement_against_response", "temperature_by_lag"]
    assert list(by_name(reading(first=langevin(0.1)))) == ["all weights", "group first"]
