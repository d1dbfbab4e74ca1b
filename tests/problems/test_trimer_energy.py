import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar

from thermograd.problems.trimer_energy import energy_and_slopes, line, triangle, trimer_energy

STRENGTHS = (0.0, 0.5, 2.0, 3.0)


def energy_of_positions(positions, strength):
    """The formula as it is written, with the angles themselves."""
    energy, product, cosines = 0.0, 1.0, 1.0
    for k in range(3):
        one, other, third = positions[k], positions[(k + 1) % 3], positions[(k + 2) % 3]
        distance = torch.linalg.vector_norm(one - other)
        energy = energy + 4 * (distance**-12 - distance**-6)
        product = product * distance
        cosines = cosines * torch.nn.functional.cosine_similarity(other - one, third - one, dim=0)
    return energy + strength * (1 + 3 * cosines) / product**3


def random_positions(count, seed=0):
    positions = torch.from_numpy(np.random.default_rng(seed).uniform(0, 2, (count, 3, 3)))
    return [each for each in positions if torch.pdist(each).min() > 0.7]


@pytest.mark.parametrize("strength", STRENGTHS)
def test_energy_is_that_of_the_angles(strength):
    positions = random_positions(200)
    assert len(positions) > 50
    expected = [float(energy_of_positions(each, strength)) for each in positions]
    found = trimer_energy(torch.stack([torch.pdist(each) for each in positions]).numpy(), strength)
    np.testing.assert_allclose(found, expected, rtol=1e-10)


@pytest.mark.parametrize("strength", STRENGTHS)
def test_slopes_are_those_of_central_differences(strength):
    """Step 1e-5 in the squared distances: an error of 1e-10 times the third derivative."""
    squares = np.array([[1.2, 1.5, 2.1], [1.4, 1.4, 1.4], [1.3, 4.9, 1.25], [2.0, 2.0, 3.9]]).T
    _, *slopes = energy_and_slopes(*squares, strength)
    for k, slope in enumerate(slopes):
        step = np.zeros((3, 1))
        step[k] = 1e-5
        above, below = (energy_and_slopes(*(squares + sign * step), strength)[0] for sign in (1, -1))
        np.testing.assert_allclose(slope, (above - below) / 2e-5, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("strength", STRENGTHS)
@pytest.mark.parametrize(("form", "sides"), [(triangle, (1, 1, 1)), (line, (1, 2, 1))])
def test_minima_are_those_of_a_search_over_the_bond(form, sides, strength):
    found = minimize_scalar(
        lambda bond: trimer_energy(bond * np.array(sides), strength),
        bounds=(0.9, 1.5),
        options={"xatol": 1e-10},
    )
    assert form(strength).energy == pytest.approx(found.fun, abs=1e-12)
    assert form(strength).bond == pytest.approx(found.x, abs=1e-6)


def test_published_numbers_of_the_two_minima():
    assert triangle().bond == pytest.approx(1.168752, abs=1e-6)
    assert triangle().energy == pytest.approx(-2.1850988, abs=1e-7)
    assert line().bond == pytest.approx(1.108763, abs=1e-6)
    assert line().energy == pytest.approx(-2.2190982, abs=1e-7)


def test_a_line_may_be_rounded():
    assert trimer_energy([1.1087, 2.2175, 1.1087]) == pytest.approx(line().energy, abs=1e-4)


@pytest.mark.parametrize("distances", [[1.0, 1.0], [0.0, 1.0, 1.0], [1.0, 1.0, 2.1], [1.0, np.nan, 1.0], 1.0])
def test_what_is_no_triangle_is_refused(distances):
    with pytest.raises(ValueError, match="distances"):
        trimer_energy(distances)
