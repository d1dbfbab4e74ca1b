"""How wide is the stationary state of SGD at four learning rates? Ten thousand trajectory-steps a millisecond.

The kernel is built once; the learning rate comes in with each call. With replacement the variance of the weights grows
in proportion to the learning rate; without, noise nearly cancels over an epoch, and it grows with the third power.
"""

from __future__ import annotations

import time

import numpy as np
import torch

import thermograd as tg
from thermograd.dynamics import SGD
from thermograd.minibatching import WithoutReplacement, WithReplacement
from thermograd.numerics.log_times import At
from thermograd.observables import Loss
from thermograd.problems import NonlinearRegression

RATES = (1e-7, 2e-7, 4e-7, 8e-7)


def ensemble(minibatching, rate: float, trajectories: int, steps: int, start="independent"):
    """The run of an ensemble that records hardly anything but its last weights."""
    experiment = tg.Experiment(
        NonlinearRegression(),
        minibatching,
        SGD(rate),
        observe=[Loss(at=At((0,)))],
        trajectories=trajectories,
        steps=steps,
        start=start,
        dtype="mixed",
    )
    return tg.run(experiment)


def main() -> None:
    """Print one line a rate."""
    minimum = ensemble(WithoutReplacement(None), 3e-5, trajectories=1, steps=40_000).weights()
    start = {name: torch.from_numpy(value[0]) for name, value in minimum.items()}
    for minibatching in (WithReplacement(10), WithoutReplacement(10)):
        print(type(minibatching).__name__)
        first = None
        for rate in RATES:
            begun = time.perf_counter()
            run = ensemble(minibatching, rate, trajectories=512, steps=int(2e-3 / rate), start=start)
            weights = np.concatenate([value.reshape(512, -1) for value in run.weights().values()], axis=1)
            trace = weights.var(axis=0).sum()
            first = first or trace
            error = trace * np.sqrt(2 / 512)
            print(
                f"  learning rate {rate:.1e}: trace of the covariance {trace:.3e} ± {error:.0e}, {trace / first:6.1f} times "
                f"the first; {run.engine}, {512 * run.steps / (time.perf_counter() - begun):.1e} trajectory-steps a second"
            )


if __name__ == "__main__":
    main()
