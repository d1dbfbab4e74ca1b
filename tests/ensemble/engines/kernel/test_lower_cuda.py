"""The CUDA form of a kernel: run on the processor beside the reference engine, and its text.

A loop over threads plays the grid; `cuda_shim.h` has what CUDA C++ has beyond C++.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from kernel_cases import TANH, Langevin, X, Y, experiment, linear, network
from torch import nn

from thermograd.dynamics import SGD
from thermograd.ensemble.engines.accelerated import AcceleratedEngine
from thermograd.ensemble.engines.eager import EagerEngine
from thermograd.ensemble.engines.kernel import choice, lower_cuda, nvrtc
from thermograd.ensemble.engines.kernel.compiler import compiler
from thermograd.ensemble.engines.kernel.launch_cuda import CudaKernel
from thermograd.ensemble.engines.kernel.lower_cuda import CUDA, cuda_source
from thermograd.ensemble.engines.kernel.updates import KernelUpdates
from thermograd.ensemble.engines.update_function import CannotTraceError
from thermograd.errors import EngineUnavailableError
from thermograd.minibatching import Persistent, WithoutReplacement, WithReplacement
from thermograd.numerics.log_times import Every
from thermograd.observables import DissipationAndFluctuation, StochasticArea
from thermograd.problems import NonlinearRegression, Quadratic

FOLDER = Path(__file__).parent
HEADERS = Path(lower_cuda.__file__).parent
RENEW = (
    "THERMOGRAD_RENEW_GOLDEN=1 python -m pytest tests/ensemble/engines/kernel/test_lower_cuda.py -k golden"
)
PLAYED_GRID = """
extern "C" void play(const Call* call, unsigned blocks, unsigned threads) {
  gridDim.x = blocks, blockDim.x = threads;
  for (blockIdx.x = 0; blockIdx.x < blocks; blockIdx.x++)
    for (threadIdx.x = 0; threadIdx.x < threads; threadIdx.x++) advance_each(*call);
}
"""
needs_compiler = pytest.mark.skipif(compiler() is None, reason="no C++ compiler")
needs_nvrtc = pytest.mark.skipif(
    nvrtc.library() is None, reason="no NVRTC: not beside torch, no THERMOGRAD_NVRTC"
)


MIXED_FUNCTIONS = network(
    linear(2, 3),
    nn.GELU,
    linear(3, 3),
    nn.Sigmoid,
    linear(3, 2),
    nn.ReLU,
    loss=lambda outputs, targets: (outputs - targets).square().sum(1).add(1).log(),
    targets=X.flip(1),
)
MOMENTUM = SGD(0.1, momentum=0.9, dampening=0.1)
CASES = {
    "regression": (NonlinearRegression(), SGD(1e-7), WithoutReplacement(10)),
    "regression, with replacement": (NonlinearRegression(), SGD(1e-7), WithReplacement(10)),
    "regression, spread": (NonlinearRegression(), SGD(1e-7), WithoutReplacement(7, remainder="spread")),
    "regression, repeated samples": (NonlinearRegression(), SGD(1e-7), WithReplacement(10, distinct=False)),
    "regression, full batch": (NonlinearRegression(), SGD(1e-7), WithoutReplacement(None)),
    "tanh, momentum": (TANH, MOMENTUM, WithoutReplacement(100)),
    "tanh, momentum, many distinct samples": (TANH, MOMENTUM, WithReplacement(60)),
    "tanh, noise": (TANH, Langevin(), WithoutReplacement(20)),
    "tanh, persistent": (TANH, SGD(0.1), Persistent(0.1, persistence=20)),
    "other functions": (MIXED_FUNCTIONS, SGD(0.1), WithReplacement(20)),
}
GOLDEN = {
    "parabolas": (Quadratic(), SGD(0.1), WithReplacement(10)),
    "regression": (NonlinearRegression(), SGD(1e-7), WithoutReplacement(10)),
    "classifier": (network(linear(2, 3), nn.Tanh, linear(3, 4)), Langevin(), WithoutReplacement(20)),
}
TOLERANCES = {"float64": 1e-12, "float32": 5e-6, "mixed": 5e-6}


class PlayedProgram:
    """Runs a kernel on the processor, thread after thread."""

    device = torch.device("cpu")

    def __init__(self, text, folder):
        path = folder / f"{hashlib.sha256(text.encode()).hexdigest()}.so"
        if not path.exists():
            source = path.with_suffix(".cpp")
            source.write_text(text + PLAYED_GRID)
            command = [compiler()[0], "-std=c++17", "-O1", "-shared", "-fPIC", "-Wall", "-Wno-unused"]
            command += ["-include", str(FOLDER / "cuda_shim.h"), str(source), "-o", str(path)]
            subprocess.run(command, check=True)
        self._library = ctypes.CDLL(str(path))

    def launch(self, call, count):
        threads = 4
        self._library.play(ctypes.byref(call), -(-count // threads), threads)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("played")


def played(given, folder, source=None):
    """An engine whose updates are those of the CUDA source."""
    source = source or cuda_source(given)

    def build(source, inputs, targets):
        return CudaKernel(source, inputs, targets, PlayedProgram(source.text, folder))

    return AcceleratedEngine(given, eager(given), KernelUpdates(given, source, "threads", build))


def eager(given):
    return EagerEngine(given, "vmap", random_forward=False, changing_buffers=False)


def after(engine, steps=20, *, stretch=20):
    block = engine.start(range(engine.experiment.trajectories))
    for _ in range(steps // stretch):
        block = engine.advance(block, stretch)
    return block


def difference(one, other):
    """Largest difference over the largest element."""
    return max(float((one[name] - other[name]).abs().max() / other[name].abs().max()) for name in other)


@needs_compiler
@pytest.mark.parametrize("case", CASES)
def test_twenty_steps_are_those_of_the_reference(case, folder):
    given = experiment(*CASES[case])
    found, expected = after(played(given, folder), stretch=5), after(eager(given))
    assert difference(found.weights, expected.weights) <= TOLERANCES["float64"]
    if expected.state:
        assert difference(found.state, expected.state) <= 1e-11


@needs_compiler
@pytest.mark.parametrize("dtype", ["float32", "mixed"])
@pytest.mark.parametrize("case", ["regression", "tanh, momentum", "tanh, noise"])
def test_shorter_floats_agree_to_their_rounding(case, dtype, folder):
    given = experiment(*CASES[case], dtype=dtype)
    found, expected = after(played(given, folder)), after(eager(given))
    assert difference(found.weights, expected.weights) <= TOLERANCES[dtype]
    kinds = {value.dtype for value in found.weights.values()}
    assert kinds == {torch.float64 if dtype == "mixed" else torch.float32}


@needs_compiler
def test_another_sampling_is_found_out_by_the_same_comparison(folder):
    given = experiment(*CASES["regression, with replacement"])
    other = replace(given, minibatching=WithReplacement(10, distinct=False))
    assert difference(after(played(given, folder)).weights, after(eager(other)).weights) > 1e-9


@needs_compiler
@pytest.mark.parametrize("every", [Every(1), Every(3)])
def test_accumulators_add_inside_the_kernel(every, folder):
    observe = [StochasticArea(every=every, at=Every(7)), DissipationAndFluctuation(every=every, at=Every(7))]
    given = experiment(TANH, SGD(0.1), WithoutReplacement(40), observe=observe)
    found, expected = after(played(given, folder), stretch=10), after(eager(given))
    assert set(found.accumulators) == set(expected.accumulators)
    for name, value in expected.accumulators.items():
        torch.testing.assert_close(
            found.accumulators[name], value, rtol=1e-9, atol=1e-10 * float(value.abs().max())
        )


@needs_compiler
def test_divergence_is_exact_and_leaves_the_others_alone(folder):
    problem = Quadratic(curvatures=(1.0, 3.0))
    tame = experiment(problem, SGD(0.9), WithReplacement(20), trajectories=30, steps=60)
    start = {name: torch.from_numpy(value) for name, value in tame.initial_weights(range(30)).items()}
    scale = torch.tensor([1e306 if k % 3 == 0 else 1.0 for k in range(30)], dtype=torch.float64)
    huge = {name: (1 + value) * scale.reshape(-1, *[1] * (value.ndim - 1)) for name, value in start.items()}
    given = replace(tame, start=huge)
    found, expected = (after(engine, 60, stretch=30) for engine in (played(given, folder), eager(given)))
    np.testing.assert_array_equal(found.diverged_at, expected.diverged_at)
    gone = torch.from_numpy(found.diverged_at >= 0)
    assert 0 < int(gone.sum()) < 30
    alone = after(played(replace(given, start={n: 1 + v for n, v in start.items()}), folder), 60, stretch=30)
    for name, value in found.weights.items():
        assert value[gone].isnan().all()
        assert torch.equal(value[~gone], alone.weights[name][~gone])


@needs_compiler
def test_a_source_that_computes_something_else_is_refused(folder):
    given = experiment(TANH, SGD(0.1), WithoutReplacement(40))
    source = cuda_source(given)
    wrong = replace(source, text=source.text.replace("of::tanh(", "of::sin("))
    with pytest.raises(EngineUnavailableError, match="differs from the operations"):
        played(given, folder, wrong)


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_source(name):
    """The printed text, headers left out; what torch makes of a model may differ between its versions."""
    torch_version = ".".join(torch.__version__.split(".")[:2])
    text = cuda_source(experiment(*GOLDEN[name])).text
    for header in CUDA.headers:
        text = text.replace((HEADERS / header).read_text(), f'#include "{header}"\n')
    text = f"// Printed with torch {torch_version}.\n{text}"
    path = FOLDER / "golden" / f"{name}.cu"
    if os.environ.get("THERMOGRAD_RENEW_GOLDEN"):
        path.write_text(text)
    before = path.read_text()
    if before.partition("\n")[0] != text.partition("\n")[0]:
        pytest.skip(f"{path.name} was not printed with torch {torch_version}")
    assert text == before, f"{path.name} has changed; if that is meant: {RENEW}"


def test_more_parameters_than_a_thread_takes_are_refused_with_their_number():
    given = experiment(network(linear(2, 20), nn.Tanh, linear(20, 4)), SGD(0.1), WithoutReplacement(20))
    with pytest.raises(CannotTraceError, match="at most 128 parameters on a GPU; this one has 144"):
        cuda_source(given)


def test_batches_that_do_not_fit_in_a_thread_are_refused():
    wide = network(linear(2, 8), nn.Tanh, linear(8, 4))
    problem = replace(wide, train=(X.repeat(20, 1), Y.repeat(20)))
    with pytest.raises(CannotTraceError, match="a thread of a GPU has 512, so use smaller batches"):
        cuda_source(experiment(problem, SGD(0.1), WithoutReplacement(4000)))


@needs_nvrtc
@pytest.mark.parametrize("case", ["regression", "tanh, momentum", "tanh, noise", "other functions"])
def test_nvrtc_takes_the_source_and_keeps_what_it_made(case, tmp_path, monkeypatch):
    """No device is needed to compile for one."""
    monkeypatch.setattr(nvrtc, "cache_folder", lambda: tmp_path)
    text = cuda_source(experiment(*CASES[case])).text
    made = nvrtc.image(text, (9, 0))
    assert made.startswith(b"\x7fELF")
    monkeypatch.setattr(nvrtc, "_compiled", lambda *_: pytest.fail("built again"))
    assert nvrtc.image(text, (9, 0)) == made
    assert [path.suffix for path in tmp_path.iterdir()] == [".cubin"]


def test_long_loops_are_not_unrolled():
    """A batch of 100 took a compiler minutes."""
    text = cuda_source(experiment(*CASES["tanh, momentum"])).text
    assert "ROLLED for (int i0 = 0; i0 < 100;" in text
    assert " for (int round = 0; round < 10;" in text
    assert "ROLLED for (int round" not in text


@needs_nvrtc
def test_a_device_newer_than_nvrtc_gets_ptx(tmp_path, monkeypatch):
    monkeypatch.setattr(nvrtc, "cache_folder", lambda: tmp_path)
    assert b".visible .entry advance_each" in nvrtc.image(
        cuda_source(experiment(*GOLDEN["parabolas"])).text, (99, 0)
    )


@needs_nvrtc
def test_what_nvrtc_refuses_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(nvrtc, "cache_folder", lambda: tmp_path)
    with pytest.raises(EngineUnavailableError, match=r"NVRTC could not build a kernel: .*error"):
        nvrtc.image("int answer( {", (9, 0))
    assert list(tmp_path.iterdir()) == []


def test_without_nvrtc_the_sentence_says_what_to_do(monkeypatch):
    monkeypatch.setenv("THERMOGRAD_NVRTC", "/nonexistent/libnvrtc.so")
    nvrtc.library.cache_clear()
    try:
        with pytest.raises(EngineUnavailableError, match="set THERMOGRAD_NVRTC"):
            nvrtc.image("", (9, 0))
    finally:
        monkeypatch.undo()
        nvrtc.library.cache_clear()


class TestChoice:
    """What the plan makes of a GPU, by an experiment that says it is on one."""

    @staticmethod
    def on_gpu(given, monkeypatch):
        monkeypatch.setattr(given.functional, "device", torch.device("cuda"))
        return given

    def test_small_networks_are_the_kernels(self, monkeypatch):
        monkeypatch.setattr(nvrtc, "library", lambda: object())
        given = experiment(*CASES["regression"], steps=3000)
        source = cuda_source(given)
        monkeypatch.setattr(choice, "cuda_source", lambda _: source)
        given = self.on_gpu(given, monkeypatch)
        engine, mode, reason = choice.choose_kernel(given, eager(given), build=False)
        assert (engine, mode) == (None, "threads")
        assert reason.startswith("kernel (threads): 7 parameters, ")
        assert reason.endswith(", 11 trajectories with a thread of the GPU for each")

    def test_larger_ones_are_left_to_another_engine_without_a_note(self, monkeypatch):
        problem = network(linear(2, 20), nn.Tanh, linear(20, 4))
        given = experiment(problem, SGD(0.1), WithoutReplacement(20), steps=3000)
        given = self.on_gpu(given, monkeypatch)
        assert "this one has 144" in choice.choose_kernel(given, eager(given), build=False)

    def test_without_nvrtc_the_kernel_is_refused_by_name(self, monkeypatch):
        monkeypatch.setattr(nvrtc, "library", lambda: None)
        given = experiment(*CASES["regression"], engine="kernel")
        given = self.on_gpu(given, monkeypatch)
        with pytest.raises(EngineUnavailableError, match="no NVRTC"):
            choice.choose_kernel(given, eager(given), build=False)
