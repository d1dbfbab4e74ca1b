"""The negative log posterior of a problem, as a problem: what a sampler takes for its potential."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from thermograd.problems.problem import Problem
from thermograd.problems.redraw import drawn_with_seed

if TYPE_CHECKING:
    from thermograd.protocols import Weights


@dataclass(frozen=True, eq=False)
class NegativeLogLikelihood:
    """M l_i, so that its mean over samples is the sum of the negative log likelihoods.

    Attributes:
        loss: l_i, `(outputs, targets) -> (m,)`.
        samples: M.
    """

    loss: Callable[[Tensor, Tensor], Tensor]
    samples: int

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The losses of a batch, `(m,)`."""
        return self.samples * self.loss(outputs, targets)


@dataclass(frozen=True, eq=False)
class GaussianPrior:
    """½ precision |θ − mean|², up to a constant the negative log of a Gaussian.

    Attributes:
        precision: 1/variance of each weight.
        mean: by name, or None for 0.
    """

    precision: float
    mean: Mapping[str, Tensor] | None = None

    def __call__(self, weights: Weights) -> Tensor:
        """A scalar."""
        away = weights if self.mean is None else {n: v - self.mean[n].to(v) for n, v in weights.items()}
        return self.precision / 2 * torch.stack([value.square().sum() for value in away.values()]).sum()


@dataclass(frozen=True, eq=False)
class _Stretched:
    """A model, or a regulariser, of weights in other units: θ = scale · φ."""

    function: Any
    scales: Mapping[str, Tensor]

    def __call__(self, weights: Weights, *inputs: Tensor) -> Tensor:
        found: Tensor = self.function({n: v * self.scales[n].to(v) for n, v in weights.items()}, *inputs)
        return found


def negative_log_posterior(
    problem: Problem, prior_precision: float | None, prior_mean: Mapping[str, Tensor] | None = None
) -> Problem:
    """U(θ) = Σ_i l_i(θ) + ½ precision |θ − mean|² as a problem, whose loss it is.

    Args:
        problem: its loss is the negative log likelihood of each sample.
        prior_precision: of every weight, 0 for none; None if the loss of the problem, regulariser included, is U already.
        prior_mean: by name, or None for 0.

    Raises:
        ValueError: a regulariser beside a prior precision, which would be a second prior.

    >>> from thermograd.problems.quadratic import Quadratic
    >>> parabolas = Quadratic(curvatures=(2.0,), samples=4).build()
    >>> weights = {"position": torch.tensor([3.0])}
    >>> negative_log_posterior(parabolas, 0.5).regulariser(weights)
    tensor(2.2500)
    """
    if prior_precision is None:
        return problem
    if callable(problem.regulariser) or problem.regulariser != 0:
        regulariser, samples = problem.regulariser, len(problem.train[0])
        same = (
            ""
            if callable(regulariser)
            else f" (which is that of prior_precision={2 * regulariser * samples:g})"
        )
        message = (
            f"the problem has a regulariser ({regulariser!r}{same}) beside prior_precision={prior_precision!r}, which would count "
            "the prior twice. Make the problem without it; or give prior_precision=None if mean loss + regulariser is the "
            "negative log posterior itself"
        )
        raise ValueError(message)
    return replace(
        problem,
        loss=NegativeLogLikelihood(problem.loss, len(problem.train[0])),
        regulariser=GaussianPrior(float(prior_precision), prior_mean),
    )


def in_units_of(problem: Problem, scales: Mapping[str, Tensor]) -> Problem:
    """The problem as a function of φ = θ / scale, weight by weight; drawn from φ, θ = scale · φ follows its posterior.

    Args:
        problem: of θ.
        scales: positive, shaped like the weights, by name.
    """
    forward = _Forward(problem.model) if problem.forward is None else problem.forward
    regulariser = problem.regulariser
    if not callable(regulariser):
        regulariser = GaussianPrior(2 * regulariser)
    return replace(
        problem,
        model=None,
        forward=_Stretched(forward, scales),
        regulariser=_Stretched(regulariser, scales),
        initial=_Initial(problem, scales),
    )


class _Forward:
    """The outputs of a module as a function of its weights, in training mode as the module has it."""

    def __init__(self, model: nn.Module | Callable[[], nn.Module] | None) -> None:
        assert model is not None  # a problem has a model or a forward function
        self._template = copy.deepcopy(drawn_with_seed(0, model))
        self._at: dict[tuple[torch.dtype, torch.device], nn.Module] = {}

    def __call__(self, weights: Weights, inputs: Tensor) -> Tensor:
        one = next(iter(weights.values()))
        place = (one.dtype, one.device)
        if place not in self._at:
            self._at[place] = copy.deepcopy(self._template).to(device=one.device, dtype=one.dtype)
        found: Tensor = functional_call(self._at[place], weights, (inputs,))
        return found


class _Initial:
    """Initial weights in the units of φ."""

    def __init__(self, problem: Problem, scales: Mapping[str, Tensor]) -> None:
        self._problem, self._scales = problem, scales

    def __call__(self, generator: torch.Generator) -> Weights:
        problem = self._problem
        if problem.initial is not None:
            drawn = problem.initial(generator)
        else:
            assert problem.model is not None  # a problem without `initial` has a model
            module = drawn_with_seed(generator.initial_seed(), problem.model)
            drawn = {n: v.detach() for n, v in module.named_parameters() if v.requires_grad}
        return {name: value / self._scales[name].to(value) for name, value in drawn.items()}
