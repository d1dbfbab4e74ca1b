"""How far the weights are from where they were: displacement between two times, along a run of unknown length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.numerics.finite_number import check_finite_number
from thermograd.numerics.real_numbers import real_numbers
from thermograd.numerics.whole_number import check_whole_number
from thermograd.observables.displacement_tracker import DisplacementTracker
from thermograd.observables.parameter_groups import GROUPINGS

_ORTHONORMAL = 1e-6


@dataclass(frozen=True)
class TwoTimeDisplacement:
    """Σ_i (θ_i(t_w + t) − θ_i(t_w))² at log-spaced waiting times t_w and lags t, over all parameters and over groups.

    Divided by the number of parameters it is the Δ(t_w, t) of Herrera Segura, Montoya, Tapias, "Subaging in
    underparametrized Deep Neural Networks", (2). The weights of each waiting time are kept ("anchors") and compared with
    those of t_w + t: after T steps about 4 log₁₀T copies of the parameters, 25 at T = 10⁶, and about 1000 distances, each
    one pass over the weights. Differences are taken in the weights' own type (in float32 if that is shorter), squares are
    summed in float64. Time is counted in optimiser steps completed since the start.

    In a loop of one's own::

        tracker = TwoTimeDisplacement(by="layer").start(dict(model.named_parameters()))
        tracker.record(0)
        for step, (x, y) in enumerate(loader, 1):
            ...
            optimizer.step()
            if step >= tracker.due:
                tracker.record(step)
        tracker.table()

    Attributes:
        waiting_per_decade: n of the waiting times, the unique round(10^(j/n)) from `first_waiting` on.
        lags_per_decade: n of the lags, the unique round(10^(j/n)), the same for all waiting times.
        first_waiting: the smallest waiting time; 0 for step 0 and all after it. The paper shows t_w > 10³.
        max_anchors: the most anchors kept at once, 2 or more. Where there would be more, every second one is dropped for
            good, with its distances: between half and all of them remain, still log-spaced.
        sketch: None keeps the weights of an anchor; k keeps k numbers per group and anchor (32 kB for k = 4096), and a
            squared distance has the relative error √(2/k) then (2.2 %), which all distances share.
        by: "all" for all parameters only; "layer" (what stands before the last dot of a name) or "tensor" for
            theirs too, after those of all.
        directions: `(P, k)` orthonormal columns, whose components become groups of size 1; not with `sketch` or `by`.
        grain: all times of interest are rounded up to multiples of it, for a loop that looks at every so many steps only.
        seed: of the sketch.
        name: name of the table.

    Raises:
        ValueError: a field out of its range, or directions that are not orthonormal.

    >>> import torch
    >>> weight = torch.zeros(2)
    >>> tracker = TwoTimeDisplacement().start([weight])
    >>> for step in range(1, 11):
    ...     weight += 1.0  # a straight line: Δ = t² per parameter, whatever t_w
    ...     tracker.record(step)
    >>> table = tracker.table()
    >>> table.waiting_times.tolist(), table.lags.tolist()
    ([1, 2, 3, 6, 10], [1, 2, 3, 4, 6, 7])
    >>> table.squared[0, 0, :, 0].round(9).tolist()
    [2.0, 8.0, 18.0, 32.0, 72.0, 98.0]
    """

    waiting_per_decade: float = 4
    lags_per_decade: float = 8
    first_waiting: int = 1
    max_anchors: int = 64
    sketch: int | None = None
    by: str = "all"
    directions: npt.NDArray[Any] | None = None
    grain: int = 1
    seed: int = 0
    name: str = "two_time_displacement"

    def __post_init__(self) -> None:
        for name in ("waiting_per_decade", "lags_per_decade"):
            check_finite_number(name, getattr(self, name), zero=False)
        for name, least in (
            ("first_waiting", 0),
            ("max_anchors", 2),
            ("grain", 1),
            ("seed", 0),
            ("sketch", 1),
        ):
            value = getattr(self, name)
            if name == "sketch" and value is None:
                continue
            check_whole_number(name, value, least)
            object.__setattr__(self, name, int(value))
        if self.by not in GROUPINGS:
            message = f"by is {self.by!r}; use one of {', '.join(map(repr, GROUPINGS))}"
            raise ValueError(message)
        if self.directions is not None:
            object.__setattr__(self, "directions", self._checked_directions())

    @property
    def needs_names(self) -> bool:
        """Whether the groups are told apart by the names of the parameters."""
        return self.by != "all"

    def start(self, parameters: Any, trajectories: int | Sequence[int] | None = None) -> DisplacementTracker:
        """A tracker of these parameters at work, which has nothing recorded yet.

        Args:
            parameters: a dict of tensors by name (or pairs of name and tensor, or tensors), held by reference.
            trajectories: the number of trajectories, or their numbers: every tensor has a leading axis of them then.

        Raises:
            ValueError: no such parameters, or directions for another number of them.
        """
        return DisplacementTracker(self, parameters, trajectories)

    def _checked_directions(self) -> npt.NDArray[np.float64]:
        if self.sketch is not None or self.by != "all":
            message = (
                f"directions= goes with sketch=None and by='all'; got sketch={self.sketch}, by={self.by!r}"
            )
            raise ValueError(message)
        given = np.ascontiguousarray(real_numbers("directions", self.directions))
        if given.ndim != 2 or 0 in given.shape:
            message = f"directions has shape {given.shape}; it must be (parameters, k)"
            raise ValueError(message)
        off = float(np.abs(given.T @ given - np.eye(given.shape[1])).max())
        if not off <= _ORTHONORMAL:
            message = (
                f"directions are not orthonormal: VᵀV differs from 1 by {off:.2g}. Take numpy.linalg.qr(V)[0]"
            )
            raise ValueError(message)
        return given
