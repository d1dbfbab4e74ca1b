"""The memory behind `TwoTimeDisplacement`: anchors, and the distances measured from them."""

from __future__ import annotations

import hashlib
import heapq
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from thermograd.estimators.displacement_of_a_run import code_points
from thermograd.estimators.displacement_table import DisplacementTable
from thermograd.numerics.two_time_schedule import TwoTimeSchedule
from thermograd.numerics.whole_number import check_whole_number
from thermograd.observables.anchor_image import AnchorImage, image_of
from thermograd.observables.anchor_row import AnchorRow
from thermograd.observables.parameter_groups import parameter_groups, summed
from thermograd.observables.tracked_parameters import TrackedParameters

if TYPE_CHECKING:
    from thermograd.observables.two_time_displacement import TwoTimeDisplacement

_AT_ONCE = 256  # distances that stay on the device before they are read
_NORM = -1  # in the place of a lag
_SINGLE = float(np.finfo(np.float32).eps)
_TIMES = ("waiting_per_decade", "lags_per_decade", "first_waiting", "max_anchors", "grain")


class DisplacementTracker:
    """What `TwoTimeDisplacement.start` returns; see there.

    Attributes:
        due: the next step at which there is something to record.

    Args:
        settings: what to measure.
        parameters: of which.
        trajectories: their number, or their numbers, along a leading axis.

    Raises:
        ValueError: no such parameters, or directions for another number of them.
    """

    def __init__(
        self,
        settings: TwoTimeDisplacement,
        parameters: Any,
        trajectories: int | Sequence[int] | None = None,
    ) -> None:
        self._settings = settings
        self._parameters = TrackedParameters(parameters, trajectories)
        self._schedule = TwoTimeSchedule(**{name: getattr(settings, name) for name in _TIMES})
        groups = parameter_groups(self._parameters.names, settings.by)
        sizes = np.array([math.prod(shape) for shape in self._parameters.shapes])
        with torch.no_grad():
            weights = self._parameters.now()
            self._image: AnchorImage = image_of(settings, weights, groups, self._parameters.rows)
        along = len(self._image.groups) - len(groups)
        self._sizes = np.append(summed(sizes, groups), np.ones(along)).astype(np.int64)
        self._rows: dict[int, AnchorRow] = {}
        self._places: list[tuple[AnchorRow, int]] = []  # anchor and number of the lag of what is pending
        self._pending: list[Tensor] = []
        self._first = 0  # a waiting time before it is none that was missed
        self._last: int
        self._next_waiting: int
        self._coming: list[
            tuple[int, int]
        ]  # a heap of the steps at which distances are due, with the waiting times
        self.due: int
        self._go_on_after(-1)

    def begin_at(self, step: int) -> None:
        """Say that training had done some steps before the first record: waiting times before that are not missed.

        Args:
            step: optimiser steps completed.

        Raises:
            ValueError: no whole number.
        """
        check_whole_number("step", step, 0)
        self._first = int(step)

    def record(self, step: int, parameters: Any = None) -> None:
        """Note the weights at a step: distances from earlier ones that are due, and these, if it is a waiting time.

        Args:
            step: optimiser steps completed; nothing happens before `due`.
            parameters: to be read instead of those held, with the same names and shapes.

        Raises:
            ValueError: a step before the last one, or none; or parameters that are not those of the start.
        """
        check_whole_number("step", step, 0, 2**62)
        now = int(step)
        if now < max(self._last, 0):
            message = (
                f"record({now}) after record({self._last}): give the optimiser steps completed, in order"
            )
            raise ValueError(message)
        if now < self.due:
            self._last = now
            return
        with torch.no_grad():
            weights = self._parameters.now(parameters)
            image = self._image.of(weights)
            due = self._due_from_anchors(now)
            if due:
                self._pend(due, self._image.distances(image, [row.image for row, _ in due]))
            if now >= self._next_waiting:
                self._pass_waiting_times(now, weights, image)
        if len(self._places) >= _AT_ONCE:
            self._read_pending()
        self._last = now
        self.due = min(self._coming[0][0], self._next_waiting) if self._coming else self._next_waiting

    @property
    def nbytes(self) -> int:
        """Bytes of what is kept of the weights; the distances are some kB beside it."""
        return sum(row.nbytes for row in self._rows.values())

    def table(self) -> DisplacementTable:
        """What was found so far; without waiting times before the first record."""
        kept, lags = self._extent(self._last)
        fields = self._fields([w for w in kept if w in self._rows], kept, lags)
        infinite = sum(row.infinite(lags) for row in self._rows.values())
        return DisplacementTable.from_mapping({**fields, "infinite": infinite})

    def arrays(self, last: int | None = None) -> dict[str, npt.NDArray[Any]]:
        """The table by field, each with one row per trajectory: coordinates repeated, names as code points.

        Args:
            last: the shapes are those of a record up to this step then, whatever was delivered.
        """
        kept, lags = self._extent(self._last if last is None else last)
        there = kept if last is not None else [w for w in kept if w in self._rows]
        found = self._fields(there, kept, lags)
        found["groups"] = code_points(found["groups"])
        rows = self._parameters.rows or 1
        return {
            name: value
            if name in {"squared", "anchor_norms"}
            else np.repeat(np.asarray(value)[None], rows, 0)
            for name, value in found.items()
        }

    def state_dict(self) -> dict[str, Any]:
        """What goes on elsewhere, bit for bit: tensors, numbers, texts, lists and dicts."""
        self._read_pending()
        rows = [row.state_dict() for row in self._rows.values()]
        return {"of": self._identity(), "last": self._last, "first": self._first, "rows": rows}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where another tracker of the same settings and parameters was.

        Args:
            state: from `state_dict`.

        Raises:
            ValueError: it is of other settings or parameters, names them; nothing is loaded then.
        """
        keys = tuple(state) if isinstance(state, Mapping) else ()
        if not {"of", "last", "rows"} <= set(keys) or not isinstance(state["of"], Mapping):
            message = f"this is no state of a two-time displacement, but a {type(state).__name__}: its keys are {', '.join(map(str, keys)) or 'none'}"
            raise ValueError(message)
        own, found = self._identity(), state["of"]
        different = [
            f"{name}: {found.get(name)} there, {value} here"
            for name, value in own.items()
            if found.get(name) != value
        ]
        if different:
            message = f"this state is of another two-time displacement; {'; '.join(different)}"
            raise ValueError(message)
        with torch.no_grad():
            like = self._image.kept(self._image.of(self._parameters.now()))
        rows = [AnchorRow.of_state(row, like) for row in state["rows"]]
        self._rows = {row.waiting: row for row in rows}
        self._places, self._pending = [], []
        self._first = int(state.get("first", 0))
        self._go_on_after(int(state["last"]))

    def _go_on_after(self, step: int) -> None:
        """Find what is next, from the anchors there are."""
        self._last = step
        self._next_waiting = self._schedule.next_waiting(step)
        self._coming = [self._next_distance(waiting, step) for waiting in self._rows]
        heapq.heapify(self._coming)
        self.due = min(self._coming[0][0], self._next_waiting) if self._coming else self._next_waiting

    def _next_distance(self, waiting: int, step: int) -> tuple[int, int]:
        """When the next distance from an anchor is due, and its waiting time."""
        return waiting + self._schedule.lag(self._schedule.lags_within(step - waiting)), waiting

    def _due_from_anchors(self, now: int) -> list[tuple[AnchorRow, int]]:
        """Anchors whose distance is due now, with the number of the lag; those due before are passed over."""
        found = []
        coming, schedule = self._coming, self._schedule
        while coming and coming[0][0] <= now:
            waiting = coming[0][1]
            following = schedule.lags_within(now - waiting)
            if waiting + schedule.lag(following - 1) == now:
                found.append((self._rows[waiting], following - 1))
            heapq.heapreplace(coming, (waiting + schedule.lag(following), waiting))
        return found

    def _pass_waiting_times(self, now: int, weights: list[Tensor], image: list[Tensor]) -> None:
        """Keep these weights if this is a waiting time, and drop the anchors that are thinned out."""
        if now == self._schedule.next_waiting(now - 1):
            row = AnchorRow(now, self._image.kept(image), self._parameters.rows or 1, len(self._sizes))
            self._rows[now] = row
            heapq.heappush(self._coming, self._next_distance(now, now))
            self._pend([(row, _NORM)], self._image.norms(weights, image))
        kept = self._schedule.waiting_times(now).tolist()
        dropped = self._rows.keys() - kept
        if dropped:
            self._rows = {waiting: row for waiting, row in self._rows.items() if waiting not in dropped}
            self._go_on_after(now)
        self._next_waiting = self._schedule.next_waiting(now)

    def _pend(self, places: list[tuple[AnchorRow, int]], distances: Tensor) -> None:
        self._places += places
        self._pending.append(distances)

    def _read_pending(self) -> None:
        """One read from the device for all distances since the last."""
        if not self._places:
            return
        squares = torch.cat(self._pending).cpu().numpy().astype(np.float64) ** 2
        for (row, lag), found in zip(self._places, summed(squares, self._image.groups), strict=True):
            if lag == _NORM:
                row.norms = found
            else:
                row.note(lag, found)
        self._places, self._pending = [], []

    def _extent(self, last: int) -> tuple[list[int], int]:
        """Waiting times, and the number of lags, of a table up to a step: whatever was delivered."""
        kept: list[int] = self._schedule.waiting_times(last).tolist()
        return kept, self._schedule.lags_within(last - kept[0]) if kept else 0

    def _fields(self, waiting_times: list[int], kept: list[int], lags: int) -> dict[str, Any]:
        """Those of a table.

        Args:
            waiting_times: its rows; NaN where nothing is known of one.
            kept: all waiting times that were due, of which the missing are counted.
            lags: how many.
        """
        self._read_pending()
        count, groups = self._parameters.rows or 1, len(self._sizes)
        blank = AnchorRow(0, [], count, groups)
        rows = [self._rows.get(waiting, blank) for waiting in waiting_times]
        squared = [row.squared(lags) for row in rows]
        norms = [row.norms for row in rows]
        within = [self._schedule.lags_within(self._last - waiting) for waiting in kept]
        missed = [
            self._rows.get(w, blank).missing(due)
            for w, due in zip(kept, within, strict=True)
            if w >= self._first
        ]
        return {
            "waiting_times": np.array(waiting_times, np.int64),
            "lags": self._schedule.lags[:lags],
            "squared": np.stack(squared, 1) if squared else np.zeros((count, 0, lags, groups)),
            "sizes": self._sizes,
            "groups": tuple(group.name for group in self._image.groups),
            "anchor_norms": np.stack(norms, 1) if norms else np.zeros((count, 0, groups)),
            "relative_error": self._relative_error(),
            "eps": self._parameters.eps if self._parameters.eps > _SINGLE else 0.0,
            "missed": sum(missed),
        }

    def _relative_error(self) -> npt.NDArray[np.float64]:
        size = self._settings.sketch
        if size is None:
            return np.zeros(len(self._sizes))
        return np.where(self._sizes > size, math.sqrt(2 / size), 0.0)

    def _identity(self) -> dict[str, Any]:
        """What a saved state has to agree with."""
        settings = {name: getattr(self._settings, name) for name in (*_TIMES, "sketch", "by", "seed")}
        given = self._settings.directions
        return settings | {
            "directions": "" if given is None else hashlib.sha256(given.tobytes()).hexdigest(),
            "names": [] if self._settings.by == "all" else list(self._parameters.names),
            "shapes": [list(shape) for shape in self._parameters.shapes],
            "trajectories": self._parameters.rows or 0,
        }
