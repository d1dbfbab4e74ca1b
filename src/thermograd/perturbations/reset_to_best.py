"""Back to the best state so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from thermograd.perturbations.optimizer_state import cleared

if TYPE_CHECKING:
    from thermograd.protocols import Context, State, Weights

_CHOICES = {"direction": ("up", "down"), "optimizer": ("restore", "clear", "keep")}


@dataclass(frozen=True)
class ResetToBest:
    """Weights, buffers and optimizer state as they were at the best metric so far.

    Meant for random times: in one's own loop `Perturber(..., rate=1e-3)`, in an ensemble `Random(1e-3)`,
    geometric waiting times of mean 1000 steps (the discrete exponential; a choice of ours, no published value).
    The checkpoint moves on whenever a better metric is seen; before any metric nothing happens.
    Hyperparameters are not brought back.

    Attributes:
        direction: "up", a higher metric is better (accuracy); "down", a lower one (loss).
        optimizer: "restore", its state at the best; "clear", zero; "keep", as it is.

    Raises:
        ValueError: an unknown word.

    >>> import torch
    >>> from types import SimpleNamespace
    >>> best = {"w": torch.tensor([7.0])}, {"optimizer/momentum_buffer/w": torch.tensor([0.5])}
    >>> now = {"w": torch.tensor([3.0])}, {"optimizer/momentum_buffer/w": torch.tensor([1.0])}
    >>> ResetToBest().apply(*now, SimpleNamespace(best=best))
    ({'w': tensor([7.])}, {'optimizer/momentum_buffer/w': tensor([0.5000])})
    >>> ResetToBest(optimizer="clear").apply(*now, SimpleNamespace(best=best))[1]
    {'optimizer/momentum_buffer/w': tensor([0.])}
    """

    needs_best: ClassVar[bool] = True

    direction: str = "up"
    optimizer: str = "restore"

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                message = f"{name} is {getattr(self, name)!r}; use {', '.join(map(repr, allowed))}"
                raise ValueError(message)

    def apply(self, weights: Weights, state: State, context: Context) -> tuple[Weights, State]:
        """The best state, or this one if no metric was seen yet."""
        if context.best is None:
            return dict(weights), dict(state)
        best_weights, best_state = context.best
        # What the optimizer did not have yet at the best is restored by clearing it.
        kept = dict(state) if self.optimizer == "keep" else cleared(state)
        back = ("buffers/", "optimizer/") if self.optimizer == "restore" else ("buffers/",)
        return dict(best_weights), kept | {
            name: value for name, value in best_state.items() if name.startswith(back) and name in state
        }
