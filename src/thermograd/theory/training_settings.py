"""How the network is trained: learning rate, minibatches, momentum; checked in one place for all predictions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from thermograd.errors import ConfigError
from thermograd.numerics.argument_kind import check_has
from thermograd.numerics.finite_number import is_finite_number

MINIBATCHING = ("with_replacement", "without_replacement")
LARGEST = 1e75
"""Of positive numbers: its fourth power is a number still, and so is that of one over it."""
TIMES = ("discrete", "continuous")
FORMS = {
    "with_replacement": ("exact", "large_sample"),
    "without_replacement": ("exact", "large_sample", "leading_term"),
}


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """The settings of SGD on M samples, as in `torch.optim.SGD`.

    Attributes:
        samples: M.
        learning_rate: η.
        batch_size: m.
        minibatching: "with_replacement" or "without_replacement".
        distinct: False if a sample may come twice in one batch.
        momentum: β.
        dampening: d; without momentum it has no effect, as in PyTorch.
        time: "discrete" or "continuous".
        form: of the diffusion matrix.

    Raises:
        ConfigError: a ValueError that names the argument, what was got and what is allowed.
    """

    samples: int
    learning_rate: float
    batch_size: int
    minibatching: str = "with_replacement"
    distinct: bool = True
    momentum: float = 0.0
    dampening: float = 0.0
    time: str = "discrete"
    form: str = "exact"

    def __post_init__(self) -> None:
        check_positive("learning_rate", self.learning_rate)
        _check_word("minibatching", self.minibatching, MINIBATCHING)
        check_time(self.time)
        _check_word("form", self.form, FORMS[self.minibatching])
        for name in ("momentum", "dampening"):
            value = getattr(self, name)
            if not is_finite_number(value) or not 0 <= value < 1:
                message = f"{name} is {value!r}; it must be from 0 to below 1"
                raise ConfigError(message)
        size = self.batch_size
        largest = self.samples if self.distinct or not self.replacing else math.inf
        if not is_finite_number(size) or size != int(size) or not 1 <= size <= largest:
            message = f"batch_size is {size!r}; it must be a whole number from 1 to {largest} (the samples)"
            raise ConfigError(message)
        if self.replacing:
            return
        if self.samples % size:
            message = (
                f"batch_size is {size}, which does not divide the {self.samples} samples; without replacement an "
                "epoch must be a whole number of batches. Leave samples out, or take another batch_size"
            )
            raise ConfigError(message)
        if self.momentum:
            message = (
                f"momentum is {self.momentum!r} with minibatching='without_replacement': their joint stationary state "
                "is not offered. Take momentum=0 or minibatching='with_replacement'"
            )
            raise ConfigError(message)

    @property
    def replacing(self) -> bool:
        """Whether batches are drawn with replacement between steps."""
        return self.minibatching == "with_replacement"

    @property
    def steps_per_epoch(self) -> int:
        """M / m, rounded up."""
        return -(-self.samples // self.batch_size)

    @property
    def discrete(self) -> bool:
        """Whether time is discrete."""
        return self.time == "discrete"

    def __str__(self) -> str:
        momentum = f", momentum {self.momentum:g}" if self.momentum else ""
        if self.momentum and self.dampening:
            momentum += f", dampening {self.dampening:g}"
        return (
            f"SGD, learning rate {self.learning_rate:g}{momentum}, batches of {self.batch_size} of {self.samples} "
            f"{self.minibatching.replace('_', ' ')}"
        )


def check_positive(name: str, value: float) -> None:
    """Refuse what is not a positive finite number.

    Args:
        name: of the argument.
        value: its value.

    Raises:
        ConfigError: a ValueError: it is not.

    >>> check_positive("learning_rate", 0)
    Traceback (most recent call last):
    thermograd.errors.ConfigError: learning_rate is 0; it must be a positive finite number
    """
    if is_finite_number(value) and 1 / LARGEST <= value <= LARGEST:
        return
    beyond = f" from {1 / LARGEST:g} to {LARGEST:g}" if is_finite_number(value) and value > 0 else ""
    message = f"{name} is {value!r}; it must be a positive finite number{beyond}"
    raise ConfigError(message)


def check_landscape(landscape: object) -> None:
    """Refuse what is no landscape.

    Args:
        landscape: the argument of that name.

    Raises:
        ConfigError: a ValueError: it is not.

    >>> check_landscape([1.0])
    Traceback (most recent call last):
    thermograd.errors.ConfigError: landscape is a list; give what tg.landscape(model, data, ...) returns, or a tg.Landscape
    """
    check_has(
        "landscape",
        landscape,
        "sample_gradients",
        "what tg.landscape(model, data, ...) returns, or a tg.Landscape",
    )


def check_time(word: str) -> None:
    """Refuse what is not "discrete" or "continuous".

    Args:
        word: the argument `time`.

    Raises:
        ConfigError: a ValueError: it is neither.
    """
    _check_word("time", word, TIMES)


def _check_word(name: str, word: str, allowed: Sequence[str]) -> None:
    if word not in allowed:
        message = f"{name} is {word!r}; it must be one of {', '.join(map(repr, allowed))}"
        raise ConfigError(message)
