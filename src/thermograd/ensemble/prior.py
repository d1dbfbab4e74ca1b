"""The Gaussian prior of the weights: its precision and its mean, as they were given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from thermograd.numerics.argument_kind import check_has
from thermograd.numerics.finite_number import is_finite_number

if TYPE_CHECKING:
    from torch import Tensor


def checked_precision(precision: float | None) -> float | None:
    """The precision, if it is one; None where loss and regulariser are the negative log posterior already.

    Args:
        precision: 1/variance of each weight.

    Raises:
        ValueError: negative, infinite, or no number.
    """
    if precision is None:
        return None
    if not is_finite_number(precision) or precision < 0:
        message = (
            f"prior_precision is {precision!r}; it must be a finite number, 0 (flat) or larger, or None if the problem's loss "
            "and regulariser are the negative log posterior already"
        )
        raise ValueError(message)
    return precision


def mean_of_prior(
    prior_mean: str | Mapping[str, Tensor], start: Mapping[str, Tensor] | None
) -> Mapping[str, Tensor] | None:
    """The mean of the prior by name; None for 0.

    Args:
        prior_mean: "zero", "start", or tensors by name.
        start: one set of weights, for "start".

    Raises:
        ValueError: another word, or "start" without one.
    """
    if isinstance(prior_mean, Mapping):
        for name, value in prior_mean.items():
            check_has(f"prior_mean {name!r}", value, "detach", "a tensor for each name")
        return prior_mean
    if prior_mean == "zero":
        return None
    if prior_mean == "start" and start is not None:
        return start
    message = f"prior_mean is {prior_mean!r}; use 'zero', 'start' (with start=, one set of weights), or weights by name"
    raise ValueError(message)
