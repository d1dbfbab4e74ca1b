"""A linear classifier of MNIST with 490 weights: a quadratic loss of 60 000 samples."""

from __future__ import annotations

from dataclasses import dataclass

from thermograd.numerics.whole_number import check_whole_number
from thermograd.problems.data_folder import first_images
from thermograd.problems.linear_classifier import linear_classifier
from thermograd.problems.mnist_images import read_mnist
from thermograd.problems.problem import Problem


@dataclass(frozen=True)
class MnistLinear:
    """ℓ_i = |y_i − W x_i|², R = λ Σ W², on images of 7×7, each pixel the mean of 4×4 of MNIST.

    The linear classifier of Adhikari, Kabakçıoğlu, Strang, Yuret, Hinczewski (arXiv 2306.03521): train_samples=60_000,
    `WithReplacement(batch_size=100)`, `SGD(1e-4)`. The data are read from the folder that THERMOGRAD_DATA names.

    Attributes:
        train_samples: training images, the first of 60 000.
        regulariser: λ.
        dtype: see `Problem`.

    Raises:
        ValueError: a number of samples that is no whole number from 1.

    >>> import thermograd as tg
    >>> from thermograd.dynamics import SGD
    >>> from thermograd.minibatching import WithReplacement
    >>> parts = MnistLinear(train_samples=60_000), WithReplacement(batch_size=100), SGD(learning_rate=1e-4)
    >>> tg.Experiment(*parts, trajectories=64, steps=10_000).total_steps  # data are read when it runs
    10000
    """

    train_samples: int = 5000
    regulariser: float = 0.01
    dtype: str = "float64"

    def __post_init__(self) -> None:
        check_whole_number("train_samples", self.train_samples, 1)

    def build(self) -> Problem:
        """The problem with its data.

        Raises:
            MissingDataError: the data set is not in the data folder.
            DamagedDataError: a file of it cannot be read.
            ValueError: more samples are asked for than there are.
        """
        train = first_images(read_mnist().train, self.train_samples, "train_samples")
        return linear_classifier(
            train.images,
            train.labels,
            pool=4,
            scale=255,
            regulariser=self.regulariser,
            dtype=self.dtype,
            name="mnist_linear",
        )
