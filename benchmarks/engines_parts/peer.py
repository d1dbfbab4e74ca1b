"""What every way to train the ensemble offers to be checked and timed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Weights = dict[str, np.ndarray]


class AbsentError(Exception):
    """The peer is not installed here, or an engine cannot run this; the message says why."""


@dataclass(frozen=True)
class Form:
    """One way to write the peer; the fastest counts.

    Attributes:
        one_step: (weights, indices (trajectory, sample), learning rate) -> weights after one update.
        advance: trains all trajectories so many steps further.
        unit: what the number of steps must be a multiple of.
        draws: the next batches of a form that samples by itself, (steps, trajectory, sample).
    """

    one_step: Callable[[Weights, np.ndarray, float], Weights]
    advance: Callable[[int], object]
    unit: int = 1
    draws: Callable[[int], np.ndarray] | None = None
