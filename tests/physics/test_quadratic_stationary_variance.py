"""SGD on a parabola: stationary variance in closed form, for any a = ηh < 2.

S² = Σ(x_i − x̄)²/(M − 1). With replacement, m distinct samples: Var θ = a S² (1/m − 1/M)/(2 − a); with
repeats a S² (M − 1)/(M m)/(2 − a). Without replacement at epoch ends, w_t = (1 − a)^(n−1−t):
Var θ = a² [(S²/m) Σ w_t² − (S²/M)(Σ w_t)²] / (1 − (1 − a)^{2n}). The mean is x̄ in all. The standard error of
a variance over R trajectories is Var √(2/R); 4 of them with a fixed seed.
"""

import numpy as np
import pytest

import thermograd as tg
from thermograd.dynamics import SGD
from thermograd.ensemble.engines.kernel.compiler import compiler, no_compiler
from thermograd.minibatching import WithoutReplacement, WithReplacement
from thermograd.problems import Quadratic

SAMPLES, BATCH, TRAJECTORIES = 20, 10, 3000
CURVATURES = (1.5, 0.4, 0.05)


def stationary_variance(kind, a, spread):
    if kind == "distinct":
        return a * spread * (1 / BATCH - 1 / SAMPLES) / (2 - a)
    if kind == "repeats":
        return a * spread * (SAMPLES - 1) / (SAMPLES * BATCH) / (2 - a)
    updates = SAMPLES // BATCH
    weights = (1 - a) ** np.arange(updates)[::-1]
    noise = spread / BATCH * (weights**2).sum() - spread / SAMPLES * weights.sum() ** 2
    return a**2 * noise / (1 - (1 - a) ** (2 * updates))


def simulate(minibatching, engine):
    problem = Quadratic(CURVATURES, samples=SAMPLES)
    run = tg.run(
        tg.Experiment(
            problem,
            minibatching,
            SGD(1.0),
            trajectories=TRAJECTORIES,
            steps=400,
            block_size=3000,
            start={"position": problem.build().train[0].mean(0)},
            seed=2,
            engine=engine,
        )
    )
    return run.weights()["position"]


@pytest.mark.parametrize("engine", ["eager", "kernel"])
@pytest.mark.parametrize(
    ("kind", "minibatching"),
    [
        ("distinct", WithReplacement(BATCH)),
        ("repeats", WithReplacement(BATCH, distinct=False)),
        ("reshuffled", WithoutReplacement(BATCH)),
    ],
)
def test_variance_and_mean(kind, minibatching, engine):
    if engine == "kernel" and compiler() is None:
        pytest.skip(no_compiler())
    positions = simulate(minibatching, engine)
    centres = Quadratic(CURVATURES, samples=SAMPLES).build().train[0].numpy()
    spreads = centres.var(axis=0, ddof=1)
    measured = positions.var(axis=0, ddof=1)
    error = 4 * np.sqrt(2 / TRAJECTORIES)

    def mismatch(law):
        theory = [stationary_variance(law, a, spread) for a, spread in zip(CURVATURES, spreads, strict=True)]
        return np.abs(measured / theory - 1).max()

    assert mismatch(kind) < error
    for other in {"distinct", "repeats", "reshuffled"} - {kind}:
        assert mismatch(other) > error
    offsets = positions.mean(axis=0) - centres.mean(axis=0)
    assert (np.abs(offsets) < 4 * np.sqrt(measured / TRAJECTORIES)).all()
