"""Covariance and circulation of the stationary state: predicted from the landscape, and in trained ensembles."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

import thermograd as tg
from agreement_cases.comparison import Comparison, from_means, from_moments, seed_of
from thermograd.dynamics import SGD, Earthquake
from thermograd.minibatching import WithoutReplacement, WithReplacement
from thermograd.numerics.log_times import At
from thermograd.observables.landscape import landscape
from thermograd.problems import Quadratic
from thermograd.quantities import Estimate
from thermograd.reproductions.stationary_state_network import recorded_network
from thermograd.reproductions.stationary_state_simulation import (
    Plan,
    circulation_of_all_updates,
    noise_along,
    simulate,
    spread_along,
)
from thermograd.theory.stationary_state import earthquake, predict

Array = npt.NDArray[Any]

CURVATURES, SAMPLES, BATCH = (1.5, 0.4, 0.1), 20, 10
TRAJECTORIES, UPDATES = 4000, 200
SAMPLERS = {
    "distinct samples, with replacement": (WithReplacement(BATCH), {"minibatching": "with_replacement"}),
    "repeats allowed": (
        WithReplacement(BATCH, distinct=False),
        {"minibatching": "with_replacement", "distinct": False},
    ),
    "without replacement, ends of epochs": (
        WithoutReplacement(BATCH),
        {"minibatching": "without_replacement"},
    ),
}


def of_parabolas(words: str) -> Array:
    """Mean, covariance and circulation of three parameters, from two consecutive updates of every trajectory."""
    batches, options = SAMPLERS[words]
    problem = Quadratic(CURVATURES, samples=SAMPLES)
    land = landscape(problem, refine=True, sample_hessians=True)
    state = predict(land, learning_rate=1.0, batch_size=BATCH, **options)
    every = state.steps_per_update
    run = tg.run(
        tg.Experiment(
            problem,
            batches,
            SGD(1.0),
            trajectories=TRAJECTORIES,
            steps=every * (UPDATES + 1),
            save_weights=At((every * UPDATES, every * (UPDATES + 1))),
            seed=seed_of(words),
        )
    )
    before, after = (run.weights(every * step)["position"] for step in (UPDATES, UPDATES + 1))
    away, moved = before - state.mean, after - before
    products = np.einsum("ti,tj->tij", away, moved)
    swept = (products - products.swapaxes(1, 2)) / 2
    upper = np.triu_indices(len(CURVATURES), 1)
    return np.concatenate(
        [
            from_moments(before[:, None], state.mean, state.covariance),
            from_means(swept[:, *upper], state.circulation[upper]),
        ]
    )


def of_the_network(words: str) -> Array:
    """Variance and noise along every direction of the Hessian, and the circulation, over what is predicted."""
    setting = recorded_network()
    rate, batches, options = {
        "with replacement": (1e-6, WithReplacement(BATCH), {}),
        "without replacement": (1e-7, WithoutReplacement(BATCH), {"minibatching": "without_replacement"}),
    }[words]
    size = (60, 300) if not options else (60, 8)
    state = predict(setting.land, learning_rate=rate, batch_size=BATCH, **options)
    plan = Plan(setting.problem, batches, SGD(rate), 300, *size, seed=seed_of(words))
    found = simulate(plan, setting.land, state, np.eye(7))
    columns = [setting.modes[:, [place]] for place in range(7)]
    ratios = [
        *(spread_along(found, column) for column in columns),
        *(noise_along(found, column) for column in columns),
        circulation_of_all_updates(found),
    ]
    return np.array([score(ratio) for ratio in ratios])


def score(ratio: Estimate) -> float:
    """Standard errors from 1."""
    error = (ratio.high - ratio.low) / 2 / stdtrit(ratio.pieces - 1, (1 + ratio.level) / 2)
    return float((ratio.value - 1) / error)


def shaken() -> Array:
    """Mean and covariance of three parameters under the earthquake."""
    problem, dynamics = Quadratic(CURVATURES, samples=SAMPLES), Earthquake(1.0, 0.5)
    state = earthquake(np.diag(CURVATURES), learning_rate=1.0, noise_scale=0.5)
    run = tg.run(
        tg.Experiment(
            problem,
            WithReplacement(BATCH),
            dynamics,
            trajectories=TRAJECTORIES,
            steps=UPDATES,
            seed=seed_of("shaken"),
        )
    )
    centre = problem.build().train[0].numpy().mean(axis=0)
    return from_moments(run.weights()["position"][:, None], centre, state.covariance)


COMPARISONS = [
    *(
        Comparison(
            "`theory.stationary_state.predict`: mean, covariance and circulation",
            f"three parabolas, {words}: {TRAJECTORIES} trajectories",
            partial(of_parabolas, words),
        )
        for words in SAMPLERS
    ),
    Comparison(
        "`theory.stationary_state.earthquake`: mean and covariance",
        f"three parabolas on a shaken landscape: {TRAJECTORIES} trajectories",
        shaken,
    ),
    *(
        Comparison(
            "`predict`: variance and noise along every direction of the Hessian, and circulation",
            f"the network with 7 parameters of the paper, {words}: 300 trajectories begun in the predicted state, of which the ratios are freed",
            partial(of_the_network, words),
            why=why,
        )
        for words, why in (("with replacement", ""), ("without replacement", ""))
    ),
]
