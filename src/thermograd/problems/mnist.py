"""MNIST and a perceptron with rectified linear units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from thermograd.numerics.whole_number import check_whole_number
from thermograd.problems.data_folder import LabelledImages, first_images
from thermograd.problems.mnist_images import CLASSES, PIXELS, read_mnist
from thermograd.problems.perceptron import checked_hidden, parameter_count, perceptron
from thermograd.problems.problem import Data, Problem


@dataclass(frozen=True)
class MNIST:
    """A ReLU perceptron on 28×28 digits, cross-entropy, Glorot uniform weights, biases 0.

    Pixels are shifted and scaled to mean 0 and standard deviation 1, both over all pixels of the training images in
    use. The setting of Yaida (arXiv 1810.00004, section 3): hidden=(200, 200), regulariser=0.005, train_samples=60_000,
    test_samples=10_000, `SGD(learning_rate=0.1)`, `WithoutReplacement(batch_size=100)`. The data are read from the folder
    that THERMOGRAD_DATA names; the defaults are what the small file holds.

    Attributes:
        hidden: widths of the hidden layers.
        train_samples: training images, the first of 60 000.
        test_samples: test images, the first of 10 000.
        regulariser: λ of R = λ Σ θ², half of what is called weight decay.
        dtype: see `Problem`.

    Raises:
        ValueError: a size that is no whole number from 1.

    >>> MNIST().parameter_count, MNIST(hidden=()).parameter_count
    (199210, 7850)
    """

    hidden: tuple[int, ...] = (200, 200)
    train_samples: int = 5000
    test_samples: int = 1000
    regulariser: float = 0.005
    dtype: str = "float32"

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", checked_hidden(self.hidden))
        for name in ("train_samples", "test_samples"):
            check_whole_number(name, getattr(self, name), 1)

    def build(self) -> Problem:
        """The problem with its data.

        Raises:
            MissingDataError: the data set is not in the data folder.
            DamagedDataError: a file of it cannot be read.
            ValueError: more samples are asked for than there are.
        """
        splits = read_mnist()
        train = first_images(splits.train, self.train_samples, "train_samples")
        test = first_images(splits.test, self.test_samples, "test_samples")
        mean, deviation = float(train.images.mean()), float(train.images.std())
        return Problem(
            model=self._network,
            loss=nn.CrossEntropyLoss(reduction="none"),
            train=_standardised(train, mean, deviation),
            test=_standardised(test, mean, deviation),
            regulariser=self.regulariser,
            dtype=self.dtype,
            name="mnist",
        )

    @property
    def parameter_count(self) -> int:
        """Number of weights and biases; needs no data."""
        return parameter_count(self._widths)

    @property
    def _widths(self) -> tuple[int, ...]:
        return (PIXELS, *self.hidden, CLASSES)

    def _network(self) -> nn.Module:
        return perceptron(self._widths, nn.ReLU)


def _standardised(split: LabelledImages, mean: float, deviation: float) -> Data:
    """Images as the network gets them, (samples, 784), and classes."""
    images = (split.images.reshape(len(split.images), PIXELS).astype(np.float32) - mean) / deviation
    return torch.from_numpy(images.astype(np.float32)), torch.from_numpy(split.labels.astype(np.int64))
