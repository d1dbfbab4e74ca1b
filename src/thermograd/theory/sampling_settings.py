"""How a sampler runs: algorithm, learning rate, batches, temperature; checked in one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError
from thermograd.numerics.finite_number import check_finite_number
from thermograd.numerics.whole_number import check_whole_number
from thermograd.theory.training_settings import check_positive

Array = npt.NDArray[Any]

ALGORITHMS = (
    "sgld",
    "sgld_without_replacement",
    "sgworld",
    "sgworld_uncorrected",
    "sgworld_published",
    "sgworld_published_uncorrected",
)
CORRECTED = ("sgworld", "sgworld_published")


@dataclass(frozen=True, kw_only=True)
class SamplingSettings:
    """The settings of a sampler of exp(−U/T) on M samples.

    Attributes:
        algorithm: one of `ALGORITHMS`.
        samples: M.
        learning_rate: η, which multiplies ∇U.
        batch_size: m.
        temperature: T.

    Raises:
        ConfigError: a ValueError that names the argument, what was got and what is allowed.

    >>> settings = SamplingSettings(algorithm="sgworld", samples=22, learning_rate=1e-3, batch_size=4)
    >>> settings.steps_per_epoch, settings.batch_sizes.tolist()
    (6, [4, 3, 4, 4, 3, 4])
    """

    algorithm: str
    samples: int
    learning_rate: float
    batch_size: int
    temperature: float = 1.0

    def __post_init__(self) -> None:
        check_algorithm(self.algorithm)
        check_positive("learning_rate", self.learning_rate)
        check_temperature(self.temperature)
        size = self.batch_size
        check_whole_number("batch_size", size, 1, self.samples, error=ConfigError)
        if self.algorithm.startswith("sgworld") and self.steps_per_epoch < 2:
            message = (
                f"batch_size is {size!r} of {self.samples} samples: SGWORLD needs at least 2 batches an epoch, so take "
                f"batch_size <= {self.samples // 2}"
            )
            raise ConfigError(message)
        if self.algorithm in CORRECTED and 2 * self.batch_size > self.samples:
            message = (
                f"batch_size is {size!r} of {self.samples} samples: the correction needs two batches without a common sample, "
                f"so take batch_size <= {self.samples // 2}, or {self.algorithm}_uncorrected"
            )
            raise ConfigError(message)

    @property
    def steps_per_epoch(self) -> int:
        """M / m, rounded up."""
        return -(-self.samples // self.batch_size)

    @property
    def edges(self) -> Array:
        """Where in an order of the samples the batches begin, and M: ⌊tM/n + ½⌋, `(n + 1,)`."""
        steps = self.steps_per_epoch
        edges: Array = (2 * np.arange(steps + 1) * self.samples + steps) // (2 * steps)
        return edges

    @property
    def batch_sizes(self) -> Array:
        """m_t, which differ by at most 1, `(n,)`; a batch's gradient is weighted n m_t / M."""
        return np.diff(self.edges)

    @property
    def pairs(self) -> float:
        """n² (1 − Σ (m_t/M)²), which is n(n − 1) if m divides M: the strength of the order of the samples."""
        steps = self.steps_per_epoch
        return float(steps**2 * (self.samples**2 - (self.batch_sizes**2).sum()) / self.samples**2)


def check_algorithm(word: str) -> None:
    """Refuse what is not in `ALGORITHMS`.

    Args:
        word: the argument `algorithm`.

    Raises:
        ConfigError: a ValueError: it is not.
    """
    if word not in ALGORITHMS:
        message = f"algorithm is {word!r}; it must be one of {', '.join(map(repr, ALGORITHMS))}"
        raise ConfigError(message)


def check_temperature(value: float) -> None:
    """Refuse what is not a finite number, 0 or larger.

    Args:
        value: the argument `temperature`.

    Raises:
        ConfigError: a ValueError: it is not.
    """
    check_finite_number("temperature", value, error=ConfigError)
