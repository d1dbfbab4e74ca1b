"""A recorded hook gives the bits of the hook itself, and what cannot be recorded is called as it is."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

import thermograd as tg
from thermograd.dynamics import SGWORLD
from thermograd.ensemble.engines import traced_hook
from thermograd.ensemble.engines.traced_hook import TracedHook
from thermograd.minibatching import WithoutReplacement


@pytest.fixture
def at_once(monkeypatch):
    """Recorded at the first call."""
    monkeypatch.setattr(traced_hook, "CALLS_BEFORE", 0)


def experiment(dynamics, **options):
    generator = torch.Generator().manual_seed(2)
    problem = tg.Problem(
        model=lambda: nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)),
        loss=nn.CrossEntropyLoss(reduction="none"),
        train=(torch.randn(22, 3, generator=generator), torch.randint(2, (22,), generator=generator)),
    )
    given = {"trajectories": 3, "epochs": 6, "observe": (), "engine": "eager"} | options
    return tg.Experiment(
        problem, minibatching=WithoutReplacement(4, remainder="spread"), dynamics=dynamics, **given
    )


@dataclass(frozen=True)
class Called(SGWORLD):
    """Called at every epoch."""

    same_every_epoch: ClassVar[bool] = False


@dataclass(frozen=True)
class Counting(SGWORLD):
    """Looks at the number of the epoch, and says wrongly that it does not."""

    def epoch(self, weights, state, oracle, epoch):
        return {name: value + epoch for name, value in weights.items()}, state


def test_the_bits_are_the_same(at_once):
    for variant in ("corrected", "published"):
        recorded = tg.run(experiment(SGWORLD(1e-3, variant=variant))).weights()
        called = tg.run(experiment(Called(1e-3, variant=variant))).weights()
        assert all(np.array_equal(recorded[name], called[name]) for name in called)


def test_a_false_declaration_shows(at_once):
    """A negative control: what depends on the epoch does not go into a record, which is why it has to be declared."""
    assert tg.run(experiment(Counting(1e-3, correction=False))).weights()["0.bias"].max() < 3
    honest = type("Honest", (Counting,), {"same_every_epoch": False})
    assert tg.run(experiment(honest(1e-3, correction=False))).weights()["0.bias"].max() > 10


def test_what_cannot_be_recorded_is_called(at_once):
    calls = []

    def hook(weights, state, supplied):
        calls.append(len(supplied))
        return {name: 2 * value + len(calls) for name, value in weights.items()}, state

    traced = TracedHook(hook)
    weights = {"w": torch.ones(2, 3)}
    for call in range(3):
        moved, _ = traced(weights, {}, {})
        assert moved["w"].unique().numel() == 1
        assert len(calls) > call
    assert traced._graphs.popitem()[1] is None


def test_a_hook_is_recorded_when_it_was_called_often(monkeypatch):
    monkeypatch.setattr(traced_hook, "CALLS_BEFORE", 3)
    calls = []

    def hook(weights, state, supplied):
        calls.append(len(supplied))
        return {name: 2 * value for name, value in weights.items()}, state

    traced = TracedHook(hook)
    for call in range(6):
        assert bool(traced._graphs) is (call > 3)
        moved, _ = traced({"w": torch.full((2, 3), float(call))}, {}, {})
        assert (moved["w"] == 2 * call).all()
    assert (
        len(calls) == 3 + 2
    )  # the fourth is called for comparison, and recorded; the last two are the record
