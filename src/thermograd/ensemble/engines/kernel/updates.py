"""Updates of a block by a built kernel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from thermograd.ensemble.block import BlockState, Tensors, part
from thermograd.ensemble.engines.accelerated import keeps_form
from thermograd.ensemble.engines.accumulations import Accumulations
from thermograd.ensemble.engines.kernel.agreement import disagreement
from thermograd.ensemble.engines.kernel.launch import BuiltKernel, Kernel
from thermograd.ensemble.engines.kernel.source import SELECTED, KernelSource
from thermograd.ensemble.engines.update_function import BATCH
from thermograd.errors import EngineUnavailableError

if TYPE_CHECKING:
    from thermograd.ensemble.experiment import Experiment

_GIVEN_AT_ONCE = 2**22


class KernelUpdates:
    """Updates of a block by a kernel.

    Args:
        experiment: what is trained.
        source: its update as C++, or as CUDA C++.
        mode: how it works: "lanes", "features" or "threads".
        build: makes a kernel of the source, inputs and targets.

    Raises:
        EngineUnavailableError: the kernel cannot be built, or does not compute what its program says.
    """

    name = "kernel"

    def __init__(
        self,
        experiment: Experiment,
        source: KernelSource,
        mode: str,
        build: Callable[[KernelSource, Tensor, Tensor], BuiltKernel] = Kernel,
    ) -> None:
        self.mode = mode
        self._experiment = experiment
        self._source = source
        self._accumulations = Accumulations(experiment)
        self._kernel = build(source, *source.update.data)
        found = disagreement(experiment, source, self._kernel)
        if found is not None:
            message = f"the built kernel differs from the operations it was made from ({found})"
            raise EngineUnavailableError(message)

    def fits(self, block: BlockState) -> bool:
        """Whether the block has the form the kernel was made for."""
        return keeps_form(block, self._source.update.examples, set(self._source.hyperparameters))

    def longest(self, block: BlockState) -> int:
        """As the kernel says, and less where batches are drawn outside of it."""
        if self._source.sampling.rule != "given":
            return self._kernel.longest
        return max(1, _GIVEN_AT_ONCE // (len(block.trajectories) * self._source.sampling.size))

    def advance(self, block: BlockState, steps: int) -> BlockState:
        """The block after `steps` more updates."""
        chosen, shares, sampler = self._batches(block, steps)
        ends = self._ends(block.step, steps)
        tensors, diverged_at = self._kernel.advance(
            self._tensors(block),
            block.trajectories,
            block.step,
            steps,
            seed=self._experiment.seed,
            diverged_at=block.diverged_at,
            chosen=chosen,
            shares=shares,
            ends=ends,
        )
        accumulators = part(tensors, "accumulators")
        if SELECTED in tensors:
            sampler = {"selected": tensors[SELECTED].cpu().numpy()}
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

    def _tensors(self, block: BlockState) -> Tensors:
        """The tensor of each slot."""
        members = len(block.trajectories)
        given: Tensors = dict(block.state)
        if self._source.sampling.rule == "persistent":
            given[SELECTED] = torch.from_numpy(np.array(block.sampler["selected"]))
        for prefix, tensors in (
            ("weights", block.weights),
            ("accumulators", block.accumulators),
            ("start", block.start),
        ):
            given |= {f"{prefix}/{name}": value for name, value in tensors.items()}
        found = {}
        for slot in self._source.slots:
            kind, shape = getattr(torch, slot.dtype), (members, *slot.shape)
            if slot.name in given:
                found[slot.name] = given[slot.name].to(kind)
            elif slot.name.startswith("hyperparameters/"):
                number = getattr(self._experiment.dynamics, slot.name.partition("/")[2])
                found[slot.name] = torch.full(shape, number, dtype=kind)
            else:  # the beginning of a stretch that has not begun
                found[slot.name] = torch.zeros(shape, dtype=kind)
        return found

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
            self._experiment.minibatching,
            self._source.sampling.samples,
            self._experiment.seed,
        )
        sampler, chosen, shares = block.sampler, [], []
        for step in range(block.step, block.step + steps):
            (indices, weights), sampler = rule.draw(sampler, seed, block.trajectories, step, samples)
            self._check_batch(indices, weights, step)
            chosen.append(np.array(indices))
            shares.append(None if weights is None else np.array(weights))
        return np.stack(chosen), None if shares[0] is None else np.stack(shares), sampler  # type: ignore[arg-type]  # all or none

    def _check_batch(self, indices: npt.NDArray[Any], weights: npt.NDArray[Any] | None, step: int) -> None:
        """Refuse what the kernel would read past the data for, or ignore."""
        sampling, rule = self._source.sampling, type(self._experiment.minibatching).__name__
        weighted = f"{BATCH}/weights" in self._source.update.examples
        if indices.shape[1] != sampling.size or (weights is not None) != weighted:
            message = (
                f"{rule} drew {indices.shape[1]} samples {'without' if weights is None else 'with'} weights at step {step}, "
                f"and {sampling.size} {'with' if weighted else 'without'} before; for batches that change their form use "
                "engine='eager'"
            )
            raise ValueError(message)
        if indices.min(initial=0) < 0 or indices.max(initial=0) >= sampling.samples:
            worst = int(indices.min() if indices.min() < 0 else indices.max())
            message = f"{rule} drew the index {worst} at step {step}; indices are 0 to {sampling.samples - 1}"
            raise ValueError(message)
