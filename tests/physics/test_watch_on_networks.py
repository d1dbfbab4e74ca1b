"""Negative controls on networks: what has not equilibrated is not called so, and is not cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import nn

import thermograd as tg

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def digits(flipped: float) -> tuple[torch.Tensor, torch.Tensor]:
    data = pytest.importorskip("sklearn.datasets").load_digits()
    inputs = torch.tensor(data.data[:1500] / 16, dtype=torch.float32)
    labels = torch.tensor(data.target[:1500])
    draw = torch.Generator().manual_seed(5)
    wrong = torch.rand(1500, generator=draw) < flipped
    return inputs, torch.where(wrong, torch.randint(0, 10, (1500,), generator=draw), labels)


def kinds(
    widths: tuple[int, ...], flipped: float, epochs: int, rule: str, **options: float
) -> tuple[set[str], tg.ReduceLROnStationarity]:
    """Every verdict of a training with batches of 100, and its scheduler."""
    inputs, labels = digits(flipped)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = [nn.Linear(before, after) for before, after in pairwise(widths)]
    model = nn.Sequential(*[part for layer in layers for part in (layer, nn.ReLU())][:-1])
    optimizer = torch.optim.SGD(model.parameters(), **options)
    watch = tg.watch(optimizer, steps_per_epoch=15)
    scheduler = tg.ReduceLROnStationarity(optimizer, watch, rule=rule)  # type: ignore[arg-type]  # a literal
    draw = torch.Generator().manual_seed(0)
    for _ in range(epochs):
        for chosen in torch.randperm(1500, generator=draw).split(100):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(inputs[chosen]), labels[chosen])
            loss.backward()
            optimizer.step()
            scheduler.step(loss)
    return {row["verdict"] for row in watch.history()}, scheduler


def test_a_network_that_interpolates_has_not_equilibrated() -> None:
    seen, scheduler = kinds(
        (64, 200, 200, 10), 0.0, 1000, "equivalence", lr=0.1, momentum=0.9, weight_decay=5e-4
    )
    assert "equilibrated" not in seen
    assert not scheduler.reductions


def test_waiting_pays_where_a_network_still_learns() -> None:
    """No cut in 1000 epochs, and more is foretold of waiting than of a cut; how far it will slow is not known."""
    seen, scheduler = kinds((64, 32, 10), 0.1, 1000, "gain", lr=0.1, weight_decay=1e-2)
    assert not scheduler.reductions
    found = scheduler.watch.waiting_or_cutting()
    assert found.waiting is not None
    assert found.cutting is not None
    assert float(found.waiting.value) > float(found.cutting.value)
    assert "equilibrated" not in seen
