"""Linear regression: KL divergence in bits from the exact posterior.

At η = 3e-6 of draws, all by `gaussian_kl`, from as many gradients each: SGWORLD makes fewer epochs, by what its correction may
cost. At η = 1e-7, where no affordable number of draws resolves it, by exact stationary moments. The peers' chains are "sgld"
and "sgld_without_replacement" there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from engines_parts.peer import AbsentError

from posterior_peers_parts import blackjax_peer, ours, posteriors_peer
from posterior_peers_parts.loaders import LOADERS
from posterior_peers_parts.regressions import BATCH, Regression, regression
from posterior_peers_parts.row import Row
from thermograd.dynamics import SGWORLD
from thermograd.estimators.posterior import gaussian_kl
from thermograd.quantities import Estimate
from thermograd.theory import posterior

SIMULATED, SMALL = 3e-6, 1e-7
CHAINS, BURN_IN = 512, 100
SAME_CHAIN = {"with replacement": "sgld", "reshuffled": "sgld_without_replacement"}
BARS = {"with replacement": 1 / 20, "reshuffled": 1 / 1.3}
PEERS = {"posteriors": posteriors_peer.draws, "BlackJAX": blackjax_peer.draws}


def rows(quick: bool) -> Iterator[Row]:
    """The divergences and their ratios."""
    linear = regression("linear")
    epochs = 300 if quick else 1600
    begin = linear.at_the_minimum(CHAINS)
    own = _distance(linear, lambda: _ours(linear, epochs))
    yield _row("SGWORLD", own, _exact(linear, "sgworld", SIMULATED))
    for name, draw in PEERS.items():
        for how, loader in LOADERS.items():
            what = f"{name}, {how}"
            try:
                found = _distance(
                    linear,
                    lambda draw=draw, loader=loader: draw(
                        linear, begin, loader, SIMULATED, epochs=epochs, burn_in=BURN_IN
                    ),
                )
            except AbsentError as cause:
                yield Row(what, note=str(cause))
                continue
            yield _row(what, found, _exact(linear, SAME_CHAIN[how], SIMULATED))
            yield Row(f"SGWORLD / {what}, η = 3e-6", own.value / found.value, "<=", BARS[how])
    best = _exact(linear, "sgworld", SMALL)
    yield Row("SGWORLD, η = 1e-7, exact moments, bits", best)
    for how, algorithm in SAME_CHAIN.items():
        exact = _exact(linear, algorithm, SMALL)
        yield Row(
            f"SGWORLD / SGLD {how}, η = 1e-7, exact moments",
            best / exact,
            "<=",
            BARS[how],
            f"{exact:.3g} bits",
        )


def _ours(linear: Regression, epochs: int) -> np.ndarray:
    fewer = ours.epochs_of_equal_gradients(linear, epochs)
    return ours.draws(
        linear, linear.at_the_minimum(CHAINS), SGWORLD(SIMULATED), epochs=fewer, burn_in=BURN_IN
    )


def _distance(linear: Regression, draw: Callable[[], np.ndarray]) -> Estimate:
    exact = posterior.exact_posterior(linear.landscape).value
    return gaussian_kl(draw(), exact.mean, exact.covariance)


def _exact(linear: Regression, algorithm: str, rate: float) -> float:
    found = posterior.stationary_distribution(
        linear.landscape, algorithm, learning_rate=rate, batch_size=BATCH
    )
    return posterior.kl_divergence(found.value, posterior.exact_posterior(linear.landscape).value)


def _row(what: str, found: Estimate, exact: float) -> Row:
    note = f"{found.low:.4g} to {found.high:.4g}; exact moments {exact:.4g}"
    return Row(f"{what}, η = 3e-6, bits", found.value, note=note)
