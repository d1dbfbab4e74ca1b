"""Updates and batches that a kernel would get wrong are refused; schedules of the step it gets right."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from kernel_cases import TANH, Y, differences, experiment, linear, network

import thermograd as tg
from thermograd.dynamics import SGD
from thermograd.ensemble.engines.kernel import compiler
from thermograd.errors import ConfigError, EngineUnavailableError
from thermograd.minibatching import WithoutReplacement
from thermograd.protocols import Batch

pytestmark = pytest.mark.skipif(compiler.compiler() is None, reason="no C++ compiler")


def rule_with(rate):
    """SGD whose rate is computed by a function of the rule and the step."""

    @dataclass(frozen=True)
    class Own:
        a: float = 0.05

        def start(self, weights):
            return {}

        def step(self, weights, state, oracle, step):
            slope = oracle.gradient(weights)
            return {name: value - rate(self, step) * slope[name] for name, value in weights.items()}, state

    return Own()


@pytest.mark.parametrize(
    "rate",
    [
        lambda rule, step: float(np.exp(-0.1 * step)),
        lambda rule, step: {5: 1.0}.get(step, 0.1),
        lambda rule, step: 1.0 if step in {5, 6} else 0.1,
        lambda rule, step: 0.3 if isinstance(step, int) else 0.1,
        lambda rule, step: 0.3 if isinstance(rule.a, float) and hasattr(step, "bit_length") else 0.1,
        lambda rule, step: np.interp(step, [0, 10], [0.1, 0.2]),
        lambda rule, step: np.random.default_rng().random(),  # impure: cannot be the same twice
        lambda rule, step: torch.linspace(0.2, 0.01, 60)[step],
    ],
)
def test_an_update_that_would_be_frozen_as_it_was_traced_is_refused(rate):
    given = experiment(TANH, rule_with(rate), WithoutReplacement(40), engine="kernel")
    with pytest.raises(EngineUnavailableError):
        tg.run(given)


def test_the_compiled_engine_refuses_a_table_too():
    rule = rule_with(lambda _, step: torch.linspace(0.2, 0.01, 60)[step])
    with pytest.raises(EngineUnavailableError):
        tg.run(experiment(TANH, rule, WithoutReplacement(40), engine="compiled"))


@pytest.mark.usefixtures("quick_build")
@pytest.mark.parametrize(
    "rate",
    [
        lambda rule, step: rule.a / (1 + step) ** 0.5,
        lambda rule, step: rule.a * 0.9**step,
        lambda rule, step: np.sqrt(rule.a),
    ],
)
def test_schedules_of_the_step_run_in_the_kernel(rate):
    given = experiment(TANH, rule_with(rate), WithoutReplacement(40))
    eager, kernel = (tg.run(replace(given, engine=engine)) for engine in ("eager", "kernel"))
    # a number made a tensor in the update is float32 in the one and float64 in the other
    assert max(differences(eager, kernel).values()) <= 1e-7


@pytest.mark.usefixtures("quick_build")
def test_a_class_that_does_not_exist_is_found_before_the_kernel_runs():
    wrong = Y.clone()
    wrong[17] = 9
    given = experiment(network(linear(2, 4), targets=wrong), SGD(0.1), WithoutReplacement(10), observe=[])
    with pytest.raises(ConfigError, match="labels must be 0 to 3"):
        tg.run(replace(given, engine="kernel"))


@dataclass(frozen=True)
class Odd:
    """A sampler of a user's own that changes its ways at step 5."""

    change: str

    def steps_per_epoch(self, samples):
        return 10

    def start(self, seed, trajectories, samples):
        return None

    def draw(self, state, seed, trajectories, step, samples):
        size = 4 if self.change == "size" and step >= 5 else 3
        indices = np.full((len(trajectories), size), step, np.int64)
        if self.change in {"far", "negative"} and step >= 5:
            indices[:] = 10**6 if self.change == "far" else -1
        return Batch(
            indices, np.ones(indices.shape) if self.change == "weights" and step >= 5 else None
        ), None


@pytest.mark.usefixtures("quick_build")
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("far", "index 1000000"),
        ("negative", "index -1 at step 5"),
        ("size", "drew 4 samples without weights at step 5, and 3 without before"),
        ("weights", "drew 3 samples with weights at step 5, and 3 without before"),
    ],
)
def test_batches_that_the_kernel_would_misread_are_refused(change, words):
    given = experiment(TANH, SGD(0.1), Odd(change), engine="kernel", steps=12)
    with pytest.raises((ValueError, EngineUnavailableError, IndexError), match=words):
        tg.run(given)
