from __future__ import annotations

import numpy as np
import pytest

from thermograd.estimators.fluctuation_dissipation import landscape_response as fitted
from thermograd.report.figures import figures_of
from thermograd.report.landscape_response import samplers_compared


def test_the_envelope_is_drawn_where_a_quadratic_loss_is_stable(trace, writable):
    rates = np.array([0.1, 0.2, 0.4, 1.5])
    response = fitted(rates, rates, 0.01 * rates, sampling="with_replacement", largest_curvature=2.0)
    (figure,) = figures_of(response)
    low, high = trace(figure, "a quadratic loss allows")
    assert low["x"] == [0.1, 0.2, 0.4]
    assert high["y"][0] == pytest.approx(low["y"][0] / (1 - 0.1), rel=1e-6)
    mark = trace(figure, "squared gradient")[0]
    assert mark["error_y"]["array"] == pytest.approx(0.01 * rates)
    writable(figure)


def test_samplers_are_compared_with_a_sentence_each(writable):
    rates = np.array([0.1, 0.2, 0.4])
    found = {
        name: fitted(rates, size * rates, sampling=sampling)
        for name, size, sampling in (
            ("independent", 1, "with_replacement"),
            ("shuffled", 0.1, "without_replacement"),
        )
    }
    figure = samplers_compared(found)
    assert figure.conclusion.startswith("Independent: ")
    assert "Shuffled: " in figure.conclusion
    assert figure.table["batches"] == ["independent"] * 3 + ["shuffled"] * 3
    writable(figure)
