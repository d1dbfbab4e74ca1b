"""Advice on the learning rate of a posterior sampler: the largest one whose bias is bearable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from thermograd.dynamics.sgld import SGLD
from thermograd.dynamics.sgworld import SGWORLD
from thermograd.dynamics.stability import algorithm_of, largest_learning_rate
from thermograd.ensemble.posterior import batches_of, sample_posterior
from thermograd.ensemble.potential import Potential
from thermograd.ensemble.prior import checked_precision, mean_of_prior
from thermograd.minibatching.without_replacement import WithoutReplacement
from thermograd.numerics.whole_number import check_whole_number
from thermograd.quantities import Advice, Verdict
from thermograd.theory.posterior import step_size

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["StepSize", "advise"]

_PILOT_BIAS = 0.02


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
    pilot: int = 64,
    prior_mean: str | Mapping[str, Tensor] = "zero",
    preconditioner: Any = None,
) -> Advice:
    """The learning rate at which the variance in the stiffest mode is too large by `bias`, and what SGLD would have to use.

    The largest curvature h of U is found by Lanczos (of at most 10⁴ samples) at the start and along a short chain from there, the
    pilot, because a network that has learned its data by heart has hardly any curvature, and where the posterior lies there is ten
    or thirty times as much. In a mode of curvature h the
    relative excess variance is nηh/2 of SGLD with independent batches, (nηh)³/24 of SGWORLD, n batches in an epoch
    (`thermograd.theory.posterior.variance_excess`). The prior bounds the smallest curvature, and so the epochs between independent draws.

    Args:
        problem: its loss is each sample's negative log likelihood.
        start: weights by name, trained beforehand; the problem's initial weights if None.
        prior_precision: of each weight; None if the loss of the problem is U already.
        batch_size: m.
        dynamics: the sampler; `SGWORLD` if None.
        bias: relative excess variance, 0.01 for 1 %.
        pilot: epochs of the short chain; 0 for the curvature of the start alone.
        prior_mean: as in `sample_posterior`.
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
    check_whole_number("pilot", pilot, 0, of="epochs")
    centre = mean_of_prior(prior_mean, start)
    potential = Potential.of(
        problem,
        prior_precision=checked_precision(prior_precision),
        prior_mean=centre,
        preconditioner=preconditioner,
    )
    batches_of(asked, batch_size, None, potential.samples)  # refuses sizes that cannot be
    steps = -(-potential.samples // batch_size)
    first, stiffest = _stiffest(
        problem,
        potential,
        start,
        pilot,
        steps,
        prior_precision=prior_precision,
        prior_mean=centre,
        preconditioner=preconditioner,
        batch_size=batch_size,
        temperature=asked.temperature,
    )
    softest = potential.smallest_curvature_bound(prior_precision)
    ranking = tuple(
        _step(sampler, stiffest, softest, steps, bias)
        for sampler in (asked, *(() if isinstance(asked, SGLD) else (SGLD(temperature=asked.temperature),)))
    )
    return Advice(
        _recommendation(ranking, stiffest, steps, bias, 0 if prior_precision is None else potential.samples),
        ranking,
        (_basis(first, stiffest, softest, steps, pilot, potential),),
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


def _stiffest(
    problem: Any,
    potential: Potential,
    start: Mapping[str, Any] | None,
    pilot: int,
    steps: int,
    **options: Any,
) -> tuple[float, float]:
    """The largest curvature at the start, and the largest one that a short chain from there has met."""
    weights = potential.initial(start)
    first = largest = potential.largest_curvature(weights)
    if first <= 0:
        message = f"the largest curvature of the potential is {first:.3g} at the start: no minimum is near; train first"
        raise ValueError(message)
    done, stage = 0, 2
    place = None if start is None else {n: torch.as_tensor(v) for n, v in potential.one_of(start).items()}
    while done < pilot:
        length = min(stage, pilot - done)
        rate = step_size("sgld_without_replacement", largest, steps_per_epoch=steps, bias=_PILOT_BIAS)
        draws = sample_posterior(
            problem,
            dynamics=SGLD(rate, options["temperature"]),
            prior_precision=options["prior_precision"],
            prior_mean=options["prior_mean"] or "zero",
            preconditioner=options["preconditioner"],
            minibatching=WithoutReplacement(options["batch_size"], remainder="spread"),
            batch_size=options["batch_size"],
            start=place,
            chains=1,
            epochs=length,
            burn_in=length - 1,
            virial_every=0,
            seed=done,
        )
        place = {name: torch.tensor(value[0, -1]) for name, value in draws.parameters.items()}
        largest = max(largest, float(draws.facts["largest_curvature"]))
        done, stage = done + length, max(stage, done + length)
    return first, largest


def _recommendation(
    ranking: tuple[StepSize, ...], stiffest: float, steps: int, bias: float, samples: int
) -> str:
    first = ranking[0]
    extent = steps * first.learning_rate * stiffest
    mean = f" (of a mean loss {samples * first.learning_rate:.3g})" if samples else ""
    text = (
        f"Use {type(first.dynamics).__name__} with learning_rate {first.learning_rate:.3g}{mean}: nηh = {extent:.2g} in the "
        f"stiffest mode, which makes its variance at most {bias:.2g} too large, relative"
    )
    if len(ranking) == 1:
        return f"{text}."
    other = ranking[1]
    times = first.learning_rate / other.learning_rate
    return (
        f"{text}. SGLD would need a learning_rate {times:.2g} times smaller, and as many times more epochs."
    )


def _basis(
    first: float, stiffest: float, softest: float, steps: int, pilot: int, potential: Potential
) -> Verdict:
    evidence = {
        "largest_curvature": stiffest,
        "largest_curvature_at_start": first,
        "smallest_curvature_bound": softest,
        "steps_per_epoch": steps,
        "samples": potential.samples,
        "pilot_epochs": pilot,
    }
    met = f", {stiffest:.4g} along a chain of {pilot} epochs from there" if pilot else ""
    text = (
        f"the curvature of U reaches {first:.4g} at the start{met}, and is {softest:.3g} or more where the likelihood is "
        f"convex; {steps} batches an epoch"
    )
    return Verdict(True, "curvature_known", text, evidence)


def _caveats(asked: Any, softest: float, potential: Potential) -> tuple[str, ...]:
    found = []
    if softest == 0:
        found.append("a flat prior: directions without curvature never forget; give a prior_precision")
    found.append(
        "the curvature may grow on along longer chains: draws.facts['largest_curvature'] is that of the last draw, and "
        "draws.convergence() says whether the bias is what was meant"
    )
    if isinstance(asked, SGWORLD) and asked.variant == "corrected":
        found.append(
            "SGLD over a reshuffled DataLoader has most of this gain already (excess ηh/2 instead of nηh/2); the correction "
            "removes the rest"
        )
    return (*found, *potential.notes)
