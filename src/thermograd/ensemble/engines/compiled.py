"""The compiled engine: one update of a block, batched and translated by `torch.compile`."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.func import vmap

from thermograd.ensemble.block import BlockState, Tensors, part
from thermograd.ensemble.engines.accelerated import AcceleratedEngine, keeps_form
from thermograd.ensemble.engines.accumulations import Accumulations
from thermograd.ensemble.engines.batched_update import BatchedUpdate, traceable_update, widened
from thermograd.ensemble.engines.one_thread import one_thread
from thermograd.ensemble.engines.size_of_work import batched_updates, together
from thermograd.ensemble.engines.supplies import Supplies
from thermograd.ensemble.engines.trial import tried
from thermograd.ensemble.engines.update_function import (
    NORMAL,
    START,
    STEP,
    UpdateFunction,
)
from thermograd.errors import EngineUnavailableError
from thermograd.numerics import philox

if TYPE_CHECKING:
    from thermograd.ensemble.engines.eager import EagerEngine
    from thermograd.ensemble.experiment import Experiment

_WORTH = 100_000
_SECONDS = 10


class CompiledUpdates:
    """Updates of a block, one compiled call each; a shorter block is filled up with its last trajectory.

    Args:
        experiment: what is trained.
        update: its update.

    Raises:
        EngineUnavailableError: it cannot be compiled.
    """

    name, mode = "compiled", "vmap"

    def __init__(self, experiment: Experiment, update: UpdateFunction) -> None:
        self._experiment = experiment
        self._update = update
        self._supplies = Supplies(experiment)
        self._accumulations = Accumulations(experiment)
        self._width = min(experiment.block_size, experiment.trajectories)
        self._hyperparameters = set(part(update.examples, "hyperparameters"))
        self._batched = BatchedUpdate(experiment, update)
        self._call = self._compiled()

    def fits(self, block: BlockState) -> bool:
        """Whether the block has the form that was compiled."""
        return keeps_form(block, self._update.examples, self._hyperparameters)

    def longest(self, block: BlockState) -> int:
        """Not bounded."""
        return 2**31

    def advance(self, block: BlockState, steps: int) -> BlockState:
        """The block after `steps` more updates."""
        with one_thread(), torch.no_grad():
            for _ in range(steps):
                block = self._next(block)
        return block

    def _next(self, block: BlockState) -> BlockState:
        batch = self._supplies.draw(block)
        gone = torch.from_numpy(self._filled_rows(block.diverged_at >= 0)).to(
            self._experiment.functional.device
        )
        rows = [self._filled(value) for value in self._batched.batch(batch)]
        found = self._call(*rows, gone, *[self._tensor(name, block) for name in self._batched.names])
        count = len(block.trajectories)
        tensors = dict(zip(self._batched.outputs, (value[:count] for value in found[:-1]), strict=True))
        lost = found[-1][:count].cpu().numpy() & (block.diverged_at < 0)
        return replace(
            block,
            step=block.step + 1,
            weights=part(tensors, "weights"),
            state=block.state | {name: v for name, v in tensors.items() if name.startswith("optimizer/")},
            accumulators=self._accumulated(block, tensors),
            sampler=batch.sampler,
            diverged_at=np.where(lost, block.step + 1, block.diverged_at),
        )

    def _accumulated(self, block: BlockState, tensors: Tensors) -> Tensors:
        kept = block.accumulators | part(tensors, "accumulators")
        if not self._accumulations.spaced:
            return kept
        after, gradient = part(tensors, "weights"), part(tensors, "gradient")

        def add(kept: Tensors, before: Tensors, after: Tensors, gradient: Tensors) -> Tensors:
            return self._accumulations.after_spaced(kept, block.step, before, after, gradient)

        found: Tensors = vmap(add)(kept, block.weights, after, gradient)
        return found

    def _compiled(self) -> Callable[..., list[Tensor]]:
        """Batch, mask of the diverged and tensors in; tensors and the new mask out."""
        try:
            with one_thread(), torch.no_grad(), warnings.catch_warnings():
                warnings.simplefilter(
                    "ignore", DeprecationWarning
                )  # torch's own, while it loads its compiler
                compiled = torch.compile(self._batched.traced(self._width), dynamic=False)
                compiled(*self._batched.examples(self._width))
        except Exception as failure:  # whatever a compiler meets is one thing here: it cannot be used
            message = f"torch.compile failed ({(str(failure).strip().splitlines() or [type(failure).__name__])[0][:200]})"
            raise EngineUnavailableError(message) from failure
        return compiled

    def _tensor(self, name: str, block: BlockState) -> Tensor:
        """What goes in under a name."""
        role, _, rest = name.partition("/")
        if role == STEP:
            return torch.tensor(
                float(block.step), dtype=torch.float64, device=self._experiment.functional.device
            )
        if role == NORMAL:
            draw, _, parameter = rest.partition("/")
            return self._filled(self._supplies.normals(block, philox.DYNAMICS, int(draw))[parameter])
        if role == "hyperparameters" and name not in block.state:
            return widened(self._update.examples[name], self._width)
        source = {"weights": block.weights, "accumulators": block.accumulators, START: block.start}
        return self._filled(source[role][rest] if role in source else block.state[name])

    def _filled(self, tensor: Tensor) -> Tensor:
        missing = self._width - len(tensor)
        if missing <= 0:
            return tensor.contiguous()
        return torch.cat([tensor, tensor[-1:].expand(missing, *tensor.shape[1:])])

    def _filled_rows(self, flags: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return np.pad(flags, (0, max(0, self._width - len(flags))), mode="edge")


def choose_compiled(
    experiment: Experiment, eager: EagerEngine, *, build: bool
) -> str | tuple[AcceleratedEngine | None, str, str]:
    """Engine (None if it is not to be built), mode and reason; or why another is the better choice.

    Args:
        experiment: what is trained.
        eager: the reference engine for it.
        build: whether to compile.

    Raises:
        EngineUnavailableError: it cannot run the experiment; says why.
    """
    work = batched_updates(experiment)
    if experiment.engine != "compiled":
        if eager.mode == "loop":
            return "one trajectory at a time is faster"
        if work < _WORTH:
            return f"{work} batched updates do not repay about {_SECONDS} s of compilation (worth it from {_WORTH} on)"
    if eager.alone is not None:
        raise EngineUnavailableError(eager.alone)
    update = traceable_update(experiment)
    engine = None
    if build:
        numbers = set(part(update.examples, "hyperparameters"))
        engine = tried(experiment, eager, CompiledUpdates(experiment, update), numbers)
    reason = (
        f"compiled (vmap): {experiment.functional.parameters} parameters, {together(experiment)} in one call; {work} batched updates "
        f"against about {_SECONDS} s of compilation"
    )
    return engine, "vmap", reason
