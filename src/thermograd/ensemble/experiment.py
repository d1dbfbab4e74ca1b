"""`Experiment`: everything that determines an ensemble of trajectories."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from thermograd.discover import nearest
from thermograd.dynamics.sgd import SGD
from thermograd.ensemble.seeds import initial_weights
from thermograd.minibatching.without_replacement import WithoutReplacement
from thermograd.numerics.argument_kind import instead_of_class, value_in_words
from thermograd.numerics.whole_number import check_whole_number
from thermograd.observables.accuracy import Accuracy
from thermograd.observables.loss import Loss
from thermograd.problems.functional import FunctionalProblem
from thermograd.problems.problem import DTYPES, built
from thermograd.protocols import Accumulator, Batch, Observable, Tracker

if TYPE_CHECKING:
    from thermograd.protocols import Dynamics, Kicks, Minibatching, Perturbation, Times

ENGINES = ("auto", "eager", "compiled", "kernel")


@dataclass(frozen=True, eq=False)
class Start:
    """Where trajectories start: one set for all, or stacked with a leading axis of trajectories.

    Attributes:
        weights: parameters by name, of the shape in the model or `(trajectory, *shape)`.
        dynamics: state of the dynamics with keys `buffer/parameter`, shaped likewise; None to start it anew.
        buffers: buffers of the module by name, shaped likewise; None for its own.

    >>> from thermograd.problems.quadratic import Quadratic
    >>> two = Start({"position": torch.stack([torch.zeros(3), torch.ones(3)])})  # one set of weights each
    >>> Experiment(Quadratic(), start=two, trajectories=2, epochs=1).start.weights["position"].shape
    torch.Size([2, 3])
    """

    weights: Mapping[str, Tensor]
    dynamics: Mapping[str, Tensor] | None = None
    buffers: Mapping[str, Tensor] | None = None


@dataclass(frozen=True, eq=False)
class Experiment:
    """An ensemble of independent training runs.

    Attributes:
        problem: a `Problem`, or a built-in one such as `Digits()`.
        minibatching: which samples each update uses.
        dynamics: the update rule.
        perturbation: what is done to weights and state at the times `perturb`; both or neither.
        perturb: when, as `Times` (`Every`, `Epochs`, `Logarithmic`, `At`, `Random`).
        observe: observables (snapshots), accumulators (sums inside the step) and trackers (memories of earlier
            states); by default the training loss, and the test accuracy if it is defined.
        trajectories: number of trajectories R ≥ 1.
        steps: length in optimiser steps, below 2³²; or
        epochs: length in epochs. Exactly one of the two.
        start: "independent"; "shared", all from trajectory 0's initial weights; a dict name to tensor;
            or a `Start`.
        save_weights: when weights are kept besides the last ones.
        seed: 0 ≤ seed < 2⁶⁴. Trajectory k depends on (seed, k) alone.
        dtype: overrides the problem's.
        engine: "auto", "eager", "compiled" or "kernel".
        device: "cpu" or "cuda".
        block_size: trajectories per unit of work.

    Raises:
        ValueError: says which field is wrong, what was got and what is allowed.

    >>> from thermograd.problems.quadratic import Quadratic
    >>> experiment = Experiment(Quadratic(samples=320), trajectories=8, epochs=5)  # batches of 32
    >>> experiment.steps_per_epoch, experiment.total_steps
    (10, 50)
    """

    problem: Any
    minibatching: Minibatching = field(default_factory=WithoutReplacement)
    dynamics: Dynamics = field(default_factory=SGD)
    perturbation: Perturbation | Any | None = None
    perturb: Kicks | None = None
    observe: Sequence[Observable | Accumulator | Tracker] | None = None
    trajectories: int = 64
    steps: int | None = None
    epochs: int | None = None
    start: str | Mapping[str, Tensor] | Start = "independent"
    save_weights: Times | None = None
    seed: int = 0
    dtype: str | None = None
    engine: str = "auto"
    device: str = "cpu"
    block_size: int = 256

    def __post_init__(self) -> None:
        for name, least, above in (("trajectories", 1, 2**32), ("block_size", 1, 2**32), ("seed", 0, 2**64)):
            check_whole_number(name, getattr(self, name), least, above - 1)
        if (self.steps is None) == (self.epochs is None):
            got = "neither" if self.steps is None else f"steps={self.steps} and epochs={self.epochs}"
            message = f"give exactly one of steps and epochs; got {got}"
            raise ValueError(message)
        name = "epochs" if self.steps is None else "steps"
        check_whole_number(name, getattr(self, name), 1, 2**32 - 1)
        if (self.perturbation is None) != (self.perturb is None):
            missing = "perturb (when)" if self.perturb is None else "perturbation (what)"
            message = f"perturbation and perturb go together: {missing} is missing"
            raise ValueError(message)
        if self.perturb is not None and not hasattr(self.perturb, "kicks"):
            message = (
                f"perturb is {self.perturb!r}; give Times such as Epochs(10), Every(100) or Random(1e-3)"
            )
            raise ValueError(message)
        for label, value, allowed in (
            ("engine", self.engine, ENGINES),
            ("dtype", self.dtype, (None, *DTYPES)),
        ):
            if value not in allowed:
                known = [entry for entry in allowed if entry is not None]
                message = f"{label} is {value!r}. {nearest(str(value), known)}"
                raise ValueError(message)
        check_device(self.device)
        _check_parts(self)
        if isinstance(self.start, str) and self.start not in {"independent", "shared"}:
            message = f"start is {self.start!r}; use 'independent', 'shared', or a dict of weights"
            raise ValueError(message)
        begun: object = self.start  # whatever its annotation says
        if not isinstance(begun, str | Mapping | Start):
            message = f"start is {self.start!r}; use 'independent', 'shared', or a dict of weights"
            raise ValueError(message)
        given: object = self.observe  # whatever its annotation says
        if isinstance(given, str) or (given is not None and not isinstance(given, Iterable)):
            message = f"observe is {given!r}; it must be a list of observables, such as [Loss(), Accuracy()]"
            raise ValueError(message)
        if self.observe is not None:
            object.__setattr__(self, "observe", tuple(self.observe))
            _check_observables(self.observe)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Experiment) and not differing_fields(self, other)

    __hash__ = None  # type: ignore[assignment]  # may hold arrays

    @cached_property
    def functional(self) -> FunctionalProblem:
        """The problem as pure functions, at the dtype and on the device of this experiment."""
        problem = built(self.problem)
        return FunctionalProblem(problem, self.dtype or problem.dtype, self.device)

    @cached_property
    def observables(self) -> tuple[Observable | Accumulator, ...]:
        """What is recorded at given times, defaults filled in; the trackers aside."""
        if self.observe is not None:
            given: Sequence[Any] = self.observe
            return tuple(entry for entry in given if not is_tracker(entry))
        problem = self.functional
        classified = problem.test is not None and not problem.test[1].is_floating_point()
        return (Loss(split="train"), Accuracy(split="test")) if classified else (Loss(split="train"),)

    @cached_property
    def trackers(self) -> tuple[Tracker, ...]:
        """What remembers earlier states."""
        given: Sequence[Any] = self.observe or ()
        return tuple(entry for entry in given if is_tracker(entry))

    @cached_property
    def steps_per_epoch(self) -> int:
        """Optimiser steps in one epoch."""
        return self.minibatching.steps_per_epoch(self.functional.samples)

    @property
    def total_steps(self) -> int:
        """Length in optimiser steps.

        Raises:
            ValueError: 2³² steps or more.
        """
        total = self.steps if self.steps is not None else (self.epochs or 0) * self.steps_per_epoch
        check_whole_number("steps", total, 1, 2**32 - 1)
        return total

    def indices(self, trajectory: int | Sequence[int], step: int) -> npt.NDArray[np.int64]:
        """The samples of the update `step` to `step + 1`, so that anybody can redo a run by hand.

        Where batches are weighted, those of weight 0 are left out: `Persistent` gives the samples it selected,
        whose losses enter as Σ l_i/(bM). A minibatching that keeps a state is replayed from update 0: a call
        costs `step` + 1 draws.

        Args:
            trajectory: one trajectory, or several.
            step: 0 ≤ step < total steps.

        Returns:
            (m,), or (B, m) for a sequence of trajectories.

        Raises:
            ValueError: a trajectory or step outside the experiment, or several trajectories whose batches
                have different numbers of samples.
        """
        rows = np.atleast_1d(np.asarray(trajectory, np.int64)).tolist()
        check_whole_number("step", step, 0, self.total_steps - 1)
        for row in rows:
            check_whole_number("trajectory", row, 0, self.trajectories - 1)
        samples = self.functional.samples
        state = self.minibatching.start(self.seed, rows, samples)
        for earlier in range(step if state is not None else 0):
            _, state = self.minibatching.draw(state, self.seed, rows, earlier, samples)
        batch, _ = self.minibatching.draw(state, self.seed, rows, step, samples)
        used = _used(batch)
        if np.ndim(trajectory) == 0:
            return used[0]
        sizes = [len(row) for row in used]
        if len(set(sizes)) > 1:
            message = (
                f"trajectory {rows} have batches of {sizes} samples at step {step}, which make no array; "
                "ask for one trajectory at a time"
            )
            raise ValueError(message)
        return np.array(used, np.int64)

    def initial_weights(self, trajectories: Sequence[int]) -> dict[str, npt.NDArray[Any]]:
        """Weights at time 0, name to `(B, ...)`, in the dtype of the run."""
        weights, _, _ = self.initial_state(trajectories)
        return {name: value.cpu().numpy() for name, value in weights.items()}

    def initial_state(
        self, trajectories: Sequence[int]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor] | None]:
        """Weights, buffers, and state of the dynamics (None = anew) at time 0, stacked on axis 0.

        Raises:
            ValueError: a start whose names or shapes are not those of the model.
        """
        problem = self.functional
        if isinstance(self.start, str):
            source = list(trajectories) if self.start == "independent" else [0] * len(trajectories)
            weights, buffers = initial_weights(problem, self.seed, source)
            return weights, buffers, None
        start = self.start if isinstance(self.start, Start) else Start(self.start)
        shapes = problem.shapes
        if set(start.weights) != set(shapes):
            message = f"start has weights {sorted(start.weights)}; the model has {sorted(shapes)}"
            raise ValueError(message)
        place = _Placer(problem, self.trajectories, trajectories)
        weights = {name: place("weights", name, start.weights[name], shapes[name]) for name in shapes}
        _, fresh = initial_weights(problem, self.seed, [0])
        given = {name: value[0] for name, value in fresh.items()} if start.buffers is None else start.buffers
        buffers = {name: place("buffers", name, given[name], fresh[name].shape[1:]) for name in fresh}
        if start.dynamics is None:
            return weights, buffers, None
        known = self.dynamics.start({name: value[0] for name, value in weights.items()})
        if set(start.dynamics) != set(known):
            message = f"start has dynamics state {sorted(start.dynamics)}; this dynamics has {sorted(known)}"
            raise ValueError(message)
        dynamics = {
            key: place("dynamics", key, value, known[key].shape) for key, value in start.dynamics.items()
        }
        return weights, buffers, dynamics


def _used(batch: Batch) -> list[npt.NDArray[np.int64]]:
    """The samples of each trajectory that count in its loss."""
    indices = np.asarray(batch.indices, np.int64)
    if batch.weights is None:
        return list(indices)
    return [row[weights != 0] for row, weights in zip(indices, batch.weights, strict=True)]


class _Placer:
    """Puts one set, or a stacked set, of starting values on the trajectories at hand."""

    def __init__(self, problem: FunctionalProblem, total: int, trajectories: Sequence[int]) -> None:
        self._problem, self._total, self._rows = problem, total, torch.as_tensor(list(trajectories))

    def __call__(self, what: str, name: str, value: Any, shape: Sequence[int] | None) -> Tensor:
        tensor = torch.as_tensor(value)
        if tensor.is_floating_point():
            tensor = tensor.to(self._problem.dtype)
        expected = tuple(tensor.shape[1:]) if shape is None else tuple(shape)
        if tuple(tensor.shape) == (self._total, *expected):
            return tensor[self._rows].to(self._problem.device)
        if tuple(tensor.shape) == expected:
            return tensor.expand(len(self._rows), *expected).clone().to(self._problem.device)
        message = (
            f"start {what} {name!r} has shape {tuple(tensor.shape)}; "
            f"expected {expected}, or {(self._total, *expected)} for one set per trajectory"
        )
        raise ValueError(message)


def differing_fields(one: Experiment, other: Experiment) -> tuple[str, ...]:
    """Names of the fields in which two experiments differ."""
    return tuple(
        entry.name
        for entry in dataclasses.fields(Experiment)
        if not _same(getattr(one, entry.name), getattr(other, entry.name))
    )


def _same(one: Any, other: Any) -> bool:
    if one is other:
        return True
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one == other and isinstance(one, bool) == isinstance(other, bool)
    if type(one) is not type(other):
        return False
    if isinstance(one, Tensor):
        return torch.equal(one, other)
    if dataclasses.is_dataclass(one):
        return all(_same(getattr(one, e.name), getattr(other, e.name)) for e in dataclasses.fields(one))
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(np.array_equal(one, other)) if isinstance(one, np.ndarray) else bool(one == other)


def _check_parts(experiment: Experiment) -> None:
    """The parts have the methods of their roles (a class or a number in their place would fail much later)."""
    roles = {
        "minibatching": ("steps_per_epoch", "start", "draw"),
        "dynamics": ("start", "step"),
        "save_weights": ("resolve",),
    }
    for name, methods in roles.items():
        part = getattr(experiment, name)
        missing = [method for method in methods if not callable(getattr(part, method, None))]
        if (missing and (part is not None or name != "save_weights")) or isinstance(part, type):
            message = f"{name} is {value_in_words(part)}"
            message += instead_of_class(part) or f"; it must be an object with {', '.join(methods)}()"
            message += (
                ""
                if isinstance(part, type) or name != "dynamics"
                else ", such as SGD() of thermograd.dynamics"
            )
            raise ValueError(message)
    refusal = getattr(experiment.dynamics, "refuses", lambda _: None)(experiment.minibatching)
    if refusal is not None:
        raise ValueError(refusal)
    perturbation = experiment.perturbation
    if perturbation is not None and not callable(getattr(perturbation, "apply", perturbation)):
        message = (
            f"perturbation is {perturbation!r}; give a perturbation, or a function (weights, state, context)"
        )
        raise ValueError(message)


def check_device(device: str) -> None:
    """Refuse a device that is not here.

    Args:
        device: "cpu" or "cuda".

    Raises:
        ValueError: it is none, or torch cannot use it.
    """
    try:
        kind = torch.device(device).type
    except (RuntimeError, TypeError, ValueError) as cause:
        message = f"device is {device!r}; use 'cpu' or 'cuda'"
        raise ValueError(message) from cause
    if kind == "cuda" and not torch.cuda.is_available():
        message = f"device is {device!r}, but torch finds no CUDA device here; use device='cpu'"
        raise ValueError(message)


def is_tracker(entry: object) -> bool:
    """Whether something that is observed remembers earlier states, instead of measuring or adding up."""
    others = ("measure", "accumulate")
    return isinstance(entry, Tracker) and not any(callable(getattr(entry, verb, None)) for verb in others)


def _check_observables(observables: Sequence[Any]) -> None:
    names = [getattr(entry, "name", None) for entry in observables]
    for entry, name in zip(observables, names, strict=True):
        sums = callable(getattr(entry, "accumulate", None))
        tracks = is_tracker(entry)
        role: Any = Tracker if tracks else Accumulator if sums else Observable
        wanted = () if tracks else ("at", "every") if sums else ("at",)
        times = [getattr(entry, when, None) for when in wanted]
        known = isinstance(entry, role) and not isinstance(entry, type) and isinstance(name, str)
        if not known or not all(callable(getattr(when, "resolve", None)) for when in times):
            needs = "a name, at and every (Times such as Epochs(1)), start(), accumulate() and read()"
            needs = needs if sums else "a name, at (Times such as Epochs(1)) and measure()"
            what = "accumulator" if sums else "observable"
            message = f"observe holds {value_in_words(entry)}, which is no {what}"
            message += instead_of_class(entry) or f": it needs {needs}"
            raise ValueError(message)
        if names.count(name) > 1:
            message = f"two observables have the name {name!r}; give one of them another name"
            raise ValueError(message)
