from __future__ import annotations

import pytest

from thermograd.report.temperature_by_lag import temperature_by_lag


def test_every_lag_has_its_temperature_and_the_ends_are_marked(trace, writable, langevin):
    found = langevin(0.5)
    drawn = temperature_by_lag({"sgd": found}, noise_memory={"sgd": 5.0})
    writable(drawn)
    curve = next(entry for entry in trace(drawn, "sgd") if entry["line"]["width"] == 2)
    assert curve["y"] == pytest.approx(found.curve, rel=1e-6)
    (short,), (long,) = trace(drawn, "sgd, short"), trace(drawn, "sgd, long")
    assert (short["x"], long["x"]) == ([1], [20])
    assert short["error_y"]["array"] == pytest.approx([found.short.high - found.short.value], rel=1e-5)
    assert trace(drawn, "sgd, fit")[0]["y"] == pytest.approx([found.fit.value] * 2, rel=1e-6)
    (shade,) = drawn.layout["shapes"]
    assert shade["x1"] == pytest.approx(5)
    assert drawn.conclusion == found.verdict.text


def test_memory_is_shaded_where_there_is_one(writable, langevin):
    both = {"plain": langevin(0.5), "persistent": langevin(1.0)}
    assert temperature_by_lag(both).layout["shapes"] == []
    assert temperature_by_lag(both, noise_memory=1).layout["shapes"] == []
    assert len(temperature_by_lag(both, noise_memory=3).layout["shapes"]) == 1
    beyond = temperature_by_lag(both, noise_memory={"plain": 1, "persistent": 99})
    assert [shade["x1"] for shade in beyond.layout["shapes"]] == [20.0]
    assert "plain 0.5" in beyond.conclusion


def test_without_fit_only_the_shortest_lag_is_marked(trace, writable, langevin):
    """Negative control: lags inside the memory of the batches give no temperature of all lags."""
    drawn = temperature_by_lag(langevin(0.5, noise_memory=10), noise_memory=10)
    writable(drawn)
    assert trace(drawn, "T, short")
    assert not trace(drawn, "T, long")
    assert not trace(drawn, "T, fit")
