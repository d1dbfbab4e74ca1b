import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from thermograd.problems.trimer_energy import line, triangle, trimer_energy
from thermograd.problems.trimer_search import descend, distances, energy_and_gradient

BOX = 2 * 3**0.5
TRAPPED = 41
"""A start of seed 0 with two atoms 1.41 apart and the third far from both."""


def starts(count, seed=0):
    return np.random.default_rng(seed).uniform(0, BOX, (count, 9))


def test_gradient_is_that_of_automatic_differentiation():
    for start in starts(30):
        position = torch.from_numpy(start).requires_grad_()
        one, two, three = position.reshape(3, 3)
        a, b, c = ((p - q).square().sum() for p, q in ((one, two), (one, three), (two, three)))
        cosines = (a + b - c) * (a + c - b) * (b + c - a) / (8 * a * b * c)
        pairs = sum(4 * (square**-6 - square**-3) for square in (a, b, c))
        expected = pairs + 2 * (1 + 3 * cosines) * (a * b * c) ** -1.5
        (slope,) = torch.autograd.grad(expected, position)
        energy, gradient = energy_and_gradient(start, 2.0)
        assert energy == pytest.approx(float(expected.detach()), rel=1e-10, abs=1e-12)
        np.testing.assert_allclose(gradient, slope, rtol=1e-9, atol=1e-11 * np.abs(slope.numpy()).max())
        assert energy == pytest.approx(float(trimer_energy(distances(start))), rel=1e-10, abs=1e-12)


def test_atoms_in_one_place_have_finite_forces():
    energy, gradient = energy_and_gradient(np.zeros(9), 2.0)
    assert energy > 0
    assert np.isfinite(gradient).all()


def test_a_path_begins_at_the_start_and_ends_at_the_minimum_of_its_label():
    for start in starts(40):
        descent = descend(start, 2.0)
        np.testing.assert_array_equal(descent.path[0], distances(start))
        end = descent.path[-1]
        bond, energy = line() if descent.label else triangle()
        assert descent.energy == pytest.approx(energy, abs=1e-6)
        expected = np.full(3, bond)
        if descent.label:
            expected[descent.label - 1] *= 2
        np.testing.assert_allclose(end, expected, atol=2e-3)


def test_the_first_step_of_length_one_is_a_trap_and_twenty_short_ones_lead_out():
    start = starts(TRAPPED + 1)[TRAPPED]
    alone = minimize(energy_and_gradient, start, args=(2.0,), jac=True, method="L-BFGS-B")
    assert sorted(distances(start))[0] == pytest.approx(2**0.5, abs=0.01)
    assert alone.fun > -0.5  # two atoms, far from minima near -2.2
    np.testing.assert_allclose(alone.x, start, atol=1e-3)
    descent = descend(start, 2.0)
    assert descent.label is not None
    assert descent.energy == pytest.approx((line() if descent.label else triangle()).energy, abs=1e-6)
    np.testing.assert_array_equal(descent.path[0], distances(start))
    assert np.abs(descent.path[1:] - distances(start)).max(axis=1).min() > 1e-2


def test_about_three_percent_are_trapped():
    """Without the way out; 33 of 1000 by count, and 4 standard errors of 500 are 0.03."""
    trapped = 0
    for start in starts(500, seed=1):
        alone = minimize(energy_and_gradient, start, args=(2.0,), jac=True, method="L-BFGS-B")
        trapped += np.abs(alone.x - start).max() < 1e-3
    assert 0.01 < trapped / 500 < 0.06


def test_without_the_three_body_term_the_triangle_is_the_only_minimum():
    assert {descend(start, 0.0).label for start in starts(50)} == {0}


def test_atoms_too_far_apart_to_feel_each_other_reach_nothing():
    descent = descend(300 * starts(1)[0], 2.0)
    assert descent.label is None
    assert abs(descent.energy) < 1e-6
