"""Updates of a block on a GPU, several in one CUDA graph: a launch for many small operations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.func import vmap

from thermograd.ensemble.block import BlockState, Tensors, part
from thermograd.ensemble.engines.accelerated import AcceleratedEngine, keeps_form
from thermograd.ensemble.engines.accumulations import Accumulations
from thermograd.ensemble.engines.batched_update import BatchedUpdate, traceable_update
from thermograd.ensemble.engines.one_thread import one_thread
from thermograd.ensemble.engines.size_of_work import together
from thermograd.ensemble.engines.supplies import Supplies
from thermograd.ensemble.engines.trial import tried
from thermograd.ensemble.engines.update_function import NORMAL, START, STEP, UpdateFunction
from thermograd.errors import EngineUnavailableError
from thermograd.numerics import philox

if TYPE_CHECKING:
    from thermograd.ensemble.engines.eager import EagerEngine
    from thermograd.ensemble.experiment import Experiment

SIZES = (16, 4, 1)
_WARM_UP = 3


class GraphUpdates:
    """Updates of a block in graphs of 16, 4 and 1 of them, which work on memory that stays where it is.

    Batches and normals of all updates of a graph are filled in before it runs; a mask in the graph holds diverged
    trajectories at NaN and notes when each began. A shorter block leaves the last rows to themselves.

    Args:
        experiment: what is trained.
        update: its update.
        capture: False makes the same updates by the same calls without graphs, on any device.

    Raises:
        EngineUnavailableError: the update cannot be captured.
    """

    name, mode = "eager", "graph"

    def __init__(self, experiment: Experiment, update: UpdateFunction, *, capture: bool = True) -> None:
        self._experiment, self._update = experiment, update
        self._supplies, self._accumulations = Supplies(experiment), Accumulations(experiment)
        width = min(experiment.block_size, experiment.trajectories)
        self._batched = BatchedUpdate(experiment, update)
        self._replays: dict[int, Callable[[], Any]] = {}
        try:
            with one_thread(), torch.no_grad():
                self._call = self._batched.traced(width)
                self._make_memory(width)
                for size in SIZES:
                    self._replays[size] = self._captured(size) if capture else self._plain(size)
        except Exception as failure:  # whatever keeps it from being captured, it cannot be used
            said = (str(failure).strip().splitlines() or [type(failure).__name__])[0][:200]
            message = f"the update cannot be captured in a CUDA graph ({said})"
            raise EngineUnavailableError(message) from failure

    def fits(self, block: BlockState) -> bool:
        """Whether the block has the form that was captured."""
        changed = set(part(self._update.examples, "hyperparameters"))
        return keeps_form(block, self._update.examples, changed)

    def longest(self, block: BlockState) -> int:
        """Not bounded."""
        return 2**31

    def advance(self, block: BlockState, steps: int) -> BlockState:
        """The block after `steps` more updates."""
        with one_thread(), torch.no_grad():
            self._load(block)
            end = block.step + steps
            while block.step < end:
                size = self._size(block.step, end)
                sampler = self._fill(block, size)
                before = self._weights(block) if self._accumulations.spaced else {}
                self._replays[size]()
                accumulators = self._spaced(block, size, before)
                block = replace(block, step=block.step + size, sampler=sampler, accumulators=accumulators)
            return self._read(block)

    def _make_memory(self, width: int) -> None:
        """Tensors that the graphs read and write: state of the block, batches and normals of a graph's updates."""
        indices, shares, gone, *tensors = self._batched.examples(width)
        self._indices, self._shares = (
            value.expand(SIZES[0], *value.shape).clone() for value in (indices, shares)
        )
        self._diverged = torch.full_like(gone, -1, dtype=torch.int64)
        self._held, self._normals = {}, {}
        for name, value in zip(self._batched.names, tensors, strict=True):
            if name.startswith(f"{NORMAL}/"):
                self._normals[name] = value.expand(SIZES[0], *value.shape).clone()
            else:
                self._held[name] = value.clone()
        spaced = part(self._update.examples, "weights") if self._accumulations.spaced else {}
        self._slopes = {name: torch.zeros_like(self._held[f"weights/{name}"]) for name in spaced}

    def _several(self, size: int) -> None:
        """The first `size` updates that are filled in."""
        held, diverged = dict(self._held), self._diverged
        for place in range(size):
            normals = {name: value[place] for name, value in self._normals.items()}
            given = held | normals
            *found, gone = self._call(
                self._indices[place],
                self._shares[place],
                diverged >= 0,
                *[given[name] for name in self._batched.names],
            )
            tensors = dict(zip(self._batched.outputs, found, strict=True))
            held[STEP] = held[STEP] + 1
            diverged = torch.where(gone & (diverged < 0), held[STEP].to(torch.int64), diverged)
            held |= {name: value for name, value in tensors.items() if name in held}
            if place == 0:
                for name, slope in self._slopes.items():
                    slope.copy_(tensors[f"gradient/{name}"])
        for name, value in [(name, value.clone()) for name, value in held.items()]:
            self._held[name].copy_(
                value
            )  # by way of a copy: the new value of one may be the old memory of another
        self._diverged.copy_(diverged)

    def _plain(self, size: int) -> Callable[[], Any]:
        return lambda: self._several(size)

    def _captured(self, size: int) -> Callable[[], Any]:
        """A graph of some updates; what they do to the memory while it is made is overwritten later."""
        device = self._diverged.device
        with torch.cuda.device(device):
            stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # of torch
            stream.wait_stream(torch.cuda.current_stream(device))
            with torch.cuda.stream(stream):
                for _ in range(_WARM_UP):
                    self._several(1)
            torch.cuda.current_stream(device).wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                self._several(size)
        return graph.replay

    def _size(self, step: int, end: int) -> int:
        """The longest graph in which no stretch of an accumulator ends before its last update."""
        for size in SIZES:
            inner = (
                self._accumulations.ends(entry, step, size)[1:-1].any()
                for entry in self._accumulations.spaced
            )
            if step + size <= end and not any(inner):
                return size
        return 1

    def _load(self, block: BlockState) -> None:
        count = len(block.trajectories)
        source = {"weights": block.weights, "accumulators": block.accumulators, START: block.start}
        for name, memory in self._held.items():
            role, _, rest = name.partition("/")
            if role == STEP:
                memory.fill_(block.step)
            elif role in source:
                memory[:count].copy_(source[role][rest])
            else:  # hyperparameters are in the state only once they were changed
                memory[:count].copy_(block.state.get(name, self._update.examples[name]))
        self._diverged[:count].copy_(torch.from_numpy(block.diverged_at))

    def _fill(self, block: BlockState, size: int) -> Any:
        """Batches and normals of the next updates to their places; the sampler after them."""
        count, sampler = len(block.trajectories), block.sampler
        for place in range(size):
            ahead = replace(block, step=block.step + place, sampler=sampler)
            drawn = self._supplies.draw(ahead)
            sampler = drawn.sampler
            indices, shares = self._batched.batch(drawn)
            self._indices[place, :count].copy_(indices)
            self._shares[place, :count].copy_(shares)
            for draw in self._update.draws:
                for name, value in self._supplies.normals(ahead, philox.DYNAMICS, draw).items():
                    self._normals[f"{NORMAL}/{draw}/{name}"][place, :count].copy_(value)
        return sampler

    def _weights(self, block: BlockState) -> Tensors:
        count = len(block.trajectories)
        return {name: value[:count].clone() for name, value in part(self._held, "weights").items()}

    def _spaced(self, block: BlockState, size: int, before: Tensors) -> Tensors:
        """What accumulators keep that do not add at every update: a stretch may begin first and end last."""
        kept = block.accumulators
        if not self._accumulations.spaced:
            return kept
        after, count = self._weights(block), len(block.trajectories)
        slopes = {name: value[:count].clone() for name, value in self._slopes.items()}
        for step in sorted({block.step, block.step + size - 1}):
            kept = vmap(self._adding(step))(kept, before, after, slopes)
        return kept

    def _adding(self, step: int) -> Callable[..., Tensors]:
        def add(kept: Tensors, before: Tensors, after: Tensors, slopes: Tensors) -> Tensors:
            return self._accumulations.after_spaced(kept, step, before, after, slopes)

        return add

    def _read(self, block: BlockState) -> BlockState:
        count = len(block.trajectories)
        held: dict[str, Tensor] = {n: v[:count].clone() for n, v in self._held.items() if n != STEP}
        state = {name: value for name, value in held.items() if name.startswith("optimizer/")}
        return replace(
            block,
            weights=part(held, "weights"),
            state=block.state | state,
            accumulators=block.accumulators | part(held, "accumulators"),
            diverged_at=self._diverged[:count].cpu().numpy().copy(),
        )


def choose_graph(
    experiment: Experiment, eager: EagerEngine, *, build: bool
) -> str | tuple[AcceleratedEngine | None, str, str]:
    """Engine (None if it is not to be built), mode and reason; or why another is the better choice.

    Args:
        experiment: what is trained, on a GPU.
        eager: the reference engine for it.
        build: whether to capture graphs.

    Raises:
        EngineUnavailableError: it cannot run the experiment; says why.
    """
    if eager.mode == "loop":
        return "trajectories are trained one at a time"
    update = traceable_update(experiment)
    engine = None
    if build:
        numbers = set(part(update.examples, "hyperparameters"))
        engine = tried(experiment, eager, GraphUpdates(experiment, update), numbers)
    reason = (
        f"eager (graph): {experiment.functional.parameters} parameters, {together(experiment)} in one batched call, up to {SIZES[0]} "
        "updates in one CUDA graph"
    )
    return engine, "graph", reason
