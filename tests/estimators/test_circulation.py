"""Area swept by trajectories, against the circulation of a linear process solved by scipy."""

import itertools

import numpy as np
import pytest
from scipy import stats

from thermograd.errors import ConfigError
from thermograd.estimators.stationary_state import circulation


def errors_of(found):
    quantile = stats.t.ppf(0.975, found.pieces - 1)
    return (found.high - found.low) / (2 * quantile) + np.eye(len(found.value))


@pytest.mark.parametrize(("trajectories", "times"), [(40, 2000), (1, 80_000), (5, 20_000)])
def test_circulation_of_recorded_steps(turning, trajectories, times):
    found = circulation(turning.simulate(trajectories, times))
    assert (np.abs(found.value - turning.circulation) < 4 * errors_of(found)).all()
    assert abs(found.value[0, 1]) > 10 * errors_of(found)[0, 1]
    assert (found.value + found.value.T == 0).all()
    assert found.note == "from recorded displacements"


def test_the_area_by_hand():
    """Mean over steps of ½ (δ ∧ Δθ), one number at a time."""
    record = np.random.default_rng(0).normal(size=(25, 8, 2))
    centre, areas = np.array([0.1, -0.2]), []
    for trajectory in record:
        for before, after in itertools.pairwise(trajectory):
            away, step = before - centre, after - before
            areas.append((away[0] * step[1] - away[1] * step[0]) / 2)
    found = circulation(record, centre=centre)
    assert found.value[0, 1] == pytest.approx(np.mean(areas), rel=1e-12)


@pytest.mark.parametrize(("trajectories", "times"), [(4000, 1), (40, 200)])
def test_circulation_from_conditional_displacements(turning, trajectories, times):
    points = turning.simulate(trajectories, times)
    found = circulation(points, conditional_displacement=turning.drift(points))
    assert (np.abs(found.value - turning.circulation) < 4 * errors_of(found)).all()
    assert found.pieces == trajectories
    assert found.note == "from conditional displacements"


def test_conditional_displacements_have_the_smaller_error_for_snapshots(turning):
    """Snapshots without and with the noise of the next step."""
    points = turning.simulate(4000, 2)
    plain = errors_of(circulation(points))
    conditional = errors_of(circulation(points[:, :1], conditional_displacement=turning.drift(points[:, :1])))
    assert conditional[0, 1] < 0.6 * plain[0, 1]


def test_backwards_in_time_the_circulation_has_the_other_sign(turning):
    points = turning.simulate(1, 50_000)
    forward, backward = circulation(points), circulation(points[:, ::-1])
    assert forward.low[0, 1] > 0 or forward.high[0, 1] < 0
    assert np.sign(forward.value[0, 1]) == -np.sign(backward.value[0, 1])


def test_in_equilibrium_nothing_circulates(resting):
    found = circulation(resting.simulate(40, 2000))
    assert resting.circulation == pytest.approx(np.zeros((3, 3)), abs=1e-12)
    assert (np.abs(found.value) < 4 * errors_of(found)).all()


def test_one_time_needs_conditional_displacements(turning):
    points = turning.simulate(30, 1)
    with pytest.raises(ConfigError, match="at least 2 are needed"):
        circulation(points)


def test_conditional_displacements_of_another_shape(turning):
    points = turning.simulate(30, 3)
    with pytest.raises(ConfigError, match=r"must be \(30, 3, 3\)"):
        circulation(points, conditional_displacement=turning.drift(points)[:, :2])


def test_a_short_record_says_so(turning):
    found = circulation(turning.simulate(1, 60))
    assert "pieces only" in found.note
