"""The state of a block of trajectories between two updates, and its form in a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from thermograd.store.layout import Checkpoint

Tensors = dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class BlockState:
    """Trajectories of one block at one time, stacked on axis 0.

    Attributes:
        trajectories: their numbers; all randomness hangs on these.
        step: updates done.
        weights: parameters by name.
        state: everything else a perturbation may see: `optimizer/<buffer>/<parameter>`, `buffers/<name>`,
            `hyperparameters/<name>` (only once a perturbation has changed them), `memory/<key>`.
        start: weights at time 0.
        sampler: state of the minibatching.
        metric: last record of the first observable, NaN before the first.
        diverged_at: first step with a non-finite weight, -1 for none.
        accumulators: what they keep, by name; see `thermograd.ensemble.engines.accumulations`.
        best: the best state so far, for perturbations that go back to it; see `thermograd.ensemble.best`.
    """

    trajectories: tuple[int, ...]
    step: int
    weights: Tensors
    state: Tensors
    start: Tensors
    sampler: Any
    metric: npt.NDArray[np.float64]
    diverged_at: npt.NDArray[np.int64]
    accumulators: Tensors = field(default_factory=dict)
    best: Tensors = field(default_factory=dict)

    def part(self, prefix: str) -> Tensors:
        """The entries of `state` under a prefix, without it."""
        return part(self.state, prefix)

    def select(self, rows: Sequence[int] | npt.NDArray[np.integer[Any]]) -> BlockState:
        """The same state for some of the trajectories (positions in this block)."""
        chosen = np.asarray(rows, np.int64)
        device = next(iter(self.weights.values())).device
        where = torch.as_tensor(chosen, device=device)

        def pick(tensors: Tensors) -> Tensors:
            return {name: value[where] for name, value in tensors.items()}

        return replace(
            self,
            trajectories=tuple(self.trajectories[row] for row in chosen),
            weights=pick(self.weights),
            state=pick(self.state),
            start=pick(self.start),
            sampler={key: value[chosen] for key, value in self.sampler.items()}
            if isinstance(self.sampler, dict)
            else None,
            metric=self.metric[chosen],
            diverged_at=self.diverged_at[chosen],
            accumulators=pick(self.accumulators),
            best=pick(self.best),
        )

    def checkpoint(self) -> Checkpoint:
        """The state as numpy arrays; what can be drawn again (start, permutations) is left out."""
        arrays = {f"weights/{name}": _numpy(value) for name, value in self.weights.items()}
        arrays |= {name: _numpy(value) for name, value in self.state.items()}
        arrays |= {f"accumulators/{name}": _numpy(value) for name, value in self.accumulators.items()}
        arrays |= {f"best/{name}": _numpy(value) for name, value in self.best.items()}
        if isinstance(self.sampler, dict):
            arrays |= {f"minibatching/{key}": value for key, value in self.sampler.items()}
        arrays |= {"metric": self.metric.copy(), "diverged_at": self.diverged_at.copy()}
        return Checkpoint(self.step, arrays)

    def restored(self, checkpoint: Checkpoint) -> BlockState:
        """This initial state, brought to a checkpoint of the same block."""
        device = next(iter(self.weights.values())).device
        tensors = {
            name: torch.from_numpy(np.array(value)).to(device)
            for name, value in checkpoint.arrays.items()
            if name not in {"metric", "diverged_at"} and not name.startswith("trackers/")
        }
        sampler = {key: value.cpu().numpy() for key, value in part(tensors, "minibatching").items()}
        return replace(
            self,
            step=checkpoint.step,
            weights=part(tensors, "weights"),
            state={
                name: value
                for name, value in tensors.items()
                if name.partition("/")[0] not in {"weights", "minibatching", "accumulators", "best"}
            },
            sampler=sampler or self.sampler,
            metric=np.array(checkpoint.arrays["metric"]),
            diverged_at=np.array(checkpoint.arrays["diverged_at"]),
            accumulators=part(tensors, "accumulators"),
            best=part(tensors, "best"),
        )


def part(tensors: Tensors, prefix: str) -> Tensors:
    """The entries under `prefix/`, without it.

    >>> part({"optimizer/b/w": torch.zeros(1), "buffers/mean": torch.ones(1)}, "buffers")
    {'mean': tensor([1.])}
    """
    start = f"{prefix}/"
    return {name[len(start) :]: value for name, value in tensors.items() if name.startswith(start)}


def prefixed(tensors: Tensors, prefix: str) -> Tensors:
    """The same entries with `prefix/` in front."""
    return {f"{prefix}/{name}": value for name, value in tensors.items()}


def _numpy(value: Tensor) -> npt.NDArray[Any]:
    return value.detach().cpu().numpy().copy()
