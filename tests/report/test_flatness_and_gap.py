from __future__ import annotations

import numpy as np
import pytest

from thermograd.estimators.landscape import Correlation, flatness_correlation
from thermograd.quantities import Estimate
from thermograd.report.flatness_and_gap import TrainedNetworks, flatness_and_gap


def networks(slope=1.0, seed=0):
    rng = np.random.default_rng(seed)
    found = []
    for depth in (1, 2, 3):
        for samples in (250, 1000):
            traces = rng.gamma(4.0, 20.0 * depth, 8)
            gaps = slope * traces / samples + 0.02 * rng.normal(size=8)
            found.append(TrainedNetworks(f"H = {depth}", samples, traces, gaps))
    return found


def test_every_run_is_a_marker_with_the_shape_of_its_size(trace, writable):
    given = networks()
    figure = flatness_and_gap(given)
    writable(figure)
    runs, _ = trace(figure, "H = 2")
    first, second = given[2], given[3]
    assert runs["x"] == pytest.approx([*(first.traces / 250), *(second.traces / 1000)], rel=1e-6)
    assert runs["y"] == pytest.approx([*first.gaps, *second.gaps], rel=1e-6)
    assert runs["marker"]["symbol"] == ["circle"] * 8 + ["square"] * 8
    assert runs["showlegend"] is False
    shapes = {size: trace(figure, f"N = {size}")[0]["marker"]["symbol"] for size in (250, 1000)}
    assert shapes == {250: "circle", 1000: "square"}
    assert figure.table["N"].count(250) == 24
    assert figure.table["tr H / N"] == pytest.approx(np.array(figure.table["tr H"]) / figure.table["N"])


def test_the_correlation_is_that_of_the_estimator():
    figure = flatness_and_gap(networks())
    table = figure.table
    found = flatness_correlation(table["tr H"], table["test − training loss"], table["N"])
    assert f"Spearman's {found.spearman.value:.3g} (" in figure.conclusion
    assert f"Pearson's {found.pearson.value:.3g} (" in figure.conclusion
    assert figure.conclusion.endswith("over 48 runs, " + figure.conclusion.split("runs, ")[1])
    assert "the gap grows with the trace." in figure.conclusion


def test_no_relation_cannot_be_decided_and_a_falling_one_is_said():
    """Negative control."""
    assert "cannot decide" in flatness_and_gap(networks(0.0)).conclusion
    assert "falls" in flatness_and_gap(networks(-1.0)).conclusion
    given = Correlation(Estimate(0.5, (0.1, 0.8)), Estimate(0.4, (-0.1, 0.7)))
    assert "cannot decide" in flatness_and_gap(networks(), correlation=given).conclusion


def test_axis_is_logarithmic_only_for_positive_traces_far_apart():
    near = flatness_and_gap([TrainedNetworks("a", 10, [1.0, 2.0, 3.0, 4.0], [0.1, 0.2, 0.3, 0.4])])
    assert near.layout["xaxis"].get("type") is None
    below = flatness_and_gap([TrainedNetworks("a", 10, [-1.0, 2.0, 3.0, 400.0], [0.1, 0.2, 0.3, 0.4])])
    assert below.layout["xaxis"].get("type") is None
    far = flatness_and_gap([TrainedNetworks("a", 10, [1.0, 2.0, 3.0, 400.0], [0.1, 0.2, 0.3, 0.4])])
    assert far.layout["xaxis"]["type"] == "log"


def test_diverged_runs_are_left_out_of_the_drawing(trace, writable):
    figure = flatness_and_gap([TrainedNetworks("a", 10, [1.0, np.nan, 3.0], [0.1, 0.2, np.inf])])
    writable(figure)
    assert trace(figure, "a")[0]["x"] == [0.1]
    assert len(figure.table["N"]) == 3
    assert figure.conclusion == "1 runs are too few for a correlation."


@pytest.mark.parametrize("given", [[], [TrainedNetworks("a", 10, [np.nan], [0.1])]])
def test_nothing_has_no_markers(given, writable):
    figure = flatness_and_gap(given)
    writable(figure)
    assert figure.traces == ()
    assert figure.conclusion == "No run has both a trace and a gap."
