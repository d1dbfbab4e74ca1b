"""BlackJAX: `sgld` with its `grad_estimator`, one jitted step at a time, or many chains in `jit(scan(vmap))`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from engines_parts.peer import AbsentError

from posterior_peers_parts.loaders import Loader
from posterior_peers_parts.regressions import BATCH, Regression, Weights

try:
    import blackjax
    import jax
    import jax.numpy as jnp
except ImportError as cause:
    blackjax, missing = None, cause


def sampler(regression: Regression) -> Any:
    """Its SGLD.

    Raises:
        AbsentError: blackjax, or jax, is not installed.
    """
    if blackjax is None:
        message = f"blackjax or what it needs is not installed ({missing})"
        raise AbsentError(message)

    def log_prior(weights: Any) -> Any:
        return -regression.regulariser * sum((value**2).sum() for value in weights.values())

    def log_likelihood(weights: Any, sample: Any) -> Any:
        inputs, target = sample
        away = target - regression.outputs(weights, inputs[None], jnp.tanh)[0]
        return -(away**2) / (2 * regression.noise**2)

    estimate = blackjax.sgmcmc.gradients.grad_estimator(log_prior, log_likelihood, regression.samples)
    return blackjax.sgld(estimate)


def data(regression: Regression) -> Any:
    """Inputs and targets as arrays of JAX."""
    return tuple(jnp.asarray(part) for part in regression.data)


def many_steps(regression: Regression, rate: float) -> Callable[[Any, Any, Any, Any], Any]:
    """Jitted (key, weights of all chains, indices (step, chain, sample), data) -> (key, weights)."""
    step = sampler(regression).step

    @jax.jit
    def advance(key: Any, weights: Any, indices: Any, known: Any) -> Any:
        def one(key_of_one: Any, own: Any, batch: Any) -> Any:
            return step(key_of_one, own, (known[0][batch], known[1][batch]), rate)

        def all_chains(carried: Any, batches: Any) -> Any:
            last, held = carried
            last, this = jax.random.split(last)
            keys = jax.random.split(this, len(batches))
            return (last, jax.vmap(one)(keys, held, batches)), None

        return jax.lax.scan(all_chains, (key, weights), indices)[0]

    return advance


def draws(
    regression: Regression, begin: Weights, loader: Loader, rate: float, *, epochs: int, burn_in: int
) -> np.ndarray:
    """Weights at the ends of the epochs after `burn_in`, `(chain, draw, N)`, of as many chains as `begin` has.

    Raises:
        AbsentError: blackjax, or jax, is not installed.
    """
    advance = many_steps(regression, rate)
    generator = np.random.default_rng(3)
    key, known = jax.random.key(4), data(regression)
    weights = {name: jnp.asarray(value) for name, value in begin.items()}
    chains = len(next(iter(begin.values())))
    kept = []
    for epoch in range(epochs):
        order = loader(generator, chains, regression.samples, BATCH).swapaxes(0, 1)
        key, weights = advance(key, weights, jnp.asarray(order), known)
        if epoch >= burn_in:
            parts = [
                np.asarray(weights[name]).reshape(chains, -1) for name in regression.near
            ]  # JAX sorts names
            kept.append(np.concatenate(parts, axis=1))
    return np.stack(kept, axis=1)
