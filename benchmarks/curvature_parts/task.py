"""The trained network, its batches, and the bare double backward pass."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import thermograd as tg

torch.set_num_threads(1)
SIZES = (100, 1500)
Batch = tuple[Tensor, Tensor]


@functools.cache
def digits() -> Batch:
    """Images over 16, and what they show."""
    loaded = load_digits()
    return torch.tensor(loaded.data / 16, dtype=torch.float32), torch.tensor(loaded.target)


@functools.cache
def network() -> nn.Module:
    """After 150 steps of SGD."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 200), nn.Tanh(), nn.Linear(200, 200), nn.Tanh(), nn.Linear(200, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x, y = digits()
    for _ in range(150):
        chosen = torch.randint(1500, (100,))
        optimizer.zero_grad()
        cross_entropy(model(x[chosen]), y[chosen]).backward()
        optimizer.step()
    optimizer.zero_grad()
    return model


def batch(size: int) -> Batch:
    """The first images."""
    x, y = digits()
    return x[:size], y[:size]


def batches() -> list[Batch]:
    """15 of 100."""
    x, y = digits()
    return [(x[first : first + 100], y[first : first + 100]) for first in range(0, 1500, 100)]


def ours(data: list[Batch], **options: object) -> tg.Hessian:
    """The Hessian of the mean loss."""
    model = network()
    return tg.Hessian(model, lambda batch: cross_entropy(model(batch[0]), batch[1]), data, **options)


def vector(seed: int = 0) -> Tensor:
    """Of the size of the network."""
    size = sum(value.numel() for value in network().parameters())
    return torch.randn(size, generator=torch.Generator().manual_seed(seed))


def bare(data: Batch) -> Callable[[], Tensor]:
    """H v from a graph that was made once, a flat vector in and out."""
    model = network()
    parameters = list(model.parameters())
    slopes = torch.autograd.grad(cross_entropy(model(data[0]), data[1]), parameters, create_graph=True)
    flat, sizes = vector(), [value.numel() for value in parameters]

    def product() -> Tensor:
        parts = [
            part.view(value.shape) for part, value in zip(torch.split(flat, sizes), parameters, strict=True)
        ]
        found = torch.autograd.grad(slopes, parameters, grad_outputs=parts, retain_graph=True)
        return torch.cat([part.reshape(-1) for part in found])

    return product
