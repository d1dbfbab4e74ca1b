"""Updates as they are captured in CUDA graphs, without capture and with a recorder that stands in for it.

Like a graph, the recorder repeats operations on the very memory they had, and refuses those that wait for a result.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import thermograd as tg
from thermograd.dynamics import SGD, Adam
from thermograd.ensemble import plan as plans
from thermograd.ensemble.engines import cuda_graph
from thermograd.ensemble.engines.accelerated import AcceleratedEngine
from thermograd.ensemble.engines.batched_update import traceable_update
from thermograd.ensemble.engines.cuda_graph import GraphUpdates
from thermograd.ensemble.engines.eager import EagerEngine
from thermograd.errors import EngineUnavailableError
from thermograd.minibatching import Persistent, WithoutReplacement, WithReplacement
from thermograd.numerics.log_times import At, Epochs, Every
from thermograd.observables import DissipationAndFluctuation, Loss, StochasticArea
from thermograd.perturbations import WarmRestart
from thermograd.problems import NonlinearRegression, Quadratic

GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(200, 2, generator=GENERATOR)
Y = torch.randint(0, 4, (200,), generator=GENERATOR)
TANH = tg.Problem(
    model=lambda: nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, 4)),
    loss=nn.CrossEntropyLoss(reduction="none"),
    train=(X, Y),
)


@dataclass(frozen=True)
class Langevin:
    """A cooling rate, and noise of two draws."""

    learning_rate: float = 0.05

    def start(self, weights):
        return {}

    def step(self, weights, state, oracle, step):
        slope, first, second = oracle.gradient(weights), oracle.normal(), oracle.normal(1)
        rate = self.learning_rate / (1 + step) ** 0.5
        return {
            n: w - rate * slope[n] + 0.03 * rate**0.5 * (first[n] + second[n]) for n, w in weights.items()
        }, state


@dataclass(frozen=True)
class HeavyBall:
    """Keeps the weights before the last update, pulls towards those at time 0, halves them at each epoch."""

    learning_rate: float = 0.05

    def start(self, weights):
        return {f"before/{name}": value.clone() for name, value in weights.items()}

    def epoch(self, weights, state, oracle, epoch):
        return {name: value / 2 for name, value in weights.items()}, state

    def step(self, weights, state, oracle, step):
        slope, anchor = oracle.gradient(weights), oracle.start_weights()
        moved = {
            n: w - self.learning_rate * (slope[n] + w - anchor[n]) + 0.5 * (w - state[f"before/{n}"])
            for n, w in weights.items()
        }
        return moved, {f"before/{name}": value for name, value in weights.items()}


class Recorder(TorchDispatchMode):
    """What a CUDA graph is, on the processor."""

    WAITING = ("_local_scalar_dense", "nonzero", "is_nonzero", "equal", "_unique2", "masked_select")

    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function.overloadpacket.__name__ in self.WAITING:
            message = f"{function} is not permitted while a stream is captured"
            raise RuntimeError(message)
        found = function(*args, **(kwargs or {}))
        self.calls.append((function, args, kwargs or {}, found))
        return found

    def replay(self):
        for function, args, kwargs, place in self.calls:
            if function.is_view:
                continue
            found = function(*args, **kwargs)
            if not function._schema.is_mutable:
                for old, new in zip(tree_leaves(place), tree_leaves(found), strict=True):
                    old.copy_(new)


@pytest.fixture
def recorder(monkeypatch):
    """torch.cuda with recorders for graphs."""
    made = []

    def graph():
        made.append(Recorder())
        return made[-1]

    stream = SimpleNamespace(wait_stream=lambda other: None)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", graph)
    monkeypatch.setattr(torch.cuda, "graph", lambda recorder: recorder)
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())
    return made


CASES = {
    "regression": (NonlinearRegression(), SGD(1e-7), WithoutReplacement(10)),
    "regression, with replacement": (NonlinearRegression(), SGD(1e-7), WithReplacement(10)),
    "regression, spread": (NonlinearRegression(), SGD(1e-7), WithoutReplacement(7, remainder="spread")),
    "regression, full batch": (NonlinearRegression(), SGD(1e-7), WithoutReplacement(None)),
    "tanh, momentum": (TANH, SGD(0.1, momentum=0.9, dampening=0.1), WithoutReplacement(40)),
    "tanh, Adam": (TANH, Adam(1e-2), WithReplacement(20)),
    "tanh, noise": (TANH, Langevin(), WithoutReplacement(20)),
    "tanh, persistent": (TANH, SGD(0.1), Persistent(0.1, persistence=20)),
    "tanh, hook and memory": (TANH, HeavyBall(), WithoutReplacement(40)),
}


def experiment(problem, dynamics, minibatching, **settings):
    chosen = {"trajectories": 6, "steps": 27, "seed": 5, "observe": [Loss(at=At((0,)))]} | settings
    return tg.Experiment(problem, minibatching, dynamics, **chosen)


def eager(given):
    return EagerEngine(given, "vmap", random_forward=False, changing_buffers=False)


def graphs(given):
    return AcceleratedEngine(given, eager(given), GraphUpdates(given, traceable_update(given), capture=False))


def with_graphs(given, monkeypatch):
    """A run of which the plan chooses such an engine."""
    monkeypatch.setattr(plans, "_CHOICES", {"graph": lambda g, _, build: (graphs(g), "graph", "here")})
    monkeypatch.setattr(plans, "_concerns", lambda name, given: True)
    return tg.run(replace(given, engine="auto"))


def after(engine, *stretches):
    block = engine.start(range(engine.experiment.trajectories))
    for steps in stretches:
        block = engine.advance(block, steps)
    return block


def difference(one, other):
    """Largest difference over the largest element."""
    return max(float((one[name] - other[name]).abs().max() / other[name].abs().max()) for name in other)


@pytest.mark.parametrize("case", CASES)
def test_updates_are_those_of_the_reference(case):
    given = experiment(*CASES[case])
    found, expected = after(graphs(given), 5, 22), after(eager(given), 27)
    assert found.step == expected.step
    assert difference(found.weights, expected.weights) <= 1e-12
    if expected.state:
        assert difference(found.state, expected.state) <= 1e-11


@pytest.mark.parametrize("case", CASES)
def test_repeated_on_the_same_memory_they_are_too(case, recorder):
    given = experiment(*CASES[case])
    captured = AcceleratedEngine(given, eager(given), GraphUpdates(given, traceable_update(given)))
    assert len(recorder) == len(cuda_graph.SIZES)
    found, expected = after(captured, 5, 22), after(eager(given), 27)
    assert difference(found.weights, expected.weights) <= 1e-12
    if expected.state:
        assert difference(found.state, expected.state) <= 1e-11


def test_an_update_that_waits_for_a_number_is_not_captured(recorder, monkeypatch):
    given = experiment(*CASES["regression"])
    honest = GraphUpdates._several
    monkeypatch.setattr(
        GraphUpdates, "_several", lambda self, size: float(self._held["step"]) and honest(self, size)
    )
    with pytest.raises(EngineUnavailableError, match=r"_local_scalar_dense.* is not permitted"):
        GraphUpdates(given, traceable_update(given))


def test_another_sampling_is_found_out_by_the_same_comparison():
    given = experiment(*CASES["regression, with replacement"])
    other = replace(given, minibatching=WithReplacement(10, distinct=False))
    assert difference(after(graphs(given), 27).weights, after(eager(other), 27).weights) > 1e-9


@pytest.mark.parametrize("every", [Every(1), Every(3), Every(7), Epochs(1)])
def test_accumulators_are_those_of_the_reference(every, monkeypatch):
    observe = [StochasticArea(every=every, at=Every(9)), DissipationAndFluctuation(every=every, at=Every(9))]
    given = experiment(TANH, SGD(0.1), WithoutReplacement(10), observe=observe)
    expected, found = tg.run(replace(given, engine="eager")), with_graphs(given, monkeypatch)
    for name in expected.names:
        error = np.abs(expected[name] - found[name]).max() / max(np.abs(expected[name]).max(), 1e-300)
        assert error <= 1e-10, name


def test_perturbations_hooks_and_a_shorter_last_block(monkeypatch):
    given = experiment(
        TANH,
        SGD(0.1, momentum=0.9),
        WithoutReplacement(40),
        perturbation=WarmRestart(period=8),
        perturb=Every(8),
        block_size=4,
    )
    expected, found = tg.run(replace(given, engine="eager")), with_graphs(given, monkeypatch)
    assert found.engine == "eager"
    for name, value in expected.weights().items():
        np.testing.assert_allclose(found.weights()[name], value, rtol=0, atol=1e-12 * np.abs(value).max())


def test_a_resumed_run_is_bit_identical(monkeypatch):
    given = experiment(TANH, Adam(0.01), Persistent(0.2, persistence=10), observe=[Loss(at=Every(9))])
    whole = with_graphs(given, monkeypatch)
    resumed = tg.run(resume=tg.run(given, until=10))
    for name, value in whole.weights().items():
        np.testing.assert_array_equal(resumed.weights()[name], value)


def test_divergence_is_exact_and_leaves_the_others_alone():
    tame = experiment(
        Quadratic(curvatures=(1.0, 3.0)), SGD(0.9), WithReplacement(20), trajectories=30, steps=60
    )
    start = {name: 1 + torch.from_numpy(value) for name, value in tame.initial_weights(range(30)).items()}
    scale = torch.tensor([1e306 if k % 3 == 0 else 1.0 for k in range(30)], dtype=torch.float64)
    huge = {name: value * scale.reshape(-1, *[1] * (value.ndim - 1)) for name, value in start.items()}
    given = replace(tame, start=huge)
    found, expected = after(graphs(given), 60), after(eager(given), 60)
    np.testing.assert_array_equal(found.diverged_at, expected.diverged_at)
    gone = torch.from_numpy(found.diverged_at >= 0)
    assert 0 < int(gone.sum()) < 30
    alone = after(graphs(replace(given, start=start)), 60)
    for name, value in found.weights.items():
        assert value[gone].isnan().all()
        assert torch.equal(value[~gone], alone.weights[name][~gone])


class TestChoice:
    def test_only_a_gpu_is_asked_and_only_by_auto(self):
        given = SimpleNamespace(functional=SimpleNamespace(device=torch.device("cuda")))
        assert plans._concerns("graph", given)
        assert list(plans._CHOICES) == ["kernel", "graph", "compiled"]
        given.functional.device = torch.device("cpu")
        assert [name for name in plans._CHOICES if plans._concerns(name, given)] == ["kernel", "compiled"]

    def test_a_failed_capture_leaves_the_reference_engine_and_a_note(self, monkeypatch):
        def refuse(self, size):
            message = "operation not permitted when stream is capturing"
            raise RuntimeError(message)

        monkeypatch.setattr(GraphUpdates, "_captured", refuse)
        monkeypatch.setattr(plans, "_CHOICES", {"graph": cuda_graph.choose_graph})
        monkeypatch.setattr(plans, "_concerns", lambda name, given: True)
        run = tg.run(experiment(TANH, SGD(0.1), WithoutReplacement(40)))
        assert (run.engine, run.reason.partition(":")[0]) == ("eager", "eager (vmap)")
        assert any(
            "cannot be captured in a CUDA graph (operation not permitted" in note for note in run.notes
        )

    def test_an_update_that_looks_at_values_is_refused_with_a_reason(self):
        class Branching(SGD):
            def step(self, weights, state, oracle, step):
                return super().step(weights, state, oracle, step) if step % 2 else (weights, state)

        given = experiment(TANH, Branching(0.1), WithoutReplacement(40))
        with pytest.raises(EngineUnavailableError):
            cuda_graph.choose_graph(given, eager(given), build=False)

    def test_the_plan_says_how_many_updates_go_together(self):
        given = experiment(TANH, SGD(0.1), WithoutReplacement(40))
        _, mode, reason = cuda_graph.choose_graph(given, eager(given), build=False)
        assert mode == "graph"
        assert (
            "69 parameters, 6 trajectories in one batched call, up to 16 updates in one CUDA graph" in reason
        )
