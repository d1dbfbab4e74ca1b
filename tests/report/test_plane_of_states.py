"""A plane of states whose contours, arrows and counts are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from thermograd.report.plane_of_states import PlaneOfStates, plane_of_states

COVARIANCE = np.array([[2.0, 0.6], [0.6, 0.5]])
MEAN = np.array([0.3, -0.2])


@pytest.fixture
def plane():
    rng = np.random.default_rng(0)
    return PlaneOfStates(
        name="known",
        title="a known one",
        axes=("first", "second"),
        weights=rng.multivariate_normal(MEAN, COVARIANCE, size=20_000),
        mean=MEAN,
        covariance=COVARIANCE,
        circulation=np.array([[0.0, 0.1], [-0.1, 0.0]]),
        loss_hessian=np.diag([1.0, 4.0]),
        minimum=np.zeros(2),
    )


def outline(entry):
    return np.array([entry["x"], entry["y"]], float)


def test_density_falls_by_10_from_contour_to_contour(plane, trace, writable):
    figure = plane_of_states(plane)
    writable(figure)
    contours = trace(figure, "theory, density / 10")
    for place, entry in enumerate(contours, start=1):
        away = outline(entry).T - MEAN
        density = np.exp(-np.einsum("ti,ij,tj->t", away, np.linalg.inv(COVARIANCE), away) / 2)
        assert density == pytest.approx(10.0**-place, rel=1e-4)
    assert len(contours) == 3


def test_loss_is_the_same_along_its_contours_and_grows_evenly(plane, trace):
    levels = []
    for entry in trace(plane_of_states(plane), "loss"):
        along = np.einsum("it,ij,jt->t", outline(entry), plane.loss_hessian, outline(entry))
        assert along == pytest.approx(along[0], rel=1e-4)
        levels.append(along[0])
    assert levels[1] / levels[0] == pytest.approx(2, rel=1e-4)
    assert levels[2] / levels[0] == pytest.approx(3, rel=1e-4)


def test_arrows_follow_the_current(plane, trace):
    """Along −CΣ⁻¹δ: round the ellipse, on no arrow towards the centre."""
    shafts = next(entry for entry in trace(plane_of_states(plane), "current") if "lines" in entry["mode"])
    x, y = (np.array(shafts[axis], float).reshape(-1, 3)[:, :2] for axis in ("x", "y"))
    foot = np.stack([x[:, 0], y[:, 0]], axis=1) - MEAN
    step = np.stack([x[:, 1] - x[:, 0], y[:, 1] - y[:, 0]], axis=1)
    inverse = np.linalg.inv(COVARIANCE)
    current = -foot @ inverse @ plane.circulation.T
    cosine = (current * step).sum(axis=1) / np.linalg.norm(current, axis=1) / np.linalg.norm(step, axis=1)
    assert cosine == pytest.approx(1, abs=1e-3)
    outwards = np.abs(((foot @ inverse) * step).sum(axis=1))
    assert np.all(outwards < 1e-3 * np.linalg.norm(step, axis=1))


def test_an_equilibrium_has_no_arrows(plane, trace):
    still = replace(plane, circulation=np.zeros((2, 2)))
    assert trace(plane_of_states(still), "current") == []


def test_the_conclusion_compares_spreads(plane):
    wide = replace(plane, weights=MEAN + 2 * (plane.weights - MEAN))
    ratio = plane_of_states(wide).conclusion.split("deviation ")[1].split(";")[0].split(" and ")
    assert [float(part) for part in ratio] == pytest.approx([2, 2], rel=0.03)  # 4 sigma: 2 %


def test_the_picture_reaches_to_a_minimum_far_away(plane):
    figure = plane_of_states(replace(plane, minimum=np.array([50.0, 0.0])))
    assert figure.layout["xaxis"]["range"][1] > 50
