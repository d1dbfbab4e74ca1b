"""The largest learning rate of a sampler that is stable, known before the first step."""

from __future__ import annotations

from typing import Any

from scipy.optimize import brentq

from thermograd.errors import UnstableStepSizeError


def largest_learning_rate(dynamics: Any, curvature: float, steps_per_epoch: int) -> float:
    """The η at which a mode of the largest curvature h grows: ηh = 2, of published SGWORLD less.

    An epoch of published SGWORLD multiplies by (1 − ηh)ⁿ − n(n − 1)(ηh)²/2, which reaches −1 between nηh = 1.556, for many
    batches, and 2.

    Args:
        dynamics: `SGLD` or `SGWORLD`.
        curvature: h, the largest one of the potential.
        steps_per_epoch: n.

    >>> from thermograd.dynamics.sgworld import SGWORLD
    >>> largest_learning_rate(SGWORLD(), 100.0, 20)
    0.02
    >>> round(20 * 100 * largest_learning_rate(SGWORLD(variant="published"), 100.0, 20), 3)
    1.584
    """
    if curvature <= 0:
        return float("inf")
    if getattr(dynamics, "variant", "") != "published" or not dynamics.correction or steps_per_epoch < 2:
        return 2 / curvature
    pairs = steps_per_epoch * (steps_per_epoch - 1) / 2

    def above(extent: float) -> float:
        step = extent / steps_per_epoch
        return float((1 - step) ** steps_per_epoch - pairs * step**2 + 1)

    return float(brentq(above, 1.0, 2.0)) / (steps_per_epoch * curvature)


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
    whole = round(limit * curvature, 12) != 2
    sign, times = ("nηh", steps_per_epoch * curvature) if whole else ("ηh", curvature)
    message = (
        f"learning_rate {rate:.3g} is unstable: {sign} = {rate * times:.3g} >= {limit * times:.4g} at the largest curvature h = {curvature:.4g} of "
        f"the potential; the largest stable learning_rate is {limit:.3g}. tg.advise_posterior_step finds one of a given "
        "bias. A rate used on a mean loss has to be divided by the number of samples"
    )
    raise UnstableStepSizeError(message, limit=limit, curvature=curvature, got=rate)
