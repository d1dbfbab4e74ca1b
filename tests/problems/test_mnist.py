from __future__ import annotations

import numpy as np
import pytest
import torch

from thermograd.errors import MissingDataError
from thermograd.problems import MNIST
from thermograd.problems.mnist_images import read_mnist


def test_it_is_the_published_perceptron():
    """784-200-200-10: 157 000 + 40 200 + 2010 parameters."""
    network = MNIST()._network()
    assert sum(weights.numel() for weights in network.parameters()) == 199_210
    bound = (6 / (784 + 200)) ** 0.5
    assert network[0].weight.abs().max() <= bound
    assert network[0].weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.01)
    assert not network[0].bias.any()


def test_pixels_are_standardised_with_the_numbers_of_the_training_images(named_data):
    problem = MNIST(train_samples=300, test_samples=50).build()
    assert problem.train[0].shape == (300, 784)
    assert problem.train[0].mean().item() == pytest.approx(0, abs=1e-5)
    assert problem.train[0].std(correction=0).item() == pytest.approx(1, abs=1e-5)
    raw = read_mnist()
    mean, deviation = raw.train.images[:300].mean(), raw.train.images[:300].std()
    expected = (raw.test.images[7].reshape(-1) - mean) / deviation
    assert np.allclose(problem.test[0][7], expected, atol=1e-5)
    assert problem.train[1].dtype == torch.int64


def test_wrong_sizes_and_missing_data_are_said(monkeypatch):
    with pytest.raises(ValueError, match="train_samples is 0"):
        MNIST(train_samples=0)
    with pytest.raises(ValueError, match=r"hidden is \(20, 0\); layer widths"):
        MNIST(hidden=(20, 0))
    monkeypatch.delenv("THERMOGRAD_DATA", raising=False)
    with pytest.raises(MissingDataError, match="THERMOGRAD_DATA"):
        MNIST().build()
