"""Stationary moments of the 7-parameter regression in the kernel, in each precision.

From the minimum, 4096 trajectories and 4000 updates: the standard error of a variance is √(2/4096) of it, and
trajectories of one seed see the same batches, so that precisions can be compared far below that error.
"""

import numpy as np
import pytest
import torch

import thermograd as tg
from thermograd.dynamics import SGD
from thermograd.ensemble.engines.kernel.compiler import compiler, no_compiler
from thermograd.minibatching import WithoutReplacement, WithReplacement
from thermograd.numerics.log_times import At
from thermograd.observables import Loss
from thermograd.problems import NonlinearRegression

pytestmark = pytest.mark.skipif(compiler() is None, reason=no_compiler())
TRAJECTORIES, STEPS = 4096, 4000
SETTINGS = {"observe": [Loss(at=At((0,)))], "engine": "kernel", "seed": 1}


@pytest.fixture(scope="module")
def minimum():
    """Where gradient descent on all samples ends."""
    run = tg.run(
        tg.Experiment(
            NonlinearRegression(),
            WithoutReplacement(None),
            SGD(3e-5),
            trajectories=1,
            steps=40_000,
            **SETTINGS,
        )
    )
    return {name: torch.from_numpy(value[0]) for name, value in run.weights().items()}


def positions(minimum, minibatching, dtype, **changes):
    """Weights after the run, (trajectory, 7)."""
    settings = {"trajectories": TRAJECTORIES, "steps": STEPS} | SETTINGS | changes
    run = tg.run(
        tg.Experiment(NonlinearRegression(), minibatching, SGD(1e-7), dtype=dtype, start=minimum, **settings)
    )
    return np.concatenate([value.reshape(len(value), -1) for value in run.weights().values()], axis=1).astype(
        float
    )


def test_mixed_has_the_variances_of_float64_and_float32_has_not(minimum):
    exact, mixed, single = (
        positions(minimum, WithoutReplacement(10), dtype) for dtype in ("float64", "mixed", "float32")
    )
    np.testing.assert_allclose(mixed.var(axis=0), exact.var(axis=0), rtol=1e-3)
    assert np.abs(mixed - exact).max() < 0.01 * exact.std(axis=0).max()
    assert np.abs(single.var(axis=0) / exact.var(axis=0) - 1).max() > 0.05


def test_moments_are_those_of_the_reference_with_other_noise(minimum):
    """Independent seeds, 2 x 512 trajectories of 400 updates: 4 standard errors, a false alarm in 1 of 1000 seeds."""
    size = {"trajectories": 512, "steps": 400}
    for minibatching in (WithReplacement(10), WithoutReplacement(10)):
        kernel = positions(minimum, minibatching, "float64", **size)
        eager = positions(minimum, minibatching, "float64", **size, engine="eager", seed=2, block_size=512)
        errors = np.sqrt(kernel.var(axis=0) / 512 + eager.var(axis=0) / 512)
        assert (np.abs(kernel.mean(axis=0) - eager.mean(axis=0)) < 4 * errors).all()
        assert (np.abs(np.log(kernel.var(axis=0) / eager.var(axis=0))) < 4 * np.sqrt(4 / 512)).all()


def test_repeated_samples_are_told_from_distinct_ones(minimum):
    """The variance is larger by (M - 1)/(M - m) = 199/190, 4.7 %: seen at 65 536 trajectories (4 x 0.55 %)."""
    many = {"trajectories": 65_536, "steps": 300, "block_size": 65_536}
    distinct = positions(minimum, WithReplacement(10), "float32", **many)
    repeated = positions(minimum, WithReplacement(10, distinct=False), "float32", **many, seed=9)
    ratio = repeated.var(axis=0).sum() / distinct.var(axis=0).sum()
    assert abs(ratio / (199 / 190) - 1) < 4 * 2 * np.sqrt(2 / 65_536)
    assert ratio - 1 > 4 * 2 * np.sqrt(2 / 65_536)
