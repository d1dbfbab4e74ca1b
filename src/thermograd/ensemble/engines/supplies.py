"""What the host supplies to a step of the eager engine: batches, normals, weights at time 0."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from thermograd.ensemble.block import BlockState, Tensors
from thermograd.ensemble.engines.oracle import Demand
from thermograd.numerics import fisher_yates, philox

if TYPE_CHECKING:
    from thermograd.ensemble.experiment import Experiment
    from thermograd.problems.functional import FunctionalProblem

Supplied = dict[Demand, Tensors]

_PAIR_OF_THE_EPOCH = Demand("pair", -1)


class Drawn:
    """A batch as it was drawn, (B, m), and the sampler after it."""

    def __init__(
        self, indices: npt.NDArray[np.int64], weights: npt.NDArray[np.float64] | None, sampler: Any
    ) -> None:
        self._indices, self._weights, self.sampler = indices, weights, sampler

    def row(self, row: int) -> Drawn:
        """The batch of one trajectory; the sampler stays with the whole block."""
        weights = None if self._weights is None else self._weights[row : row + 1]
        return Drawn(self._indices[row : row + 1], weights, None)

    def tensors(self, problem: FunctionalProblem) -> Tensors:
        """Indices and weights on the device."""
        tensors = {"indices": torch.from_numpy(np.ascontiguousarray(self._indices)).to(problem.device)}
        if self._weights is not None:
            tensors["weights"] = torch.from_numpy(self._weights).to(problem.device, problem.dtype)
        return tensors


class Supplies:
    """Remembers what steps and observables ask for, and draws it from (seed, trajectory, step)."""

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment
        self._problem = experiment.functional
        self._demands: dict[int, set[Demand]] = {}
        start = experiment.minibatching.start(experiment.seed, (0,), self._problem.samples)
        held = isinstance(start, dict) and all(isinstance(value, np.ndarray) for value in start.values())
        if start is not None and not held:
            message = (
                f"{type(experiment.minibatching).__name__}.start returned {type(start).__name__}; the state of a "
                "sampler is None or a dict of numpy arrays with one row per trajectory, so that it can be kept "
                "in a checkpoint"
            )
            raise ValueError(message)
        first, _ = experiment.minibatching.draw(start, experiment.seed, (0,), 0, self._problem.samples)
        self.batch_size: int = first.indices.shape[1]

    def demand(self, caller: int, demand: Demand, step: int) -> None:
        """From now on, supply this to the caller (0 updates, 1 records, 2 epoch hooks); a pair of this epoch: at each epoch."""
        if demand == Demand("pair", step // self._experiment.steps_per_epoch):
            demand = _PAIR_OF_THE_EPOCH
        self._demands.setdefault(caller, set()).add(demand)

    def forget_momentary(self, caller: int) -> None:
        """Drop what belongs to one step only, so that it is not drawn again at every later one."""
        demands = self._demands.get(caller, set())
        self._demands[caller] = {
            demand for demand in demands if demand.kind != "pair" or demand == _PAIR_OF_THE_EPOCH
        }

    def of(self, block: BlockState, caller: int, stream: int, batch: Drawn | None) -> Supplied:
        """Everything asked for so far; `batch` is the one of this step if it was drawn already."""
        epoch = block.step // self._experiment.steps_per_epoch
        asked = {
            Demand("pair", epoch) if demand == _PAIR_OF_THE_EPOCH else demand
            for demand in self._demands.get(caller, ())
        }
        return {demand: self._one(demand, block, stream, batch) for demand in sorted(asked)}

    def draw(self, block: BlockState) -> Drawn:
        """The batch of the block's next update."""
        experiment = self._experiment
        (indices, weights), sampler = experiment.minibatching.draw(
            block.sampler, experiment.seed, block.trajectories, block.step, self._problem.samples
        )
        return Drawn(indices, weights, sampler)

    def _one(self, demand: Demand, block: BlockState, stream: int, batch: Drawn | None) -> Tensors:
        if demand.kind == "batch":
            return (batch or self.draw(block)).tensors(self._problem)
        if demand.kind == "minibatch":
            if isinstance(block.sampler, dict):
                rule = type(self._experiment.minibatching).__name__
                message = f"oracle.minibatch() asks for other batches of the epoch, but {rule} keeps a state"
                raise ValueError(message)
            per_epoch = self._experiment.steps_per_epoch
            step = block.step // per_epoch * per_epoch + demand.number
            return self.draw(replace(block, step=step)).tensors(self._problem)
        if demand.kind == "pair":
            return self._pair(block, demand.number)
        if demand.kind == "normal":
            return self.normals(block, stream, demand.number)
        return block.start

    def _pair(self, block: BlockState, epoch: int) -> Tensors:
        samples, size = self._problem.samples, self.batch_size
        if 2 * size > samples:
            message = (
                f"two disjoint batches of {size} do not fit in {samples} samples; "
                f"use batch_size <= {samples // 2}"
            )
            raise ValueError(message)
        words = philox.words(
            self._experiment.seed, philox.MINIBATCH, block.trajectories, epoch, 2 * size, draw=1
        )
        permutations = fisher_yates.identity(samples, len(block.trajectories))
        return Drawn(fisher_yates.shuffle(permutations, words, 0), None, None).tensors(self._problem)

    def normals(self, block: BlockState, stream: int, draw: int) -> Tensors:
        """Standard normals shaped like the weights of each trajectory."""
        problem = self._problem
        drawn = philox.normal(
            self._experiment.seed, stream, block.trajectories, block.step, problem.parameters, draw
        )
        flat = torch.from_numpy(drawn).to(problem.device, problem.dtype)
        sizes = [int(np.prod(shape)) for shape in problem.shapes.values()]
        pieces = zip(problem.shapes.items(), torch.split(flat, sizes, dim=1), strict=True)
        return {name: piece.reshape(-1, *shape) for (name, shape), piece in pieces}
