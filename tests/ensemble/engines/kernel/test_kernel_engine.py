"""The kernel engine beside the reference engine, and the promises that hold for every engine."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import nn

import thermograd as tg
from thermograd.dynamics import SGD, Adam, Earthquake
from thermograd.ensemble.engines.kernel import choice, compiler
from thermograd.errors import EngineUnavailableError, ExperimentMismatchError
from thermograd.minibatching import Persistent, WithoutReplacement, WithReplacement
from thermograd.numerics.log_times import At, Epochs, Every
from thermograd.observables import DissipationAndFluctuation, Loss, StochasticArea
from thermograd.perturbations import ShrinkAndPerturb, WarmRestart
from thermograd.problems import Digits, LennardJones, MnistTanh, NonlinearRegression, Quadratic
from thermograd.protocols import Batch

pytestmark = pytest.mark.skipif(compiler.compiler() is None, reason="no C++ compiler")

GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(200, 2, generator=GENERATOR)
Y = torch.randint(0, 4, (200,), generator=GENERATOR)


def network(*layers, loss=None, targets=Y, inputs=X, **settings):
    return tg.Problem(
        model=lambda: nn.Sequential(*[layer() for layer in layers]),
        loss=loss or nn.CrossEntropyLoss(reduction="none"),
        train=(inputs, targets),
        **settings,
    )


def linear(*sizes):
    return lambda: nn.Linear(*sizes)


TANH = network(linear(2, 5), nn.Tanh, linear(5, 5), nn.Tanh, linear(5, 4))
SQUARES = network(
    linear(2, 3),
    nn.GELU,
    linear(3, 2),
    loss=lambda o, t: (o - t).square().sum(1),
    targets=torch.stack([X[:, 1], X[:, 0]], 1),
)

ATOMS = LennardJones(samples=300, test_samples=10)
IMAGES = network(
    *(layer for width in (784, 5, 5) for layer in (linear(width, 5), nn.Tanh)),
    linear(5, 10),
    inputs=torch.rand(200, 784, generator=GENERATOR) * (torch.rand(200, 784, generator=GENERATOR) < 0.2),
    targets=torch.randint(0, 10, (200,), generator=GENERATOR),
    regulariser=1e-4,
)


@dataclass(frozen=True)
class Langevin:
    """A cooling rate, and noise of two draws."""

    learning_rate: float = 0.05
    temperature: float = 1e-3

    def start(self, weights):
        return {}

    def step(self, weights, state, oracle, step):
        slope, first, second = oracle.gradient(weights), oracle.normal(), oracle.normal(1)
        rate = self.learning_rate / (1 + step) ** 0.5
        noise = (2 * rate * self.temperature) ** 0.5
        return {n: w - rate * slope[n] + noise * (first[n] + second[n]) for n, w in weights.items()}, state


@dataclass(frozen=True)
class Anchored:
    """Pulled back to where it began, with a hook that halves the weights at each epoch."""

    learning_rate: float = 0.05

    def start(self, weights):
        return {}

    def epoch(self, weights, state, oracle, epoch):
        return {name: value / 2 for name, value in weights.items()}, state

    def step(self, weights, state, oracle, step):
        slope, anchor = oracle.gradient(weights), oracle.start_weights()
        return {n: w - self.learning_rate * (slope[n] + (w - anchor[n])) for n, w in weights.items()}, state


CASES = {
    "regression": (NonlinearRegression(), SGD(1e-7), WithoutReplacement(10)),
    "regression, with replacement": (NonlinearRegression(), SGD(1e-7), WithReplacement(10)),
    "regression, repeated samples": (NonlinearRegression(), SGD(1e-7), WithReplacement(10, distinct=False)),
    "regression, full batch": (NonlinearRegression(), SGD(1e-7), WithoutReplacement(None)),
    "regression, spread": (NonlinearRegression(), SGD(1e-7), WithoutReplacement(7, remainder="spread")),
    "regression, shaken": (NonlinearRegression(), Earthquake(), WithoutReplacement(10)),
    "tanh": (TANH, SGD(0.1), WithoutReplacement(100)),
    "tanh, momentum": (TANH, SGD(0.1, momentum=0.9, dampening=0.1), WithReplacement(60)),
    "tanh, Adam": (TANH, Adam(1e-2), WithoutReplacement(20)),
    "tanh, persistent": (TANH, SGD(0.1), Persistent(0.1, persistence=20)),
    "tanh, persistent of a fixed size": (TANH, SGD(0.1), Persistent(0.1, persistence=20, fixed_size=True)),
    "tanh, noise": (TANH, Langevin(), WithoutReplacement(20)),
    "tanh, hook": (TANH, Anchored(), WithoutReplacement(50)),
    "squares of gelu": (SQUARES, SGD(0.1), WithoutReplacement(20)),
    "sigmoid, regularised": (
        network(linear(2, 5), nn.Sigmoid, linear(5, 4), regulariser=0.1),
        SGD(0.1),
        WithoutReplacement(20),
    ),
    "relu, 49 inputs": (
        network(linear(49, 10), nn.ReLU, linear(10, 4), inputs=torch.randn(200, 49, generator=GENERATOR)),
        SGD(0.1),
        WithoutReplacement(50),
    ),
    "300 inputs": (
        network(linear(300, 5), nn.Tanh, linear(5, 4), inputs=torch.randn(200, 300, generator=GENERATOR)),
        SGD(0.1),
        WithoutReplacement(50),
    ),
    "quadratic": (Quadratic(), SGD(0.1), WithReplacement(20)),
    "three atoms": (ATOMS, SGD(0.05), WithoutReplacement(100)),
    "three atoms, chain": (replace(ATOMS, hidden=(1, 1)), SGD(0.05), WithoutReplacement(100)),
    "784-5-5-5-10": (IMAGES, SGD(0.05), WithoutReplacement(50)),
}
TOLERANCES = {"float64": 1e-12, "float32": 5e-6, "mixed": 5e-6}


@pytest.fixture
def quick_build(monkeypatch):
    """Kernels that are built in half the time, for tests that compare no numbers of many kinds of them."""
    monkeypatch.setattr(compiler, "FLAGS", ("-O1", *compiler.FLAGS[1:]))


def experiment(problem, dynamics, minibatching, **settings):
    chosen = {"trajectories": 11, "steps": 20, "seed": 5, "observe": [Loss(at=At((0,)))]} | settings
    return tg.Experiment(problem, minibatching, dynamics, **chosen)


def differences(one, other):
    """Largest difference of weights over the largest weight, by name."""
    return {
        name: np.abs(value - other.weights()[name]).max() / np.abs(value).max()
        for name, value in one.weights().items()
    }


@pytest.mark.parametrize("case", CASES)
def test_twenty_steps_are_those_of_the_reference(case):
    given = experiment(*CASES[case])
    eager, kernel = (tg.run(replace(given, engine=engine)) for engine in ("eager", "kernel"))
    assert (eager.engine, kernel.engine) == ("eager", "kernel")
    found = differences(eager, kernel)
    assert max(found.values()) <= TOLERANCES["float64"], found


@pytest.mark.parametrize("dtype", ["float32", "mixed"])
@pytest.mark.parametrize("case", ["regression", "tanh, momentum", "tanh, noise", "300 inputs", "three atoms"])
def test_shorter_floats_agree_to_their_rounding(case, dtype):
    given = experiment(*CASES[case], dtype=dtype)
    eager, kernel = (tg.run(replace(given, engine=engine)) for engine in ("eager", "kernel"))
    assert max(differences(eager, kernel).values()) <= TOLERANCES[dtype]
    assert kernel.weights()[next(iter(kernel.weights()))].dtype == (
        "float64" if dtype == "mixed" else "float32"
    )


@pytest.mark.parametrize("dtype", ["float64", "float32", "mixed"])
@pytest.mark.parametrize("scale", [30.0, 1e3, 1e6])
def test_saturated_units_are_those_of_the_reference(scale, dtype):
    """Arguments of tanh far beyond 44, where 1 − 2/(e²ˣ + 1) with a fast reciprocal is not a number: the run goes on."""
    given = experiment(ATOMS, SGD(0.05), WithoutReplacement(100), trajectories=17, dtype=dtype)
    start = {
        name: torch.from_numpy(value).double() * (scale if name in {"0.weight", "2.weight"} else 1)
        for name, value in given.initial_weights(range(17)).items()
    }
    reached = given.functional.train[0].double() @ start["0.weight"].transpose(1, 2)
    assert reached.abs().max() > 44
    given = replace(given, start=start)
    eager, kernel = (tg.run(replace(given, engine=engine)) for engine in ("eager", "kernel"))
    assert (kernel.diverged_at == -1).all()
    for name, value in eager.weights().items():  # biases of saturated units stay near 0
        size = max(1.0, np.abs(value).max())
        assert np.abs(value - kernel.weights()[name]).max() <= TOLERANCES[dtype] * size


def test_narrow_networks_on_real_images(named_data):
    problem = MnistTanh(train_samples=500, test_samples=10)
    given = experiment(problem, SGD(0.05), WithoutReplacement(50), steps=30, dtype="float64")
    eager, kernel = (tg.run(replace(given, engine=engine)) for engine in ("eager", "kernel"))
    assert max(differences(eager, kernel).values()) <= TOLERANCES["float64"]


def test_another_sampling_is_found_out_by_the_same_comparison():
    given = experiment(*CASES["regression, with replacement"], engine="kernel")
    other = replace(given, minibatching=WithReplacement(10, distinct=False), engine="eager")
    assert max(differences(tg.run(given), tg.run(other)).values()) > 1e-9


@pytest.mark.parametrize("every", [Every(1), Every(3), Epochs(1)])
@pytest.mark.parametrize("dtype", ["float64", "mixed"])
def test_accumulators_add_inside_the_kernel(every, dtype):
    observe = [StochasticArea(every=every, at=Every(7)), DissipationAndFluctuation(every=every, at=Every(7))]
    given = experiment(TANH, SGD(0.1), WithoutReplacement(40), observe=observe, dtype=dtype)
    eager, kernel = (tg.run(replace(given, engine=engine)) for engine in ("eager", "kernel"))
    bound = 1e-10 if dtype == "float64" else 1e-4
    for name in eager.names:
        difference = np.abs(eager[name] - kernel[name]).max() / max(np.abs(eager[name]).max(), 1e-300)
        assert difference <= bound, name


def test_perturbations_change_weights_state_and_learning_rate():
    for perturbation, perturb in (
        (ShrinkAndPerturb(0.5, 0.1), Every(6)),
        (WarmRestart(period=8), Every(8)),
    ):
        given = experiment(
            TANH, SGD(0.1, momentum=0.9), WithoutReplacement(40), perturbation=perturbation, perturb=perturb
        )
        eager, kernel = (tg.run(replace(given, engine=engine)) for engine in ("eager", "kernel"))
        assert max(differences(eager, kernel).values()) <= 1e-12


def test_a_trajectory_does_not_depend_on_the_others_the_blocks_or_the_threads():
    given = experiment(TANH, SGD(0.1), WithoutReplacement(40), engine="kernel", trajectories=40)
    weights = tg.run(given).weights()
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        for other in (replace(given, block_size=7), replace(given, trajectories=5), given):
            for name, value in tg.run(other).weights().items():
                np.testing.assert_array_equal(value, weights[name][: len(value)])
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("until", [3, 10, 13])
def test_a_resumed_run_is_bit_identical(until):
    observe = [Loss(at=Every(5)), StochasticArea(every=Every(4), at=Every(4))]
    for minibatching in (WithoutReplacement(40), Persistent(0.2, persistence=10)):
        given = experiment(TANH, Adam(0.01), minibatching, observe=observe, engine="kernel")
        whole, resumed = tg.run(given), tg.run(resume=tg.run(given, until=until))
        for name in whole.names:
            np.testing.assert_array_equal(whole[name], resumed[name])
        for name, value in whole.weights().items():
            np.testing.assert_array_equal(value, resumed.weights()[name])


@pytest.mark.usefixtures("quick_build")
def test_a_stored_run_that_goes_on_with_another_engine_says_so(tmp_path, monkeypatch):
    given = experiment(TANH, SGD(0.1), WithoutReplacement(50), trajectories=1, steps=3000)
    assert tg.run(given, store=tmp_path / "run", until=1500).engine == "kernel"
    TestChoice.with_compiler(monkeypatch, "/nonexistent/c++")
    run = tg.run(given, store=tmp_path / "run")
    assert run.complete
    assert any("engine kernel → eager" in note for note in run.notes)
    whole = tg.run(replace(given, engine="eager"))
    assert max(differences(run, whole).values()) < 1e-9


@pytest.mark.usefixtures("quick_build")
def test_a_run_of_the_kernel_by_name_can_be_finished_by_another_engine(tmp_path):
    given = experiment(TANH, SGD(0.1), WithoutReplacement(50), engine="kernel")
    tg.run(given, store=tmp_path / "run", until=8)
    run = tg.run(replace(given, engine="eager"), store=tmp_path / "run")
    assert run.complete
    assert any("engine kernel → eager" in note for note in run.notes)
    with pytest.raises(ExperimentMismatchError, match="seed: 5 in the run, 6 given"):
        tg.run(replace(given, seed=6, engine="eager"), store=tmp_path / "run")


def test_divergence_is_exact_and_leaves_the_others_alone():
    problem = Quadratic(curvatures=(1.0, 3.0))
    generator = torch.Generator().manual_seed(0)
    start = {
        n: torch.randn(30, *v.shape[1:], generator=generator, dtype=torch.float64)
        for n, v in _weights(problem).items()
    }
    huge = {
        n: v * torch.tensor([1e306 if k % 3 == 0 else 1.0 for k in range(30)], dtype=torch.float64)[:, None]
        for n, v in start.items()
    }
    given = experiment(problem, SGD(0.9), WithReplacement(20), trajectories=30, steps=60, start=huge)
    eager, kernel = (tg.run(replace(given, engine=engine)) for engine in ("eager", "kernel"))
    np.testing.assert_array_equal(kernel.diverged_at, eager.diverged_at)
    gone = kernel.diverged_at >= 0
    assert 0 < gone.sum() < 30
    tame = tg.run(replace(given, engine="kernel", start=start))
    for name, value in kernel.weights().items():
        assert np.isnan(value[gone]).all()
        np.testing.assert_array_equal(value[~gone], tame.weights()[name][~gone])


def _weights(problem):
    return {
        name: torch.from_numpy(value)
        for name, value in experiment(problem, SGD(), WithReplacement(20)).initial_weights([0]).items()
    }


@pytest.mark.usefixtures("quick_build")
def test_large_data_sets_are_sampled_as_the_reference_samples():
    count = 70_001
    problem = tg.Problem(
        forward=lambda weights, inputs: weights["a"] * inputs[:, 0],
        initial=lambda generator: {"a": torch.zeros(())},
        loss=lambda outputs, targets: outputs,
        train=(torch.arange(count, dtype=torch.float64)[:, None], torch.zeros(count)),
    )
    for minibatching in (
        WithReplacement(64),
        WithReplacement(7),
        WithReplacement(5, distinct=False),
        WithoutReplacement(500),
    ):
        given = experiment(problem, SGD(1.0), minibatching, trajectories=3, steps=3, engine="kernel")
        expected = [-sum(given.indices(k, t).mean() for t in range(3)) for k in range(3)]
        np.testing.assert_allclose(tg.run(given).weights()["a"], expected, rtol=1e-14)


@pytest.mark.usefixtures("quick_build")
def test_whole_numbers_and_truth_values_as_data():
    tokens = torch.randint(0, 6, (60, 3), generator=GENERATOR, dtype=torch.int32)
    flags = torch.rand(60, 5, generator=GENERATOR) > 0.5
    embedded = tg.Problem(
        model=lambda: nn.Sequential(nn.Embedding(6, 2), nn.Flatten(), nn.Linear(6, 4)),
        loss=nn.CrossEntropyLoss(reduction="none"),
        train=(tokens, torch.randint(0, 4, (60,), generator=GENERATOR)),
    )
    masked = tg.Problem(
        forward=lambda weights, inputs: torch.where(inputs, weights["a"], weights["b"]).sum(1),
        initial=lambda generator: {"a": torch.randn(5, generator=generator), "b": torch.zeros(5)},
        loss=lambda outputs, targets: (outputs - targets).square(),
        train=(flags, torch.randint(0, 4, (60,), generator=GENERATOR, dtype=torch.uint8)),
    )
    for problem in (embedded, masked):
        for dtype in ("float64", "float32"):
            given = experiment(problem, SGD(0.05), WithoutReplacement(10), dtype=dtype)
            eager, kernel = (tg.run(replace(given, engine=engine)) for engine in ("eager", "kernel"))
            assert max(differences(eager, kernel).values()) <= TOLERANCES[dtype]


@pytest.mark.usefixtures("quick_build")
def test_whole_numbers_that_do_not_fit_are_refused():
    problem = tg.Problem(
        forward=lambda weights, inputs: weights["a"] * inputs,
        initial=lambda generator: {"a": torch.zeros(())},
        loss=lambda outputs, targets: outputs,
        train=(torch.arange(20) * 2**40, torch.zeros(20)),
    )
    given = experiment(problem, SGD(1.0), WithoutReplacement(10), dtype="float32", engine="kernel")
    with pytest.raises(EngineUnavailableError, match="training inputs hold whole numbers above 2147483647"):
        tg.run(given)
    assert tg.run(replace(given, dtype="float64")).engine == "kernel"


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
    with pytest.raises(EngineUnavailableError, match="out of bounds"):
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


@pytest.mark.usefixtures("quick_build")
def test_a_run_that_overflows_at_once_is_still_the_kernels():
    for dtype in ("float64", "float32"):
        given = experiment(SQUARES, SGD(1e200), WithoutReplacement(20), dtype=dtype)
        eager, kernel = (tg.run(replace(given, engine=engine)) for engine in ("eager", "kernel"))
        np.testing.assert_array_equal(eager.diverged_at, kernel.diverged_at)
        assert (kernel.diverged_at > 0).all()


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
        assert "test_kernel_engine.py:" in plan.notes[0]
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

    def test_a_compiler_that_fails_leaves_a_note(self, monkeypatch, tmp_path):
        script = tmp_path / "c++"
        script.write_text(
            "#!/bin/sh\n[ \"$1\" = --version ] && echo odd 1.0 && exit 0\necho 'error: no disk' >&2\nexit 1\n"
        )
        script.chmod(0o755)
        self.with_compiler(monkeypatch, str(script))
        given = experiment(TANH, SGD(0.1), WithoutReplacement(50), steps=3000, trajectories=1)
        run = tg.run(given)
        assert run.engine == "eager"
        assert any("error: no disk" in note for note in run.notes)

    def test_without_a_compiler_the_sentence_says_what_to_do(self, monkeypatch):
        self.with_compiler(monkeypatch, "/nonexistent/c++")
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

    @staticmethod
    def with_compiler(monkeypatch, path):
        monkeypatch.setenv("THERMOGRAD_CXX", path)
        compiler.compiler.cache_clear()


@pytest.fixture(autouse=True)
def _own_compiler_again():
    yield
    compiler.compiler.cache_clear()


def test_digits_learn_as_with_the_reference():
    given = tg.Experiment(Digits(hidden=(8,)), trajectories=20, epochs=2, seed=1)
    eager, kernel = (tg.run(replace(given, engine=engine)) for engine in ("eager", "kernel"))
    np.testing.assert_array_equal(eager["test_accuracy"], kernel["test_accuracy"])
    assert kernel["test_accuracy"][:, -1].mean() > 0.5
