"""Start again from nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from thermograd.perturbations.optimizer_state import cleared

if TYPE_CHECKING:
    from thermograd.protocols import Context, State, Weights


@dataclass(frozen=True)
class Reset:
    """New weights and buffers, optimizer state cleared: an independent copy of the start.

    Meir, Keidar, Reuveni, Hirshberg (arXiv 2502.04121): the mean first-passage time under resets every P
    follows from the unperturbed survival function alone (Eq 5).

    >>> import torch
    >>> from types import SimpleNamespace
    >>> fresh = SimpleNamespace(fresh=lambda: ({"w": torch.tensor([7.0])}, {}))
    >>> Reset().apply({"w": torch.tensor([3.0])}, {"optimizer/momentum_buffer/w": torch.ones(1)}, fresh)
    ({'w': tensor([7.])}, {'optimizer/momentum_buffer/w': tensor([0.])})
    """

    draws_fresh: ClassVar[bool] = True

    def apply(self, weights: Weights, state: State, context: Context) -> tuple[Weights, State]:
        """The trajectory as if it had just been initialised."""
        fresh, buffers = context.fresh()
        kept = {name: value for name, value in state.items() if not name.startswith("buffers/")}
        renewed = {f"buffers/{name}": value for name, value in buffers.items() if f"buffers/{name}" in state}
        return fresh, cleared(kept) | renewed
