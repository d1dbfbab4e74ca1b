"""Advice on the learning rate of a posterior sampler: the largest one whose bias is bearable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from thermograd.dynamics.sgld import SGLD
from thermograd.dynamics.sgworld import SGWORLD
from thermograd.dynamics.stability import largest_learning_rate
from thermograd.ensemble.potential import Potential
from thermograd.quantities import Advice, Verdict
from thermograd.theory.posterior import step_size

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["StepSize", "advise"]


@dataclass(frozen=True)
class StepSize:
    """One sampler and the learning rate at which its bias is what was asked for.

    Attributes:
        dynamics: the sampler, with that rate.
        learning_rate: η, which multiplies the gradient of U.
        limit: the largest η that is stable.
        epochs_per_draw: epochs after which the slowest mode has forgotten, 1/(nηh_min), at most; infinite with a flat
            prior.

    >>> print(StepSize(SGLD(1e-6), 1e-6, 1e-4, 250.0))
    SGLD, learning_rate 1e-06 (unstable from 0.0001), an independent draw in at most 250 epochs
    """

    dynamics: Any
    learning_rate: float
    limit: float
    epochs_per_draw: float

    def __str__(self) -> str:
        name = type(self.dynamics).__name__
        variant = getattr(self.dynamics, "variant", "corrected")
        kind = name if variant == "corrected" else f"{name} ({variant})"
        return (
            f"{kind}, learning_rate {self.learning_rate:.3g} (unstable from {self.limit:.3g}), an independent draw in at "
            f"most {self.epochs_per_draw:.3g} epochs"
        )


def advise(
    problem: Any,
    *,
    start: Mapping[str, Tensor] | None = None,
    prior_precision: float | None,
    batch_size: int,
    dynamics: Any = None,
    bias: float = 0.01,
    prior_mean: Mapping[str, Tensor] | None = None,
    preconditioner: Any = None,
) -> Advice:
    """The learning rate at which the variance in the stiffest mode is too large by `bias`, and what SGLD would have to use.

    The largest curvature h of U is found by Lanczos (of at most 10⁴ samples) at the start. In a mode of curvature h the
    relative excess variance is nηh/2 of SGLD with independent batches, (nηh)³/24 of SGWORLD, n batches in an epoch
    (`thermograd.theory.posterior.variance_excess`). The prior bounds the smallest curvature, and so the epochs between independent draws.

    Args:
        problem: its loss is each sample's negative log likelihood.
        start: weights by name, trained beforehand; the problem's initial weights if None.
        prior_precision: of each weight; None if the loss of the problem is U already.
        batch_size: m.
        dynamics: the sampler; `SGWORLD` if None.
        bias: relative excess variance, 0.01 for 1 %.
        prior_mean: by name; 0 if None.
        preconditioner: as in `sample_posterior`.

    Returns:
        Advice whose `ranking` holds a `StepSize` of the sampler asked for, then one of SGLD, if that is another.

    Raises:
        ValueError: arguments that do not fit.

    >>> from thermograd.problems.linear_regression import LinearRegression
    >>> found = advise(LinearRegression(), prior_precision=None, batch_size=10)
    >>> [type(step.dynamics).__name__ for step in found.ranking], round(found.ranking[0].learning_rate / found.ranking[1].learning_rate)
    (['SGWORLD', 'SGLD'], 29)
    """
    asked = SGWORLD() if dynamics is None else dynamics
    algorithm_of(asked)  # refuses what is no sampler
    potential = Potential.of(
        problem, prior_precision=prior_precision, prior_mean=prior_mean, preconditioner=preconditioner
    )
    steps = -(-potential.samples // batch_size)
    weights = potential.initial(start)
    stiffest = potential.largest_curvature(weights)
    if stiffest <= 0:
        message = f"the largest curvature of the potential is {stiffest:.3g} at the start: no minimum is near; train first"
        raise ValueError(message)
    softest = potential.smallest_curvature_bound(prior_precision)
    ranking = tuple(
        _step(sampler, stiffest, softest, steps, bias)
        for sampler in (asked, *(() if isinstance(asked, SGLD) else (SGLD(temperature=asked.temperature),)))
    )
    return Advice(
        _recommendation(ranking, stiffest, steps, bias, potential.samples),
        ranking,
        (_basis(stiffest, softest, steps, potential),),
        _caveats(asked, softest, potential),
    )


def _step(sampler: Any, stiffest: float, softest: float, steps: int, bias: float) -> StepSize:
    rate = step_size(algorithm_of(sampler), stiffest, steps_per_epoch=steps, bias=bias)
    return StepSize(
        replace(sampler, learning_rate=rate),
        rate,
        largest_learning_rate(sampler, stiffest, steps),
        1 / (steps * rate * softest) if softest > 0 else float("inf"),
    )


def algorithm_of(sampler: Any) -> str:
    """The name that theory has for a sampler, on the minibatching it has by default.

    Args:
        sampler: `SGLD` or `SGWORLD`.

    Raises:
        ValueError: another dynamics.

    >>> algorithm_of(SGWORLD(variant="published", correction=False))
    'sgworld_published_uncorrected'
    """
    if isinstance(sampler, SGLD):
        return "sgld"
    if not isinstance(sampler, SGWORLD):
        message = f"dynamics is {sampler!r}; use SGLD() or SGWORLD()"
        raise ValueError(message)
    published = "_published" if sampler.variant == "published" else ""
    return f"sgworld{published}{'' if sampler.correction else '_uncorrected'}"


def _recommendation(
    ranking: tuple[StepSize, ...], stiffest: float, steps: int, bias: float, samples: int
) -> str:
    first = ranking[0]
    extent = steps * first.learning_rate * stiffest
    text = (
        f"Use {type(first.dynamics).__name__} with learning_rate {first.learning_rate:.3g} (of a mean loss "
        f"{samples * first.learning_rate:.3g}): nηh = {extent:.2g} in the stiffest mode, which makes its variance at most "
        f"{bias:.2g} too large, relative"
    )
    if len(ranking) == 1:
        return f"{text}."
    other = ranking[1]
    times = first.learning_rate / other.learning_rate
    return (
        f"{text}. SGLD would need a learning_rate {times:.2g} times smaller, and as many times more epochs."
    )


def _basis(stiffest: float, softest: float, steps: int, potential: Potential) -> Verdict:
    evidence = {"largest_curvature": stiffest, "smallest_curvature_bound": softest, "steps_per_epoch": steps}
    text = (
        f"the curvature of U reaches {stiffest:.4g} at the start, and is {softest:.3g} or more where the likelihood is "
        f"convex; {steps} batches an epoch"
    )
    return Verdict(True, "curvature_known", text, evidence | {"samples": potential.samples})


def _caveats(asked: Any, softest: float, potential: Potential) -> tuple[str, ...]:
    found = []
    if softest == 0:
        found.append("a flat prior: directions without curvature never forget; give a prior_precision")
    found.append(
        "the curvature is that of the start and grows or falls along the chain: draws.convergence() says whether the bias is "
        "what was meant"
    )
    if isinstance(asked, SGWORLD) and asked.variant == "corrected":
        found.append(
            "SGLD over a reshuffled DataLoader has most of this gain already (excess ηh/2 instead of nηh/2); the correction "
            "removes the rest"
        )
    return (*found, *potential.notes)
