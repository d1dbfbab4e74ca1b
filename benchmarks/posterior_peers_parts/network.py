"""Network of 7 parameters: the directional virial E[(u·(θ−c))(u·∇U)] of the two stiffest modes u, which is 1 under exp(−U).

c is the minimum, u are eigenvectors of the Hessian there, for all samplers the same. All start from the same weights, the
ends of chains of SGWORLD that were long for the softest mode, so that each only has to find its own way of being wrong about
the stiff ones. SGWORLD makes fewer epochs, by what its correction may cost. Since a divergence is quadratic in what is wrong
with a variance, its bar of 1/20 is 1/√20 here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from engines_parts.peer import AbsentError

from posterior_peers_parts import blackjax_peer, ours, posteriors_peer
from posterior_peers_parts.loaders import LOADERS
from posterior_peers_parts.regressions import Regression, Weights, regression
from posterior_peers_parts.row import Row
from thermograd.dynamics import SGWORLD

RATES = (3e-7, 1e-6)
CHAINS, BURN_IN, SETTLING, MODES = 512, 100, 4000, 2
ERRORS = 3
PEERS = {"posteriors": posteriors_peer.draws, "BlackJAX": blackjax_peer.draws}


@dataclass(frozen=True, eq=False)
class Virial:
    """Mean over chains of each mode, and its standard error."""

    value: np.ndarray
    error: np.ndarray

    @property
    def away(self) -> float:
        """Of the worst mode, from 1."""
        return float(np.max(np.abs(self.value - 1)))

    def __str__(self) -> str:
        return ", ".join(f"{one:.4f} ± {own:.4f}" for one, own in zip(self.value, self.error, strict=True))


def rows(quick: bool) -> Iterator[Row]:
    """How far from 1, and how that compares."""
    network = regression("network")
    begin = _settled(network)
    epochs = 200 if quick else 1200
    for rate in RATES:
        fewer = ours.epochs_of_equal_gradients(network, epochs)
        own = _virial(network, ours.draws(network, begin, SGWORLD(rate), epochs=fewer, burn_in=BURN_IN))
        yield Row(f"SGWORLD, η = {rate:g}: |virial - 1|, worst of two modes", own.away, note=str(own))
        if rate == RATES[0]:
            errors = float(np.max(np.abs(own.value - 1) / own.error))
            yield Row(f"SGWORLD, η = {rate:g}: standard errors from 1", errors, "<=", ERRORS)
        for name, draw in PEERS.items():
            yield from _peer_rows(network, begin, (name, draw), rate, epochs, own)


def _settled(network: Regression) -> Weights:
    """Weights of the chains after relaxation, by name."""
    ends = ours.draws(
        network, network.at_the_minimum(CHAINS), SGWORLD(RATES[-1]), epochs=SETTLING, burn_in=SETTLING - 1
    )
    parts = np.split(ends[:, 0], np.cumsum([value.size for value in network.near.values()])[:-1], axis=1)
    shapes = network.near.items()
    return {
        name: part.reshape(CHAINS, *value.shape) for (name, value), part in zip(shapes, parts, strict=True)
    }


def _peer_rows(
    network: Regression,
    begin: Weights,
    peer: tuple[str, Callable[..., np.ndarray]],
    rate: float,
    epochs: int,
    own: Virial,
) -> Iterator[Row]:
    name, draw = peer
    for how, loader in LOADERS.items():
        what = f"{name}, {how}, η = {rate:g}"
        try:
            made = draw(network, begin, loader, rate, epochs=epochs, burn_in=BURN_IN)
        except AbsentError as cause:
            yield Row(what, note=str(cause))
            continue
        found = _virial(network, made)
        yield Row(f"{what}: |virial - 1|", found.away, note=str(found))
        bar = ("<=", 20**-0.5) if how == "with replacement" else ()
        yield Row(f"SGWORLD / {what}: |virial - 1|", own.away / found.away, *bar)


def _virial(network: Regression, draws: np.ndarray) -> Virial:
    _, vectors = np.linalg.eigh(network.landscape.hessian)
    stiffest = vectors[:, -MODES:]
    along = (draws - network.landscape.parameters) @ stiffest
    chains = (along * (network.gradient(draws) @ stiffest)).mean(axis=1)
    return Virial(chains.mean(axis=0), chains.std(axis=0, ddof=1) / np.sqrt(len(chains)))
