"""The Krylov space and its quadrature against dense algebra."""

from __future__ import annotations

import numpy as np

from thermograd.numerics.krylov import lanczos, quadrature


def test_recurrence_and_orthogonality(symmetric):
    matrix = symmetric(np.linspace(-1, 3, 40))
    basis = np.zeros((15, 40))
    diagonal, off, rows = lanczos(lambda v: matrix @ v, np.ones(40), basis)
    assert rows == 15
    np.testing.assert_allclose(basis @ basis.T, np.eye(15), atol=1e-13)
    inside = np.diag(diagonal) + np.diag(off[:-1], 1) + np.diag(off[:-1], -1)
    np.testing.assert_allclose(basis @ matrix @ basis.T, inside, atol=1e-12)


def test_quadrature_gives_the_quadratic_forms_of_powers(symmetric):
    rng = np.random.default_rng(2)
    matrix, start = symmetric(rng.normal(size=30)), rng.normal(size=30)
    diagonal, off, _ = lanczos(lambda v: matrix @ v, start, np.zeros((6, 30)))
    nodes, weights = quadrature(diagonal, off)
    unit = start / np.linalg.norm(start)
    for power in range(12):
        expected = unit @ np.linalg.matrix_power(matrix, power) @ unit
        np.testing.assert_allclose(weights @ nodes**power, expected, rtol=1e-10, atol=1e-12)
    beyond = unit @ np.linalg.matrix_power(matrix, 12) @ unit
    assert abs(weights @ nodes**12 / beyond - 1) > 1e-6  # degree 2n is one too many
