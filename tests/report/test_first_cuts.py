from __future__ import annotations

import math

from thermograd.report.first_cuts import FirstCuts, first_cuts


def test_first_cuts_are_over_the_truth_and_a_run_that_never_cut_stands_at_the_horizon(trace, writable):
    figure = first_cuts(FirstCuts(100.0, {"one, two": (110.0, math.inf), "never": (math.inf,) * 2}, 500))
    (mark,) = trace(figure, "one, two")
    assert mark["x"] == [1.1, 5.0]
    assert mark["marker"]["symbol"] == ["circle", "triangle-right-open"]
    assert figure.conclusion == "one, two: 1.10 to 1.10 in 1 seeds, never in 1; never: never in 2 of 2 seeds."
    assert figure.layout["yaxis"]["ticktext"] == ["one,<br>two", "never"]
    writable(figure)
