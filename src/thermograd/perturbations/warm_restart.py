"""Warm restarts: the learning rate falls along half a cosine and jumps back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from thermograd.numerics.argument_kind import check_number
from thermograd.numerics.finite_number import check_finite_number
from thermograd.numerics.whole_number import check_whole_number

if TYPE_CHECKING:
    from thermograd.protocols import Context, State, Weights

_RATE = "hyperparameters/learning_rate"
_SINCE, _RESTARTS = "memory/since", "memory/restarts"


@dataclass(frozen=True)
class WarmRestart:
    """η(u) = low + ½ (high − low) (1 + cos(π u / period_i)), u the steps since the last restart.

    Loshchilov and Hutter, SGDR (arXiv 1608.03983, Eq 5). η stays at `low` once u has passed
    period_i = period · growth^i, with i the restarts so far; a restart sets u = 0. Without any restart u counts
    from step 0. Weights and momentum are kept.

    Attributes:
        high: learning rate right after a restart.
        low: learning rate at the end of a period, and until the next restart.
        period: steps from `high` to `low`.
        growth: by which each restart makes the period longer (T_mult of the paper).

    Raises:
        ValueError: a field is out of its range.

    >>> WarmRestart(high=0.75, low=0.25, period=10).rate(5, restarts=0)
    0.5
    """

    every_step: ClassVar[bool] = True

    high: float = 0.05
    low: float = 0.0
    period: int = 10
    growth: float = 1

    def __post_init__(self) -> None:
        check_finite_number("high", self.high)
        check_finite_number("low", self.low)
        if self.low > self.high:
            message = f"high is {self.high!r} and low is {self.low!r}; learning rates with 0 <= low <= high are needed"
            raise ValueError(message)
        check_whole_number("period", self.period, 1, of="steps")
        check_number("growth", self.growth, 1)

    def apply(self, weights: Weights, state: State, context: Context) -> tuple[Weights, State]:
        """The same weights with the learning rate of this step."""
        if _RATE not in state:
            message = (
                "WarmRestart sets the learning rate, and there is no single one here: the update rule has no "
                "learning_rate, or parameter groups have different ones"
            )
            raise ValueError(message)
        old = state[_RATE]
        since = int(state[_SINCE]) if _SINCE in state else context.step
        restarts = int(state[_RESTARTS]) if _RESTARTS in state else 0
        if context.due:
            since, restarts = 0, restarts + 1
        moved = {
            _RATE: old.new_full((), self.rate(since, restarts)),
            # Counters in float64: exact up to 2⁵³ steps, whatever the dtype of the weights.
            _SINCE: old.new_tensor(since + 1, dtype=torch.float64),
            _RESTARTS: old.new_tensor(restarts, dtype=torch.float64),
        }
        return dict(weights), state | moved

    def rate(self, since: int, restarts: int) -> float:
        """The learning rate `since` steps after the last restart, `restarts` of them so far."""
        try:
            share = min(since / (self.period * self.growth**restarts), 1.0)
        except OverflowError:  # a period beyond all numbers, of which next to nothing has passed
            share = 0.0
        return self.low + 0.5 * (self.high - self.low) * (1 + math.cos(math.pi * share))

    def not_covered(self, interval: int) -> str | None:
        """Why kicks every `interval` steps are not what one kick measured."""
        if self.growth > 1:
            return f"its period grows with every restart (growth = {self.growth:g})"
        if self.period == interval:
            return (
                f"its period is the interval ({interval} steps), so that another interval would be another "
                "perturbation"
            )
        return None
