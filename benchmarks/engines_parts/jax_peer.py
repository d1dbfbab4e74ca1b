"""JAX: `jit(scan(vmap(grad)))`, with the indices given, or sampled inside.

Distinct samples with replacement come from Floyd's algorithm on all trajectories at once; a shuffled epoch from one sort
of random words that carry the sample in their low bits, or from `jax.random.permutation`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from engines_parts.peer import AbsentError, Form, Weights
from engines_parts.workloads import Workload

try:
    import jax
    import jax.numpy as jnp
except ImportError:
    jax = None

STEPS_A_CALL = 200


def _loss(workload: Workload, products: bool) -> Callable[..., Any]:
    activation = jnp.tanh if workload.activation == "tanh" else jax.nn.relu

    def loss(weights: Any, inputs: Any, targets: Any) -> Any:
        values = list(weights)
        for position in range(0, len(values), 2):
            weight, bias = values[position : position + 2]
            if products:
                inputs = inputs @ weight.T + bias
            else:
                inputs = (inputs[:, None, :] * weight).sum(-1) + bias
            inputs = activation(inputs) if position + 2 < len(values) else inputs
        if workload.squares:
            decay = sum((value**2).sum() for value in values)
            return workload.squares * ((inputs - targets) ** 2).sum(-1).mean() + workload.regulariser * decay
        chosen = jnp.take_along_axis(jax.nn.log_softmax(inputs), targets[:, None], axis=1)
        return -chosen.mean()

    return loss


def _updates(workload: Workload, products: bool) -> Callable[..., Any]:
    """Scan of the update over indices (step, trajectory, sample)."""
    slope = jax.grad(_loss(workload, products))

    def updates(weights: Any, indices: Any, data: Any, rate: float) -> Any:
        inputs, targets = data

        def one(single: Any, batch: Any) -> Any:
            slopes = slope(single, inputs[batch], targets[batch])
            return tuple(value - rate * change for value, change in zip(single, slopes, strict=True))

        def step(held: Any, batch: Any) -> Any:
            return jax.vmap(one)(held, batch), None

        return jax.lax.scan(step, weights, indices)[0]

    return updates


def _floyd(workload: Workload, key: Any) -> Any:
    """Batches of one step: distinct, from 24-bit words."""
    size, samples = workload.batch, workload.samples
    words = jax.random.bits(key, (size, workload.trajectories), jnp.uint32) >> 8
    chosen: list[Any] = []
    for position in range(size):
        top = samples - size + position
        drawn = ((words[position] * jnp.uint32(top + 1)) >> 24).astype(jnp.int32)
        taken = jnp.zeros_like(drawn, bool)
        for earlier in chosen:
            taken |= earlier == drawn
        chosen.append(jnp.where(taken, top, drawn))
    return jnp.stack(chosen, axis=-1)[None]


def _sorted_epoch(workload: Workload, key: Any) -> Any:
    """Batches of one epoch: 24 random bits above 8 bits of the sample, sorted."""
    words = jax.random.bits(key, (workload.trajectories, workload.samples), jnp.uint32)
    order = jax.lax.sort((words & jnp.uint32(0xFFFFFF00)) | jnp.arange(workload.samples, dtype=jnp.uint32))
    return _cut(workload, (order & 255).astype(jnp.int32))


def _permuted_epoch(workload: Workload, key: Any) -> Any:
    keys = jax.random.split(key, workload.trajectories)
    return _cut(workload, jax.vmap(lambda one: jax.random.permutation(one, workload.samples))(keys))


def _cut(workload: Workload, order: Any) -> Any:
    return order.reshape(workload.trajectories, -1, workload.batch).swapaxes(0, 1)


def _sampling_advance(workload: Workload, draw: Callable[..., Any], generator: str) -> Any:
    """Training with batches of `draw`, and its unit; and the draws alone."""
    updates = _updates(workload, True)
    data = tuple(jnp.asarray(part) for part in workload.data())
    steps_drawn = 1 if draw is _floyd else workload.samples // workload.batch

    @jax.jit
    def train(weights: Any, key: Any) -> Any:
        def stretch(carried: Any, _: Any) -> Any:
            held, last = carried
            last, this = jax.random.split(last)
            return (updates(held, draw(workload, this), data, workload.learning_rate), last), None

        return jax.lax.scan(stretch, (weights, key), None, length=STEPS_A_CALL // steps_drawn)[0]

    key = jax.random.key(0, impl=generator)
    held = [(tuple(jnp.asarray(value) for value in workload.initial_weights.values()), key)]

    def advance(steps: int) -> None:
        for _ in range(steps // STEPS_A_CALL):
            held[0] = train(*held[0])
        jax.block_until_ready(held[0][0])

    def draws(steps: int) -> np.ndarray:
        keys = jax.random.split(key, max(1, steps // steps_drawn))
        return np.concatenate([np.asarray(draw(workload, one)) for one in keys])

    return advance, draws


def _given_advance(workload: Workload, products: bool) -> Callable[[int], None]:
    updates = jax.jit(_updates(workload, products))
    data = tuple(jnp.asarray(part) for part in workload.data())
    batches = jnp.asarray(workload.given_indices(STEPS_A_CALL), jnp.int32)
    held = [tuple(jnp.asarray(value) for value in workload.initial_weights.values())]

    def advance(steps: int) -> None:
        for _ in range(steps // STEPS_A_CALL):
            held[0] = updates(held[0], batches, data, workload.learning_rate)
        jax.block_until_ready(held[0])

    return advance


def forms(workload: Workload, sampler: str | None) -> dict[str, Callable[[], Form]]:
    """The forms of JAX for a sampler, None = indices given.

    Raises:
        AbsentError: no JAX here.
    """
    if jax is None:
        message = "jax is not installed"
        raise AbsentError(message)
    data = tuple(jnp.asarray(part) for part in workload.data())

    def one_step(products: bool) -> Callable[[Weights, np.ndarray, float], Weights]:
        updates = jax.jit(_updates(workload, products))

        def step(weights: Weights, indices: np.ndarray, rate: float) -> Weights:
            held = tuple(jnp.asarray(value) for value in weights.values())
            after = updates(held, jnp.asarray(indices[None], jnp.int32), data, rate)
            return dict(zip(weights, map(np.asarray, after), strict=True))

        return step

    def given(products: bool) -> Form:
        return Form(one_step(products), _given_advance(workload, products), STEPS_A_CALL)

    def sampled(draw: Callable[..., Any], generator: str) -> Form:
        advance, draws = _sampling_advance(workload, draw, generator)
        return Form(one_step(True), advance, STEPS_A_CALL, draws)

    if sampler is None:
        return {"matrix products": lambda: given(True), "sums of products": lambda: given(False)}
    rules = {"wr": (_floyd,), "wor": (_sorted_epoch, _permuted_epoch)}[sampler]
    return {
        f"{rule.__name__.strip('_')}, {generator}": lambda rule=rule, generator=generator: sampled(
            rule, generator
        )
        for rule in rules
        for generator in ("threefry2x32", "rbg")
    }
