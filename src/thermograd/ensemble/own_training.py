"""Somebody's own training, one trajectory at a time, through functions of theirs."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.optim import Optimizer

from thermograd.numerics import philox
from thermograd.perturbations.context import Moment, PerturbationContext
from thermograd.perturbations.description import described
from thermograd.perturbations.in_place import apply_in_place
from thermograd.perturbations.live_state import LiveState
from thermograd.perturbations.reset import Reset

if TYPE_CHECKING:
    from thermograd.protocols import State, Weights

Best = dict[str, tuple[float, "Weights", "State"]]
_IMMUTABLE = (int, float, complex, str, bytes, bool, type(None))


@dataclass(eq=False)
class Branch:
    """One trajectory under way.

    Attributes:
        state: whatever the user's functions take.
        number: of the trajectory.
        unit: units completed.
        metric: the last value, NaN before the first.
        memory: what a perturbation keeps between its calls.
        best: per direction, value, weights and state at the best value so far.
    """

    state: Any
    number: int
    unit: int = 0
    metric: float = float("nan")
    memory: State = field(default_factory=dict)
    best: Best = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class OwnTraining:
    """Training through `start`, `train` and `evaluate`, with the randomness of a study handed to them as seeds.

    Attributes:
        start: `seed -> state`.
        train: `(state, seed) -> state` after one more unit; None means the state was changed in place.
        evaluate: `state -> value`.
        copy: makes an independent copy of a state.
        perturb: `(state, candidate, seed) -> state`, for states the built-in candidates do not know.
        seed: of the study.
        direction: "up" or "down".
        target: the value to reach.
        best: the directions in which the best state is kept.
    """

    start: Callable[[int], Any]
    train: Callable[[Any, int], Any]
    evaluate: Callable[[Any], Any]
    copy: Callable[[Any], Any]
    perturb: Callable[[Any, Any, int], Any] | None
    seed: int
    direction: str
    target: float
    best: tuple[str, ...] = ()

    def begun(self, number: int) -> Branch:
        """A trajectory at its start."""
        return Branch(self.start(self._seed(philox.INITIAL_WEIGHTS, number, 0)), number)

    def follow(self, branch: Branch, units: int) -> list[float]:
        """Train until the target, or for some units; the value after each. Who diverges is infinite: the last value."""
        values: list[float] = []
        for _ in range(units):
            branch.unit += 1
            seed = self._seed(philox.DYNAMICS, branch.number, branch.unit)
            branch.state = _state_after(self.train(branch.state, seed), branch.state, "train")
            branch.metric = _value(self.evaluate(branch.state))
            values.append(branch.metric)
            if np.isinf(branch.metric) or self._reached(branch.metric):
                break
            self._note_best(branch)
        return values

    def survives(self, values: list[float]) -> bool:
        """Whether a trajectory with these values is still under way."""
        return not values or not (np.isinf(values[-1]) or self._reached(values[-1]))

    def branched(self, branch: Branch) -> Branch:
        """An independent copy of a trajectory.

        Raises:
            ValueError: the copy is the state itself.
        """
        state = self.copy(branch.state)
        if state is branch.state and not _immutable(state):
            kind = "a function, whose variables no copy reaches" if callable(state) else type(state).__name__
            message = (
                f"copy(state) returned the state itself ({kind}), so that branches would train each other; keep "
                "what changes in an object that copy.deepcopy copies, or pass copy="
            )
            raise ValueError(message)
        return Branch(state, branch.number, branch.unit, branch.metric, dict(branch.memory), branch.best)

    def kick(self, branch: Branch, candidate: Any) -> None:
        """Perturb a trajectory once, now."""
        if self.perturb is not None:
            seed = self._seed(philox.PERTURBATION, branch.number, branch.unit)
            branch.state = _state_after(self.perturb(branch.state, candidate, seed), branch.state, "perturb")
            return
        if isinstance(candidate, Reset):
            # Everything of the state begins anew, not the model alone: an independent copy of the start.
            branch.state = self.start(self._seed(philox.PERTURBATION, branch.number, branch.unit))
            return
        pair = model_and_optimizer(branch.state)
        if pair is None:
            message = (
                f"the state is {_kind(branch.state)}, in which no model and optimizer are found, so "
                f"{described(candidate)} cannot be applied; give it the attributes or keys 'model' and "
                "'optimizer', return (model, optimizer), or pass perturb=, a function (state, candidate, seed)"
            )
            raise ValueError(message)
        live = LiveState(*pair)
        kept = (
            branch.best.get(getattr(candidate, "direction", ""))
            if getattr(candidate, "needs_best", 0)
            else None
        )
        moment = Moment(branch.metric, best=None if kept is None else kept[1:])
        context = PerturbationContext(
            _FromStart(live, self.start), self.seed, branch.number, branch.unit, moment
        )
        branch.memory = apply_in_place(live, candidate, branch.memory, context)

    def _note_best(self, branch: Branch) -> None:
        for direction in self.best:
            before = branch.best.get(direction)
            value = branch.metric
            if before is not None and not (value > before[0] if direction == "up" else value < before[0]):
                continue
            pair = model_and_optimizer(branch.state)
            if pair is not None:
                live = LiveState(*pair)
                weights = {name: entry.clone() for name, entry in live.weights().items()}
                state = {name: entry.clone() for name, entry in live.state().items()}
                # A new dict: copies of this trajectory share the old one.
                branch.best = branch.best | {direction: (value, weights, state)}

    def _reached(self, value: float) -> bool:
        return value >= self.target if self.direction == "up" else value <= self.target

    def _seed(self, stream: int, number: int, unit: int) -> int:
        """A seed below 2³², which torch, numpy and random all take; the same for all branches of a trajectory."""
        return int(philox.words(self.seed, stream, [number], unit, 1)[0, 0])


class _FromStart:
    """Fresh values from the user's own `start`, whose law is by definition that of the start."""

    def __init__(self, live: LiveState, start: Callable[[int], Any]) -> None:
        self._live, self._start = live, start
        self.dtype, self.device = live.dtype, live.device

    def draw_initial(self, torch_seed: int) -> tuple[Weights, State]:
        with torch.random.fork_rng(devices=[]):
            pair = model_and_optimizer(self._start(torch_seed % 2**32))
        if pair is None:
            message = "start(seed) gave a state without the model and optimizer that it had before"
            raise ValueError(message)
        return self._live.initial_of(pair[0])


def model_and_optimizer(state: Any) -> tuple[nn.Module, Optimizer] | None:
    """Model and optimizer in a state: attributes or keys of these names, or the state is that pair.

    >>> model = nn.Linear(1, 1)
    >>> optimizer = torch.optim.SGD(model.parameters())
    >>> model_and_optimizer((model, optimizer)) == (model, optimizer)
    True
    >>> model_and_optimizer({"net": model}) is None
    True
    """
    if isinstance(state, Mapping):
        found = state.get("model"), state.get("optimizer")
    elif isinstance(state, tuple | list) and len(state) == 2 and isinstance(state[0], nn.Module):
        found = state[0], state[1]
    else:
        found = getattr(state, "model", None), getattr(state, "optimizer", None)
    model, optimizer = found
    return (model, optimizer) if isinstance(model, nn.Module) and isinstance(optimizer, Optimizer) else None


def _state_after(returned: Any, before: Any, function: str) -> Any:
    """What a function of the user made of a state: returned, or changed in place."""
    if returned is None:
        return before
    if not isinstance(returned, type(before)) and not isinstance(before, type(returned)):
        message = (
            f"{function} returned {_kind(returned)}, but the state is {_kind(before)}; return the state (or None "
            "if it was changed in place)"
        )
        raise ValueError(message)
    return returned


def _value(value: Any) -> float:
    """The value as a number; what is no number is infinite, as of a run that has diverged."""
    try:
        number = float(value)
    except (TypeError, ValueError) as cause:
        message = f"evaluate returned {_kind(value)}; it must return one number"
        raise ValueError(message) from cause
    return number if np.isfinite(number) else float("inf")


def _immutable(state: Any) -> bool:
    if isinstance(state, tuple):
        return all(map(_immutable, state))
    return isinstance(state, _IMMUTABLE)


def _kind(thing: Any) -> str:
    if isinstance(thing, types.FunctionType):
        return "a function"
    return f"a {type(thing).__name__}"
