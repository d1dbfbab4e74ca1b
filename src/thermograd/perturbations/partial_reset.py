"""Partial reset: the smallest weights are drawn anew."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from thermograd.numerics.argument_kind import check_number
from thermograd.perturbations.optimizer_state import cleared_where

if TYPE_CHECKING:
    from torch import Tensor

    from thermograd.protocols import Context, State, Weights

_CHOICES = {
    "scope": ("global", "tensor"),
    "parameters": ("weights", "all"),
    "implementation": ("text", "reference_code"),
}


@dataclass(frozen=True)
class PartialReset:
    """Exactly ⌊fraction·n⌋ of n candidate entries, those of smallest magnitude, are replaced by fresh ones.

    Bae, Song, Jeong (arXiv 2406.00396), as used by Meir, Keidar, Reuveni, Hirshberg (arXiv 2502.04121).
    Ties go by position; entry by entry from a fresh initialisation of the same tensor. Buffers are kept,
    optimizer state is zeroed at replaced entries only.

    Attributes:
        fraction: share of the candidates replaced.
        scope: "global", one threshold over all candidates together; "tensor", the share of each.
        parameters: "weights", parameters with two dimensions or more; "all", every parameter.
        implementation: "text", as above; "reference_code", as the published code: candidates are the
            parameters with `weight` in their name, the threshold is the sorted magnitude at index
            int(fraction·n) and what is ≤ it is replaced, by uniform ±1/√shape[1] (±1/√shape[0] for
            vectors), which is not the initialisation; optimizer state kept.

    Raises:
        ValueError: a fraction outside [0, 1], or an unknown word.

    >>> from types import SimpleNamespace
    >>> start = SimpleNamespace(fresh=lambda: ({"w": torch.tensor([[7.0, 8.0, 9.0]])}, {}))
    >>> PartialReset(fraction=0.34).apply({"w": torch.tensor([[3.0, -0.1, 2.0]])}, {}, start)[0]["w"]
    tensor([[3., 8., 2.]])
    """

    fraction: float = 0.3
    scope: str = "global"
    parameters: str = "weights"
    implementation: str = "text"

    def __post_init__(self) -> None:
        check_number("fraction", self.fraction)
        if not 0 <= self.fraction <= 1:
            message = f"fraction is {self.fraction!r}; it must be a share between 0 and 1"
            raise ValueError(message)
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                message = f"{name} is {getattr(self, name)!r}; use {' or '.join(map(repr, allowed))}"
                raise ValueError(message)

    @property
    def draws_fresh(self) -> bool:
        """Whether replaced entries come from a fresh initialisation."""
        return self.implementation == "text"

    def apply(self, weights: Weights, state: State, context: Context) -> tuple[Weights, State]:
        """The perturbed weights and state."""
        if self.implementation == "reference_code":
            return self._reference_code(weights, context), dict(state)
        candidates = [name for name, value in weights.items() if self.parameters == "all" or value.ndim >= 2]
        replaced = self._smallest({name: weights[name] for name in candidates})
        fresh, _ = context.fresh()
        moved = dict(weights)
        for name, mask in replaced.items():
            moved[name] = torch.where(mask, fresh[name], weights[name])
            state = cleared_where(state, name, mask)
        return moved, dict(state)

    def _smallest(self, candidates: Weights) -> dict[str, Tensor]:
        """Where the entries to be replaced are, by parameter."""
        if self.scope == "tensor":
            return {name: _smallest_entries(value, self.fraction) for name, value in candidates.items()}
        if not candidates:
            return {}
        together = torch.cat([value.flatten() for value in candidates.values()])
        sizes = [value.numel() for value in candidates.values()]
        pieces = torch.split(_smallest_entries(together, self.fraction), sizes)
        return {
            name: piece.reshape(value.shape)
            for (name, value), piece in zip(candidates.items(), pieces, strict=True)
        }

    def _reference_code(self, weights: Weights, context: Context) -> Weights:
        candidates = {name: value for name, value in weights.items() if "weight" in name}
        if not candidates:
            return dict(weights)
        magnitudes = torch.cat([value.flatten().abs() for value in candidates.values()])
        place = int(self.fraction * magnitudes.numel())
        if place >= magnitudes.numel():
            threshold = magnitudes.max()
        else:
            threshold = magnitudes.kthvalue(place + 1).values
        moved = dict(weights)
        for name, value in candidates.items():
            bound = 1 / math.sqrt(value.shape[1] if value.ndim > 1 else value.shape[0])
            drawn = (2 * context.uniform(value.shape) - 1).to(value) * bound
            moved[name] = torch.where(value.abs() <= threshold, drawn, value)
        return moved


def _smallest_entries(values: Tensor, fraction: float) -> Tensor:
    """Mask of exactly ⌊fraction·n⌋ entries of smallest magnitude, ties by position; selection, no sort.

    >>> _smallest_entries(torch.tensor([3.0, -1.0, 1.0, 2.0]), 0.25)
    tensor([False,  True, False, False])
    """
    magnitudes = values.flatten().abs()
    count = math.floor(fraction * magnitudes.numel())
    if count == 0:
        return torch.zeros_like(values, dtype=torch.bool)
    threshold = magnitudes.kthvalue(count).values
    mask = magnitudes <= threshold
    surplus = int(mask.sum()) - count
    if surplus:
        tied = torch.nonzero(magnitudes == threshold).flatten()
        mask[tied[len(tied) - surplus :]] = False
    return mask.reshape(values.shape)
