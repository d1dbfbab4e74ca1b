"""What `watch(observe=)` was given, fed from a user's own training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from thermograd.numerics.log_times import Epochs, Every
from thermograd.observables.plain_tensor import plain
from thermograd.training.live_trackers import LiveTrackers

if TYPE_CHECKING:
    from torch import Tensor

    from thermograd.training.optimizer_view import OptimizerView


class Observing:
    """Feeds accumulators between consecutive steps, and tells them and trackers apart.

    Attributes:
        trackers: those that record after steps of their choice.

    Args:
        observers: objects with `accumulate` (accumulators: `start`, `accumulate`, `read`) or with a `start` that
            gives something to `record` (trackers); see `thermograd.protocols`.
        view: of the optimizer.
        steps_per_epoch: optimiser steps of an epoch, or None.

    An accumulator adds at the points its `every` says, `Every` or `Epochs`; its `at` is not used, since it is read
    whenever it is asked for.

    Raises:
        ValueError: neither of the two, two of one name, points that are not regular, or what a tracker refuses.
    """

    def __init__(
        self, observers: Sequence[Any], view: OptimizerView, steps_per_epoch: int | None = None
    ) -> None:
        self._view = view
        _check_sequence(observers)
        names = [getattr(observer, "name", None) for observer in observers]
        for observer, name in zip(observers, names, strict=True):
            if isinstance(observer, type):
                message = (
                    f"observe has the class {observer.__name__}; give an object of it: {observer.__name__}()"
                )
                raise ValueError(message)
            if name is None or not callable(getattr(observer, "start", None)):
                message = f"observe takes accumulators and trackers; got {observer!r}, which has no name or no start()"
                raise ValueError(message)
            if names.count(name) > 1:
                message = f"observe has {names.count(name)} entries named {name!r}; their names must differ"
                raise ValueError(message)
        self._accumulators = {o.name: o for o in observers if hasattr(o, "accumulate")}
        self._stretch = {name: _steps(o, steps_per_epoch) for name, o in self._accumulators.items()}
        self._states: dict[str, Any] = {}
        self._begun: dict[str, dict[str, Any]] = {}
        self.trackers = LiveTrackers({o.name: o for o in observers if not hasattr(o, "accumulate")}, view)

    @property
    def active(self) -> bool:
        """Whether anything is summed, which looks at every step."""
        return bool(self._accumulators)

    @property
    def names(self) -> list[str]:
        """Of what is observed."""
        return [*self._accumulators, *self.trackers.names]

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
                self._states[name] = accumulator.start(_copied(weights))
            if step % self._stretch[name] == 0:
                self._begun[name] = {"step": step, "weights": _copied(weights), "gradient": {}}

    def after_step(self, step: int) -> None:
        """Feed an update.

        Args:
            step: optimiser steps done before it.
        """
        for name, accumulator in self._accumulators.items():
            begun = self._begun.get(name)
            if begun is None:
                continue
            if begun["step"] == step:  # the gradient of a stretch is that of its first update
                begun["gradient"] = self._gradient()
            if (step + 1) % self._stretch[name] == 0 and begun["gradient"]:
                after = self._weights()
                self._states[name] = accumulator.accumulate(
                    self._states[name], begun["weights"], after, begun["gradient"]
                )
                del self._begun[name]

    def __getitem__(self, name: str) -> Any:
        if name in self._states:
            return self._accumulators[name].read(self._states[name])
        if name in self.trackers.names:
            return self.trackers[name]
        known = self.names
        message = (
            f"{name} has nothing before the first step"
            if name in known
            else f"nothing named {name!r} is observed; observed: {', '.join(known) or 'nothing (give observe=)'}"
        )
        raise KeyError(message)

    def state_dict(self) -> dict[str, Any]:
        """States of accumulators and trackers."""
        begun = {name: dict(stretch) for name, stretch in self._begun.items()}
        return {"states": dict(self._states), "trackers": self.trackers.state_dict(), "begun": begun}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where another was.

        Args:
            state: from `state_dict`.
        """
        self._states = dict(state["states"])
        self._begun = {name: dict(stretch) for name, stretch in state["begun"].items()}
        self.trackers.load_state_dict(state["trackers"])

    def _weights(self) -> dict[str, Tensor]:
        return {str(place): value for place, value in enumerate(self._view.local_parameters)}

    def _gradient(self) -> dict[str, Tensor]:
        return {
            name: value.new_zeros(value.shape) if parameter.grad is None else plain(parameter.grad).clone()
            for (name, value), parameter in zip(self._weights().items(), self._view.parameters, strict=True)
        }


def _copied(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in weights.items()}


def _steps(accumulator: Any, steps_per_epoch: int | None) -> int:
    """Steps between the points at which an accumulator adds; a training whose end is not known has regular ones."""
    every = accumulator.every
    if isinstance(every, Every):
        return every.steps
    if isinstance(every, Epochs) and steps_per_epoch is not None:
        return every.n * steps_per_epoch
    wanted = "Every(steps)" if steps_per_epoch is None else "Every(steps) or Epochs(n)"
    message = f"{accumulator.name} adds every {every!r}; in a watch with steps_per_epoch={steps_per_epoch} that is {wanted}"
    raise ValueError(message)


def _check_sequence(observers: object) -> None:
    if not isinstance(observers, Iterable):
        message = f"observe is {observers!r}; give a sequence: observe=[...]"
        raise ValueError(message)
