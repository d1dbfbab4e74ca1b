"""Both sides of the fluctuation-dissipation relation on parabolas, in closed form and in trained ensembles."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

import thermograd as tg
from agreement_cases.comparison import Comparison, from_means, seed_of
from thermograd.dynamics import SGD
from thermograd.minibatching import WithReplacement
from thermograd.numerics.log_times import At
from thermograd.observables import DissipationAndFluctuation
from thermograd.problems import Quadratic
from thermograd.theory.fluctuation_dissipation import quadratic

Array = npt.NDArray[Any]

CURVATURES, SAMPLES, BATCH = (1.5, 0.4, 0.1), 20, 10
TRAJECTORIES, SETTLED, STEPS = 1000, 600, 2600


def scores(rate: float, momentum: float) -> Array:
    """Of dissipation, fluctuation and the variance of every mode."""
    problem = Quadratic(CURVATURES, samples=SAMPLES)
    centres = problem.build().train[0].numpy()
    noise = np.square(CURVATURES) * centres.var(axis=0, ddof=1) * (1 / BATCH - 1 / SAMPLES)
    run = tg.run(
        tg.Experiment(
            problem,
            WithReplacement(BATCH),
            SGD(rate, momentum=momentum),
            observe=[DissipationAndFluctuation(at=At((SETTLED, STEPS)))],
            trajectories=TRAJECTORIES,
            steps=STEPS,
            start={"position": problem.build().train[0].mean(0)},
            seed=seed_of(f"{rate} {momentum}"),
        )
    )
    found = {
        name: np.diff(run[f"dissipation_and_fluctuation/{name}"], axis=1)[:, 0] / (STEPS - SETTLED)
        for name in ("dissipation", "squared_displacement")
    }
    known = quadratic(CURVATURES, noise, rate, momentum)
    squares = np.square(run.weights()["position"] - centres.mean(axis=0))
    return np.concatenate(
        [
            from_means(found["dissipation"], known["dissipation"].value),
            from_means(
                (1 + momentum) / (2 * rate) * found["squared_displacement"], known["fluctuation"].value
            ),
            from_means(squares, known["variance"].value),
        ]
    )


COMPARISONS = [
    Comparison(
        "FDR1 and FDR1', `theory.fluctuation_dissipation.quadratic`: dissipation, fluctuation, variance of each mode",
        f"three parabolas, η = {rate:g}, momentum {momentum:g}: {TRAJECTORIES} trajectories of {STEPS} steps",
        partial(scores, rate, momentum),
    )
    for rate in (0.2, 1.0)
    for momentum in (0.0, 0.5, 0.9)
]
