"""Phase retrieval: an image from the magnitudes of its Fourier transform."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from thermograd.numerics.whole_number import check_whole_number
from thermograd.problems.data_folder import first_images, present_files
from thermograd.problems.digits import Digits
from thermograd.problems.mnist_images import DATA_SET, FORMS, read_mnist
from thermograd.problems.perceptron import checked_hidden
from thermograd.problems.problem import Problem

_DATA = ("auto", "mnist", "digits")
_HIDDEN = {"mnist": (256, 256), "digits": (32, 32)}
_TRAIN = {"mnist": 1000, "digits": 500}
_TEST = {"mnist": 5000, "digits": 1297}
_MEAN_AND_DEVIATION = {"mnist": (0.1307, 0.3081), "digits": (0.3053, 0.3760)}


@dataclass(frozen=True)
class PhaseRetrieval:
    """The image that goes with given Fourier magnitudes, by a network with batch normalisation and PReLU.

    A layer is Linear, BatchNorm, PReLU; the output layer is Linear. Loss of one sample: the mean square difference
    over pixels, from the image or from the image rotated by 180°, whichever is nearer, since both have the same
    magnitudes:

        l = min(|o − x|², |o − Rx|²) / pixels,        |F Rx| = |F x| for real x.

    The phase-retrieval experiment of Meir, Keidar, Reuveni, Hirshberg (arXiv 2502.04121): 784-256-256-784,
    `Adam(learning_rate=0.1)`, the 10 000 test images train and the 60 000 training images test, batch 1000,
    100 runs of 150 epochs, target test loss 0.4. Its text leaves the scale of the data open. Images with mean 0 and
    standard deviation 1 (over all pixels of MNIST) are our reading: with the settings above the training losses of
    the first three epochs are then 8, 1.6 and 0.8, as in the runs that the authors published; pixels in [0, 1]
    would give 6, 0.5 and 0.3. The network gets the magnitudes of the orthonormal transform of that image.
    The defaults are a reduced version of it, meant for batch 250.

    Attributes:
        data: "mnist", from the folder that THERMOGRAD_DATA names; "digits", scikit-learn's 8×8 images; or "auto",
            which becomes "mnist" where that is found and "digits" elsewhere, so that the field and the name of
            the problem say what was used.
        hidden: widths of the hidden layers; None = (256, 256) for MNIST, (32, 32) for the digits.
        train_samples: training images, the first of MNIST's test images, or of the last 500 of `Digits`; None =
            1000, or 500.
        test_samples: test images, the first of MNIST's training images, or of the first 1297 of `Digits`; None =
            5000, or 1297.
        dtype: see `Problem`.

    Raises:
        ValueError: no such data, or a size that is no whole number.

    >>> image = np.arange(9.0).reshape(1, 3, 3)
    >>> turned = image[:, ::-1, ::-1]
    >>> np.allclose(magnitudes(image), magnitudes(turned))  # so that both are right answers
    True
    >>> outputs, images = (torch.tensor(part.reshape(1, 9).tolist()) for part in (turned, image))
    >>> nearer_square(outputs, images).item()
    0.0
    """

    data: str = "auto"
    hidden: tuple[int, ...] | None = None
    train_samples: int | None = None
    test_samples: int | None = None
    dtype: str = "float32"

    def __post_init__(self) -> None:
        if self.data not in _DATA:
            message = f"data is {self.data!r}; use one of {', '.join(_DATA)}"
            raise ValueError(message)
        if self.data == "auto":
            object.__setattr__(self, "data", "mnist" if present_files(DATA_SET, FORMS) else "digits")
        if self.hidden is not None:
            object.__setattr__(self, "hidden", checked_hidden(self.hidden))
        for name, least in (("train_samples", 2), ("test_samples", 1)):
            count = getattr(self, name)
            if count is not None:
                check_whole_number(name, count, least)

    def build(self) -> Problem:
        """The problem with its data.

        Raises:
            MissingDataError: MNIST is not in the data folder.
            DamagedDataError: a file of it cannot be read.
            MissingExtraError: the digits are asked for and scikit-learn is not installed.
            ValueError: more samples are asked for than there are.
        """
        train, test = self._images()
        mean, deviation = _MEAN_AND_DEVIATION[self.data]
        pixels = train[0].size
        hidden = _HIDDEN[self.data] if self.hidden is None else self.hidden
        return Problem(
            model=lambda: _network((pixels, *hidden, pixels)),
            loss=nearer_square,
            train=_pair((train - mean) / deviation),
            test=_pair((test - mean) / deviation),
            dtype=self.dtype,
            name="phase_retrieval" if self.data == "mnist" else f"phase_retrieval ({self.data})",
        )

    def _images(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Images to train on and to test on, (samples, side, side) in [0, 1]."""
        train_samples = _TRAIN[self.data] if self.train_samples is None else self.train_samples
        test_samples = _TEST[self.data] if self.test_samples is None else self.test_samples
        if self.data == "mnist":
            splits = read_mnist()
            first = first_images(splits.test, train_samples, "train_samples")
            others = first_images(splits.train, test_samples, "test_samples")
            return first.images / 255, others.images / 255
        for name, count, most in (
            ("train_samples", train_samples, _TRAIN["digits"]),
            ("test_samples", test_samples, _TEST["digits"]),
        ):
            if count > most:
                message = f"{name} is {count}; data='digits' has {most}"
                raise ValueError(message)
        digits = Digits().build()
        assert digits.test is not None
        train, test = (inputs.numpy().reshape(-1, 8, 8) for inputs in (digits.test[0], digits.train[0]))
        return train[:train_samples], test[:test_samples]


def magnitudes(images: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Magnitudes of the orthonormal discrete Fourier transform of images on the last two axes.

    >>> magnitudes(np.ones((1, 2, 2)))
    array([[[2., 0.],
            [0., 0.]]])
    """
    return np.abs(np.fft.fft2(images, norm="ortho"))


def nearer_square(outputs: Tensor, images: Tensor) -> Tensor:
    """Mean square difference of each output from its image or the image rotated by 180°, the smaller one.

    Args:
        outputs: (samples, pixels), row by row, so that reversing the pixels rotates by 180°.
        images: the same.

    Returns:
        (samples,).

    >>> nearer_square(torch.tensor([[0.0, 1.0, 2.0, 3.0]]), torch.tensor([[3.0, 2.0, 1.0, 2.0]]))
    tensor([1.])
    """
    straight = (outputs - images).square().mean(-1)
    turned = (outputs - images.flip(-1)).square().mean(-1)
    return torch.minimum(straight, turned)


def _pair(images: npt.NDArray[np.float64]) -> tuple[Tensor, Tensor]:
    """Magnitudes and images, (samples, pixels) each."""
    flat = (part.reshape(len(images), -1) for part in (magnitudes(images), images))
    inputs, targets = (torch.from_numpy(part) for part in flat)
    return inputs, targets


def _network(widths: tuple[int, ...]) -> nn.Module:
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(widths[:-1]):
        layers += [nn.Linear(fan_in, fan_out), nn.BatchNorm1d(fan_out), nn.PReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-2], widths[-1]))
