"""Windows of training in which displacement and response are recorded, one trajectory for each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from thermograd.dynamics.sgd import SGD
from thermograd.dynamics.sgld import SGLD
from thermograd.ensemble.block import BlockState, Tensors, part, prefixed
from thermograd.ensemble.coupled_copies import (
    CoupledDescent,
    Forward,
    Given,
    SumOverCopies,
    copies_forward,
    stack_copies,
)
from thermograd.ensemble.engines.one_thread import one_thread
from thermograd.ensemble.experiment import Experiment
from thermograd.ensemble.seeds import random_forward
from thermograd.ensemble.temperature_history import WindowHistory
from thermograd.ensemble.training_loop import Trainer
from thermograd.errors import DivergedError, MemoryLimitError
from thermograd.numerics import philox
from thermograd.observables.response import response
from thermograd.problems.problem import Problem
from thermograd.store.free_memory import free_memory

if TYPE_CHECKING:
    from thermograd.protocols import Minibatching

Array = npt.NDArray[Any]

_COORDINATES = 100_000
_OF_A_TENSOR = 100
_HISTORY_BYTES = 2**28
_SHARE_OF_NOISE = 0.05
_ROUNDINGS_OF_A_FIELD = 1000
_SCALE_DRAW = 3


@dataclass(frozen=True)
class WindowPlan:
    """Where the windows lie, in steps.

    Attributes:
        burn_in: steps before a window.
        windows: how many.
        lags: the longest lag of the response.
        origins: of the displacement in each third, the first and the last of which are compared.
    """

    burn_in: int
    windows: int
    lags: int
    origins: int

    @classmethod
    def of(cls, *, burn_in: int, windows: int, lags: int, epoch: int) -> WindowPlan:
        """A third of the lags as origins, or whole epochs.

        Args:
            burn_in: steps before a window.
            windows: how many.
            lags: the longest lag of the response.
            epoch: steps after which the noise repeats its phase; 1 if it has none.
        """
        return cls(burn_in, windows, lags, epoch * -(-max(lags // 3, 1) // epoch))

    @property
    def length(self) -> int:
        """Steps of a window."""
        return 3 * self.origins + self.lags

    @property
    def steps(self) -> int:
        """All steps of a window and before."""
        return self.burn_in + self.length


class Recorded(NamedTuple):
    """What windows have shown, by parameter tensor.

    Attributes:
        displacement: D per parameter, `(window, tensor, lag)`, lags 1 ... lags + 1.
        earlier: the same of origins in the first third.
        later: of origins in the last third.
        moved: products d_v·d_w per parameter of tensor p, `(window, window, tensor)`, d_w the displacement of window w over `lags` steps,
            averaged over origins.
        response: N_p times χ of each tensor p, `(window, tensor, lag)`, lags 1 ... lags.
        weaker: the same of the first window in a tenth of the field, `(tensor, lag)`.
        dropped: windows that diverged, left out above.
        field: ε.
        steps: updates made, those of every copy counted.
    """

    displacement: Array
    earlier: Array
    later: Array
    moved: Array
    response: Array
    weaker: Array
    dropped: int
    field: float
    steps: int


@dataclass(frozen=True, eq=False)
class TemperatureWindows:
    """The windows of one model.

    Attributes:
        problem: model, loss and data; `forward` is a `Forward`, `initial` a `Given`.
        minibatching: which samples each update uses.
        learning_rate: η.
        temperature: T of injected white noise.
        plan: where the windows lie.
        field: ε; None for 0.05 times the noise of the gradient of a batch, per parameter.
        dtype: see `Experiment`.
        seed: of all random numbers.
    """

    problem: Problem
    minibatching: Minibatching
    learning_rate: float
    temperature: float
    plan: WindowPlan
    field: float | None
    dtype: str
    seed: int

    @cached_property
    def alone(self) -> Trainer:
        """Trains single copies."""
        rate, temperature = self.learning_rate, self.temperature
        return self._trainer(
            self.problem, SGLD(rate, temperature) if temperature else SGD(rate), engine="auto"
        )

    @cached_property
    def coupled(self) -> Trainer:
        """Trains three copies in each window."""
        functional = self.alone.experiment.functional
        one, weights = self.problem.forward, functional.draw_initial(0)[0]
        assert isinstance(one, Forward)  # see `problem`
        problem = replace(
            self.problem,
            forward=copies_forward(one, weights, functional.train[0][:2]),
            loss=SumOverCopies(self.problem.loss),
            initial=Given(stack_copies(weights)),
        )
        return self._trainer(problem, CoupledDescent(self.learning_rate, self.temperature), engine="eager")

    def _trainer(self, problem: Problem, dynamics: Any, *, engine: str) -> Trainer:
        experiment = Experiment(
            problem,
            minibatching=self.minibatching,
            dynamics=dynamics,
            observe=(),
            trajectories=self.plan.windows,
            steps=self.plan.steps,
            seed=self.seed,
            dtype=self.dtype,
            engine=engine,
        )
        return Trainer(experiment)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of the weights of one copy."""
        return self.alone.experiment.functional.shapes

    def record(self) -> Recorded:
        """Train all windows, as many at a time as their histories fit in memory.

        Raises:
            MemoryLimitError: the history of one window does not fit.
            DivergedError: fewer than two windows stayed finite.
        """
        with one_thread():  # once: to change their number at every step costs more than the step
            return self._recorded()

    def _recorded(self) -> Recorded:
        places = chosen_places(self.shapes, self.seed)
        together = self._together(sum(map(len, places.values())))
        field, weaker, parts = self.field, None, []
        for first in range(0, self.plan.windows, together):
            members = range(first, min(first + together, self.plan.windows))
            state = self._burnt_in(members)
            if field is None and (state.diverged_at < 0).any():
                field = self._field(state)
            size = field or 1.0  # of windows that have all diverged
            started = self._started(state, size)
            parts.append(self._window(started, places, size))
            finite = np.flatnonzero(~parts[-1][-1])
            if weaker is None and finite.size:
                weaker = self._weaker(started.select(finite[:1]), size)
        whole, earlier, later, moved, shifted, gone = map(np.concatenate, zip(*parts, strict=True))
        self._check_divergence(gone)
        assert weaker is not None  # some window stayed finite
        assert field is not None
        plan = self.plan
        copies = plan.burn_in + 3 * plan.lags + (plan.length - plan.lags)
        return Recorded(
            whole[~gone],
            earlier[~gone],
            later[~gone],
            _products(moved[~gone], [len(at) for at in places.values()]),
            shifted[~gone],
            weaker,
            int(gone.sum()),
            float(field),
            plan.windows * copies + 3 * plan.lags,
        )

    def _together(self, coordinates: int) -> int:
        """Windows whose positions are kept at the same time."""
        each = 4 * coordinates * (self.plan.length + 1)
        free = free_memory()
        if each > 0.8 * free:
            message = (
                f"the positions of one window need {each / 1e9:.2f} GB, of {free / 1e9:.2f} GB free memory ({coordinates} "
                f"coordinates at {self.plan.length + 1} steps); use fewer lags"
            )
            raise MemoryLimitError(message)
        return max(1, min(self.plan.windows, _HISTORY_BYTES // each))

    def _burnt_in(self, members: range) -> BlockState:
        trainer = self.alone
        state = trainer.engine.start(members)
        if self.plan.burn_in == 0:
            return state
        return trainer.follow(state, until=self.plan.burn_in, visit=lambda current: current)

    def _started(self, state: BlockState, field: float) -> BlockState:
        """Three copies of each window in fields with fresh signs."""
        signs = random_signs(
            self.shapes, self.seed, state.trajectories, self.alone.experiment.functional.dtype
        )
        block = self.coupled.engine.start(list(state.trajectories))
        fields = prefixed({name: field * value for name, value in signs.items()}, "optimizer/field")
        return replace(
            block,
            step=state.step,
            weights=stack_copies(state.weights, axis=1),
            state=fields,
            sampler=state.sampler,
            diverged_at=state.diverged_at,
        )

    def _window(
        self, state: BlockState, places: dict[str, Tensor], field: float
    ) -> tuple[Array, Array, Array, Array, Array, npt.NDArray[np.bool_]]:
        """D of all origins, of the first and of the last third, mean displacements, responses, and who diverged."""
        plan, begin = self.plan, state.step
        start = {name: value[:, 0] for name, value in state.weights.items()}
        history = WindowHistory(start, places, plan.length + 1)
        shifted = np.full((len(state.trajectories), len(places), plan.lags), np.nan)
        signs = {name: value / field for name, value in part(state.state, "optimizer/field").items()}

        def both(current: BlockState) -> BlockState:
            copies = current.weights
            age = current.step - begin
            history.note(age, {name: value[:, 0] for name, value in copies.items()})
            above, below = ({name: value[:, k] for name, value in copies.items()} for k in (1, 2))
            shifted[:, :, age - 1] = response(above, below, signs, field).numpy()
            return current

        def rest(current: BlockState) -> BlockState:
            history.note(current.step - begin, current.weights)
            return current

        end = self.coupled.follow(state, until=begin + plan.lags, visit=both, every=1)
        if end.step == begin + plan.lags:
            weights = {name: value[:, 0] for name, value in end.weights.items()}
            end = self.alone.follow(
                replace(end, weights=weights, state={}), until=begin + plan.length, visit=rest, every=1
            )
        thirds = [
            history.displacement(number * plan.origins, (number + 1) * plan.origins, plan.lags + 1)
            for number in range(3)
        ]
        whole = (thirds[0] + thirds[1] + thirds[2]) / 3
        moved = history.mean_displacement(3 * plan.origins, plan.lags)
        return whole, thirds[0], thirds[2], moved, shifted, (end.diverged_at >= 0) | history.lost

    def _weaker(self, state: BlockState, field: float) -> Array:
        """The response of one window in a tenth of the field."""
        weak = field / 10
        signs = {name: value / field for name, value in part(state.state, "optimizer/field").items()}
        fields = prefixed({name: weak * value for name, value in signs.items()}, "optimizer/field")
        moved = np.full((len(signs), self.plan.lags), np.nan)

        def visit(current: BlockState) -> BlockState:
            above, below = ({name: value[:, k] for name, value in current.weights.items()} for k in (1, 2))
            moved[:, current.step - state.step - 1] = response(above, below, signs, weak)[0].numpy()
            return current

        self.coupled.follow(
            replace(state, state=fields), until=state.step + self.plan.lags, visit=visit, every=1
        )
        return moved

    def _field(self, state: BlockState) -> float:
        """0.05 of the noise of the gradient, per parameter, or what one step still shows in the rounding of the weights."""
        experiment = self.alone.experiment
        functional, rate = experiment.functional, self.learning_rate
        row = int(np.flatnonzero(state.diverged_at < 0)[0])
        weights = {name: value[row] for name, value in state.weights.items()}
        batches = self.alone.engine.draw(state)
        gradients = []
        for other in range(len(state.trajectories)):
            batch = batches.row(other).tensors(functional)
            indices, shares = batch["indices"][0], batch.get("weights")
            data = functional.train[0][indices], functional.train[1][indices]
            leaves = {name: value.detach().requires_grad_() for name, value in weights.items()}
            with random_forward(self.seed, other, state.step, _SCALE_DRAW), torch.enable_grad():
                loss = functional.training_loss(leaves, data, None if shares is None else shares[0])
                slopes = torch.autograd.grad(loss, list(leaves.values()))
            gradients.append(torch.cat([slope.reshape(-1) for slope in slopes]).double())
        spread = torch.stack(gradients)
        batch_noise = float(spread.var(0).mean()) if len(spread) > 1 else float(spread.square().mean())
        noise = (batch_noise + 2 * self.temperature / rate) ** 0.5
        scale = max(1e-3, *(float(value.abs().max()) for value in weights.values()))
        seen = _ROUNDINGS_OF_A_FIELD * torch.finfo(functional.dtype).eps * scale / rate
        return float(max(_SHARE_OF_NOISE * noise, seen))

    def _check_divergence(self, gone: npt.NDArray[np.bool_]) -> None:
        left = int((~gone).sum())
        if left < min(2, len(gone)):
            message = (
                f"{int(gone.sum())} of {len(gone)} windows diverged at learning_rate {self.learning_rate:g}; fewer than 2 are "
                f"left. Take a smaller learning rate{'' if self.field is None else ' or field'}, or start from trained weights"
            )
            raise DivergedError(message)


def _products(moved: Array, sizes: list[int]) -> Array:
    """d_v·d_w of the coordinates of each tensor."""
    pieces = np.split(moved.astype(np.float64), np.cumsum(sizes)[:-1], axis=1)
    return np.stack([piece @ piece.T / piece.shape[1] for piece in pieces], axis=-1)


def chosen_places(shapes: dict[str, tuple[int, ...]], seed: int) -> dict[str, Tensor]:
    """Which weights are followed: all up to 100 000, else a random part of each tensor, at least 100 of them.

    >>> {name: len(at) for name, at in chosen_places({"large": (1000, 400), "small": (50,)}, 0).items()}
    {'large': 99988, 'small': 50}
    """
    sizes = {name: int(np.prod(shape)) for name, shape in shapes.items()}
    total = sum(sizes.values())
    generator = np.random.default_rng(seed)
    found = {}
    for name, size in sizes.items():
        wanted = size if total <= _COORDINATES else max(_OF_A_TENSOR, round(_COORDINATES * size / total))
        kept = np.arange(size) if wanted >= size else generator.choice(size, wanted, replace=False)
        found[name] = torch.from_numpy(np.sort(kept))
    return found


def random_signs(
    shapes: dict[str, tuple[int, ...]], seed: int, windows: tuple[int, ...], dtype: torch.dtype
) -> Tensors:
    """σ = ±1 of every weight of every window, by name."""
    sizes = [int(np.prod(shape)) for shape in shapes.values()]
    words = philox.words(seed, philox.PERTURBATION, windows, 0, sum(sizes))
    flat = torch.from_numpy(1.0 - 2.0 * (words >> np.uint32(31))).to(dtype)
    pieces = zip(shapes.items(), torch.split(flat, sizes, dim=1), strict=True)
    return {name: piece.reshape(-1, *shape) for (name, shape), piece in pieces}
