"""A linear classifier of handwritten digits with 160 weights: real data, no download, a quadratic loss."""

from __future__ import annotations

from dataclasses import dataclass

from thermograd.numerics.whole_number import check_whole_number
from thermograd.problems.digits_images import read_digits
from thermograd.problems.linear_classifier import linear_classifier
from thermograd.problems.problem import Problem

_IMAGES = 1797


@dataclass(frozen=True)
class DigitsLinear:
    """ℓ_i = |y_i − W x_i|², R = λ Σ W², on the first of the 1797 digits of scikit-learn, 2×2 pixels averaged into one.

    The linear classifier of Adhikari, Kabakçıoğlu, Strang, Yuret, Hinczewski (arXiv 2306.03521) on smaller images. Every
    sample is quadratic, so that theory of the linear process is exact but for the dependence of the noise on W.

    Attributes:
        train_samples: training images, at most 1797; 1600 divide by many batch sizes.
        regulariser: λ.
        dtype: see `Problem`.

    Raises:
        ValueError: more samples than there are, or none.

    >>> import thermograd as tg
    >>> from thermograd.dynamics import SGD
    >>> from thermograd.minibatching import WithoutReplacement
    >>> parts = DigitsLinear(), WithoutReplacement(batch_size=50), SGD(learning_rate=1e-2)
    >>> tg.Experiment(*parts, trajectories=64, epochs=40).problem.regulariser  # data are read when it runs
    0.01
    """

    train_samples: int = 1600
    regulariser: float = 0.01
    dtype: str = "float64"

    def __post_init__(self) -> None:
        check_whole_number("train_samples", self.train_samples, 1, _IMAGES)

    def build(self) -> Problem:
        """The problem with its data.

        Raises:
            MissingExtraError: scikit-learn is not installed.
        """
        images, labels = read_digits("The problem DigitsLinear")
        return linear_classifier(
            images[: self.train_samples].reshape(-1, 8, 8),
            labels[: self.train_samples],
            pool=2,
            scale=16,
            regulariser=self.regulariser,
            dtype=self.dtype,
            name="digits_linear",
        )
