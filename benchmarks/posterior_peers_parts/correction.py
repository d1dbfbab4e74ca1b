"""What SGWORLD's correction of an epoch costs, in gradients of a batch.

By itself, one chain and functional: `dynamics.sgworld.correction` of two batches over `torch.func.grad` of the loss of one. In the
kernel engine: the epoch with it less the epoch without, over a step of the latter. In a training loop: see own_loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from engines_parts.timing import QUICK, Effort
from torch.func import functional_call

from posterior_peers_parts.ensemble import BLOCK, CHAINS, DEFAULT_BLOCK, RATE, our_speed
from posterior_peers_parts.networks import Training, training
from posterior_peers_parts.ours import CORRECTION
from posterior_peers_parts.regressions import BATCH, regression
from posterior_peers_parts.row import Row
from posterior_peers_parts.timing import seconds_each
from thermograd.dynamics import SGWORLD
from thermograd.dynamics.sgworld import correction
from thermograd.errors import EngineUnavailableError
from thermograd.minibatching import WithoutReplacement

NAMES = {"linear": "3 weights", "network": "7 weights", "classifier": "101 770 weights"}


def rows(quick: bool) -> Iterator[Row]:
    """Ratios, by itself and in the kernel engine."""
    for name, size in NAMES.items():
        calls = _alone(training(name))
        taken = seconds_each(calls, repeats=3 if quick else 7, seconds=0.1 if quick else 0.5)
        ratio = taken["correction"] / taken["gradient"]
        note = f"{1e3 * taken['correction']:.3g} ms over {1e3 * taken['gradient']:.3g} ms"
        yield Row(f"{size}, alone: correction / gradient of a batch", ratio, "<=", CORRECTION, note)
    for name in ("linear", "network"):
        for chains, block in ((CHAINS, DEFAULT_BLOCK), (BLOCK, BLOCK)):
            yield _in_the_kernel(name, chains, block, QUICK if quick else Effort())


def _alone(chosen: Training) -> dict[str, Callable[[], object]]:
    """The correction and a gradient, as calls."""
    model, (inputs, targets), size = chosen.make(), chosen.data, chosen.batch_size
    weights = {name: value.detach() for name, value in model.named_parameters()}

    def loss(batch: slice, at: Any) -> Any:
        outputs = functional_call(model, at, (inputs[batch],))
        likelihood = chosen.samples * chosen.loss(outputs, targets[batch])
        return likelihood + chosen.precision / 2 * sum(value.square().sum() for value in at.values())

    first, second = partial(loss, slice(0, size)), partial(loss, slice(size, 2 * size))
    return {
        "correction": lambda: correction(first, second, weights, strength=1e-9),
        "gradient": lambda: torch.func.grad(first)(weights),
    }


def _in_the_kernel(name: str, chains: int, block: int, effort: Effort) -> Row:
    chosen, batches = regression(name), WithoutReplacement(BATCH)
    what = f"{NAMES[name]}, kernel, blocks of {block}: correction / step without"
    try:
        with_it, without = (
            our_speed(chosen, SGWORLD(RATE, correction=on), batches, effort, chains=chains, block=block)
            for on in (True, False)
        )
    except EngineUnavailableError as cause:
        return Row(what, note=str(cause))
    steps = chosen.steps_per_epoch
    ratio = steps * (without.median / with_it.median - 1)
    return Row(
        what,
        ratio,
        "<=",
        CORRECTION,
        f"{with_it.median * chains:.3g} and {without.median * chains:.3g} chain-steps/s",
    )
