"""What samplers draw from: exact moments of the algorithm on a linear regression, and its chains."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from agreement_cases.comparison import Comparison, from_moments, seed_of
from thermograd.observables.landscape import landscape
from thermograd.problems import LinearRegression
from thermograd.reproductions.sgworld_chains import BATCH, Length, chains
from thermograd.reproductions.sgworld_samplers import NAMES
from thermograd.theory.posterior import ALGORITHMS, stationary_distribution

Array = npt.NDArray[Any]

RATE = 1e-6
LENGTH = Length(chains=512, epochs=900, burn_in=300, thin=4)
ORDERS = 20_000


@cache
def regression() -> tuple[LinearRegression, Any]:
    problem = LinearRegression()
    return problem, landscape(problem, refine=True, sample_hessians=True)


def scores(algorithm: str) -> Array:
    """Of the mean and the covariance of three parameters."""
    problem, land = regression()
    known = stationary_distribution(
        land, algorithm, learning_rate=RATE, batch_size=BATCH, orders=ORDERS
    ).value
    start = np.tile(land.position, (LENGTH.chains, 1))
    drawn = chains(problem, land, algorithm, RATE, start, LENGTH, seed_of(algorithm))
    return from_moments(drawn.array(), known.mean, known.covariance)


COMPARISONS = [
    Comparison(
        "`stationary_distribution`: mean and covariance of the draws",
        f"{NAMES[algorithm]} on the linear regression of the paper, η = {RATE:g}: {LENGTH.chains} chains of {LENGTH.epochs} epochs",
        partial(scores, algorithm),
    )
    for algorithm in ALGORITHMS
]
