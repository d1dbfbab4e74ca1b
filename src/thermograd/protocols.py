"""The interfaces of plug-ins, written for ONE trajectory: an engine maps, loops or prints them.

`Weights` are parameters by name in `named_parameters()` order. `State` is a flat dict of tensors with
keys `<buffer>/<parameter>`. Plug-ins are frozen dataclasses; nothing here is inherited from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import Tensor

    Weights = dict[str, Tensor]
    State = dict[str, Tensor]


class Batch(NamedTuple):
    """The samples of one update: `indices` (B, m) and `weights` (B, m) or None; loss = (1/m) Σ weights·l.

    >>> Batch(np.array([[3, 1], [0, 2]]), None).indices.shape  # two trajectories, two samples each
    (2, 2)
    """

    indices: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float64] | None


class HiddenLayer(NamedTuple):
    """A hidden layer between two linear maps, and what it passed on in one forward pass.

    `incoming` and `outgoing` name the linear or convolution modules before and after its units, `norm` the
    normalisation between, if any; `activation` `(samples, units, positions)` is what entered `outgoing`.
    """

    incoming: str
    norm: str | None
    outgoing: str
    activation: Tensor


class Times(Protocol):
    """When something happens. Those fit for `perturb` have `kicks` too (see `Kicks`).

    >>> from thermograd.numerics.log_times import Epochs, Logarithmic
    >>> Epochs(2).resolve(12, steps_per_epoch=3).tolist(), Logarithmic(1).resolve(1000, 10).tolist()
    ([0, 6, 12], [0, 1, 10, 100, 1000])
    """

    def resolve(self, total: int, steps_per_epoch: int) -> npt.NDArray[np.int64]:
        """Sorted unique step numbers, for a run of `total` steps."""


class Kicks(Protocol):
    """When trajectories are perturbed.

    >>> from thermograd.numerics.log_times import Every
    >>> Every(4).kicks(12, steps_per_epoch=3, seed=0, trajectory=0).tolist()
    [4, 8]
    """

    def kicks(self, total: int, steps_per_epoch: int, seed: int, trajectory: int) -> npt.NDArray[np.int64]:
        """Sorted unique steps between 0 and `total`, both excluded."""


class Oracle(Protocol):
    """What an update may ask about the loss. Losses and gradients are pure functions of the weights."""

    samples: int
    batch_size: int
    steps_per_epoch: int

    @property
    def loss(self) -> Callable[[Weights], Tensor]:
        """The loss of this step's minibatch, regulariser included."""

    @property
    def full_loss(self) -> Callable[[Weights], Tensor]:
        """The loss of the whole training set, regulariser included."""

    def minibatch(self, position: int) -> Callable[[Weights], Tensor]:
        """The loss of the minibatch at a position (0, 1, ...) of this epoch."""

    def disjoint_pair(self, epoch: int) -> tuple[Callable[[Weights], Tensor], Callable[[Weights], Tensor]]:
        """The losses of two disjoint minibatches, independent of the epoch's order."""

    def gradient(self, weights: Weights) -> Weights:
        """The gradient of `loss`."""

    def full_gradient(self, weights: Weights) -> Weights:
        """The gradient of `full_loss`."""

    def normal(self, draw: int = 0) -> Weights:
        """Standard normals shaped like the weights."""

    def start_weights(self) -> Weights:
        """The trajectory's weights at time 0."""


@runtime_checkable
class Dynamics(Protocol):
    """An update rule.

    May also have `epoch(weights, state, oracle, epoch)`, called before each epoch, and `refuses(minibatching)`, which
    gives the reason why it cannot use a minibatching, or None. A class whose `epoch` does the same at every epoch, but for the
    tensors that the oracle gives it, declares `same_every_epoch = True`: the engine then records its operations once.

    >>> class SignDescent:
    ...     def start(self, weights):
    ...         return {}
    ...
    ...     def step(self, weights, state, oracle, step):
    ...         gradient = oracle.gradient(weights)
    ...         moved = {name: value - 0.01 * gradient[name].sign() for name, value in weights.items()}
    ...         return moved, state
    >>> isinstance(SignDescent(), Dynamics)
    True
    """

    def start(self, weights: Weights) -> State:
        """State before the first update; `{}` for plain gradient descent."""

    def step(self, weights: Weights, state: State, oracle: Oracle, step: int) -> tuple[Weights, State]:
        """Weights and state after one update."""


@runtime_checkable
class Minibatching(Protocol):
    """Which samples each update uses, for a whole block of trajectories, in numpy.

    A class whose epochs are reshuffled permutations declares `reshuffles_epochs = True`, which SGWORLD asks for.

    >>> class InOrder:  # sample after sample, the same for all trajectories
    ...     def steps_per_epoch(self, samples):
    ...         return samples
    ...
    ...     def start(self, seed, trajectories, samples):
    ...         return None
    ...
    ...     def draw(self, state, seed, trajectories, step, samples):
    ...         return Batch(np.full((len(trajectories), 1), step % samples), None), state
    >>> isinstance(InOrder(), Minibatching), InOrder().draw(None, 0, [0, 1], 12, 10)[0].indices.tolist()
    (True, [[2], [2]])
    """

    def steps_per_epoch(self, samples: int) -> int:
        """Number of updates in one epoch."""

    def start(self, seed: int, trajectories: Sequence[int], samples: int) -> Any:
        """State of the sampler: None when a batch is a pure function of (seed, trajectory, step).

        Else a dict of numpy arrays with one row per trajectory; `draw` must not change it in place.
        """

    def draw(
        self, state: Any, seed: int, trajectories: Sequence[int], step: int, samples: int
    ) -> tuple[Batch, Any]:
        """The batch of update `step` to `step + 1`, and the sampler's next state."""


class Context(Protocol):
    """What a perturbation may ask, besides weights and state. All of it depends on (seed, trajectory, step).

    `due` says whether a kick is due (always, but for perturbations called at every step). `best` holds weights
    and state at the best metric so far, None before the first metric, and only for classes that declare
    `needs_best`; `activations` is there only for those that declare `needs_activations`.
    """

    step: int
    metric: float | None
    due: bool
    best: tuple[Weights, State] | None

    @property
    def activations(self) -> tuple[HiddenLayer, ...]:
        """The hidden layers with what they passed on."""

    def fresh(self) -> tuple[Weights, State]:
        """Newly initialised `(weights, buffers)`; another draw at each call."""

    def uniform(self, shape: Sequence[int]) -> Tensor:
        """Uniform numbers in [0, 1); another draw at each call."""

    def normal(self, shape: Sequence[int]) -> Tensor:
        """Standard normal numbers; another draw at each call."""


@runtime_checkable
class Perturbation(Protocol):
    """A change of weights and state; a plain function of the same signature will do.

    `state` holds `optimizer/<buffer>/<parameter>`, `buffers/<name>`, `hyperparameters/<name>` (0-d) and
    `memory/<key>` (the perturbation's own). Inputs are never changed. A class may declare

    - `every_step = True`: it is called at every step, with `context.due` true when a kick is due;
    - `needs_best = True`, with a field `direction` ("up" or "down"): `context.best` is kept for it;
    - `needs_activations = True`: `context.activations` is there;
    - `draws_fresh = True`: it calls `context.fresh()`, so the law of fresh values is checked beforehand;
    - `continuous = True`: once begun it acts at every step (a study switches it on instead of kicking once);
    - `not_covered(interval)`: why Eq 9 of Meir et al. (arXiv 2502.04121) does not predict it when kicked
      every `interval` steps, or None if it does.

    >>> class Shake:
    ...     def apply(self, weights, state, context):
    ...         shaken = {name: value + 0.1 * context.normal(value.shape) for name, value in weights.items()}
    ...         return shaken, state
    >>> isinstance(Shake(), Perturbation)
    True
    """

    def apply(self, weights: Weights, state: State, context: Context) -> tuple[Weights, State]:
        """The perturbed weights and state."""


@runtime_checkable
class Observable(Protocol):
    """A snapshot of the state at given times.

    >>> from dataclasses import dataclass
    >>> from thermograd.numerics.log_times import Epochs
    >>> @dataclass(frozen=True)
    ... class LargestWeight:
    ...     at: Times = Epochs(1)
    ...     name: str = "largest_weight"
    ...
    ...     def measure(self, weights, problem, oracle):
    ...         return max(value.abs().max() for value in weights.values())
    >>> isinstance(LargestWeight(), Observable)
    True
    """

    @property
    def name(self) -> str:
        """Name of the record."""

    @property
    def at(self) -> Times:
        """When."""

    def measure(self, weights: Weights, problem: Any, oracle: Oracle) -> Tensor | dict[str, Tensor]:
        """The recorded number, array, or several by field name."""


@runtime_checkable
class Accumulator(Protocol):
    """Sums made inside the step, once between every two consecutive points of `every`.

    >>> from dataclasses import dataclass
    >>> from thermograd.numerics.log_times import Epochs, Every
    >>> @dataclass(frozen=True)
    ... class PathLength:
    ...     at: Times = Epochs(1)
    ...     every: Times = Every(1)
    ...     name: str = "path_length"
    ...
    ...     def start(self, weights):
    ...         return {"length": 0 * next(iter(weights.values())).sum()}
    ...
    ...     def accumulate(self, state, before, after, gradient):
    ...         square = sum((after[name] - value).square().sum() for name, value in before.items())
    ...         return {"length": state["length"] + square.sqrt()}
    ...
    ...     def read(self, state):
    ...         return state["length"]
    >>> isinstance(PathLength(), Accumulator)
    True
    """

    @property
    def name(self) -> str:
        """Name of the record."""

    @property
    def at(self) -> Times:
        """When it is read."""

    @property
    def every(self) -> Times:
        """The points between which it adds; time 0 is the first, whatever it says."""

    def start(self, weights: Weights) -> State:
        """The sums at time 0."""

    def accumulate(self, state: State, before: Weights, after: Weights, gradient: Weights) -> State:
        """The sums with one stretch more.

        `before` and `after` are the weights at two consecutive points (`before` after a perturbation there), and
        `gradient` is that of the minibatch of the update that starts at `before`, at `before`.
        """

    def read(self, state: State) -> Tensor | dict[str, Tensor]:
        """The recorded number, array, or several by field name: totals since time 0; windows by subtraction."""


class Tracking(Protocol):
    """The memory of a tracker at work."""

    @property
    def due(self) -> int:
        """The next step at which `record` wants to be called. It depends on the steps recorded alone."""

    @property
    def nbytes(self) -> int:
        """Memory it holds now."""

    def record(self, step: int, parameters: Any = None) -> None:
        """Note the state at a step, by default that of the parameters it was started with; nothing before `due`."""

    def table(self) -> Any:
        """What was found so far, as its estimators take it."""

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The same for a run on disk, by field: numbers with the axis of trajectories first and no axis of time.

        Coordinates are repeated for each trajectory; texts are code points, int32, padded with zeros. Shapes and types depend on the steps recorded alone.
        """

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on elsewhere: tensors, numbers, strings, lists, dicts."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""


@runtime_checkable
class Tracker(Protocol):
    """Memory of earlier states, on the host, between stretches of steps.

    A class that tells layers apart declares `needs_names = True` (or a property): `watch` then asks for `names=`.

    >>> from thermograd.observables import TwoTimeDisplacement
    >>> isinstance(TwoTimeDisplacement(), Tracker), TwoTimeDisplacement().name
    (True, 'two_time_displacement')
    """

    @property
    def name(self) -> str:
        """Name of its table."""

    def start(self, parameters: Any, trajectories: int | Sequence[int] | None = None) -> Tracking:
        """A memory of these parameters at time 0; with trajectories, their number or numbers, along a leading axis."""


class Future(Protocol):
    """The part of `concurrent.futures.Future` the coordinator uses."""

    def done(self) -> bool:
        """Whether `result` returns at once."""

    def result(self) -> Any:
        """The value, or raises what the task raised."""

    def cancel(self) -> bool:
        """Try to keep the task from starting."""


class Executor(Protocol):
    """Anything with `submit(function, *arguments) -> Future`.

    >>> from concurrent.futures import ThreadPoolExecutor
    >>> with ThreadPoolExecutor(max_workers=1) as executor:
    ...     executor.submit(sum, [1, 2, 3]).result()
    6
    """

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Future:
        """Start one task."""
