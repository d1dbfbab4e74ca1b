"""The largest learning rate of a sampler that is stable, known before the first step."""

from __future__ import annotations

from typing import Any

from thermograd.errors import UnstableStepSizeError


def largest_learning_rate(dynamics: Any, curvature: float, steps_per_epoch: int) -> float:
    """The η at which a mode of the largest curvature h grows: ηh = 2, of published SGWORLD nηh = 2.

    Args:
        dynamics: `SGLD` or `SGWORLD`.
        curvature: h, the largest one of the potential.
        steps_per_epoch: n.

    >>> from thermograd.dynamics.sgworld import SGWORLD
    >>> largest_learning_rate(SGWORLD(), 100.0, 10), largest_learning_rate(SGWORLD(variant="published"), 100.0, 10)
    (0.02, 0.002)
    """
    if curvature <= 0:
        return float("inf")
    return 2 / curvature / (steps_per_epoch if getattr(dynamics, "variant", "") == "published" else 1)


def check_stability(
    dynamics: Any, curvature: float, steps_per_epoch: int, *, learning_rate: float | None = None
) -> None:
    """Refuse a learning rate at which the weights move away from the minimum.

    Args:
        dynamics: `SGLD` or `SGWORLD`.
        curvature: the largest one of the potential, in units of the preconditioner.
        steps_per_epoch: n.
        learning_rate: η, if it is another one than the dynamics has.

    Raises:
        UnstableStepSizeError: a ValueError: it is beyond the limit.
    """
    rate = dynamics.learning_rate if learning_rate is None else learning_rate
    limit = largest_learning_rate(dynamics, curvature, steps_per_epoch)
    if rate < limit:
        return
    published = getattr(dynamics, "variant", "") == "published"
    sign, product = ("nηh", steps_per_epoch * rate * curvature) if published else ("ηh", rate * curvature)
    message = (
        f"learning_rate {rate:.3g} is unstable: {sign} = {product:.3g} >= 2 at the largest curvature h = {curvature:.4g} of "
        f"the potential; the largest stable learning_rate is {limit:.3g}. tg.advise_posterior_step finds one of a given "
        "bias. A rate used on a mean loss has to be divided by the number of samples"
    )
    raise UnstableStepSizeError(message, limit=limit, curvature=curvature, got=rate)
