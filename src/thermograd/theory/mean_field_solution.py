"""What the mean-field equations give: order parameters with their scatter over independent solutions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from thermograd.discover import nearest
from thermograd.errors import ConfigError
from thermograd.numerics.confidence_level import checked_level
from thermograd.numerics.whole_number import check_whole_number
from thermograd.quantities import Prediction

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False, kw_only=True)
class MeanField:
    """Training of a mixture classifier in infinitely many dimensions, T steps.

    The first axis of every array counts S independent solutions, whose scatter is that of the random paths; it has nothing
    to do with the fluctuations of a training, which are in `correlation`.

    Attributes:
        overlap: m(t) = w·v/d, `(S, T+1)`.
        correlation: C(t, t′) = w(t)·w(t′)/d, `(S, T+1, T+1)`.
        response: R(t, t′) = (1/d) Σ_i ∂w_i(t)/∂H_i(t′) to a field that is added to −∇L at step t′, `(S, T+1, T)`;
            R(t+1, t) = η, and 0 for t ≤ t′.
        memory_kernel: Γ(t, t′), how the samples answer to earlier weights, `(S, T, T)`.
        noise_kernel: M(t, t′), what they push with, `(S, T, T)`.
        train_loss: mean loss of a sample before step t, without the regulariser, `(S, T)`.
        train_error: share of the training samples that are misclassified, `(S, T)`.
        generalization_error: the same of new samples, `(S, T+1)`.
        boundary_width: ⟨y h⟩/√(|w|²/d), mean signed distance of the training samples from the boundary, `(S, T)`; NaN of three
            clusters, where a first-order distance has no mean.
        cross_correlation: w¹(t)·w²(t′)/d of two replicas, `(S, T+1, T+1)`, or None.
        replica_distance: |w¹(t) − w²(t)|²/d, `(S, T+1)`, or None.
        jitter: largest lift of a Cholesky pivot over the variance; about 1e-9 without noise from batches, else 0, `(S,)`.
        truncation_error: of `memory=`, about how wrong m may be: the largest share of the older half of Γ; else 0, `(S,)`.
        rests_on: the setting, in words.

    >>> from thermograd.problems import GaussianMixture
    >>> from thermograd.theory.mean_field import solve
    >>> mixture = GaussianMixture(loss="square", initial_overlap=0.5)
    >>> found = solve(mixture, learning_rate=0.2, steps=20, paths=200, seeds=3)
    >>> found.overlap.shape, found.response.shape, found.response[0, 1, 0].tolist()  # R(t + 1, t) = η
    ((3, 21), (3, 21, 20), 0.2)
    >>> loss = found.prediction("train_loss")
    >>> loss.value.shape, bool(loss.value[-1] < loss.value[0])
    ((20,), True)
    """

    overlap: Array
    correlation: Array
    response: Array
    memory_kernel: Array
    noise_kernel: Array
    train_loss: Array
    train_error: Array
    generalization_error: Array
    boundary_width: Array
    cross_correlation: Array | None = None
    replica_distance: Array | None = None
    jitter: Array
    truncation_error: Array
    rests_on: str = ""

    @property
    def steps(self) -> int:
        """T."""
        return int(self.train_loss.shape[1])

    @property
    def norm_squared(self) -> Array:
        """|w|²/d, `(S, T+1)`."""
        return np.diagonal(self.correlation, axis1=1, axis2=2)

    def prediction(
        self, name: str, time: int | tuple[int, int] | None = None, *, level: float = 0.95
    ) -> Prediction:
        """Mean over the solutions, ± Student's t times its standard error.

        Args:
            name: of an attribute, "norm_squared" for example.
            time: step, a pair of steps of a kernel, or None for the whole curve.
            level: two-sided confidence of the interval; with one solution it is infinite.

        Raises:
            ConfigError: a ValueError: no such quantity, a time it is not known at, a pair for a curve, a level that is none.
        """
        checked_level(level)
        values = getattr(self, str(name), None)
        if not isinstance(values, np.ndarray):
            known = [
                key for key in (*vars(self), "norm_squared") if isinstance(getattr(self, key), np.ndarray)
            ]
            message = f"this solution has no quantity {name!r}. {nearest(str(name), known)}"
            raise ConfigError(message)
        at = None
        if time is not None:
            for step in _place(name, time, values.shape[1:]):
                values = values[:, step]
        elif values.ndim == 2:
            at = np.arange(values.shape[1])
        count = len(values)
        mean = values.mean(axis=0)
        if count > 1:
            half = stdtrit(count - 1, (1 + level) / 2) * values.std(axis=0, ddof=1) / np.sqrt(count)
        else:
            half = np.full_like(mean, np.inf)
        return Prediction(mean, (mean - half, mean + half), at=at, rests_on=self.rests_on, samples=values)

    def displacement_and_response(self, waiting_time: int, *, period: int = 1) -> tuple[Array, Array]:
        """½ mean-square displacement and integrated response per parameter, at lags j = 1 … J.

        D(j) = ½⟨|w(t+j) − w(t)|²⟩/d and χ(j) = Σ_{t≤u<t+j} R(t+j, u), the answer to a constant field that is switched on
        at t; means over the starts t = waiting_time … waiting_time + period − 1.

        Args:
            waiting_time: the first start.
            period: how many starts in a row; of reshuffled batches the steps of an epoch, in which the noise varies.

        Returns:
            Two arrays `(S, J)`, J = T − waiting_time − period + 1.

        Raises:
            ConfigError: a ValueError: no lag is left.
        """
        check_whole_number("waiting_time", waiting_time, 0, self.steps - 1, error=ConfigError)
        check_whole_number("period", period, 1, error=ConfigError)
        lags = self.steps - waiting_time - period + 1
        if lags < 1:
            message = (
                f"waiting_time is {waiting_time!r} and period {period!r}; together they must be at most the {self.steps} "
                "steps that were solved"
            )
            raise ConfigError(message)
        displacement, response = np.zeros((2, len(self.overlap), lags))
        norm = self.norm_squared
        for start in range(waiting_time, waiting_time + period):
            later = slice(start + 1, start + lags + 1)
            displacement += (norm[:, later] + norm[:, start, None]) / 2 - self.correlation[:, later, start]
            response += self.response[:, later, start : start + lags].sum(axis=2)
        return displacement / period, response / period

    def __repr__(self) -> str:
        count, steps = self.train_loss.shape
        loss, error = self.train_loss[:, -1].mean(), self.generalization_error[:, -1].mean()
        return (
            f"MeanField({count} solutions of {steps} steps; at the end overlap {self.overlap[:, -1].mean():.4g}, "
            f"train loss {loss:.4g}, generalisation error {error:.4g}; {self.rests_on})"
        )


def _place(name: str, time: int | tuple[int, int], shape: tuple[int, ...]) -> tuple[int, ...]:
    """Index of a time, which must be one of the known."""
    place = time if isinstance(time, tuple) else (time,)
    known = len(place) == len(shape) and all(
        isinstance(step, int | np.integer) and 0 <= step < size
        for step, size in zip(place, shape, strict=True)
    )
    if not known:
        most = ", ".join(f"0 to {size - 1}" for size in shape)
        message = f"time is {time!r}; {name} is known at {most}" + (
            " (a pair of steps)" if len(shape) == 2 else ""
        )
        raise ConfigError(message)
    return place
