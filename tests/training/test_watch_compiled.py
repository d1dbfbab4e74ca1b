"""Compiled models and steps, copies of a watched optimizer, two watches of one."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import thermograd as tg

STEPS = 200


def network() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))


def train(model: Callable[..., Any], optimizer: torch.optim.Optimizer, step: Callable[[], Any]) -> None:
    draw = torch.Generator().manual_seed(0)
    inputs, labels = torch.randn(50, 6, generator=draw), torch.randint(0, 3, (50,), generator=draw)
    for _ in range(STEPS):
        chosen = torch.randperm(50, generator=draw)[:10]
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs[chosen]), labels[chosen]).backward()
        step()


def watched(compiled: str) -> str:
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    watch = tg.watch(optimizer, steps_per_epoch=5)
    called: Any = torch.compile(model, backend="eager") if compiled == "model" else model
    step: Any = torch.compile(optimizer.step, backend="eager") if compiled == "step" else optimizer.step
    train(called, optimizer, step)
    assert watch.step == STEPS
    return watch.report()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("compiled", ["model", "step"])
def test_compilation_changes_nothing(compiled: str) -> None:
    assert watched(compiled) == watched("")


def test_a_copy_of_the_optimizer_is_not_watched() -> None:
    model = network()
    optimizer = torch.optim.AdamW(model.parameters())
    watch = tg.watch(optimizer, steps_per_epoch=5)
    train(model, optimizer, optimizer.step)
    copy.deepcopy(optimizer).step()
    pickle.loads(pickle.dumps(optimizer)).step()
    assert watch.step == STEPS


def test_two_watches_of_one_optimizer() -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=0.01)
    every, seldom = (tg.watch(optimizer, steps_per_epoch=5, every=number) for number in (1, 3))
    train(model, optimizer, optimizer.step)
    often, rarely = (watch.fluctuation_dissipation() for watch in (every, seldom))
    assert often.dissipation.value - often.fluctuation.value == pytest.approx(
        rarely.dissipation.value - rarely.fluctuation.value, rel=1e-9
    )  # the drift does not depend on how often updates are measured
