"""Network of 7 parameters: the directional virial E[(u·(θ−c))(u·∇U)] of the two stiffest modes u, which is 1 under exp(−U).

c is the minimum where every chain starts, u are eigenvectors of the Hessian there, for all samplers the same. Errors are those of the
mean over chains. SGWORLD makes fewer epochs, by what its correction may cost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from engines_parts.peer import AbsentError
from posterior_peers_parts import blackjax_peer, ours, posteriors_peer
from posterior_peers_parts.loaders import LOADERS
from posterior_peers_parts.regressions import Regression, regression
from posterior_peers_parts.row import Row
from thermograd.dynamics import SGWORLD

RATES = (3e-7, 1e-6)
CHAINS, BURN_IN, MODES = 512, 100, 2
ERRORS = 3
PEERS = {"posteriors": posteriors_peer.draws, "BlackJAX": blackjax_peer.draws}


def rows(quick: bool) -> Iterator[Row]:
    """How far from 1, and how that compares."""
    network = regression("network")
    epochs = 200 if quick else 1200
    for rate in RATES:
        fewer = ours.epochs_of_equal_gradients(network, epochs)
        own = _virial(
            network, ours.draws(network, SGWORLD(rate), chains=CHAINS, epochs=fewer, burn_in=BURN_IN)
        )
        yield from _own_rows(own, rate)
        for name, draw in PEERS.items():
            yield from _peer_rows(network, name, draw, rate, epochs, own)


def _own_rows(own: tuple[np.ndarray, np.ndarray], rate: float) -> Iterator[Row]:
    yield _row("SGWORLD", own, rate)
    away = float(np.max(np.abs(own[0] - 1) / own[1]))
    if rate == RATES[0]:
        yield Row(f"SGWORLD, η = {rate:g}: standard errors between the virial and 1", away, "<=", ERRORS)


def _peer_rows(
    network: Regression,
    name: str,
    draw: Callable[..., np.ndarray],
    rate: float,
    epochs: int,
    own: tuple[np.ndarray, np.ndarray],
) -> Iterator[Row]:
    for how, loader in LOADERS.items():
        what = f"{name}, {how}"
        try:
            made = draw(network, loader, rate, chains=CHAINS, epochs=epochs, burn_in=BURN_IN)
        except AbsentError as cause:
            yield Row(what, note=str(cause))
            continue
        found = _virial(network, made)
        yield _row(what, found, rate)
        if how == "with replacement":
            ratio = float(np.max(np.abs(own[0] - 1)) / np.max(np.abs(found[0] - 1)))
            yield Row(f"|virial - 1| of SGWORLD / {what}, η = {rate:g}, worst mode of each", ratio)


def _row(what: str, found: tuple[np.ndarray, np.ndarray], rate: float) -> Row:
    value, error = found
    note = ", ".join(f"{one:.4f} ± {own:.4f}" for one, own in zip(value, error, strict=True))
    worst = float(value[np.argmax(np.abs(value - 1))])
    return Row(f"{what}, η = {rate:g}: virial, worst of two modes", worst, note=note)


def _virial(network: Regression, draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean over chains of each mode, and its standard error."""
    _, vectors = np.linalg.eigh(network.landscape.hessian)
    stiffest = vectors[:, -MODES:]
    along = (draws - network.landscape.parameters) @ stiffest
    chains = (along * (network.gradient(draws) @ stiffest)).mean(axis=1)
    return chains.mean(axis=0), chains.std(axis=0, ddof=1) / np.sqrt(len(chains))
