from __future__ import annotations

import pytest
import torch

from thermograd.errors import MissingDataError
from thermograd.problems import CIFAR10Convolutional
from thermograd.problems.cifar10_convolutional import three_convolutions
from thermograd.problems.cifar10_images import read_cifar10


def test_it_is_the_published_network():
    """16·(75+1) + 20·(400+1) + 20·(500+1) + 10·(320+1) parameters; sides 32, 16, 8, 4."""
    network = three_convolutions()
    assert sum(weights.numel() for weights in network.parameters()) == 22_466
    sides = []
    for layer in network:
        if isinstance(layer, torch.nn.MaxPool2d):
            layer.register_forward_hook(lambda module, inputs, output: sides.append(tuple(output.shape[1:])))
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    assert sides == [(16, 16, 16), (20, 8, 8), (20, 4, 4)]
    assert not network[0].bias.any()
    assert network[0].weight.abs().max() <= (6 / (75 + 16 * 25)) ** 0.5


def test_pixels_lie_between_minus_1_and_1(named_data):
    problem = CIFAR10Convolutional(train_samples=40, test_samples=10).build()
    raw = read_cifar10().train.images[:40]
    assert problem.train[0].min().item() == pytest.approx(-1 + raw.min() / 127.5)
    assert problem.train[0].max().item() == pytest.approx(-1 + raw.max() / 127.5)
    assert problem.train[0].shape == (40, 3, 32, 32)


def test_wrong_sizes_and_missing_data_are_said(monkeypatch):
    with pytest.raises(ValueError, match=r"test_samples is 1\.5"):
        CIFAR10Convolutional(test_samples=1.5)
    monkeypatch.delenv("THERMOGRAD_DATA", raising=False)
    with pytest.raises(MissingDataError, match="THERMOGRAD_DATA"):
        CIFAR10Convolutional().build()
