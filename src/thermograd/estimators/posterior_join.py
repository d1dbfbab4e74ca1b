"""Chains that were sampled one by one, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from thermograd.errors import ConfigError

if TYPE_CHECKING:
    from thermograd.estimators.posterior_draws import PosteriorDraws

_AT_THE_SAME = ("epochs", "measured", "weights")
_BESIDE = ("potential", "virial", "directional_virial", "noise_share")
_OF_ONE_POSTERIOR = (
    "sampler",
    "variant",
    "correction",
    "learning_rate",
    "batch_size",
    "samples",
    "prior_precision",
    "preconditioned",
)


def joined(several: Sequence[PosteriorDraws]) -> PosteriorDraws:
    """All chains of several draws; see `PosteriorDraws.join`.

    Args:
        several: draws of the same weights, made at the same epochs and measured at the same draws.

    Raises:
        ConfigError: a ValueError: none, or draws that do not go together.
    """
    if not several:
        message = "join() got no draws; give those of several chains"
        raise ConfigError(message)
    for place in range(len(several)):
        wrong = _why_not(several, place)
        if wrong is not None:
            raise ConfigError(wrong)
    first = several[0]
    beside: dict[str, Any] = {
        name: np.concatenate([getattr(one, name) for one in several]) for name in _BESIDE
    }
    return replace(
        first,
        parameters={
            name: np.concatenate([one.parameters[name] for one in several]) for name in first.parameters
        },
        **beside,
        facts={**first.facts, "seed": [one.facts.get("seed") for one in several]},
    )


def _why_not(several: Sequence[PosteriorDraws], place: int) -> str | None:
    """Why the draws at a place do not go with those before; None if they do."""
    first, other = several[0], several[place]
    for name in _AT_THE_SAME:
        if not np.array_equal(getattr(other, name), getattr(first, name)):
            return (
                f"{name} of draws {place} differ from those of draws 0; record every chain at the same epochs"
            )
    if _shapes(other) != _shapes(first):
        return f"draws {place} are of other weights than draws 0"
    differing = [
        f"{name} {other.facts.get(name)!r} and {first.facts.get(name)!r}"
        for name in _OF_ONE_POSTERIOR
        if other.facts.get(name) != first.facts.get(name)
    ]
    if differing:
        return f"draws {place} are of another sampling than draws 0: {', '.join(differing)}"
    for before in range(place):
        if all(np.array_equal(several[before].parameters[n], v) for n, v in other.parameters.items()):
            return f"draws {place} are draws {before} again; every chain needs a seed of its own"
    if other.temperature != first.temperature:
        return f"draws {place} are at temperature {other.temperature}, draws 0 at {first.temperature}"
    return None


def _shapes(draws: PosteriorDraws) -> dict[str, tuple[int, ...]]:
    return {name: value.shape[2:] for name, value in draws.parameters.items()}
