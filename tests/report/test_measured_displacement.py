from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from thermograd.errors import ConfigError
from thermograd.estimators.displacement_table import DisplacementTable
from thermograd.report.measured_displacement import measured_displacement, standard_error


def test_curves_and_their_error_are_those_of_the_trajectories(walk):
    curves = measured_displacement(walk)
    delta = walk.squared[..., 0] / 40
    assert curves.mean == pytest.approx(delta.mean(axis=0), nan_ok=True)
    assert standard_error(curves) == pytest.approx(delta.std(axis=0, ddof=1) / np.sqrt(6), nan_ok=True)


def test_the_error_of_one_run_is_not_known(walks):
    assert np.isnan(standard_error(measured_displacement(walks(runs=1)))).all()


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        (DisplacementTable([], [], np.zeros((1, 0, 0, 1)), [3]), "No waiting time was recorded"),
        (
            DisplacementTable([1], [1], np.full((2, 1, 1, 1), np.nan), [3]),
            "none of its 1 distances was measured",
        ),
        (DisplacementTable([1], [1], np.full((2, 1, 1, 1), np.inf), [3]), "diverged"),
    ],
)
def test_where_nothing_was_measured_there_is_a_sentence(table, sentence):
    found = measured_displacement(table)
    assert sentence in found
    assert found.endswith(".")


def test_a_window_without_waiting_times_is_a_sentence(walk):
    assert "in the window (1000000, None)" in measured_displacement(walk, waiting=(10**6, None))


def test_a_wrong_argument_is_an_error(walk):
    with pytest.raises(ConfigError, match="no group"):
        measured_displacement(walk, group="head")
    with pytest.raises(ConfigError, match="per is"):
        measured_displacement(walk, per="weight")
    with pytest.raises(ConfigError, match="no norms"):
        measured_displacement(dataclasses.replace(walk, anchor_norms=None), per="anchor")
