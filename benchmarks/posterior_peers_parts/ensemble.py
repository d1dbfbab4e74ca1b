"""Chain-steps per second of processor time: the ensemble in the kernel engine beside every way to run the peers.

Ours is `tg.run` with sampling, noise and all bookkeeping; a short run is subtracted from a long one, so that planning and compiling
cancel. The peers are given their batches, or indices of them, drawn outside the timing. One chain at a time is what their pages
show; many chains in one call are written by hand, and then BlackJAX compiles the whole loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle, islice
from typing import Any

import numpy as np
import torch
from engines_parts.peer import AbsentError
from engines_parts.timing import QUICK, Effort, Speed, steps_per_second, steps_per_second_of_differences

import thermograd as tg
from posterior_peers_parts import blackjax_peer, posteriors_peer
from posterior_peers_parts.loaders import reshuffled
from posterior_peers_parts.regressions import BATCH, Regression, regression
from posterior_peers_parts.row import Row
from thermograd.dynamics import SGLD, SGWORLD
from thermograd.errors import EngineUnavailableError
from thermograd.minibatching import WithoutReplacement, WithReplacement

RATE, CHAINS, BAR = 1e-6, 1000, 50
STEPS_A_CALL = 200
DEFAULT_BLOCK, BLOCK = 256, 4096
OURS = {
    "SGLD": (SGLD(RATE), WithReplacement(BATCH), CHAINS, DEFAULT_BLOCK),
    "SGWORLD": (SGWORLD(RATE), WithoutReplacement(BATCH), CHAINS, DEFAULT_BLOCK),
    f"SGWORLD in blocks of {BLOCK}": (SGWORLD(RATE), WithoutReplacement(BATCH), BLOCK, BLOCK),
}


def rows(quick: bool) -> Iterator[Row]:
    """Speeds and their ratios."""
    effort = QUICK if quick else Effort()
    for name in ("linear", "network"):
        chosen = regression(name)
        own = {}
        for sampler, (dynamics, minibatching, chains, block) in OURS.items():
            what = f"{name}: {sampler}, kernel, {chains} chains, chain-steps/s"
            try:
                found = our_speed(chosen, dynamics, minibatching, effort, chains=chains, block=block)
            except EngineUnavailableError as cause:
                yield Row(what, note=str(cause))
                continue
            own[sampler] = found.median * chains
            yield _speed_row(what, found, chains)
        for peer, (measure, many) in PEERS.items():
            yield from _peer_rows(f"{name}: {peer}", partial(measure, chosen, effort), many, own)


def _peer_rows(what: str, measure: Callable[[], Speed], chains: int, own: dict[str, float]) -> Iterator[Row]:
    try:
        found = measure()
    except AbsentError as cause:
        yield Row(what, note=str(cause))
        return
    yield _speed_row(f"{what}, chain-steps/s", found, chains)
    for sampler, rate in own.items():
        yield Row(f"  {sampler} / that", rate / (found.median * chains), ">=", BAR)


def _speed_row(what: str, found: Speed, chains: int) -> Row:
    return Row(what, found.median * chains, note=f"{found.low * chains:.3g} to {found.high * chains:.3g}")


def our_speed(
    chosen: Regression, dynamics: Any, minibatching: Any, effort: Effort, *, chains: int, block: int
) -> Speed:
    """Steps of all chains per second in the kernel engine.

    Raises:
        EngineUnavailableError: no kernel can be built here.
    """
    start = {name: torch.from_numpy(value) for name, value in chosen.at_the_minimum(chains).items()}

    def train(steps: int) -> None:
        experiment = tg.Experiment(
            chosen.description,
            minibatching=minibatching,
            dynamics=dynamics,
            trajectories=chains,
            start=start,
            steps=steps,
            observe=(),
            seed=1,
            engine="kernel",
            block_size=block,
        )
        tg.run(experiment)

    return steps_per_second_of_differences(train, effort, chosen.steps_per_epoch)


def _batches(chosen: Regression, chains: int) -> np.ndarray:
    """Indices of some epochs, `(step, chain, sample)`."""
    generator = np.random.default_rng(6)
    epochs = STEPS_A_CALL // chosen.steps_per_epoch
    drawn = [reshuffled(generator, chains, chosen.samples, BATCH) for _ in range(epochs)]
    return np.concatenate(drawn, axis=1).swapaxes(0, 1)


def _posteriors_speed(chosen: Regression, effort: Effort, *, chains: int) -> Speed:
    """The faster of new states and states changed in place."""
    inputs, targets = (torch.from_numpy(part) for part in chosen.data)
    order = torch.from_numpy(_batches(chosen, chains))
    if chains == 1:
        sampler, begin = posteriors_peer.transform(chosen, RATE), chosen.minimum
        known = [(inputs[batch[0]], targets[batch[0]]) for batch in order]
    else:
        sampler, begin = posteriors_peer.many(chosen, RATE), chosen.at_the_minimum(chains)
        known = [(inputs[batch], targets[batch]) for batch in order]
    speeds = []
    for inplace in (False, True):
        held = [sampler.init({name: torch.from_numpy(value.copy()) for name, value in begin.items()})]
        endless = cycle(known)

        def advance(
            steps: int, held: list[Any] = held, endless: Any = endless, inplace: bool = inplace
        ) -> None:
            state = held[0]
            for batch in islice(endless, steps):
                state, _ = sampler.update(state, batch, inplace=inplace)
            held[0] = state

        speeds.append(steps_per_second(advance, effort))
    return max(speeds, key=lambda speed: speed.median)


def _blackjax_steps(chosen: Regression, effort: Effort) -> Speed:
    step = blackjax_peer.sampler(chosen).step
    jax, jnp = blackjax_peer.jax, blackjax_peer.jnp
    jitted = jax.jit(lambda key, weights, batch: step(key, weights, batch, RATE))
    inputs, targets = blackjax_peer.data(chosen)
    endless = cycle([(inputs[batch[0]], targets[batch[0]]) for batch in _batches(chosen, 1)])
    keys = cycle(list(jax.random.split(jax.random.key(7), STEPS_A_CALL)))
    held = [{name: jnp.asarray(value) for name, value in chosen.minimum.items()}]

    def advance(steps: int) -> None:
        weights = held[0]
        for batch in islice(endless, steps):
            weights = jitted(next(keys), weights, batch)
        held[0] = jax.block_until_ready(weights)

    return steps_per_second(advance, effort)


def _blackjax_compiled(chosen: Regression, effort: Effort, *, double: bool) -> Speed:
    many = blackjax_peer.many_steps(chosen, RATE)
    jax, jnp = blackjax_peer.jax, blackjax_peer.jnp
    with jax.enable_x64(double):
        known, order = blackjax_peer.data(chosen), jnp.asarray(_batches(chosen, CHAINS))
        begin = {name: jnp.asarray(value) for name, value in chosen.at_the_minimum(CHAINS).items()}
        held = [(jax.random.key(8), begin)]

        def advance(steps: int) -> None:
            for _ in range(steps // STEPS_A_CALL):
                held[0] = many(*held[0], order, known)
            jax.block_until_ready(held[0][1])

        return steps_per_second(advance, effort, STEPS_A_CALL)


PEERS = {
    "posteriors, one chain": (partial(_posteriors_speed, chains=1), 1),
    f"posteriors, {CHAINS} chains in a call": (partial(_posteriors_speed, chains=CHAINS), CHAINS),
    "BlackJAX, one chain, jitted step": (_blackjax_steps, 1),
    f"BlackJAX, {CHAINS} chains, jit(scan(vmap))": (partial(_blackjax_compiled, double=True), CHAINS),
    "the same in float32": (partial(_blackjax_compiled, double=False), CHAINS),
}
