"""The reference engine: `vmap` over a block of trajectories, or one trajectory after another."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch.func import vmap

from thermograd.ensemble.block import BlockState, Tensors, part, prefixed
from thermograd.ensemble.engines.accumulations import Accumulations, joined, parted, rejoined
from thermograd.ensemble.engines.divergence import diverged_at, sum_of_weights
from thermograd.ensemble.engines.members import concatenated, each, stacked
from thermograd.ensemble.engines.one_thread import one_thread
from thermograd.ensemble.engines.oracle import EagerOracle, InputNeededError
from thermograd.ensemble.engines.supplies import Drawn, Supplied, Supplies
from thermograd.ensemble.engines.traced_hook import TracedHook
from thermograd.ensemble.seeds import random_forward
from thermograd.numerics import philox
from thermograd.protocols import Accumulator

if TYPE_CHECKING:
    from thermograd.ensemble.experiment import Experiment
    from thermograd.problems.functional import FunctionalProblem
    from thermograd.protocols import Observable

_PASS_BYTES = 2**23
_STEPS_TOGETHER = 16
_HOOK_DRAWS = 2**16
_UPDATES, _RECORDS, _HOOKS = range(3)
OneTrajectory = Callable[[Tensors, Tensors, list[Supplied]], Any]


class EagerEngine:
    """Trains a block step by step; all numbers that are drawn come from (seed, trajectory, step).

    Args:
        experiment: what to train.
        mode: "vmap" or "loop".
        random_forward: whether the forward pass draws random numbers (dropout).
        changing_buffers: whether it changes buffers (batch normalisation). Both need "loop".
    """

    name = "eager"

    def __init__(
        self, experiment: Experiment, mode: str, *, random_forward: bool, changing_buffers: bool
    ) -> None:
        self.experiment = experiment
        self.mode = mode
        self._problem = experiment.functional
        self._random_forward = random_forward
        self._changing_buffers = changing_buffers
        self._steps_per_epoch = experiment.steps_per_epoch
        self._supplies = Supplies(experiment)
        self._accumulations = Accumulations(experiment)
        same = mode == "vmap" and getattr(experiment.dynamics, "same_every_epoch", False)
        self._traced_hook = TracedHook(self._hook(0)) if same else None

    @property
    def alone(self) -> str | None:
        """What keeps an update from being a function of weights and batch alone, None if nothing does."""
        if self._changing_buffers:
            return "the forward pass changes buffers (batch normalisation)"
        return "the forward pass draws random numbers (dropout)" if self._random_forward else None

    @property
    def batch_size(self) -> int:
        """Samples per update."""
        return self._supplies.batch_size

    def start(self, trajectories: list[int] | range) -> BlockState:
        """The block at time 0."""
        experiment = self.experiment
        weights, buffers, dynamics = experiment.initial_state(trajectories)
        if dynamics is None:
            one = {name: value[0] for name, value in weights.items()}
            dynamics = each(experiment.dynamics.start, weights) if experiment.dynamics.start(one) else {}
        state = prefixed(dynamics, "optimizer")
        if self._changing_buffers:
            state |= prefixed(buffers, "buffers")
        count = len(trajectories)
        return BlockState(
            trajectories=tuple(trajectories),
            step=0,
            weights=weights,
            state=state,
            start=weights,
            sampler=experiment.minibatching.start(
                experiment.seed, tuple(trajectories), self._problem.samples
            ),
            metric=np.full(count, np.nan),
            diverged_at=diverged_at(weights, np.full(count, -1, np.int64), 0),
            accumulators=each(self._accumulations.start, weights) if self._accumulations else {},
        )

    def advance(self, block: BlockState, steps: int) -> BlockState:
        """The block after `steps` more updates."""
        with one_thread():
            if self.mode == "loop":
                return self._advance_loop(block, steps)
            end = block.step + steps
            while block.step < end:
                batches = self._drawn(block, self._steps_together(block, end))
                block = self._through(block, batches, self._at_epoch(block))
        return block

    def at_epoch(self, block: BlockState) -> BlockState:
        """The block at the beginning of an epoch, after the dynamics' hook."""
        with one_thread():
            return self._epoch(block, None)

    def _at_epoch(self, block: BlockState) -> bool:
        """Whether the dynamics' epoch hook is due."""
        return block.step % self._steps_per_epoch == 0 and hasattr(self.experiment.dynamics, "epoch")

    def _steps_together(self, block: BlockState, end: int) -> int:
        """How many updates go into one batched call, whose entry and exit cost as much as several kernels."""
        if self._random_forward or self._changing_buffers or (block.diverged_at >= 0).any():
            return 1
        ahead = end - block.step
        if hasattr(self.experiment.dynamics, "epoch"):
            ahead = min(ahead, self._steps_per_epoch - block.step % self._steps_per_epoch)
        return min(ahead, _STEPS_TOGETHER)

    def _drawn(self, block: BlockState, count: int) -> list[Drawn]:
        """The batches of the next updates."""
        batches: list[Drawn] = []
        for offset in range(count):
            sampler = batches[-1].sampler if batches else block.sampler
            batches.append(self._supplies.draw(replace(block, step=block.step + offset, sampler=sampler)))
        return batches

    def _through(self, block: BlockState, batches: Sequence[Drawn], at_epoch: bool) -> BlockState:
        """The block after an update for each batch, in one call; one by one if a trajectory diverged."""
        count = len(batches)
        if at_epoch:
            block = self._epoch(block, batches[0])
        weights, state, totals = self._map(self._steps_of(block), joined(block), philox.DYNAMICS, batches)
        if count > 1 and not all(bool(total.isfinite().all()) for total in totals):
            for batch in batches:
                block = self._through(block, [batch], at_epoch=False)
            return block
        last = replace(block, step=block.step + count - 1)
        return self._moved(last, weights, state, batches[-1])

    def measure(self, block: BlockState, observable: Observable | Accumulator) -> dict[str, npt.NDArray[Any]]:
        """What is read from every trajectory, by name of the record; NaN where diverged."""

        def read(weights: Tensors, state: Tensors, supplied: list[Supplied]) -> Tensors:
            if isinstance(observable, Accumulator):
                return self._accumulations.read(observable, parted(state)[1])
            problem = self._bound(state)
            measured = observable.measure(weights, problem, self._oracle(problem, supplied[0]))
            return measured if isinstance(measured, dict) else {"": torch.as_tensor(measured)}

        with one_thread():
            values = self._map(read, joined(block), philox.OBSERVABLE, [None], caller=_RECORDS)
        gone = block.diverged_at >= 0
        records = {}
        for key, value in values.items():
            array = value.detach().cpu().numpy()
            if gone.any():
                array = array.copy()
                array[gone] = np.nan if array.dtype.kind == "f" else -1
            records[f"{observable.name}/{key}" if key else observable.name] = array
        return records

    def draw(self, block: BlockState) -> Drawn:
        """The batch of the block's next update."""
        return self._supplies.draw(block)

    def with_weights(self, block: BlockState, weights: Tensors, state: Tensors) -> BlockState:
        """The block with other weights and state (a perturbation), divergence looked for."""
        diverged = diverged_at(weights, block.diverged_at, block.step)
        return replace(block, weights=weights, state=state, diverged_at=diverged)

    def _steps_of(self, block: BlockState) -> OneTrajectory:
        """As many updates as are supplied with a batch: the last weights and state, and after each the sum of all weights.

        The sum is not finite if a weight is not; that it overflows is possible, and only costs time.
        """
        first = block.step

        def one(
            weights: Tensors, state: Tensors, supplied: list[Supplied]
        ) -> tuple[Tensors, Tensors, list[torch.Tensor]]:
            dynamics = _with_hyperparameters(self.experiment.dynamics, part(state, "hyperparameters"))
            state, kept = parted(state)
            totals = []
            for step, inputs in enumerate(supplied, start=first):
                problem = self._bound(state)
                oracle = self._oracle(problem, inputs)
                update = dynamics.step(weights, part(state, "optimizer"), oracle, step)
                moved, inner = _checked(update, weights)
                if self._accumulations:
                    gradient = partial(self._consumed, oracle, state, inputs, weights)
                    kept = self._accumulations.after_update(kept, step, weights, moved, gradient)
                weights = moved
                state = state | prefixed(inner, "optimizer") | prefixed(problem.buffers, "buffers")
                totals.append(sum_of_weights(weights))
            return weights, rejoined(state, kept), totals

        return one

    def _consumed(self, oracle: EagerOracle, state: Tensors, inputs: Supplied, weights: Tensors) -> Tensors:
        """The minibatch gradient an update used at its first weights; taken anew if it used another."""
        taken = oracle.gradient_taken_at(weights)
        return self._oracle(self._bound(state), inputs).gradient(weights) if taken is None else taken

    def _epoch(self, block: BlockState, batch: Drawn | None) -> BlockState:
        """The block after the dynamics' epoch hook; `batch` is that of the update to come, if it was drawn already."""
        if self._traced_hook is None:
            one = self._hook(block.step // self._steps_per_epoch)
            weights, state = self._map(one, block, philox.DYNAMICS, [batch], caller=_HOOKS)
        else:
            weights, state = self._traced(block, batch, self._traced_hook)
        return self.with_weights(block, weights, state)

    def _traced(self, block: BlockState, batch: Drawn | None, hook: TracedHook) -> tuple[Tensors, Tensors]:
        """The hook as it was recorded; what it asks for is supplied, then it is called again."""
        while True:
            supplied = self._supplies.of(block, _HOOKS, philox.DYNAMICS, batch)
            try:
                return hook(block.weights, block.state, supplied)
            except InputNeededError as needed:
                self._supplies.demand(_HOOKS, needed.demand, 0)

    def _hook(self, number: int) -> OneTrajectory:
        """The epoch hook of one trajectory at an epoch."""

        def one(weights: Tensors, state: Tensors, supplied: list[Supplied]) -> tuple[Tensors, Tensors]:
            oracle = self._oracle(self._bound(state), supplied[0], first_draw=_HOOK_DRAWS)
            dynamics = _with_hyperparameters(self.experiment.dynamics, part(state, "hyperparameters"))
            update = dynamics.epoch(weights, part(state, "optimizer"), oracle, number)
            moved, inner = _checked(update, weights)
            return moved, state | prefixed(inner, "optimizer")

        return one

    def _moved(self, block: BlockState, weights: Tensors, state: Tensors, batch: Drawn) -> BlockState:
        diverged = diverged_at(weights, block.diverged_at, block.step + 1)
        if (diverged >= 0).any():
            gone = torch.as_tensor(diverged >= 0, device=self._problem.device)
            weights = {
                name: value.masked_fill(gone.view(-1, *[1] * (value.ndim - 1)), float("nan"))
                for name, value in weights.items()
            }
        state, accumulators = parted(state)
        return replace(
            block,
            step=block.step + 1,
            weights=weights,
            state=state,
            accumulators=accumulators,
            sampler=batch.sampler,
            diverged_at=diverged,
        )

    def _advance_loop(self, block: BlockState, steps: int) -> BlockState:
        """One trajectory after another; they stay apart for the whole stretch, so nothing is copied."""
        members = [block.select([row]) for row in range(len(block.trajectories))]
        sampler, end = block.sampler, block.step + steps
        while members[0].step < end:
            whole = replace(
                block,
                step=members[0].step,
                sampler=sampler,
                diverged_at=np.concatenate([member.diverged_at for member in members]),
            )
            batches = self._drawn(whole, self._steps_together(whole, end))
            for row, member in enumerate(members):
                own = [batch.row(row) for batch in batches]
                members[row] = self._through(member, own, self._at_epoch(whole))
            sampler = batches[-1].sampler
        return replace(
            block,
            step=members[0].step,
            weights=concatenated([member.weights for member in members]),
            state=concatenated([member.state for member in members]),
            accumulators=concatenated([member.accumulators for member in members]),
            sampler=sampler,
            diverged_at=np.concatenate([member.diverged_at for member in members]),
        )

    def _map(
        self,
        one: OneTrajectory,
        block: BlockState,
        stream: int,
        batches: Sequence[Drawn | None],
        caller: int = _UPDATES,
    ) -> Any:
        """`one` for every trajectory of the block; what it asks for is supplied, then it is called again.

        One entry of `batches` for every step it makes: the batch if it was drawn already. `caller` tells
        the randomness inside forward passes of updates, records and hooks apart.
        """
        while True:
            try:
                supplied = [
                    self._supplies.of(replace(block, step=step), caller, stream, batch)
                    for step, batch in enumerate(batches, start=block.step)
                ]
                if self.mode == "loop":
                    outputs = self._map_loop(one, block, supplied, caller)
                else:
                    chunk = self._lanes_at_once() if stream == philox.OBSERVABLE else None
                    outputs = vmap(one, chunk_size=chunk)(block.weights, block.state, supplied)
                self._supplies.forget_momentary(caller)
                return outputs
            except InputNeededError as needed:
                self._supplies.demand(caller, needed.demand, block.step)

    def _map_loop(self, one: OneTrajectory, block: BlockState, supplied: list[Supplied], caller: int) -> Any:
        outputs = []
        for row, trajectory in enumerate(block.trajectories):
            weights = {name: value[row] for name, value in block.weights.items()}
            state = {name: value[row] for name, value in block.state.items()}
            own = [
                {
                    demand: {name: value[row] for name, value in tensors.items()}
                    for demand, tensors in inputs.items()
                }
                for inputs in supplied
            ]
            if self._random_forward:
                with random_forward(self.experiment.seed, trajectory, block.step, caller):
                    outputs.append(one(weights, state, own))
            else:
                outputs.append(one(weights, state, own))
        return stacked(outputs)

    def _lanes_at_once(self) -> int:
        """Trajectories whose pass over a whole data set fits in a bounded amount of memory."""
        problem = self._problem
        largest = max(problem.samples, 0 if problem.test is None else len(problem.test[0]))
        return max(1, _PASS_BYTES // (largest * problem.widest * problem.dtype.itemsize))

    def _bound(self, state: Tensors) -> FunctionalProblem:
        if not self._changing_buffers:
            return self._problem
        return self._problem.with_buffers({n: v.clone() for n, v in part(state, "buffers").items()})

    def _oracle(self, problem: FunctionalProblem, supplied: Supplied, *, first_draw: int = 0) -> EagerOracle:
        return EagerOracle(
            problem,
            supplied,
            batch_size=self._supplies.batch_size,
            steps_per_epoch=self._steps_per_epoch,
            functional=self.mode == "vmap",
            first_draw=first_draw,
        )


def _with_hyperparameters(dynamics: Any, changed: Tensors) -> Any:
    """The dynamics with hyperparameters of one trajectory that a perturbation has changed."""
    if not changed:
        return dynamics
    bound = copy.copy(dynamics)
    for name, value in changed.items():
        object.__setattr__(bound, name, value)
    return bound


def _checked(update: Any, weights: Tensors) -> tuple[Tensors, Tensors]:
    """What an update rule returned: weights of the same names and shapes, and its state."""
    if not isinstance(update, tuple) or len(update) != 2 or not all(isinstance(p, dict) for p in update):
        message = f"an update rule returns (weights, state), two dicts; got {type(update).__name__}"
        raise ValueError(message)
    got = {name: tuple(value.shape) for name, value in update[0].items()}
    expected = {name: tuple(value.shape) for name, value in weights.items()}
    if got != expected:
        message = f"the update rule returned weights {got}; expected {expected}"
        raise ValueError(message)
    return update
