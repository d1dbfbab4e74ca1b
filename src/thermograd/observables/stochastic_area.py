"""Covariance and swept area of the weights, summed inside the step: circulation without stored trajectories."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import linear

from thermograd.numerics.log_times import Epochs, Every
from thermograd.numerics.real_numbers import real_numbers
from thermograd.numerics.whole_number import check_whole_number
from thermograd.observables.displacement import check_centre

if TYPE_CHECKING:
    from torch import Tensor

    from thermograd.protocols import State, Times, Weights

_FIELDS = ("count", "sum", "second_moment", "area", "displacement")
ALL = 64  # parameters up to which all of them are the coordinates


@dataclass(frozen=True)
class StochasticArea:
    """Σ δ, Σ δδᵀ and the area Σ ½ δ∧Δδ that the weights have swept, in k coordinates, over the updates so far.

    δ = θ − c before an update, Δδ the update, (δ∧Δδ)_ij = δ_i Δδ_j − Δδ_i δ_j. In a stationary state the area per update
    is the circulation C = (ΣAᵀ − AΣ)/2 of Adhikari, Kabakçıoğlu, Strang, Yuret, Hinczewski (arXiv 2306.03521, (25);
    as an area (26) and (28)), antisymmetric. The cost of an update is a few passes over the weights and k² numbers.

    Records, each per trajectory and time, in float64 whatever the training is in:

    - `<name>/count`: n, the number of updates;
    - `<name>/sum`: Σ δ, `(k,)`;
    - `<name>/second_moment`: Σ δδᵀ, `(k, k)`;
    - `<name>/area`: Σ ½ δ∧Δδ, `(k, k)`;
    - `<name>/displacement`: Σ Δδ, `(k,)`, with which the area about another centre is known.

    They are totals since step 0; windows are differences, `np.diff(run[...], axis=1)`, which
    `thermograd.estimators.stochastic_area` takes; what it estimates does not depend on c, which only keeps the numbers
    small.

    Attributes:
        centre: c: "start", the trajectory's weights at time 0, or "zero".
        every: the points between which an update is counted; without replacement an epoch, `Epochs(1)`: within one the
            weights move on a bridge, whose spread is not that of the stationary state.
        at: when the sums are recorded.
        directions: `(N, k)`, columns are the coordinates, parameters in their order; or k, for k random orthonormal
            directions (±1 on every k-th parameter each, over the root of their number: one pass over the weights
            gives them all), and for all parameters where there are no more than 64.
        seed: of the random directions.
        name: name of the records.

    Raises:
        ValueError: an unknown centre, or directions that are no numbers or of a wrong shape.

    >>> rule, corners = StochasticArea(centre="zero"), ([1.0, 0.0], [0.0, 1.0], [-1.0, 0.0])
    >>> places = [{"w": torch.tensor(corner)} for corner in corners]
    >>> sums = rule.start(places[0])
    >>> for before, after in zip(places, places[1:]):  # two updates, a quarter turn each
    ...     sums = rule.accumulate(sums, before, after, {})
    >>> rule.read(sums)["area"].tolist()
    [[0.0, 1.0], [-1.0, 0.0]]
    """

    centre: str = "start"
    every: Times = field(default_factory=Every)
    at: Times = field(default_factory=Epochs)
    directions: int | npt.NDArray[Any] = 8
    seed: int = 0
    name: str = "stochastic_area"

    def __post_init__(self) -> None:
        check_centre(self.centre)
        check_whole_number("seed", self.seed, 0)
        number: Any = np.asarray(self.directions)[()]
        if isinstance(number, np.integer):
            object.__setattr__(self, "directions", int(number))
        if isinstance(self.directions, int):
            if self.directions < 1 or isinstance(self.directions, bool):
                message = (
                    f"directions is {self.directions}; it must be 1 or larger, or an array (parameters, k)"
                )
                raise ValueError(message)
            return
        given = np.asfortranarray(real_numbers("directions", self.directions))
        if given.ndim != 2 or 0 in given.shape or not np.isfinite(given).all():
            message = f"directions has shape {given.shape}; it must be (parameters, k) finite numbers"
            raise ValueError(message)
        object.__setattr__(self, "directions", given)

    def start(self, weights: Weights) -> State:
        """Sums of nothing, and the centre in the coordinates.

        Raises:
            ValueError: directions for another number of parameters.
        """
        size = sum(value.numel() for value in weights.values())
        if not isinstance(self.directions, int) and len(self.directions) != size:
            message = f"directions has {len(self.directions)} rows; there are {size} parameters"
            raise ValueError(message)
        place = self._coordinates(weights)
        count = len(place)
        return {
            "count": place.new_zeros(()),
            "sum": place.new_zeros(count),
            "second_moment": place.new_zeros(count, count),
            "area": place.new_zeros(count, count),
            "displacement": place.new_zeros(count),
            "centre": place if self.centre == "start" else torch.zeros_like(place),
        }

    def accumulate(self, state: State, before: Weights, after: Weights, gradient: Weights) -> State:
        """The sums with one update more."""
        place = self._coordinates(before)
        away, step = place - state["centre"], self._coordinates(after) - place
        swept = torch.outer(away, step)
        return state | {
            "count": state["count"] + 1,
            "sum": state["sum"] + away,
            "second_moment": state["second_moment"] + torch.outer(away, away),
            "area": state["area"] + (swept - swept.T) / 2,
            "displacement": state["displacement"] + step,
        }

    def read(self, state: State) -> dict[str, Tensor]:
        """The sums by field."""
        return {name: state[name] for name in _FIELDS}

    def basis(self, parameters: int) -> npt.NDArray[Any]:
        """The coordinates of a network with N parameters as columns, `(N, k)`.

        Args:
            parameters: N.
        """
        if not isinstance(self.directions, int):
            return self.directions
        if parameters <= ALL:
            return np.eye(parameters)
        signs, scale = _signs(self.directions, parameters, self.seed, torch.float64, "cpu")
        count, place = len(scale), np.arange(parameters)
        found = np.zeros((parameters, count))
        found[place, place % count] = signs.numpy()[:parameters] * scale.numpy()[place % count]
        return found

    def _coordinates(self, weights: Weights) -> Tensor:
        """The weights along the directions, `(k,)`, summed in float64; exact products with ±1 need no conversion."""
        parts = [value.reshape(-1) for value in weights.values()]
        size = sum(map(len, parts))
        if not isinstance(self.directions, int):
            flat = torch.cat(parts).double()
            return linear(flat, torch.from_numpy(self.directions.T).to(flat.device))
        if size <= ALL:
            return torch.cat(parts).double()
        wide = parts[0].dtype
        signs, scale = _signs(self.directions, size, self.seed, wide, str(parts[0].device))
        flat = torch.cat([*parts, parts[0].new_zeros(len(signs) - size)])
        return (flat * signs).reshape(-1, len(scale)).sum(0, dtype=torch.float64) * scale


@functools.lru_cache(maxsize=8)
def _signs(count: int, size: int, seed: int, dtype: torch.dtype, device: str) -> tuple[Tensor, Tensor]:
    """Random signs of the parameters, filled up to a multiple of k, and the norms of the k directions."""
    count = min(count, size)
    drawn = np.random.default_rng(seed).integers(0, 2, -(-size // count) * count) * 2 - 1
    members = np.bincount(np.arange(size) % count)
    signs = torch.from_numpy(drawn).to(device, dtype)
    return signs, torch.from_numpy(members**-0.5).to(device)
