"""All and the outermost eigenvalues of the Hessian of a live model, against dense algebra and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss

import thermograd as tg
from thermograd.problems.nonlinear_regression import NonlinearRegression

SPECTRUM = np.concatenate([[-9.0, -4.0, -1.0], np.linspace(-0.2, 0.5, 110), [2, 3, 5, 8, 20, 60, 61.0]])


def test_full_spectrum_of_a_quadratic(quadratic):
    hessian, matrix = quadratic()
    assert hessian.shape == (120, 120)
    found = hessian.eigenvalues(vectors=True)
    np.testing.assert_allclose(found.values, np.sort(SPECTRUM), atol=1e-9)
    np.testing.assert_allclose(
        matrix @ found.vectors.numpy(), found.vectors.numpy() * found.values, atol=1e-9
    )
    assert found.converged
    assert found.matvecs == hessian.matvecs == 120
    np.testing.assert_allclose(hessian.dense(block=7).numpy(), matrix, atol=1e-12)


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        ("largest", [61, 60, 20]),
        ("smallest", [-9, -4, -1]),
        ("magnitude", [61, 60, 20]),
        ("both", [-9, -4, -1, 20, 60, 61]),
    ],
)
def test_outermost_of_a_quadratic(which, expected, quadratic):
    hessian, matrix = quadratic()
    found = hessian.eigenvalues(3, which, vectors=True)
    assert found.converged
    np.testing.assert_allclose(found.values, expected, rtol=1e-6)
    assert (np.abs(found.values - expected) <= found.residuals + 1e-12).all()
    vectors = found.vectors.numpy()
    assert np.linalg.norm(matrix @ vectors - vectors * found.values, axis=0).max() <= 1e-6 * 61
    assert found.matvecs == hessian.matvecs < 120


def test_too_few_steps_are_said_to_be_too_few(quadratic):
    hessian, _ = quadratic()
    with pytest.warns(RuntimeWarning, match="3 eigenvalues have not converged in 5 steps"):
        found = hessian.eigenvalues(3, max_steps=5)
    assert not found.converged
    assert "not converged" in str(found)
    for value, residual in zip(found.values, found.residuals, strict=True):
        assert np.abs(SPECTRUM - value).min() <= residual


def test_curvatures_of_several_outputs_count_as_often_as_there_are_outputs():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(200, 30, generator=generator, dtype=torch.float64) * torch.linspace(3, 1, 30)
    model = nn.Linear(30, 3, bias=False).double()
    hessian = tg.Hessian(model, lambda batch: mse_loss(model(batch[0]), batch[1]), [(x, x[:, :3])])
    expected = np.sort(np.repeat(np.linalg.eigvalsh((x.T @ x).numpy() * 2 / 600), 3))[::-1]
    np.testing.assert_allclose(hessian.eigenvalues(7).values, expected[:7], rtol=1e-6)


def test_seven_parameters_at_their_recorded_minimum(recorded_regression):
    """Numbers of an independent program."""
    x, y, minimum = recorded_regression
    problem = NonlinearRegression(x=x, y=y).build()
    model = problem.model().double()
    nn.utils.vector_to_parameters(torch.from_numpy(minimum), model.parameters())

    def loss(batch):
        decay = problem.regulariser * sum(value.square().sum() for value in model.parameters())
        return problem.loss(model(batch[0]), batch[1]).mean() + decay

    hessian = tg.Hessian(model, loss, [problem.train])
    known = [
        55.02366428,
        58.51554271,
        397.25436874,
        1848.56410047,
        3097.66637326,
        24658.45687005,
        28317.70872413,
    ]
    np.testing.assert_allclose(hessian.eigenvalues().values, known, rtol=1e-9)
    np.testing.assert_allclose(hessian.eigenvalues(7, "smallest").values, known, rtol=1e-7)
    trace = hessian.trace()
    assert trace.value == pytest.approx(sum(known), rel=1e-9)
    assert trace.low == trace.high


def test_softmax_regression(classes):
    """Trace = mean (1 − Σp²)(|x|² + 1); outermost eigenvalues against a product in numpy."""
    x, y = classes(samples=300, features=20, kinds=7)
    torch.manual_seed(0)
    model = nn.Linear(20, 7).double()
    hessian = tg.Hessian(model, lambda batch: cross_entropy(model(batch[0]), batch[1]), [(x, y)])
    with torch.no_grad():
        p = torch.softmax(model(x), 1).numpy()
    wide = np.concatenate([x.numpy(), np.ones((300, 1))], axis=1)
    blocks = np.einsum("ia,ab->iab", p, np.eye(7)) - np.einsum("ia,ib->iab", p, p)
    dense = np.einsum("iab,if,ig->afbg", blocks, wide, wide) / 300  # class, feature and bias
    order = [(a, f) for a in range(7) for f in range(20)] + [(a, 20) for a in range(7)]
    places = [a * 21 + f for a, f in order]
    matrix = dense.reshape(147, 147)[np.ix_(places, places)]
    exact = float(((1 - np.square(p).sum(1)) * np.square(wide).sum(1)).mean())
    assert hessian.trace(matvecs=147).value == pytest.approx(exact, rel=1e-12)
    np.testing.assert_allclose(hessian.dense().numpy(), matrix, atol=1e-13)
    np.testing.assert_allclose(hessian.eigenvalues(5).values, np.linalg.eigvalsh(matrix)[::-1][:5], rtol=1e-6)
    estimate = hessian.trace()
    assert estimate.low < exact < estimate.high
    assert estimate.high - estimate.low < exact
