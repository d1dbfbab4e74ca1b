"""The two linear classifiers: their data, and the loss by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from thermograd.problems.digits_linear import DigitsLinear
from thermograd.problems.functional import FunctionalProblem
from thermograd.problems.mnist_linear import MnistLinear


def test_digits_are_pooled_and_scaled():
    from sklearn.datasets import load_digits

    problem = DigitsLinear().build()
    images = load_digits().images
    assert problem.train[0].shape == (1600, 16)
    np.testing.assert_allclose(problem.train[0][5, 6].item(), images[5, 2:4, 4:6].mean() / 16)
    assert problem.train[1].sum(1).eq(1).all()
    functional = FunctionalProblem(problem, "float64", "cpu")
    assert functional.parameters == 160
    weights, _ = functional.draw_initial(3)
    matrix = next(iter(weights.values()))
    away = problem.train[1] - problem.train[0] @ matrix.T
    expected = away.square().sum(1).mean() + 0.01 * matrix.square().sum()
    torch.testing.assert_close(functional.mean_loss(weights, functional.train), expected)


def test_mnist_is_pooled_to_49_pixels(named_data):
    problem = MnistLinear(train_samples=200).build()
    assert problem.train[0].shape == (200, 49)
    assert 0 <= problem.train[0].min() < problem.train[0].max() <= 1


@pytest.mark.parametrize("bad", [0, 1798, 2.5, "all"])
def test_number_of_samples(bad):
    with pytest.raises(ValueError, match="train_samples"):
        DigitsLinear(train_samples=bad)
