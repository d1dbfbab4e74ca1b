import numpy as np

from thermograd.estimators.half_step_displacement import half_step_displacement


def test_modes_of_any_curvature_have_one_temperature():
    """D = T Σ_k (1 − aʲ)/(k(1 − ηk/2)) over modes; also where η k is nearly 2."""
    curvatures, lags = np.array([0.01, 0.5, 3.0, 6.0]), np.arange(1, 30)[:, None]
    a = 1 - 0.3 * curvatures
    displacement = (0.7 * (1 - a**lags) / (curvatures * (1 - 0.15 * curvatures))).sum(axis=1)
    response = ((1 - a**lags) / curvatures).sum(axis=1)
    moved = half_step_displacement(displacement)
    assert moved.shape == (28,)
    assert np.allclose(moved / response[:-1], 0.7, rtol=1e-13)
    assert not np.allclose(displacement / response, 0.7, rtol=0.2)


def test_lags_are_the_last_axis():
    rows = np.random.default_rng(0).random((2, 3, 6))
    assert np.array_equal(half_step_displacement(rows)[1, 2], half_step_displacement(rows[1, 2]))
    assert half_step_displacement([2.0, 6.0]).tolist() == [3.0]
