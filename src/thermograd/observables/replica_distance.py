"""The weights, or a few random projections of them, from which distances between runs are computed."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn.functional import linear

from thermograd.numerics.log_times import Epochs
from thermograd.numerics.whole_number import check_whole_number

if TYPE_CHECKING:
    from torch import Tensor

    from thermograd.problems.functional import FunctionalProblem
    from thermograd.protocols import Oracle, Times, Weights

_TOGETHER = 2**16


@dataclass(frozen=True)
class ReplicaDistance:
    """Coordinates of a run whose differences between runs have the length of the differences of the weights.

    All N weights, flattened in their order; or for large N the k projections p = S w/√k with random signs S, the same for
    all runs: |p¹ − p²|² is |w¹ − w²|² on average over S, with relative error √(2/k) (Johnson and Lindenstrauss 1984;
    Achlioptas, J. Comput. Syst. Sci. 66, 671, 2003, for signs). `estimators.replica_distance.estimate` makes the distance of them;
    run with `Experiment(start="shared")`, so that runs differ by their noise alone.

    Attributes:
        at: when.
        coordinates: k; None, or N and more: the weights themselves.
        seed: of the signs.
        name: name of the record, `(trajectory, time, coordinate)`.

    Raises:
        ValueError: a number of coordinates or a seed that is no whole number in range.

    >>> import thermograd as tg
    >>> from thermograd.estimators.replica_distance import estimate
    >>> from thermograd.problems import Quadratic
    >>> settings = {"start": "shared", "trajectories": 4, "epochs": 2, "engine": "eager"}
    >>> run = tg.run(tg.Experiment(Quadratic(), observe=[ReplicaDistance()], **settings))
    >>> run["replica_distance"].shape
    (4, 3, 3)
    """

    at: Times = field(default_factory=Epochs)
    coordinates: int | None = None
    seed: int = 0
    name: str = "replica_distance"

    def __post_init__(self) -> None:
        if self.coordinates is not None:
            check_whole_number("coordinates", self.coordinates, 1)
        check_whole_number("seed", self.seed, 0)

    def measure(self, weights: Weights, problem: FunctionalProblem, oracle: Oracle) -> Tensor:
        """The coordinates of one trajectory, `(k,)`, in float64."""
        flat = torch.cat([value.reshape(-1) for value in weights.values()]).double()
        count = self.coordinates
        if count is None or count >= len(flat):
            return flat
        signs = _signs(count, len(flat), self.seed, str(flat.device))
        parts = zip(torch.split(flat, _TOGETHER), torch.split(signs, _TOGETHER, dim=1), strict=True)
        projected = torch.stack([linear(part, some.double()) for part, some in parts]).sum(0)
        return torch.div(projected, count**0.5)


@functools.lru_cache(maxsize=4)
def _signs(count: int, size: int, seed: int, device: str) -> Tensor:
    """Random signs, `(count, size)`, a byte each."""
    drawn = np.random.default_rng(seed).integers(0, 2, (count, size), np.int8)
    return torch.from_numpy(2 * drawn - 1).to(device)
