"""What the tests of this folder have in common: small models, parameters of awkward strides, naive references."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import nn

import thermograd as tg

SPECTRUM = np.concatenate([[-9.0, -4.0, -1.0], np.linspace(-0.2, 0.5, 110), [2, 3, 5, 8, 20, 60, 61.0]])


def turned(values, seed=0):
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(len(values), len(values))))[0]
    return torch.from_numpy(turn @ np.diag(values) @ turn.T)


@pytest.fixture(name="turned")
def give_turned():
    return turned


def quadratic(values=SPECTRUM, seed=0):
    """H = the matrix, of a parameter in two pieces."""
    matrix = turned(values, seed)
    generator = torch.Generator().manual_seed(1)
    size = len(values)
    pieces = [
        torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)
        for shape in ((2, size // 2 - 1), (size - 2 * (size // 2 - 1),))
    ]

    def loss():
        place = torch.cat([piece.reshape(-1) for piece in pieces])
        return place @ matrix @ place / 2

    return tg.Hessian(pieces, loss), matrix.numpy()


@pytest.fixture(name="quadratic")
def give_quadratic():
    return quadratic


def network(*sizes, seed=0):
    torch.manual_seed(seed)
    layers = [part for a, b in itertools.pairwise(sizes) for part in (nn.Linear(a, b), nn.Tanh())]
    return nn.Sequential(*layers[:-1]).double()


@pytest.fixture(name="network")
def give_network():
    return network


def classes(samples=40, features=4, kinds=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(samples, features, generator=generator, dtype=torch.float64)
    return x, torch.randint(kinds, (samples,), generator=generator)


@pytest.fixture(name="classes")
def give_classes():
    return classes


def small_network(seed=0, inputs=3, classes=3):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(inputs, 4), nn.Tanh(), nn.Linear(4, classes))


@pytest.fixture(name="small_network")
def give_small_network():
    return small_network


@pytest.fixture
def classified():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(12, 3, generator=generator), torch.randint(0, 3, (12,), generator=generator)


NAMES = ("body.weight", "body.bias", "scale")


def parameters(seed=0, rows=()):
    """A transposed, a strided and a 0-d tensor."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(*rows, 5, 4, generator=generator).transpose(-1, -2)
    bias = torch.randn(*rows, 14, generator=generator)[..., ::2]
    return dict(zip(NAMES, (weight, bias, torch.randn(rows, generator=generator)), strict=True))


@pytest.fixture(name="parameters")
def give_parameters():
    return parameters


def walk(values, generator, scale=0.1):
    for value in values.values():
        value += scale * torch.randn(value.shape, generator=generator)


@pytest.fixture(name="walk")
def give_walk():
    return walk


def follow(tracker, values, steps, seed=1, every=1):
    """A walk of the parameters in place; returns all of them at all steps, `(step, ..., parameter)`."""
    generator = torch.Generator().manual_seed(seed)
    lead = tracker._parameters.rows

    def flat():
        return torch.cat([value.reshape(*([lead] if lead else []), -1) for value in values.values()], -1)

    stored = [flat()]
    tracker.record(0)
    for step in range(1, steps + 1):
        walk(values, generator)
        stored.append(flat())
        if step % every == 0 and step >= tracker.due:
            tracker.record(step)
    return torch.stack(stored).double().numpy()


@pytest.fixture(name="follow")
def give_follow():
    return follow


def naive_distances(stored, table, columns):
    """Σ (θ(t_w + t) − θ(t_w))² of all pairs that lie within the record."""
    found = np.full((stored.shape[1], table.waiting_times.size, table.lags.size), np.nan)
    for i, waiting in enumerate(table.waiting_times):
        for j, lag in enumerate(table.lags):
            if waiting + lag < len(stored):
                moved = stored[waiting + lag] - stored[waiting]
                found[:, i, j] = (moved[:, columns] ** 2).sum(1)
    return found


@pytest.fixture(name="naive_distances")
def give_naive_distances():
    return naive_distances


def same_tables(first, second):
    """Equal in every field."""
    return all(
        np.array_equal(
            first.arrays()[name], second.arrays()[name], equal_nan=name in {"squared", "anchor_norms"}
        )
        for name in first.arrays()
    )


@pytest.fixture(name="same_tables")
def give_same_tables():
    return same_tables
