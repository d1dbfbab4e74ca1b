"""Continual backpropagation: hidden units of little use are replaced, a few at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from thermograd.numerics.finite_number import is_finite_number
from thermograd.numerics.whole_number import check_whole_number
from thermograd.perturbations.optimizer_state import cleared_where

if TYPE_CHECKING:
    from torch import Tensor

    from thermograd.protocols import Context, HiddenLayer, State, Weights

_UTILITY, _MEAN, _AGE, _ACCOUNT = ("memory/utility", "memory/mean_activation", "memory/age", "memory/account")


@dataclass(frozen=True)
class ContinualBackprop:
    """The least useful mature hidden units get fresh incoming weights and no outgoing ones.

    Dohare et al., *Loss of plasticity in deep continual learning* (Nature 632, 768, 2024; arXiv 2306.13812,
    algorithm 1), with the utility of its code. At each call, per hidden unit,
    u ← decay · u + (1 − decay) · (mean |activation|) · (mean |outgoing weight|), and likewise its mean activation;
    both are divided by 1 − decay^age. Units older than `maturity` are eligible. When due, replacement_rate ×
    (eligible units) is added to the layer's account, whose whole part are replaced, lowest utility first, ties by
    position: incoming weights fresh, incoming bias 0, normalisation back to 1 and 0, outgoing weights 0, and the
    next bias raised by outgoing weight × mean activation, so that the network's function changes as little as
    possible (a convolution sums its kernel positions). Age, utility and the optimizer's entries start again at 0.

    For chains linear or convolution – (normalisation) – activation – linear or convolution. In an ensemble the
    activations are those of the coming minibatch, in one's own loop those of the last forward pass. Meant to be
    due at every step: `perturb=Every(1)`, or `every=1`.

    Attributes:
        replacement_rate: share of the eligible units of a layer replaced per step.
        decay: memory of the running means.
        maturity: calls before a unit may be replaced.

    Raises:
        ValueError: a field is out of its range.

    >>> from types import SimpleNamespace
    >>> from thermograd.protocols import HiddenLayer
    >>> weights = {"a.weight": torch.tensor([[1.0], [2.0]]), "b.weight": torch.tensor([[3.0, 4.0]])}
    >>> passed = torch.tensor([[[1.0], [0.1]]])  # of one sample; the second unit hardly answers
    >>> context = SimpleNamespace(
    ...     activations=(HiddenLayer("a", None, "b", passed),),
    ...     due=True,
    ...     fresh=lambda: ({"a.weight": torch.tensor([[9.0], [9.0]])}, {}),
    ... )
    >>> rule = ContinualBackprop(replacement_rate=0.5, maturity=0)  # half of the two units
    >>> moved, _ = rule.apply(weights, {}, context)
    >>> moved["a.weight"].tolist(), moved["b.weight"].tolist()
    ([[1.0], [9.0]], [[3.0, 0.0]])
    """

    every_step: ClassVar[bool] = True
    needs_activations: ClassVar[bool] = True
    draws_fresh: ClassVar[bool] = True
    continuous: ClassVar[bool] = True

    replacement_rate: float = 1e-4
    decay: float = 0.99
    maturity: int = 100

    def __post_init__(self) -> None:
        for name, upper in (("replacement_rate", 1.0), ("decay", math.nextafter(1.0, 0.0))):
            value = getattr(self, name)
            if not is_finite_number(value) or not 0 <= value <= upper:
                message = f"{name} is {value!r}; it must be a number from 0 to {'below ' * (upper < 1)}1"
                raise ValueError(message)
        check_whole_number("maturity", self.maturity, 0, of="calls")

    def apply(self, weights: Weights, state: State, context: Context) -> tuple[Weights, State]:
        """Weights and state after this step's bookkeeping, and its replacements if a kick is due."""
        state, fresh = dict(state), None
        for layer in context.activations:
            state |= self._judged(weights, state, layer)
            if not context.due:
                continue
            lowest = self._chosen(state, layer)
            if lowest.any():
                fresh = context.fresh()[0] if fresh is None else fresh
                weights, state = _replaced(weights, state, layer, lowest, fresh, self._mean(state, layer))
        return dict(weights), state

    def not_covered(self, interval: int) -> str | None:
        """Why kicks every `interval` steps are not what one kick measured."""
        del interval
        return "it goes on changing the weights, step by step"

    def _judged(self, weights: Weights, state: State, layer: HiddenLayer) -> State:
        """Age, utility and mean activation of every unit of a layer after this call."""
        frozen = [name for name in (layer.incoming, layer.outgoing) if f"{name}.weight" not in weights]
        if frozen:
            message = (
                f"the weights of module {frozen[0]!r} are frozen, so its hidden units cannot be replaced"
            )
            raise ValueError(message)
        values = layer.activation
        reach = _by_unit(weights[f"{layer.outgoing}.weight"], values.shape[1]).abs().mean(dim=(0, 2))
        zero = torch.zeros_like(reach)
        old = {key: state.get(f"{key}/{layer.incoming}", zero) for key in (_UTILITY, _MEAN, _AGE)}
        seen = {
            _UTILITY: values.abs().mean(dim=(0, 2)).to(reach) * reach,
            _MEAN: values.mean(dim=(0, 2)).to(reach),
        }
        judged = {
            f"{key}/{layer.incoming}": self.decay * old[key] + (1 - self.decay) * seen[key] for key in seen
        }
        account = f"{_ACCOUNT}/{layer.incoming}"
        # In float64, as a share of 1e-4 added to thousands is lost in float32, and ages stay whole.
        judged[f"{_AGE}/{layer.incoming}"] = old[_AGE].double() + 1
        judged[account] = state.get(account, zero.new_zeros((), dtype=torch.float64))
        return judged

    def _chosen(self, state: State, layer: HiddenLayer) -> Tensor:
        """Which units are replaced now; the layer's account in `state` is settled."""
        age, account = state[f"{_AGE}/{layer.incoming}"], f"{_ACCOUNT}/{layer.incoming}"
        eligible = age > self.maturity
        owed = state[account] + self.replacement_rate * eligible.double().sum()
        count = min(int(owed), int(eligible.sum()))
        state[account] = owed - count
        worth = state[f"{_UTILITY}/{layer.incoming}"] / (1 - self.decay**age)
        order = torch.where(eligible, worth, math.inf).argsort(stable=True)
        chosen = torch.zeros_like(eligible)
        chosen[order[:count]] = True
        return chosen & eligible

    def _mean(self, state: State, layer: HiddenLayer) -> Tensor:
        return state[f"{_MEAN}/{layer.incoming}"] / (1 - self.decay ** state[f"{_AGE}/{layer.incoming}"])


def _replaced(
    weights: Weights, state: State, layer: HiddenLayer, chosen: Tensor, fresh: Weights, mean: Tensor
) -> tuple[Weights, State]:
    """The network with the chosen units of one layer new, their mean contribution moved to the next bias."""
    moved = dict(weights)
    incoming, outgoing = f"{layer.incoming}.weight", f"{layer.outgoing}.weight"
    rows = _rows(chosen, weights[incoming])
    moved[incoming] = torch.where(rows, fresh[incoming], weights[incoming])
    gone = _by_unit(weights[outgoing], chosen.numel()) * chosen[:, None]
    columns = _by_unit(torch.ones_like(weights[outgoing]), chosen.numel()) * chosen[:, None] > 0
    columns = columns.reshape(weights[outgoing].shape)
    moved[outgoing] = weights[outgoing].masked_fill(columns, 0)
    next_bias = f"{layer.outgoing}.bias"
    if next_bias in weights:
        moved[next_bias] = weights[next_bias] + gone.sum(dim=2) @ mean.to(gone)
    state = cleared_where(cleared_where(state, incoming, rows), outgoing, columns)
    for name, start in _starts(layer).items():
        if name in weights:
            moved[name] = weights[name].masked_fill(chosen, start)
            state = cleared_where(state, name, chosen)
        elif f"buffers/{name}" in state:
            state[f"buffers/{name}"] = state[f"buffers/{name}"].masked_fill(chosen, start)
    for key in (_UTILITY, _MEAN, _AGE):
        name = f"{key}/{layer.incoming}"
        state[name] = state[name].masked_fill(chosen, 0)
    return moved, state


def _starts(layer: HiddenLayer) -> dict[str, float]:
    """Where the entries of a new unit begin, its incoming weights aside."""
    starts = {f"{layer.incoming}.bias": 0.0}
    if layer.norm is not None:
        entries = {"weight": 1.0, "bias": 0.0, "running_mean": 0.0, "running_var": 1.0}
        starts |= {f"{layer.norm}.{entry}": value for entry, value in entries.items()}
    return starts


def _by_unit(outgoing: Tensor, units: int) -> Tensor:
    """Outgoing weights as (outputs, units, positions): kernel positions, or places of a flattened map."""
    return outgoing.reshape(outgoing.shape[0], units, -1)


def _rows(chosen: Tensor, weight: Tensor) -> Tensor:
    return chosen.reshape(-1, *[1] * (weight.ndim - 1)).expand(weight.shape)
