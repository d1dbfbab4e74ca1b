"""The outermost eigenvalues against dense ones, for numpy and torch, with multiple eigenvalues and exhausted spaces."""

from __future__ import annotations

import numpy as np
import pytest

from thermograd.numerics.extreme_eigenpairs import extreme_eigenpairs


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_extreme_eigenpairs_of_a_deep_network_like_spectrum(symmetric, kind):
    values = np.concatenate([np.linspace(-0.5, 1, 195), [5, 8, 8.5, 20, 100.0]])
    matrix, start, basis = symmetric(values), np.ones(200), np.empty((120, 200))
    if kind == "torch":
        torch = pytest.importorskip("torch")
        matrix, start, basis = (torch.from_numpy(part) for part in (matrix, start, basis))
    calls = []

    def matvec(vector):
        calls.append(1)
        return matrix @ vector

    ritz, vectors = extreme_eigenpairs(matvec, start, basis, 5)
    assert ritz.converged
    np.testing.assert_allclose(ritz.values, [100, 20, 8.5, 8, 5], rtol=1e-10)
    vectors = np.asarray(vectors)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(5), atol=1e-10)
    residual = np.asarray(matrix) @ vectors - vectors * ritz.values
    assert np.linalg.norm(residual, axis=0).max() < 1.1e-6  # 1e-8 of 100
    assert len(calls) < 120  # stops when it is there


def test_multiple_eigenvalues_need_another_start(symmetric):
    matrix = symmetric([3.0, 3.0, 3.0, 1.0, 1.0])
    rng = np.random.default_rng(0)
    found = extreme_eigenpairs(
        lambda v: matrix @ v, rng.normal(size=5), np.zeros((5, 5)), 4, again=lambda: rng.normal(size=5)
    )[0]
    np.testing.assert_allclose(found.values, [3, 3, 3, 1], atol=1e-9)
    alone = extreme_eigenpairs(lambda v: matrix @ v, rng.normal(size=5), np.zeros((5, 5)), 4)[0]
    assert not alone.converged
    np.testing.assert_allclose(alone.values, [3, 1], atol=1e-9)


def test_a_check_at_the_moment_the_space_is_exhausted_does_not_stop(symmetric):
    """Five distinct values, each twice: the space of one start ends after 5 steps, when the first check is due."""
    matrix = symmetric([5.0, 5.0, 4.0, 4.0, 3.0, 3.0, 2.0, 2.0, 1.0, 1.0])
    rng = np.random.default_rng(1)
    ritz, _ = extreme_eigenpairs(
        lambda v: matrix @ v, rng.normal(size=10), np.zeros((10, 10)), 2, again=lambda: rng.normal(size=10)
    )
    np.testing.assert_allclose(ritz.values, [5, 5], atol=1e-9)


def test_too_few_steps_are_said_to_be_too_few(symmetric):
    matrix = symmetric(np.linspace(0, 1, 100))
    ritz, _ = extreme_eigenpairs(lambda v: matrix @ v, np.ones(100), np.zeros((12, 100)), 5)
    assert not ritz.converged
    assert ritz.residuals.max() > 1e-8


SPECTRUM = np.concatenate([[-120.0, -7.0, -3.0], np.linspace(-0.5, 1, 192), [5, 8, 8.5, 20, 100.0]])


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        ("largest", [100, 20, 8.5]),
        ("smallest", [-120, -7, -3]),
        ("magnitude", [-120, 100, 20]),
        ("both", [-120, -7, -3, 8.5, 20, 100]),
    ],
)
def test_every_end(symmetric, which, expected):
    matrix, rng = symmetric(SPECTRUM), np.random.default_rng(1)
    ritz, vectors = extreme_eigenpairs(
        lambda v: matrix @ v,
        rng.normal(size=200),
        np.empty((150, 200)),
        3,
        which,
        again=lambda: rng.normal(size=200),
    )
    assert ritz.converged
    np.testing.assert_allclose(ritz.values, expected, rtol=1e-9)
    residual = np.linalg.norm(matrix @ vectors - vectors * ritz.values, axis=0)
    assert (residual <= ritz.residuals + 1e-9).all()
    assert ritz.smallest >= -120 - 1e-9


@pytest.mark.parametrize("which", ["largest", "magnitude", "both"])
def test_copies_are_found_before_the_space_is_exhausted(symmetric, which):
    """A linear model with three outputs and squared error: every curvature three times."""
    values = np.repeat(np.concatenate([np.linspace(0, 1, 91), [2, 3, 4, 5, 6, 7, 8, 9, 30.0]]), 3)
    matrix, rng = symmetric(values), np.random.default_rng(1)
    calls = []

    def matvec(vector):
        calls.append(1)
        return matrix @ vector

    def found(again):
        calls.clear()
        return extreme_eigenpairs(
            matvec, rng.normal(size=300), np.empty((200, 300)), 5, which, tolerance=1e-6, again=again
        )[0]

    ritz = found(lambda: rng.normal(size=300))
    assert ritz.converged
    np.testing.assert_allclose(np.sort(ritz.values)[-5:], [9, 9, 30, 30, 30], rtol=1e-6)
    assert len(calls) < (350 if which == "both" else 100)
    if which != "both":  # one start sees the copies that rounding happens to bring in
        alone = found(None)
        assert alone.converged
        assert np.sort(alone.values)[-5] < 8


def test_the_search_for_copies_is_short_where_there_are_none(symmetric):
    values = np.concatenate([np.linspace(-0.5, 1, 495), [5, 8, 8.5, 20, 100.0]])
    matrix, rng = symmetric(values), np.random.default_rng(1)
    calls = []

    def matvec(vector):
        calls.append(1)
        return matrix @ vector

    def count(again):
        calls.clear()
        extreme_eigenpairs(matvec, np.ones(500), np.empty((120, 500)), 5, again=again)
        return len(calls)

    assert count(lambda: rng.normal(size=500)) - count(None) <= 10


def test_a_matrix_of_zeros():
    rng = np.random.default_rng(0)
    ritz, vectors = extreme_eigenpairs(
        lambda v: 0 * v, rng.normal(size=8), np.empty((5, 8)), 2, "both", again=lambda: rng.normal(size=8)
    )
    assert ritz.converged
    assert not ritz.values.any()
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(4), atol=1e-12)


def test_one_number():
    ritz, _ = extreme_eigenpairs(lambda v: -3.0 * v, np.ones(1), np.empty((1, 1)), 1, "smallest")
    assert ritz.values.tolist() == [-3.0]
    assert ritz.converged


def test_an_unknown_end_is_refused():
    with pytest.raises(ValueError, match="largest, smallest, magnitude, both"):
        extreme_eigenpairs(lambda v: v, np.ones(2), np.empty((2, 2)), 1, "top")
