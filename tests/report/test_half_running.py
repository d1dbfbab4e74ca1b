from __future__ import annotations

import numpy as np

from thermograd.report.half_running import BothSides, both_sides, several_rates


def sides(rate, left=1.0, steps=1000):
    return BothSides(rate, np.ones(steps), np.full(steps, left), np.full(steps, 2.0))


def test_half_running_averages_of_constants_are_the_constants(trace, writable):
    figure = both_sides(sides(0.1))
    (left,), (right,) = trace(figure, "dissipation O_L"), trace(figure, "fluctuation O_R")
    assert set(left["y"]) == {1.0}
    assert set(right["y"]) == {2.0}
    assert left["x"][0] == 1
    assert left["x"][-1] == 1000
    assert len(left["x"]) <= 300
    assert "their ratio is 0.50" in figure.conclusion
    writable(figure)


def test_a_negative_dissipation_pauses_on_the_logarithm(trace):
    (left,) = trace(both_sides(sides(0.1, left=-1.0)), "dissipation O_L")
    assert set(left["y"]) == {None}


def test_every_rate_has_a_colour_of_its_own(trace, writable):
    figure = several_rates([sides(0.1), sides(0.05, 2.0, 60)])
    colours = {trace(figure, f"O_R, η = {rate:g}")[0]["line"]["color"] for rate in (0.1, 0.05)}
    assert len(colours) == 2
    assert figure.conclusion == "At the end of each rate O_L / O_R is 0.50 at η = 0.1, 1.00 at η = 0.05."
    writable(figure)
