"""The engine that runs a built kernel; what is not an update it leaves to the reference engine."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from thermograd.ensemble.block import BlockState, Tensors, part
from thermograd.ensemble.engines.accumulations import Accumulations
from thermograd.ensemble.engines.eager import EagerEngine
from thermograd.ensemble.engines.kernel.agreement import disagreement
from thermograd.ensemble.engines.kernel.launch import Kernel
from thermograd.ensemble.engines.kernel.source import KernelSource
from thermograd.errors import EngineUnavailableError

if TYPE_CHECKING:
    from thermograd.ensemble.engines.supplies import Drawn
    from thermograd.ensemble.experiment import Experiment
    from thermograd.protocols import Accumulator, Observable

_GIVEN_AT_ONCE = 2**22


class KernelEngine:
    """Trains a block with a kernel; starts, records and perturbations are those of the reference engine.

    Args:
        experiment: what to train.
        eager: the reference engine for it.
        source: its update as C++.

    Raises:
        EngineUnavailableError: the kernel cannot be built, or does not compute what its program says.
    """

    name = "kernel"

    def __init__(self, experiment: Experiment, eager: EagerEngine, source: KernelSource) -> None:
        self.experiment = experiment
        self.mode = "features" if source.features else "lanes"
        self._eager = eager
        self._source = source
        self._accumulations = Accumulations(experiment)
        inputs, targets = source.update.data
        self._kernel = Kernel(source, _numpy(inputs), _numpy(targets))
        found = disagreement(experiment, source, self._kernel)
        if found is not None:
            message = f"the built kernel differs from the operations it was made from ({found})"
            raise EngineUnavailableError(message)

    @property
    def batch_size(self) -> int:
        """Samples per update."""
        return self._eager.batch_size

    def start(self, trajectories: list[int] | range) -> BlockState:
        """The block at time 0."""
        return self._eager.start(trajectories)

    def measure(self, block: BlockState, observable: Observable | Accumulator) -> dict[str, npt.NDArray[Any]]:
        """What is read from every trajectory, by name of the record; NaN where diverged."""
        return self._eager.measure(block, observable)

    def draw(self, block: BlockState) -> Drawn:
        """The batch of the block's next update."""
        return self._eager.draw(block)

    def with_weights(self, block: BlockState, weights: Tensors, state: Tensors) -> BlockState:
        """The block with other weights and state (a perturbation), divergence looked for."""
        return self._eager.with_weights(block, weights, state)

    def advance(self, block: BlockState, steps: int) -> BlockState:
        """The block after `steps` more updates.

        Where a perturbation has changed a hyperparameter that is written into the kernel, or the form of the state,
        the reference engine makes the updates.
        """
        if not self._fits(block):
            return self._eager.advance(block, steps)
        end = block.step + steps
        while block.step < end:
            ahead = end - block.step
            if hasattr(self.experiment.dynamics, "epoch"):
                per_epoch = self.experiment.steps_per_epoch
                if block.step % per_epoch == 0:
                    block = self._eager.at_epoch(block)
                ahead = min(ahead, per_epoch - block.step % per_epoch)
            if self._source.sampling.rule == "given":
                each = len(block.trajectories) * self._source.sampling.size
                ahead = min(ahead, max(1, _GIVEN_AT_ONCE // each))
            block = self._advance(block, ahead)
        return block

    def _fits(self, block: BlockState) -> bool:
        changed = part(block.state, "hyperparameters")
        if not set(changed) <= set(self._source.hyperparameters):
            return False
        present = block.state | {f"weights/{name}": value for name, value in block.weights.items()}
        wanted = {
            slot.name: slot for slot in self._source.slots if slot.name.startswith(("optimizer/", "weights/"))
        }
        extra = {name for name in block.state if name.startswith("optimizer/")} - set(wanted)
        return not extra and all(
            name in present and tuple(present[name].shape[1:]) == slot.shape for name, slot in wanted.items()
        )

    def _advance(self, block: BlockState, steps: int) -> BlockState:
        chosen, shares, sampler = self._batches(block, steps)
        ends = self._ends(block.step, steps)
        found, diverged_at = self._kernel.advance(
            self._arrays(block),
            block.trajectories,
            block.step,
            steps,
            seed=self.experiment.seed,
            diverged_at=block.diverged_at,
            chosen=chosen,
            shares=shares,
            ends=ends,
            threads=torch.get_num_threads(),
        )
        tensors = {name: torch.from_numpy(array) for name, array in found.items()}
        accumulators = part(tensors, "accumulators")
        for entry, flags in zip(self._accumulations.spaced, ends, strict=True):
            if flags[-1]:
                held = tuple(f"{entry.name}/{role}/" for role in ("before", "gradient"))
                accumulators = {n: value for n, value in accumulators.items() if not n.startswith(held)}
        state = {name: tensors.get(name, value) for name, value in block.state.items()}
        return replace(
            block,
            step=block.step + steps,
            weights=part(tensors, "weights"),
            state=state,
            accumulators=accumulators,
            sampler=sampler,
            diverged_at=diverged_at,
        )

    def _arrays(self, block: BlockState) -> dict[str, npt.NDArray[Any]]:
        """The array of each slot."""
        members = len(block.trajectories)
        given: Tensors = dict(block.state)
        for prefix, tensors in (
            ("weights", block.weights),
            ("accumulators", block.accumulators),
            ("start", block.start),
        ):
            given |= {f"{prefix}/{name}": value for name, value in tensors.items()}
        arrays = {}
        for slot in self._source.slots:
            if slot.name in given:
                arrays[slot.name] = _numpy(given[slot.name])
            elif slot.name.startswith("hyperparameters/"):
                number = getattr(self.experiment.dynamics, slot.name.partition("/")[2])
                arrays[slot.name] = np.full((members, *slot.shape), number, slot.dtype)
            else:  # the beginning of a stretch that has not begun
                arrays[slot.name] = np.zeros((members, *slot.shape), slot.dtype)
        return {slot.name: arrays[slot.name].astype(slot.dtype, copy=False) for slot in self._source.slots}

    def _ends(self, first: int, steps: int) -> npt.NDArray[np.bool_]:
        spaced = self._accumulations.spaced
        rows = [self._accumulations.ends(entry, first, steps) for entry in spaced]
        return np.stack(rows) if rows else np.zeros((0, steps + 1), np.bool_)

    def _batches(
        self, block: BlockState, steps: int
    ) -> tuple[npt.NDArray[Any] | None, npt.NDArray[Any] | None, Any]:
        """Indices and weights of the next updates, where the minibatching draws them, and its state after them."""
        if self._source.sampling.rule != "given":
            return None, None, block.sampler
        rule, samples, seed = (
            self.experiment.minibatching,
            self._source.sampling.samples,
            self.experiment.seed,
        )
        sampler, chosen, shares = block.sampler, [], []
        for step in range(block.step, block.step + steps):
            (indices, weights), sampler = rule.draw(sampler, seed, block.trajectories, step, samples)
            chosen.append(indices)
            shares.append(weights)
        return np.stack(chosen), None if shares[0] is None else np.stack(shares), sampler  # type: ignore[arg-type]  # all or none


def _numpy(tensor: torch.Tensor) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = tensor.detach().cpu().numpy()
    return array
