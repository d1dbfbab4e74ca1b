"""`WatchedTraining`: what `tg.watch` recorded, block by block, ready to be drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError
from thermograd.report.look import INK

Array = npt.NDArray[Any]

_LABELLED_CUTS = 5
_ROOM_FOR_LABELS = {"t": 64, "r": 24, "l": 56, "b": 56}


@dataclass(frozen=True, eq=False)
class WatchedTraining:
    """What a watch recorded, one mapping per block, oldest first; the `history()` of a watch.

    Attributes:
        blocks: each with its last `step`; any other number may be absent, or None where it is not defined.

    Raises:
        ConfigError: a block has no step, or the steps do not increase.

    >>> training = WatchedTraining([{"step": 5, "learning_rate": 0.1}, {"step": 10, "learning_rate": 0.01}])
    >>> print(training)
    2 blocks, 10 steps, 1 change of the learning rate
    """

    blocks: Sequence[Mapping[str, Any]]

    def __post_init__(self) -> None:
        steps = [block.get("step") for block in self.blocks]
        if any(step is None for step in steps) or any(np.diff(np.array(steps, float)) <= 0):
            message = (
                f"the blocks of a watched training need a `step` each, increasing; got {steps[:20]}. "
                "Pass the whole history() of one watch"
            )
            raise ConfigError(message)

    def __str__(self) -> str:
        steps = self.blocks[-1]["step"] if self.blocks else 0
        changes = len(self.cuts)
        end = "" if changes == 1 else "s"
        return f"{len(self.blocks)} blocks, {steps} steps, {changes} change{end} of the learning rate"

    def column(self, name: str) -> Array:
        """One number per block, NaN where it is not defined."""
        values = [block.get(name) for block in self.blocks]
        return np.array([np.nan if value is None else float(value) for value in values], float)

    def words(self, name: str) -> list[str]:
        """One word per block, "" where there is none."""
        return [str(block.get(name) or "") for block in self.blocks]

    @property
    def started(self) -> Array:
        """Step at which each block begins."""
        return np.concatenate([[0.0], self.column("step")[:-1]])[: len(self.blocks)]

    @property
    def cuts(self) -> list[tuple[float, float, float]]:
        """(step, learning rate before, after) of every change; the step ends the last block before it."""
        steps, rates = self.column("step"), self.column("learning_rate")
        known = np.flatnonzero(np.isfinite(rates)).tolist()
        return [
            (float(steps[before]), float(rates[before]), float(rates[after]))
            for before, after in pairwise(known)
            if rates[before] != rates[after]
        ]

    def cut_lines(self) -> dict[str, Any]:
        """Vertical lines through all panels where the rate changed, for a layout; a few are labelled with the new one."""
        cuts = self.cuts
        few = 0 < len(cuts) <= _LABELLED_CUTS
        shapes = [
            {
                "type": "line",
                "xref": "x",
                "yref": "paper",
                "x0": step,
                "x1": step,
                "y0": 0,
                "y1": 1,
                "line": {"color": INK, "width": 1, "dash": "dot"},
                "opacity": 1.0 if few else 0.4,
            }
            for step, _, _ in cuts
        ]
        labels = [
            {
                "xref": "x",
                "yref": "paper",
                "x": step,
                "y": 1,
                "yanchor": "bottom",
                "xanchor": "center",
                "showarrow": False,
                "text": f"{after:.2g}",
            }
            for step, _, after in cuts
        ]
        if not few:
            return {"shapes": shapes}
        return {"shapes": shapes, "annotations": labels, "margin": _ROOM_FOR_LABELS}
