"""The squared gradient against the learning rate, with independent batches and with reshuffled ones."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from thermograd.estimators.fluctuation_dissipation import LandscapeResponse, landscape_response
from thermograd.quantities import Estimate, Verdict
from thermograd.reproductions.fluctuation_dissipation_ratio import TOLERANCE, Plan, over_seeds
from thermograd.reproductions.fluctuation_dissipation_training import (
    INDEPENDENT,
    RESHUFFLED,
    Recorded,
    largest_curvature,
)
from thermograd.reproductions.reproduction import Row

Array = npt.NDArray[np.float64]
Runs = Sequence[Sequence[Recorded]]
NAMES = {INDEPENDENT: "independent batches", RESHUFFLED: "reshuffled epochs"}


def squared_gradients(runs: Runs) -> Array:
    """Mean of |∇f|² over the last half of the epochs, `(seed, rate)`."""
    return np.array(
        [[entry.squared_gradient[len(entry.squared_gradient) // 2 :].mean() for entry in run] for run in runs]
    )


def responses(plan: Plan, runs: Mapping[str, Runs]) -> dict[str, LandscapeResponse]:
    """The response of each sampler, with one relative error pooled over the rates.

    Args:
        plan: what was trained, with any sampler.
        runs: sampler -> seeds, of rates.

    Returns:
        By the sampler's name in words.
    """
    found = {}
    for sampler, trained in runs.items():
        values = squared_gradients(trained)
        mean = values.mean(0)
        errors = None
        if len(values) > 1:
            relative = math.sqrt(float((values.var(0, ddof=1) / mean**2).mean()) / len(values))
            errors = relative * mean
        smallest = int(np.argmin([entry.learning_rate for entry in trained[0]]))
        found[NAMES[sampler]] = landscape_response(
            plan.rates,
            mean,
            errors,
            sampling=sampler,
            largest_curvature=largest_curvature(plan.training, trained[0][smallest].weights),
            momentum=plan.training.momentum,
        )
    return found


def landscape_rows(
    plan: Plan, runs: Mapping[str, Runs], found: Mapping[str, LandscapeResponse], linear_up_to: float | None
) -> Iterator[Row]:
    """Where proportionality ends, Tr(HC), and how much smaller the squared gradient is after reshuffled epochs.

    Args:
        plan: what was trained.
        runs: sampler -> seeds, of rates.
        found: sampler in words -> its response.
        linear_up_to: about what rate the paper says that proportionality ends; None where it says nothing.

    Yields:
        The rows.
    """
    response = found[NAMES[INDEPENDENT]]
    moving = [
        rate
        for rate, *entries in zip(plan.rates, *runs[INDEPENDENT], strict=True)
        if not all(_stationary(entry) for entry in entries)
    ]
    if moving:
        where = ", ".join(f"{rate:g}" for rate in moving)
        text = f"not resolved at this size: training has not become stationary at η = {where}"
        said = "proportional at small η" if linear_up_to is None else f"about {linear_up_to:g}"
        quantity = f"largest η at which the squared gradient is proportional to it; {plan.size}"
        yield Row(quantity, said, "not measured", Verdict(None, "not_stationary", text))
        return
    yield _end_of_the_line(plan, response, linear_up_to)
    trace = response.trace_hessian_noise
    quantity = f"Tr(HC), independent batches; {plan.size}"
    yield Row(quantity, "not stated", trace, Verdict(None, response.verdict.kind, response.verdict.text))
    if RESHUFFLED not in runs:
        return
    one, other = (np.log(squared_gradients(runs[sampler])) for sampler in (RESHUFFLED, INDEPENDENT))
    for place in (int(np.argmin(plan.rates)), int(np.argmax(plan.rates))):
        logarithm = over_seeds((one - other)[:, place].tolist())
        share = Estimate(
            math.exp(logarithm.value),
            (math.exp(logarithm.low), math.exp(logarithm.high)),
            pieces=logarithm.pieces,
            note=logarithm.note,
        )
        text = "reshuffled epochs, which the paper's figures use, are not what the relation is about"
        yield Row(
            f"squared gradient at epoch ends, reshuffled over independent, η = {plan.rates[place]:g}; {plan.size}",
            "not stated",
            share,
            Verdict(None, "not_in_the_paper", text),
        )


def _stationary(entry: Recorded) -> bool:
    """Whether the ratio may be 1, as far as its interval tells."""
    found = entry.anchored
    return found is not None and found.low < 1 + TOLERANCE and found.high > 1 - TOLERANCE


def _end_of_the_line(plan: Plan, response: LandscapeResponse, paper: float | None) -> Row:
    rates, end = response.learning_rates, response.linear_up_to
    above, below = rates[rates > end], rates[rates <= end]
    bracket = (
        float(below[-1]) if len(below) else 0.0,
        float(above[0]) if len(above) else math.inf,
    )
    ours = Estimate(end, bracket, pieces=len(rates), note="from this rate to the next one tried")
    quantity = f"largest η at which the squared gradient is proportional to it; {plan.size}"
    kind, reason = response.verdict.kind, response.verdict.text
    said = "proportional at small η" if paper is None else f"about {paper:g}"
    if kind == "undecided":
        return Row(quantity, said, ours, Verdict(None, kind, f"not resolved at this size: {reason}"))
    if paper is None:
        return Row(quantity, said, ours, Verdict(bool(end >= np.sort(plan.rates)[1]), kind, reason))
    near = bracket[0] <= 2 * paper and bracket[1] >= paper / 2
    text = f"{'within' if near else 'not within'} a factor 2 of it. {reason}"
    return Row(quantity, said, ours, Verdict(near, kind, text))
