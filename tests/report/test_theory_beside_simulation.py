from __future__ import annotations

import numpy as np
import pytest

from thermograd.report.theory_beside_simulation import Elements, theory_beside_simulation

PREDICTED = np.array([1.0, -0.5, 0.0, 2.0])


def elements(name, shift):
    measured = PREDICTED + np.array([0.0, 0.1, -0.1, 0.0]) + shift
    return Elements(name, PREDICTED, measured, measured - 0.2, measured + 0.3)


def test_elements_beside_the_diagonal(trace, writable):
    figure = theory_beside_simulation([elements("near", 0), elements("off", 1)], "Covariance", "a unit")
    writable(figure)
    near = trace(figure, "near")[0]
    assert near["x"] == PREDICTED.tolist()
    assert near["y"] == pytest.approx([1.0, -0.4, -0.1, 2.0])
    assert near["error_y"]["array"] == pytest.approx([0.3] * 4)
    assert near["error_y"]["arrayminus"] == pytest.approx([0.2] * 4)
    equal = trace(figure, "equal")[0]
    assert equal["x"] == equal["y"]
    assert "100 % (near), 0 % (off)" in figure.conclusion
    assert figure.name == "elements_covariance"
    assert len(figure.table["dynamics"]) == len(figure.table["to"]) == 8


def test_elements_that_are_all_0_can_be_drawn(writable):
    nothing = np.zeros(3)
    writable(
        theory_beside_simulation([Elements("still", nothing, nothing, nothing, nothing)], "Circulation", "u")
    )
