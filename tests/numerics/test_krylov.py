"""Lanczos against dense eigenvalues, for numpy and torch, with multiple eigenvalues and exhausted spaces."""

from __future__ import annotations

import numpy as np
import pytest

from thermograd.numerics.krylov import lanczos, largest_eigenpairs


def symmetric(values, seed=0):
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(len(values), len(values))))[0]
    return turn @ np.diag(values) @ turn.T


def test_recurrence_and_orthogonality():
    matrix = symmetric(np.linspace(-1, 3, 40))
    basis = np.zeros((15, 40))
    diagonal, off, rows = lanczos(lambda v: matrix @ v, np.ones(40), basis)
    assert rows == 15
    np.testing.assert_allclose(basis @ basis.T, np.eye(15), atol=1e-13)
    inside = np.diag(diagonal) + np.diag(off[:-1], 1) + np.diag(off[:-1], -1)
    np.testing.assert_allclose(basis @ matrix @ basis.T, inside, atol=1e-12)


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_largest_eigenpairs_of_a_deep_network_like_spectrum(kind):
    values = np.concatenate([np.linspace(-0.5, 1, 195), [5, 8, 8.5, 20, 100.0]])
    matrix, start, basis = symmetric(values), np.ones(200), np.empty((120, 200))
    if kind == "torch":
        torch = pytest.importorskip("torch")
        matrix, start, basis = (torch.from_numpy(part) for part in (matrix, start, basis))
    calls = []

    def matvec(vector):
        calls.append(1)
        return matrix @ vector

    ritz, vectors = largest_eigenpairs(matvec, start, basis, 5)
    assert ritz.converged
    np.testing.assert_allclose(ritz.values, [100, 20, 8.5, 8, 5], rtol=1e-10)
    vectors = np.asarray(vectors)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(5), atol=1e-10)
    residual = np.asarray(matrix) @ vectors - vectors * ritz.values
    assert np.linalg.norm(residual, axis=0).max() < 1.1e-6  # 1e-8 of 100
    assert len(calls) < 120  # stops when it is there


def test_multiple_eigenvalues_need_another_start():
    matrix = symmetric([3.0, 3.0, 3.0, 1.0, 1.0])
    rng = np.random.default_rng(0)
    found = largest_eigenpairs(
        lambda v: matrix @ v, rng.normal(size=5), np.zeros((5, 5)), 4, again=lambda: rng.normal(size=5)
    )[0]
    np.testing.assert_allclose(found.values, [3, 3, 3, 1], atol=1e-9)
    alone = largest_eigenpairs(lambda v: matrix @ v, rng.normal(size=5), np.zeros((5, 5)), 4)[0]
    assert not alone.converged
    np.testing.assert_allclose(alone.values, [3, 1], atol=1e-9)


def test_a_check_at_the_moment_the_space_is_exhausted_does_not_stop():
    """Five distinct values, each twice: the space of one start ends after 5 steps, when the first check is due."""
    matrix = symmetric([5.0, 5.0, 4.0, 4.0, 3.0, 3.0, 2.0, 2.0, 1.0, 1.0])
    rng = np.random.default_rng(1)
    ritz, _ = largest_eigenpairs(
        lambda v: matrix @ v, rng.normal(size=10), np.zeros((10, 10)), 2, again=lambda: rng.normal(size=10)
    )
    np.testing.assert_allclose(ritz.values, [5, 5], atol=1e-9)


def test_too_few_steps_are_said_to_be_too_few():
    matrix = symmetric(np.linspace(0, 1, 100))
    ritz, _ = largest_eigenpairs(lambda v: matrix @ v, np.ones(100), np.zeros((12, 100)), 5)
    assert not ritz.converged
    assert ritz.residuals.max() > 1e-8
