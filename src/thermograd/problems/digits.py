"""The 1797 handwritten digits that come with scikit-learn: real data that need no download."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from thermograd.numerics.finite_number import is_finite_number
from thermograd.numerics.whole_number import check_whole_number
from thermograd.problems.digits_images import read_digits
from thermograd.problems.perceptron import check_initial, checked_hidden, parameter_count, perceptron
from thermograd.problems.problem import Problem

_POOL, _TEST = 1297, 500
_PIXELS, _CLASSES = 64, 10


@dataclass(frozen=True)
class Digits:
    """A tanh network on 8×8 images of digits, inputs scaled to [0, 1], cross-entropy.

    Of a fixed permutation of the 1797 images, the first `train_samples` train and the last 500 test.

    Attributes:
        hidden: widths of the hidden layers.
        train_samples: training images, at most 1297.
        flipped: share of the training labels redrawn uniformly over the ten classes, so that nine in ten of these are wrong.
        regulariser: λ of R = λ Σ θ².
        initial: "pytorch" (uniform ±1/√fan-in) or "glorot" (Glorot uniform, biases 0).
        dtype: see `Problem`.

    Raises:
        ValueError: no such width, initial law, number of samples or share.

    >>> [Digits(hidden=(2,) * depth).parameter_count for depth in (1, 2, 3)]
    [160, 166, 172]
    """

    hidden: tuple[int, ...] = (16,)
    train_samples: int = _POOL
    flipped: float = 0.0
    regulariser: float = 0.0
    initial: str = "pytorch"
    dtype: str = "float64"

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", checked_hidden(self.hidden))
        check_initial(self.initial)
        check_whole_number("train_samples", self.train_samples, 1, _POOL)
        if not is_finite_number(self.flipped) or not 0 <= self.flipped <= 1:
            message = f"flipped is {self.flipped!r}; it must be a share between 0 and 1"
            raise ValueError(message)

    def build(self) -> Problem:
        """The problem with its data.

        Raises:
            MissingExtraError: scikit-learn is not installed.
        """
        images, labels = read_digits("The problem Digits")
        order = np.random.default_rng(0).permutation(len(labels))
        train, test = order[: self.train_samples], order[-_TEST:]
        noise = np.random.default_rng(1)
        targets = labels[train]
        redrawn = noise.random(len(train)) < self.flipped
        targets[redrawn] = noise.integers(0, 10, redrawn.sum())
        inputs = torch.from_numpy(images / 16)
        return Problem(
            model=self._network,
            loss=nn.CrossEntropyLoss(reduction="none"),
            train=(inputs[train], torch.from_numpy(targets)),
            test=(inputs[test], torch.from_numpy(labels[test])),
            regulariser=self.regulariser,
            dtype=self.dtype,
            name="digits",
        )

    @property
    def parameter_count(self) -> int:
        """Number of weights and biases; needs no data."""
        return parameter_count(self._widths)

    @property
    def _widths(self) -> tuple[int, ...]:
        return (_PIXELS, *self.hidden, _CLASSES)

    def _network(self) -> nn.Module:
        return perceptron(self._widths, initial=self.initial)
