"""When the kernel engine is chosen, and what is said where it is not."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from kernel_cases import TANH, experiment, linear, network
from torch import nn

import thermograd as tg
from thermograd.dynamics import SGD
from thermograd.ensemble.engines.kernel import choice, compiler
from thermograd.errors import EngineUnavailableError
from thermograd.minibatching import WithoutReplacement

pytestmark = pytest.mark.skipif(compiler.compiler() is None, reason="no C++ compiler")


def test_a_long_list_of_operations_must_repay_its_compilation():
    class Unrolled(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = nn.Linear(5, 5)

        def forward(self, inputs):
            for _ in range(30):
                inputs = torch.tanh(self.cell(inputs))
            return inputs

    given = experiment(
        network(linear(2, 5), Unrolled, linear(5, 4)), SGD(0.1), WithoutReplacement(40), steps=2100
    )
    assert "operations take long to build" in dict(tg.plan(given).rejected)["kernel"]
    assert tg.plan(replace(given, steps=20_000)).engine == "kernel"


@pytest.mark.usefixtures("quick_build")
class TestChoice:
    def test_long_runs_of_small_networks_are_the_kernels(self):
        given = experiment(TANH, SGD(0.1), WithoutReplacement(40), steps=3000)
        plan = tg.plan(given)
        assert (plan.engine, plan.mode) == ("kernel", "lanes")
        assert "69 parameters" in plan.reason
        assert "11 trajectories side by side" in plan.reason

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"steps": 10}, "10 batched updates"),
            ({"problem": network(linear(2, 80), nn.Tanh, linear(80, 4))}, "80 outputs"),
            ({"problem": network(linear(2, 4), nn.Dropout)}, "dropout"),
            (
                {
                    "problem": network(linear(2, 60), nn.Tanh, linear(60, 60), nn.Tanh, linear(60, 4)),
                    "trajectories": 1,
                    "minibatching": WithoutReplacement(200),
                },
                "fill too little of a vector",
            ),
            ({}, ""),
        ],
    )
    def test_what_speaks_for_another_engine_is_said(self, change, words):
        given = replace(experiment(TANH, SGD(0.1), WithoutReplacement(40), steps=3000), **change)
        plan = tg.plan(given)
        assert (plan.engine == "kernel") == (words == "")
        if words:
            assert words in dict(plan.rejected)["kernel"]

    def test_an_unknown_operation_is_named_with_its_line(self):
        class Odd(nn.Module):
            def forward(self, inputs):
                return torch.atan(inputs)

        given = experiment(
            network(linear(2, 5), Odd, linear(5, 4)), SGD(0.1), WithoutReplacement(40), steps=3000
        )
        plan = tg.plan(given)
        assert plan.engine == "eager"
        assert "operation aten.atan.default" in plan.notes[0]
        assert "test_kernel_choice.py:" in plan.notes[0]
        with pytest.raises(EngineUnavailableError, match=r"kernel: operation aten\.atan"):
            tg.plan(replace(given, engine="kernel"))

    def test_an_update_that_looks_at_values_is_refused_with_a_reason(self):
        class Branching(SGD):
            def step(self, weights, state, oracle, step):
                slope = oracle.gradient(weights)
                rate = self.learning_rate if step % 10 == 0 else 0.1 * self.learning_rate
                return {n: w - rate * slope[n] for n, w in weights.items()}, state

        given = experiment(TANH, Branching(), WithoutReplacement(40), steps=3000)
        with pytest.raises(EngineUnavailableError, match=r"looks at the value of step|decides by the value"):
            tg.plan(replace(given, engine="kernel"))

    def test_a_compiler_that_fails_leaves_a_note(self, other_compiler, tmp_path):
        script = tmp_path / "c++"
        script.write_text(
            "#!/bin/sh\n[ \"$1\" = --version ] && echo odd 1.0 && exit 0\necho 'error: no disk' >&2\nexit 1\n"
        )
        script.chmod(0o755)
        other_compiler(str(script))
        given = experiment(TANH, SGD(0.1), WithoutReplacement(50), steps=3000, trajectories=1)
        run = tg.run(given)
        assert run.engine == "eager"
        assert any("error: no disk" in note for note in run.notes)

    def test_without_a_compiler_the_sentence_says_what_to_do(self, other_compiler):
        other_compiler("/nonexistent/c++")
        given = experiment(TANH, SGD(0.1), WithoutReplacement(40), steps=3000)
        assert "install g++ or set THERMOGRAD_CXX" in dict(tg.plan(given).rejected)["kernel"]
        with pytest.raises(EngineUnavailableError, match="/nonexistent"):
            tg.run(replace(given, engine="kernel"))

    def test_a_kernel_that_computes_something_else_is_refused(self, monkeypatch):
        honest = choice.kernel_source

        def wrong(given, **settings):
            source = honest(given, **settings)
            return replace(source, text=source.text.replace("of::tanh(", "of::sin("))

        monkeypatch.setattr(choice, "kernel_source", wrong)
        with pytest.raises(EngineUnavailableError, match="differs from the operations"):
            tg.run(experiment(TANH, SGD(0.1), WithoutReplacement(40), engine="kernel"))
