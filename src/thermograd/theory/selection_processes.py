"""Which samples are in the batch, step after step, seen from one sample: processes s(t) that a mean-field theory needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.discover import nearest
from thermograd.errors import ConfigError
from thermograd.numerics.finite_number import is_finite_number

Array = npt.NDArray[Any]
Process = Callable[[int, int, float, np.random.Generator], Array]

SELECTIONS = ("gd", "sgd", "persistent", "reshuffled")
_ROUNDING = 1e-12
"""How far below its bound a persistence may be, relatively: 1/batch_fraction and the like are rounded."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Weights of independent samples in the gradient Σ s l′ x: s/b, mean 1, where s = 1 in the batch and 0 outside.

    - "gd": always 1.
    - "persistent": s(0) = 1 with probability b, then P(0→1) = 1/τ and P(1→0) = (1 − b)/(bτ) from step to step. Mean b,
      correlation ρʲ with ρ = 1 − 1/(bτ). Needs τ ≥ max(1, (1 − b)/b).
    - "sgd": the same with τ = 1/b, where ρ = 0; the same numbers, since it is the same code.
    - "reshuffled": in every epoch of 1/b steps each sample is drawn once, at a step of its own.
    - a function `(samples, steps, batch_fraction, generator) -> (steps, samples)` of weights, divided by b or not.

    Summed over many steps, the noise of s/b has the strength (1 − b)/b · (1 + ρ)/(1 − ρ) a step, 0 of reshuffled.

    Attributes:
        kind: one of `SELECTIONS`, or the function.
        batch_fraction: b; gradient descent does without it.
        persistence: τ of "persistent", mean number of steps a sample stays outside; None = 1/b.
        rescale: False for s itself.

    Raises:
        ConfigError: a ValueError that names the argument, what was got and what is allowed.

    >>> generator = np.random.default_rng(0)
    >>> drawn = list(Selection(kind="reshuffled", batch_fraction=0.5).weights(4, 2, generator))
    >>> sum(drawn).tolist()
    [2.0, 2.0, 2.0, 2.0]
    """

    kind: str | Process
    batch_fraction: float = 0.3
    persistence: float | None = None
    rescale: bool = True

    def __post_init__(self) -> None:
        if not callable(self.kind) and self.kind not in SELECTIONS:
            known = nearest(str(self.kind), SELECTIONS)
            message = f"selection is {self.kind!r}. {known}; or give a function (samples, steps, batch_fraction, generator)"
            raise ConfigError(message)
        if not is_finite_number(self.batch_fraction) or not 0 < self.batch_fraction <= 1:
            message = f"batch_fraction is {self.batch_fraction!r}; give a number above 0 and up to 1"
            raise ConfigError(message)
        if self.persistence is not None:
            self._check_persistence(self.persistence)
        if (
            self.kind == "reshuffled"
            and abs(1 / self.batch_fraction - self.steps_per_epoch) > 1e-9 / self.batch_fraction
        ):
            message = (
                f"batch_fraction is {self.batch_fraction:g}; reshuffled batches need 1/batch_fraction to be a whole "
                f"number, for example {1 / self.steps_per_epoch:g}"
            )
            raise ConfigError(message)

    def _check_persistence(self, persistence: float) -> None:
        plain = f"1/batch_fraction = {1 / self.batch_fraction:g} is plain SGD"
        if self.kind != "persistent":
            message = f"persistence is {persistence!r} and selection {self.kind!r}; only selection='persistent' has one"
            raise ConfigError(message)
        if not is_finite_number(persistence):
            message = f"persistence is {persistence!r}; give a number of steps, or None. {plain}"
            raise ConfigError(message)
        least = max(1.0, (1 - self.batch_fraction) / self.batch_fraction)
        if persistence < least * (1 - _ROUNDING):
            message = (
                f"persistence is {persistence:g} steps, below max(1, (1 - batch_fraction)/batch_fraction) = {least:g}: a "
                f"sample would change with a probability above 1. {plain}"
            )
            raise ConfigError(message)

    @property
    def steps_per_epoch(self) -> int:
        """1/b, rounded: steps after which as many samples were used as there are."""
        return round(1 / self.batch_fraction)

    @property
    def replayed(self) -> bool:
        """Whether the process is drawn all at once, and not step by step."""
        return callable(self.kind)

    def weights(self, samples: int, steps: int, generator: np.random.Generator) -> Iterator[Array]:
        """The weights of one step after the other, each `(samples,)`.

        Args:
            samples: how many independent samples.
            steps: how many steps there will be; the built-in processes draw the same whatever comes later.
            generator: all randomness.

        Yields:
            `(samples,)`.

        Raises:
            ConfigError: a ValueError: a function of the user returned something else.
        """
        if callable(self.kind):
            yield from self._checked(
                self.kind(samples, steps, self.batch_fraction, generator), steps, samples
            )
            return
        process = {"gd": _always, "reshuffled": self._reshuffled}.get(self.kind, self._persistent)
        scale = 1 / self.batch_fraction if self.rescale and self.kind != "gd" else 1.0
        for selected in islice(process(samples, generator), steps):
            yield selected * scale

    def __str__(self) -> str:
        if self.kind == "gd":
            return "gradient descent"
        if callable(self.kind):
            return f"samples chosen by {getattr(self.kind, '__name__', 'a function')}, b = {self.batch_fraction:g}"
        memory = "" if self.persistence is None else f", persistence {self.persistence:g} steps"
        return f"{self.kind} batches, b = {self.batch_fraction:g}{memory}"

    def _persistent(self, samples: int, generator: np.random.Generator) -> Iterator[Array]:
        fraction = self.batch_fraction
        persistence = 1 / fraction if self.persistence is None else self.persistence
        enter, leave = 1 / persistence, (1 - fraction) / (fraction * persistence)
        selected = generator.random(samples) < fraction
        while True:
            yield selected
            drawn = generator.random(samples)
            selected = np.where(selected, drawn >= leave, drawn < enter)

    def _reshuffled(self, samples: int, generator: np.random.Generator) -> Iterator[Array]:
        while True:
            turns = generator.integers(self.steps_per_epoch, size=samples)
            for step in range(self.steps_per_epoch):
                yield turns == step

    @staticmethod
    def _checked(drawn: Any, steps: int, samples: int) -> Array:
        weights = np.asarray(drawn, np.float64)
        if weights.shape != (steps, samples) or not np.isfinite(weights).all():
            what = f"shape {weights.shape}" if weights.shape != (steps, samples) else "NaN or infinity"
            message = f"the selection function returned {what}; it must return finite weights (steps, samples) = {(steps, samples)}"
            raise ConfigError(message)
        return weights


def _always(samples: int, _: np.random.Generator) -> Iterator[Array]:
    while True:
        yield np.ones(samples)
