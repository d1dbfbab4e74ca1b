"""Reshuffled epochs that begin at different times in different trajectories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from thermograd.protocols import Batch, Minibatching


@dataclass(frozen=True)
class PhasedMinibatching:
    """Batches of a stateless rule, trajectory k ahead of the others by `phases[k]` updates.

    Attributes:
        rule: whose batches are functions of (seed, trajectory, step).
        phases: by trajectory.
    """

    rule: Minibatching
    phases: tuple[int, ...]

    def steps_per_epoch(self, samples: int) -> int:
        """That of the rule."""
        return self.rule.steps_per_epoch(samples)

    def start(self, seed: int, trajectories: Sequence[int], samples: int) -> None:
        """No state."""

    def draw(
        self, state: Any, seed: int, trajectories: Sequence[int], step: int, samples: int
    ) -> tuple[Batch, tuple[tuple[int, ...], list[Any]]]:
        """The batches of update `step`; what is handed on are the rule's speed-ups, by trajectory."""
        rows = tuple(trajectories)
        held = state[1] if state is not None and state[0] == rows else [None] * len(rows)
        drawn = [
            self.rule.draw(own, seed, (row,), step + self.phases[row], samples)
            for row, own in zip(rows, held, strict=True)
        ]
        batches = [batch for batch, _ in drawn]
        shares = [batch.weights for batch in batches if batch.weights is not None]
        indices = np.concatenate([batch.indices for batch in batches])
        weights = np.concatenate(shares) if shares else None
        return Batch(indices, weights), (rows, [own for _, own in drawn])
