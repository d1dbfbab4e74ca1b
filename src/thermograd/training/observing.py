"""Accumulators and trackers fed from a user's own training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from thermograd.training.optimizer_view import OptimizerView


class Observing:
    """Feeds what `watch(observe=)` was given: at the start, and between consecutive steps.

    Args:
        observers: objects with `accumulate` (accumulators: `start`, `accumulate`, `read`) or with a `start` that
            gives something to `record` (trackers); see `thermograd.protocols`.
        view: of the optimizer.

    Raises:
        ValueError: neither of the two, or two of one name.
    """

    def __init__(self, observers: Sequence[Any], view: OptimizerView) -> None:
        self._view = view
        names = [getattr(observer, "name", None) for observer in observers]
        for observer, name in zip(observers, names, strict=True):
            if name is None or not callable(getattr(observer, "start", None)):
                message = f"observe takes accumulators and trackers; got {observer!r}, which has no name or no start()"
                raise ValueError(message)
            if names.count(name) > 1:
                message = f"observe has {names.count(name)} entries named {name!r}; their names must differ"
                raise ValueError(message)
        self._accumulators = {o.name: o for o in observers if hasattr(o, "accumulate")}
        self._trackers = {o.name: o for o in observers if not hasattr(o, "accumulate")}
        self._states: dict[str, Any] = {}
        self._tracking: dict[str, Any] = {}
        self._before: dict[str, Tensor] = {}

    @property
    def active(self) -> bool:
        """Whether anything is observed."""
        return bool(self._accumulators or self._trackers)

    def before_step(self, step: int) -> None:
        """Keep the weights before an update, if anybody needs them.

        Args:
            step: optimiser steps done.
        """
        if not self.active:
            return
        weights = self._weights()
        for name, accumulator in self._accumulators.items():
            if name not in self._states:
                self._states[name] = accumulator.start(weights)
        for name, tracker in self._trackers.items():
            if name not in self._tracking:
                self._tracking[name] = tracker.start(weights)
            self._record(self._tracking[name], step, weights)
        if self._accumulators:
            self._before = {name: value.clone() for name, value in weights.items()}

    def after_step(self, step: int) -> None:
        """Feed an update.

        Args:
            step: optimiser steps done before it.
        """
        if not self._accumulators:
            return
        weights = self._weights()
        gradient = {
            name: value.new_zeros(value.shape) if parameter.grad is None else parameter.grad.detach()
            for (name, value), parameter in zip(weights.items(), self._view.parameters, strict=True)
        }
        for name, accumulator in self._accumulators.items():
            self._states[name] = accumulator.accumulate(self._states[name], self._before, weights, gradient)

    def __getitem__(self, name: str) -> Any:
        if name in self._states:
            return self._accumulators[name].read(self._states[name])
        if name in self._tracking:
            return self._tracking[name].table()
        known = [*self._accumulators, *self._trackers]
        message = (
            f"nothing named {name!r} is observed; observed: {', '.join(known) or 'nothing (give observe=)'}"
        )
        raise KeyError(message)

    def state_dict(self) -> dict[str, Any]:
        """States of accumulators and trackers."""
        tracked = {name: tracking.state_dict() for name, tracking in self._tracking.items()}
        return {"states": dict(self._states), "tracking": tracked}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where another was.

        Args:
            state: from `state_dict`.
        """
        self._states = dict(state["states"])
        weights = self._weights()
        for name, kept in state["tracking"].items():
            self._tracking[name] = self._trackers[name].start(weights)
            self._tracking[name].load_state_dict(kept)

    def _weights(self) -> dict[str, Tensor]:
        return {str(place): value for place, value in enumerate(self._view.local_parameters)}

    @staticmethod
    def _record(tracking: Any, step: int, weights: dict[str, Tensor]) -> None:
        if tracking.due is not None and step >= tracking.due:
            tracking.record(step, weights)
