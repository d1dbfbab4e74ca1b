"""Shrink and perturb: towards zero, and a little of a new initialisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from thermograd.numerics.argument_kind import check_number
from thermograd.perturbations.optimizer_state import cleared

if TYPE_CHECKING:
    from torch import Tensor

    from thermograd.protocols import Context, State, Weights

_IMPLEMENTATIONS = ("text", "reference_code")


@dataclass(frozen=True)
class ShrinkAndPerturb:
    """w ← shrink·w + perturb·w_fresh for every parameter, w_fresh one complete new initialisation.

    Ash and Adams (arXiv 1910.08475); the values are those of Meir, Keidar, Reuveni, Hirshberg
    (arXiv 2502.04121). Buffers are kept, optimizer state is cleared: all weights changed meaning.

    Attributes:
        shrink: factor of the old weights.
        perturb: factor of the new initialisation.
        implementation: "text", as the papers say; "reference_code", as the latter's published code does:
            the same map over every entry of the state dict, running statistics of batch normalisation
            (fresh values 0 and 1) and the integer batch counter (truncated) included, optimizer state kept.

    Raises:
        ValueError: a number that is not finite, or an unknown word.

    >>> import torch
    >>> from types import SimpleNamespace
    >>> start = SimpleNamespace(fresh=lambda: ({"w": torch.tensor([2.0])}, {}))
    >>> ShrinkAndPerturb().apply({"w": torch.tensor([10.0])}, {}, start)[0]["w"]  # 0.4 · 10 + 0.1 · 2
    tensor([4.2000])
    """

    draws_fresh: ClassVar[bool] = True

    shrink: float = 0.4
    perturb: float = 0.1
    implementation: str = "text"

    def __post_init__(self) -> None:
        for name in ("shrink", "perturb"):
            check_number(name, getattr(self, name))
        if self.implementation not in _IMPLEMENTATIONS:
            message = f"implementation is {self.implementation!r}; use 'text' or 'reference_code'"
            raise ValueError(message)

    def apply(self, weights: Weights, state: State, context: Context) -> tuple[Weights, State]:
        """The perturbed weights and state."""
        fresh, fresh_buffers = context.fresh()
        mixed = {name: self._mixed(value, fresh[name]) for name, value in weights.items()}
        if self.implementation == "text":
            return mixed, cleared(state)
        buffers = {
            f"buffers/{name}": self._mixed(state[f"buffers/{name}"], value)
            for name, value in fresh_buffers.items()
            if f"buffers/{name}" in state
        }
        return mixed, state | buffers

    def _mixed(self, old: Tensor, fresh: Tensor) -> Tensor:
        mixture = self.shrink * old + self.perturb * fresh
        return mixture if old.is_floating_point() else mixture.trunc().to(old.dtype)
