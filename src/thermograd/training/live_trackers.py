"""Trackers fed from a user's own training: at the start, and after every step at which one has something to record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from thermograd.numerics.two_time_schedule import NEVER

if TYPE_CHECKING:
    from torch import Tensor

    from thermograd.training.optimizer_view import OptimizerView


class LiveTrackers:
    """Follows the parameters that require a gradient when it is made, by reference.

    One that is frozen later is followed on, and does not move; one that comes later is not followed.

    Attributes:
        due: the next step at which there is something to record.

    Args:
        trackers: by name; see `thermograd.protocols`.
        view: of the optimizer.

    Raises:
        ValueError: one of them tells layers apart, and there are no names.
    """

    def __init__(self, trackers: Mapping[str, Any], view: OptimizerView) -> None:
        self._trackers, self._view = dict(trackers), view
        for name, tracker in self._trackers.items():
            if getattr(tracker, "needs_names", False) and not view.named:
                message = f"{name} tells layers apart, but their names are not known: give watch(names=model)"
                raise ValueError(message)
        self._places = view.places
        self._tracking = self._started(self._places)
        self._find_due()

    @property
    def names(self) -> list[str]:
        """Of what is followed."""
        return list(self._trackers)

    @property
    def unfollowed(self) -> str:
        """Which parameters are not followed, in words; nothing if all are."""
        late = len(set(self._view.places) - set(map(tuple, self._places)))
        if not self._trackers or not late:
            return ""
        return f"{', '.join(self._trackers)}: {late} tensors that came later are not followed"

    def begin_at(self, step: int) -> None:
        """Say that training had done some steps before.

        Args:
            step: optimiser steps completed.
        """
        for tracking in self._tracking.values():
            if hasattr(tracking, "begin_at"):
                tracking.begin_at(step)

    def record(self, step: int) -> None:
        """Let those record that want to.

        Args:
            step: optimiser steps completed.
        """
        for tracking in self._tracking.values():
            if step >= tracking.due:
                tracking.record(step)
        self._find_due()

    def __getitem__(self, name: str) -> Any:
        return self._tracking[name].table()

    def state_dict(self) -> dict[str, Any]:
        """Which parameters are followed, and what each tracker has kept."""
        kept = {name: tracking.state_dict() for name, tracking in self._tracking.items()}
        return {"places": [list(place) for place in self._places], "tracking": kept}

    def check(self, state: dict[str, Any]) -> None:
        """Refuse a state of other parameters or settings.

        Args:
            state: from `state_dict`.

        Raises:
            ValueError: names them.
        """
        self._loaded(state)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where others were.

        Args:
            state: from `state_dict`.

        Raises:
            ValueError: it is of other parameters or settings.
        """
        self._tracking = self._loaded(state)
        self._places = _pairs(state["places"])
        self._find_due()

    def _loaded(self, state: dict[str, Any]) -> dict[str, Any]:
        tracking = self._started(_pairs(state["places"]))
        for name, at_work in tracking.items():
            at_work.load_state_dict(state["tracking"][name])
        return tracking

    def _started(self, places: list[tuple[int, int]]) -> dict[str, Any]:
        if not self._trackers:
            return {}
        parameters: dict[str, Tensor] = self._view.parameters_at(places)
        return {name: tracker.start(parameters) for name, tracker in self._trackers.items()}

    def _find_due(self) -> None:
        self.due: int = min((tracking.due for tracking in self._tracking.values()), default=NEVER)


def _pairs(places: list[list[int]]) -> list[tuple[int, int]]:
    return [(int(group), int(place)) for group, place in places]
