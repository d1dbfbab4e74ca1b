"""A tiny deterministic training loop without torch, to drive the store: x ← r x (1 − x), chaotic."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from thermograd.store.layout import (
    DIVERGED,
    FINISHED,
    PENDING,
    Array,
    ArraySpec,
    BlockSink,
    Checkpoint,
    Header,
)


@dataclass(frozen=True)
class LogisticMap:
    """Stands for an experiment: a dataclass of plain numbers."""

    trajectories: int = 5
    steps: int = 12
    block_size: int = 2
    rate: float = 3.9
    diverging: tuple[int, ...] = (3,)
    failing: tuple[int, ...] = ()
    observables: int = 3


class LogisticTrainer:
    """Stands for a trainer: the same verbs, the same order of record, commit and stop.

    Args:
        experiment: the map.
        pause: seconds at every step.
        wait_for: a file without which no step is made.
    """

    notes: tuple[str, ...] = ("one sample sits out",)

    def __init__(self, experiment: LogisticMap, pause: float = 0.0, wait_for: Path | None = None) -> None:
        self.experiment = experiment
        self.pause = pause
        self.wait_for = wait_for
        self.calls: list[int] = []

    def header(self, name: str = "") -> Header:
        """What the run will consist of."""
        map_ = self.experiment
        every = np.arange(0, map_.steps + 1)
        some = np.unique([0, map_.steps // 3, map_.steps])
        observed = (
            ArraySpec("train_loss", (), "float64", every),
            ArraySpec("count", (), "int64", some),
            ArraySpec("area/matrix", (2, 2), "float32", some),
        )
        weights = ArraySpec("weights/0.bias", (3,), "float64", np.array([map_.steps]))
        arrays = (*observed[: map_.observables], weights)
        return Header(
            name or "logistic", 7, map_.trajectories, map_.steps, 4, map_.block_size, "eager", "fake", arrays
        )

    def train(
        self,
        block: int,
        sink: BlockSink,
        *,
        until: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Iterate the map for one block; some trajectories diverge half way, some blocks fail there."""
        del progress
        map_, header = self.experiment, self.header()
        members = np.array(header.block(block))
        self.calls.append(block)
        checkpoint = sink.load()
        if checkpoint is None:
            x, step, diverged_at = 0.1 + 0.013 * members, 0, np.full(len(members), -1)
            self._record(sink, header, x, step)
        else:
            x, step = checkpoint.arrays["weights/x"].copy(), checkpoint.step
            diverged_at = checkpoint.arrays["diverged_at"].copy()
        stop = map_.steps if until is None else min(until, map_.steps)
        while step < stop and not sink.stopping() and (diverged_at < 0).any():
            time.sleep(self.pause)
            while self.wait_for is not None and not self.wait_for.exists():
                time.sleep(0.01)
            x, step = map_.rate * x * (1 - x), step + 1
            gone = np.isin(members, map_.diverging) & (step >= map_.steps // 2) & (diverged_at < 0)
            diverged_at[gone] = step
            x[diverged_at >= 0] = np.nan
            if block in map_.failing and step == map_.steps // 2 + 1:
                message = f"block {block} always fails here"
                raise RuntimeError(message)
            self._record(sink, header, x, step)
            if sink.due() and step < map_.steps:
                sink.commit(self._checkpoint(x, step, diverged_at), self._outcome(step, diverged_at))
        if stop == map_.steps and (diverged_at >= 0).all():
            step = map_.steps
        sink.commit(self._checkpoint(x, step, diverged_at), self._outcome(step, diverged_at))

    @staticmethod
    def _record(sink: BlockSink, header: Header, x: Array, step: int) -> None:
        values = {
            "train_loss": x,
            "area/matrix": np.stack([x, -x, x**2, x**3], -1).reshape(-1, 2, 2).astype(np.float32),
            "count": np.nan_to_num(x * 100).astype(np.int64),
            "weights/0.bias": np.stack([x, x + 1, x + 2], -1),
        }
        for spec in header.arrays:
            row = int(np.searchsorted(spec.times, step))
            if row < spec.times.size and spec.times[row] == step:
                sink.record(spec.name, row, values[spec.name])

    @staticmethod
    def _checkpoint(x: Array, step: int, diverged_at: Array) -> Checkpoint:
        return Checkpoint(step, {"weights/x": x.copy(), "diverged_at": diverged_at.astype(np.int64)})

    def _outcome(self, step: int, diverged_at: Array) -> npt.NDArray[np.uint8]:
        ended = FINISHED if step >= self.experiment.steps else PENDING
        return np.where(diverged_at >= 0, DIVERGED, ended).astype(np.uint8)
