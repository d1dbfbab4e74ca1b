"""MNIST and a narrow tanh network, far fewer parameters than samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from thermograd.numerics.whole_number import check_whole_number
from thermograd.problems.data_folder import LabelledImages, first_images
from thermograd.problems.mnist_images import CLASSES, PIXELS, read_mnist
from thermograd.problems.perceptron import check_initial, checked_hidden, parameter_count, perceptron
from thermograd.problems.problem import Data, Problem


@dataclass(frozen=True)
class MnistTanh:
    """A narrow tanh network on 28×28 digits, pixels in [0, 1], cross-entropy, R = λ Σ θ² over all parameters.

    The setting of Herrera Segura, Montoya, Tapias (Subaging in underparametrized deep neural networks):
    `SGD(learning_rate=0.05)`, `WithoutReplacement(batch_size=50)`, 300 000 steps. What is kept fixed there is
    `parameter_count / train_samples`: 0.067 for the defaults, 0.095 … 0.236 for three hidden layers of 7, 9, …, 17.

    Attributes:
        hidden: widths of the hidden layers.
        train_samples: training images, the first of 60 000.
        test_samples: test images, the first of 10 000.
        regulariser: λ.
        initial: "glorot" (Glorot uniform, biases 0) or "pytorch" (uniform ±1/√fan-in).
        data: folder of the files of MNIST; None = `mnist` in the folder that THERMOGRAD_DATA names.
        dtype: see `Problem`.

    Raises:
        ValueError: no such width, initial law or number of samples.

    >>> [round(MnistTanh(hidden=(width,) * 3).parameter_count / 60_000, 3) for width in (5, 7, 9, 17)]
    [0.067, 0.095, 0.122, 0.236]
    """

    hidden: tuple[int, ...] = (5, 5, 5)
    train_samples: int = 60_000
    test_samples: int = 10_000
    regulariser: float = 1e-4
    initial: str = "glorot"
    data: str | None = None
    dtype: str = "float32"

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", checked_hidden(self.hidden))
        check_initial(self.initial)
        check_whole_number("train_samples", self.train_samples, 1)
        check_whole_number("test_samples", self.test_samples, 1)
        if self.data is not None:
            object.__setattr__(self, "data", str(self.data))

    @property
    def parameter_count(self) -> int:
        """Number of weights and biases; needs no data."""
        return parameter_count(self._widths)

    def build(self) -> Problem:
        """The problem with its data.

        Raises:
            MissingDataError: the data set is not in the data folder.
            DamagedDataError: a file of it cannot be read.
            ValueError: more samples are asked for than there are.
        """
        splits = read_mnist(self.data)
        return Problem(
            model=self._network,
            loss=nn.CrossEntropyLoss(reduction="none"),
            train=_scaled(first_images(splits.train, self.train_samples, "train_samples")),
            test=_scaled(first_images(splits.test, self.test_samples, "test_samples")),
            regulariser=self.regulariser,
            dtype=self.dtype,
            name="mnist_tanh",
        )

    @property
    def _widths(self) -> tuple[int, ...]:
        return (PIXELS, *self.hidden, CLASSES)

    def _network(self) -> nn.Module:
        return perceptron(self._widths, initial=self.initial)


def _scaled(split: LabelledImages) -> Data:
    """Pixels over 255, (samples, 784), and classes."""
    images = split.images.reshape(len(split.images), PIXELS).astype(np.float32) / 255
    return torch.from_numpy(images), torch.from_numpy(split.labels.astype(np.int64))
