"""What the step of a sampler does, known before the first one: whether it is stable, and how biased it is."""

from __future__ import annotations

from typing import Any

from scipy.optimize import brentq

from thermograd.dynamics.sgld import SGLD
from thermograd.dynamics.sgworld import SGWORLD
from thermograd.errors import UnstableStepSizeError
from thermograd.theory.posterior import variance_excess


def largest_learning_rate(dynamics: Any, curvature: float, steps_per_epoch: int) -> float:
    """The η at which a mode of the largest curvature h grows: ηh = 2, of published SGWORLD less.

    An epoch of published SGWORLD multiplies by (1 − ηh)ⁿ − n(n − 1)(ηh)²/2, which reaches −1 between nηh = 1.556, for many
    batches, and 2.

    Args:
        dynamics: `SGLD` or `SGWORLD`.
        curvature: h, the largest one of the potential.
        steps_per_epoch: n.

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


def expected_excess(
    dynamics: Any,
    curvature: float,
    steps_per_epoch: int,
    *,
    learning_rate: float | None = None,
    minibatching: Any = None,
) -> float:
    """Relative excess variance in the stiffest mode, of a model that fits; 0 where nothing is curved upwards.

    Args:
        dynamics: `SGLD` or `SGWORLD`.
        curvature: h, the largest one of the potential.
        steps_per_epoch: n.
        learning_rate: η, if it is another one than the dynamics has.
        minibatching: if it is not the one that the sampler has by default.

    >>> round(expected_excess(SGLD(1e-4), 100.0, 20), 6)
    0.1
    """
    if curvature <= 0:
        return 0.0
    rate = dynamics.learning_rate if learning_rate is None else learning_rate
    algorithm = algorithm_of(dynamics, minibatching)
    return float(variance_excess(algorithm, curvature, learning_rate=rate, steps_per_epoch=steps_per_epoch))


def algorithm_of(sampler: Any, minibatching: Any = None) -> str:
    """The name that theory has for a sampler.

    Args:
        sampler: `SGLD` or `SGWORLD`.
        minibatching: if it is not the one that the sampler has by default.

    Raises:
        ValueError: another dynamics.

    >>> algorithm_of(SGWORLD(variant="published", correction=False))
    'sgworld_published_uncorrected'
    """
    if isinstance(sampler, SGLD):
        return "sgld_without_replacement" if getattr(minibatching, "reshuffles_epochs", False) else "sgld"
    if not isinstance(sampler, SGWORLD):
        message = f"dynamics is {sampler!r}; use SGLD() or SGWORLD()"
        raise ValueError(message)
    published = "_published" if sampler.variant == "published" else ""
    return f"sgworld{published}{'' if sampler.correction else '_uncorrected'}"
