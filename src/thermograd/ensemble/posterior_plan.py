"""When a sampler draws, and how its learning rate and temperature follow a schedule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError
from thermograd.numerics.log_times import Epochs

if TYPE_CHECKING:
    from thermograd.protocols import Context, State, Weights

Schedule = Callable[[int], tuple[float, float]]

_CENTRES = 16  # states of the second half of the burn-in, whose mean is the fixed point of the virial


@dataclass(frozen=True)
class SamplingPlan:
    """When draws are made, and the states before whose mean the virial is taken from.

    Attributes:
        epochs: length of each chain.
        burn_in: epochs before the first draw.
        thin: epochs from draw to draw.
        steps_per_epoch: n.
        schedule: epoch -> (factor of the learning rate, factor of the temperature); None for 1 and 1.

    >>> SamplingPlan(epochs=10, burn_in=4, thin=2, steps_per_epoch=5).draws.tolist()
    [5, 7, 9]
    """

    epochs: int
    burn_in: int
    thin: int
    steps_per_epoch: int
    schedule: Schedule | None = None

    @property
    def draws(self) -> npt.NDArray[np.int64]:
        """Epochs of the draws, `(draw,)`."""
        return np.arange(self.burn_in + 1, self.epochs + 1, self.thin)

    @property
    def centres(self) -> npt.NDArray[np.int64]:
        """Epochs of the states that c is the mean of."""
        return np.unique(np.linspace(self.burn_in // 2, self.burn_in, _CENTRES).astype(np.int64))

    @property
    def saved(self) -> npt.NDArray[np.int64]:
        """Steps at which weights are kept."""
        return np.union1d(self.centres, self.draws) * self.steps_per_epoch

    @property
    def factors(self) -> npt.NDArray[np.float64]:
        """Of learning rate and temperature in every epoch, `(epoch, 2)`."""
        if self.schedule is None:
            return np.ones((self.epochs, 2))
        given: object = self.schedule  # whatever its annotation says
        if not callable(given):
            message = f"schedule is {self.schedule!r}; give a function of the epoch"
            raise ConfigError(message)
        found = np.array([self.schedule(epoch) for epoch in range(self.epochs)], np.float64)
        if found.shape != (self.epochs, 2) or not np.isfinite(found).all() or (found < 0).any():
            message = (
                "schedule must give (factor of the learning rate, factor of the temperature), two numbers, 0 or larger, for "
                "each epoch"
            )
            raise ValueError(message)
        return found

    @property
    def largest_factor(self) -> float:
        """Of the learning rate."""
        return float(self.factors[:, 0].max())

    @property
    def last_factor(self) -> float:
        """Of the learning rate, in the last epoch at a temperature."""
        rates, temperatures = self.factors.T
        sampling = np.flatnonzero(temperatures > 0)
        return float(rates[sampling[-1]]) if sampling.size else 0.0

    @property
    def temperature_factor(self) -> float:
        """Of the temperature in the epochs of the draws that count.

        Raises:
            ValueError: there are several, so that the draws are of no one distribution; or no draw counts.
        """
        rates, temperatures = self.factors[self.draws - 1].T
        found = np.unique(temperatures[(temperatures > 0) & (rates > 0)])
        if found.size == 0:
            message = (
                f"the schedule has learning rate or temperature 0 in every epoch of a draw ({self.draws[0]} to "
                f"{self.draws[-1]}), so that none counts; sample for whole cycles"
            )
            raise ValueError(message)
        if found.size > 1:
            message = (
                f"the schedule draws at several temperatures (factors {found[0]:g} to {found[-1]:g}), which is no one distribution; "
                "the factor must be 0, for exploring, or the same number in every epoch of a draw"
            )
            raise ValueError(message)
        return float(found[0])

    @property
    def weights(self) -> npt.NDArray[np.float64]:
        """What each draw stands for: the factor of the learning rate in its epoch, 0 where it was at temperature 0."""
        rates, temperatures = self.factors[self.draws - 1].T
        return np.where(temperatures > 0, rates, 0.0)

    def at_first(self, dynamics: Any) -> Any:
        """The dynamics of the first epoch."""
        rate, temperature = self.factors[0].tolist()
        return replace(
            dynamics,
            learning_rate=dynamics.learning_rate * rate,
            temperature=dynamics.temperature * temperature,
        )

    def scheduled(self, dynamics: Any) -> dict[str, Any]:
        """What makes an experiment follow the schedule."""
        if self.schedule is None:
            return {}
        rates, temperatures = self.factors.T
        follow = FollowSchedule(
            tuple((dynamics.learning_rate * rates).tolist()),
            tuple((dynamics.temperature * temperatures).tolist()),
            self.steps_per_epoch,
        )
        return {"perturbation": follow, "perturb": Epochs(1)}


@dataclass(frozen=True)
class FollowSchedule:
    """Sets learning rate and temperature at the beginning of each epoch, as a perturbation that leaves weights alone.

    Attributes:
        learning_rates: η in every epoch.
        temperatures: T in every epoch.
        steps_per_epoch: n.
    """

    learning_rates: tuple[float, ...]
    temperatures: tuple[float, ...]
    steps_per_epoch: int

    def apply(self, weights: Weights, state: State, context: Context) -> tuple[Weights, State]:
        """The same weights with the numbers of the epoch to come."""
        epoch = context.step // self.steps_per_epoch
        numbers = {"learning_rate": self.learning_rates[epoch], "temperature": self.temperatures[epoch]}
        changed = {}
        for name, value in numbers.items():
            key = f"hyperparameters/{name}"
            changed[key] = state[key].new_full((), value)
        return dict(weights), state | changed
