"""The kernel engine beside the reference engine, and the promises that hold for every engine."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from kernel_cases import GENERATOR, SQUARES, TANH, Langevin, differences, experiment, linear, network
from torch import nn

import thermograd as tg
from thermograd.dynamics import SGD, Adam, Earthquake
from thermograd.ensemble.engines.kernel import compiler
from thermograd.errors import EngineUnavailableError, ExperimentMismatchError
from thermograd.minibatching import Persistent, WithoutReplacement, WithReplacement
from thermograd.numerics.log_times import Epochs, Every
from thermograd.observables import DissipationAndFluctuation, Loss, StochasticArea
from thermograd.perturbations import ShrinkAndPerturb, WarmRestart
from thermograd.problems import Digits, LennardJones, MnistTanh, NonlinearRegression, Quadratic

pytestmark = pytest.mark.skipif(compiler.compiler() is None, reason="no C++ compiler")

ATOMS = LennardJones(samples=300, test_samples=10)
IMAGES = network(
    *(layer for width in (784, 5, 5) for layer in (linear(width, 5), nn.Tanh)),
    linear(5, 10),
    inputs=torch.rand(200, 784, generator=GENERATOR) * (torch.rand(200, 784, generator=GENERATOR) < 0.2),
    targets=torch.randint(0, 10, (200,), generator=GENERATOR),
    regulariser=1e-4,
)


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
def test_a_stored_run_that_goes_on_with_another_engine_says_so(tmp_path, other_compiler):
    given = experiment(TANH, SGD(0.1), WithoutReplacement(50), trajectories=1, steps=3000)
    assert tg.run(given, store=tmp_path / "run", until=1500).engine == "kernel"
    other_compiler("/nonexistent/c++")
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


@pytest.mark.usefixtures("quick_build")
def test_a_run_that_overflows_at_once_is_still_the_kernels():
    for dtype in ("float64", "float32"):
        given = experiment(SQUARES, SGD(1e200), WithoutReplacement(20), dtype=dtype)
        eager, kernel = (tg.run(replace(given, engine=engine)) for engine in ("eager", "kernel"))
        np.testing.assert_array_equal(eager.diverged_at, kernel.diverged_at)
        assert (kernel.diverged_at > 0).all()


def test_digits_learn_as_with_the_reference():
    given = tg.Experiment(Digits(hidden=(8,)), trajectories=20, epochs=2, seed=1)
    eager, kernel = (tg.run(replace(given, engine=engine)) for engine in ("eager", "kernel"))
    np.testing.assert_array_equal(eager["test_accuracy"], kernel["test_accuracy"])
    assert kernel["test_accuracy"][:, -1].mean() > 0.5
