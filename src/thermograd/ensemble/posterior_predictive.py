"""Predictions averaged over draws of the weights, with what the draws disagree about."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from thermograd.ensemble.experiment import check_device
from thermograd.numerics.argument_kind import check_has, check_number
from thermograd.numerics.whole_number import check_whole_number
from thermograd.problems.functional import FunctionalProblem
from thermograd.problems.problem import built
from thermograd.problems.tensor_data import as_tensor
from thermograd.problems.trial_pass import tried

if TYPE_CHECKING:
    from thermograd.estimators.posterior_draws import PosteriorDraws

Array = npt.NDArray[Any]
Forward = Callable[[dict[str, Tensor], Tensor], Tensor]

_DRAWS_AT_ONCE = 16
_OUTPUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda outputs: outputs,
    "softmax": lambda outputs: outputs.softmax(-1),
    "sigmoid": torch.sigmoid,
}


@dataclass(frozen=True, eq=False)
class Predictive:
    """What draws from a posterior predict for each input.

    Attributes:
        mean: over draws, `(input, ...)`; for "softmax" the predictive probabilities.
        std: standard deviation over draws, of the same shape; with the noise of the targets, if given, in quadrature.
        by_chain: the mean of each chain, `(chain, input, ...)`: chains that disagree have not mixed, or are in basins of
            their own.
        entropy: of the mean probabilities in nats, `(input,)`; "softmax" only.
        mutual_information: of prediction and weights in nats, `(input,)`: entropy minus the mean entropy of the draws, the part
            that more data would remove; "softmax" only.
        draws: number of draws it is the mean of.
        by_draw: `(chain, draw, input, ...)`, NaN at draws of weight 0, if they were to be kept: a quantity for
            `PosteriorDraws.convergence`.

    >>> from thermograd.estimators.posterior_draws import PosteriorDraws
    >>> two = np.array([[[[9.0], [0.0]]], [[[0.0], [9.0]]]])  # chains of one draw, sure of one class each
    >>> draws, model = PosteriorDraws({"weight": two}), nn.Linear(1, 2, bias=False)
    >>> found = posterior_predictive(draws, model, torch.ones(1, 1), output="softmax")
    >>> found.mean.round(3).tolist(), found.by_chain.round(3).tolist()
    ([[0.5, 0.5]], [[[1.0, 0.0]], [[0.0, 1.0]]])
    >>> found.entropy.round(2).tolist(), found.mutual_information.round(2).tolist()  # all of ln 2
    ([0.69], [0.69])
    """

    mean: Array
    std: Array
    by_chain: Array
    entropy: Array | None
    mutual_information: Array | None
    draws: int
    by_draw: Array | None = None

    def __str__(self) -> str:
        chains = len(self.by_chain)
        parts = [f"predictive mean over {self.draws} draws of {chains} chains for {len(self.mean)} inputs"]
        parts.append(f"standard deviation over draws {self.std.mean():.3g} on average")
        if chains > 1:
            parts.append(f"chains differ by {self.by_chain.std(axis=0, ddof=1).mean():.3g}")
        if self.entropy is not None and self.mutual_information is not None:
            parts.append(
                f"entropy {self.entropy.mean():.3g} nats, of which {self.mutual_information.mean():.3g} for want of data"
            )
        return "; ".join(parts)


def posterior_predictive(
    draws: PosteriorDraws,
    problem_or_model: Any,
    inputs: Any,
    *,
    output: str | Callable[[Tensor], Tensor] = "identity",
    noise_std: float = 0.0,
    chunk: int = 256,
    device: str = "cpu",
    keep_draws: bool = False,
) -> Predictive:
    """Mean and spread of the outputs over the draws, weighted by `draws.weights`; draws of weight 0 take no part.

    Args:
        draws: of the weights.
        problem_or_model: the model that they are weights of, evaluated in evaluation mode: an `nn.Module` or a problem.
        inputs: `(input, ...)`; a single sample is `sample[None]`.
        output: "identity", "softmax", "sigmoid", or a function of the outputs `(input, ...)`.
        noise_std: standard deviation of the targets about the outputs.
        chunk: inputs at a time; memory is that of a chunk times 16 draws.
        device: where it is computed.
        keep_draws: keep what every draw predicts, 8 bytes for each number.

    Raises:
        ValueError: weights that do not fit the model, an unknown output, or inputs without an axis of samples.

    >>> from thermograd.estimators.posterior_draws import PosteriorDraws
    >>> draws = PosteriorDraws({"weight": np.array([[[[1.0]], [[3.0]]]])})
    >>> found = posterior_predictive(draws, nn.Linear(1, 1, bias=False), torch.tensor([[2.0]]))
    >>> found.mean.tolist(), found.std.tolist()
    ([[4.0]], [[2.0]])
    """
    check_whole_number("chunk", chunk, 1, of="inputs")
    transform = _OUTPUTS.get(output) if isinstance(output, str) else output
    if not callable(transform):
        message = f"output is {output!r}; use {', '.join(map(repr, _OUTPUTS))}, or a function of the outputs"
        raise ValueError(message)
    check_number("noise_std", noise_std, 0.0)
    check_has("draws", draws, "used", "tg.PosteriorDraws, as tg.sample_posterior returns")
    check_device(device)
    if not draws.used.any():
        message = "all draws have weight 0 (the schedule was exploring); sample on to the end of a cycle"
        raise ValueError(message)
    forward, dtype = _forward(problem_or_model, draws, device)
    given = _inputs(inputs, dtype, device)
    first = {
        name: torch.from_numpy(value[0, 0]).to(device, dtype) for name, value in draws.parameters.items()
    }
    tried(
        lambda few: forward(first, few),
        lambda outputs, _: outputs,
        (given[:chunk], given[:chunk]),
        split="given",
        module=problem_or_model if isinstance(problem_or_model, nn.Module) else None,
    )
    kept: list[Array] | None = [] if keep_draws else None
    parts = [
        _of_chunk(draws, forward, transform, given[first : first + chunk], dtype, output == "softmax", kept)
        for first in range(0, len(given), chunk)
    ]
    mean, square, by_chain, entropy = (
        np.concatenate([part[place] for part in parts], axis=axis) for place, axis in enumerate((0, 0, 1, 0))
    )
    std = np.sqrt(np.maximum(square, 0) + noise_std**2)
    count = draws.chains * int(draws.used.sum())
    by_draw = None if kept is None else _at_all_draws(np.concatenate(kept, axis=2), draws)
    if output != "softmax":
        return Predictive(mean, std, by_chain, None, None, count, by_draw)
    whole = -(mean * np.log(np.maximum(mean, np.finfo(float).tiny))).sum(-1)
    return Predictive(mean, std, by_chain, whole, np.maximum(whole - entropy, 0.0), count, by_draw)


def _inputs(inputs: Any, dtype: torch.dtype, device: str) -> Tensor:
    given = as_tensor("inputs", inputs).detach().to(device)
    if not given.ndim or not len(given):
        message = f"inputs are empty, of shape {tuple(given.shape)}; give (input, ...), samples on axis 0"
        raise ValueError(message)
    if not bool(given.isfinite().all()):
        message = "inputs hold NaN or infinity; leave such samples out"
        raise ValueError(message)
    return given.to(dtype) if given.is_floating_point() else given


def _at_all_draws(used: Array, draws: PosteriorDraws) -> Array:
    """`(chain, draw, ...)`, NaN where a draw does not count."""
    whole = np.full((draws.chains, draws.draws, *used.shape[2:]), np.nan)
    whole[:, draws.used] = used
    return whole


def _of_chunk(
    draws: PosteriorDraws,
    forward: Forward,
    transform: Callable[[Tensor], Tensor],
    inputs: Tensor,
    dtype: torch.dtype,
    probabilities: bool,
    kept: list[Array] | None,
) -> tuple[Array, Array, Array, Array]:
    """Mean, variance over draws, means by chain, mean entropy of the draws; what each draw predicts goes to `kept`."""
    each: list[Array] = []
    shift: Tensor | None = None
    sums: list[Tensor] = []
    squares: Any = 0.0
    entropies: Any = 0.0
    for chain in range(draws.chains):
        total: Any = 0.0
        for weights, shares in _groups(draws, chain, dtype, inputs.device):
            with torch.no_grad():
                outputs = transform(_each(forward, weights, inputs)).double()
            if outputs.shape[1:2] != inputs.shape[:1]:
                message = (
                    f"the model makes outputs of shape {tuple(outputs.shape[1:])} of inputs of shape {tuple(inputs.shape)}: "
                    "inputs are (input, ...), samples on axis 0; give a single sample as sample[None]"
                )
                raise ValueError(message)
            if kept is not None:
                each.append(outputs.cpu().numpy())
            shift = outputs[0] if shift is None else shift
            away = outputs - shift
            lifted = shares.view(-1, *[1] * (away.ndim - 1))
            total = total + (lifted * away).sum(0)
            squares = squares + (lifted * away.square()).sum(0)
            if probabilities:
                entropies = entropies + (
                    shares[:, None] * -torch.special.xlogy(outputs, outputs).sum(-1)
                ).sum(0)
        sums.append(total)
    assert shift is not None  # there are draws
    if kept is not None:
        kept.append(np.concatenate(each).reshape(draws.chains, -1, *each[0].shape[1:]))
    by_chain = torch.stack(sums)
    mean = by_chain.mean(0)
    variance = torch.as_tensor(squares) / draws.chains - mean.square()
    entropy = torch.as_tensor(entropies) / draws.chains if probabilities else torch.zeros(len(inputs))
    return (
        (mean + shift).cpu().numpy(),
        variance.cpu().numpy(),
        (by_chain + shift).cpu().numpy(),
        entropy.cpu().numpy(),
    )


def _groups(
    draws: PosteriorDraws, chain: int, dtype: torch.dtype, device: torch.device
) -> Iterator[tuple[dict[str, Tensor], Tensor]]:
    """Some draws of a chain at a time, with their shares, which sum to 1."""
    used = np.flatnonzero(draws.used)
    shares = draws.weights[used] / draws.weights[used].sum()
    for first in range(0, len(used), _DRAWS_AT_ONCE):
        rows = used[first : first + _DRAWS_AT_ONCE]
        weights = {
            name: torch.from_numpy(np.ascontiguousarray(value[chain, rows])).to(device, dtype)
            for name, value in draws.parameters.items()
        }
        yield weights, torch.from_numpy(shares[first : first + _DRAWS_AT_ONCE]).to(device)


def _each(forward: Forward, weights: dict[str, Tensor], inputs: Tensor) -> Tensor:
    """The outputs of several draws, `(draw, input, ...)`: batched, or one by one where an operation cannot be."""
    try:
        return vmap(forward, (0, None))(weights, inputs)
    except RuntimeError:
        count = len(next(iter(weights.values())))
        return torch.stack(
            [forward({name: value[row] for name, value in weights.items()}, inputs) for row in range(count)]
        )


def _forward(problem_or_model: Any, draws: PosteriorDraws, device: str) -> tuple[Forward, torch.dtype]:
    """The outputs as a function of weights, and the type it takes them in."""
    if inspect.isroutine(problem_or_model):
        message = "the model is a function; give the module itself, or a tg.Problem"
        raise ValueError(message)
    given = {name: value.shape[2:] for name, value in draws.parameters.items()}
    if isinstance(problem_or_model, nn.Module):
        module = copy.deepcopy(problem_or_model).to(device).eval()
        expected = {
            name: tuple(value.shape) for name, value in module.named_parameters() if value.requires_grad
        }
        dtype = next(module.parameters()).dtype

        def outputs(weights: dict[str, Tensor], inputs: Tensor) -> Tensor:
            found: Tensor = functional_call(module, weights, (inputs,))
            return found
    else:
        functional = FunctionalProblem(built(problem_or_model), "float64", device)
        expected, dtype, outputs = functional.shapes, torch.float64, functional.outputs
    if given != expected:
        message = f"the draws are of weights {given}; the model has {expected}"
        raise ValueError(message)
    return outputs, dtype
