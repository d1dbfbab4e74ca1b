"""CIFAR-10 and a small convolutional network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from thermograd.numerics.whole_number import check_whole_number
from thermograd.problems.cifar10_images import read_cifar10
from thermograd.problems.data_folder import LabelledImages, first_images
from thermograd.problems.problem import Data, Problem

_CHANNELS = (16, 20, 20)
_COLOURS, _CLASSES, _LAST_SIDE = 3, 10, 4


@dataclass(frozen=True)
class CIFAR10Convolutional:
    """Three convolutions and a linear layer on 32×32 colour images, cross-entropy; 22 466 parameters.

    The setting of Yaida (arXiv 1810.00004, section 3): filters 5×5 with 16, 20 and 20 channels, stride 1, padding 2, each
    followed by ReLU and 2×2 maximum pooling; Glorot uniform weights, biases 0; pixels in [−1, 1]; batches of 100, momentum
    0.9; train_samples=50_000, test_samples=10_000. The data are read from the folder that THERMOGRAD_DATA names; the
    defaults are what the small file holds.

    Attributes:
        train_samples: training images, the first of 50 000.
        test_samples: test images, the first of 10 000.
        regulariser: λ of R = λ Σ θ², half of what is called weight decay.
        dtype: see `Problem`.

    Raises:
        ValueError: a number of samples that is no whole number from 1.

    >>> with torch.device("meta"):  # shapes alone: nothing is allocated
    ...     network = three_convolutions()
    >>> sum(weights.numel() for weights in network.parameters())
    22466
    """

    train_samples: int = 5000
    test_samples: int = 1000
    regulariser: float = 0.005
    dtype: str = "float32"

    def __post_init__(self) -> None:
        for name in ("train_samples", "test_samples"):
            check_whole_number(name, getattr(self, name), 1)

    def build(self) -> Problem:
        """The problem with its data.

        Raises:
            MissingDataError: the data set is not in the data folder.
            DamagedDataError: a file of it cannot be read.
            ValueError: more samples are asked for than there are.
        """
        splits = read_cifar10()
        return Problem(
            model=three_convolutions,
            loss=nn.CrossEntropyLoss(reduction="none"),
            train=_scaled(first_images(splits.train, self.train_samples, "train_samples")),
            test=_scaled(first_images(splits.test, self.test_samples, "test_samples")),
            regulariser=self.regulariser,
            dtype=self.dtype,
            name="cifar10_convolutional",
        )


def three_convolutions() -> nn.Module:
    """Scores (samples, 10) of images (samples, 3, 32, 32); weights drawn from the global generator of torch."""
    layers: list[nn.Module] = []
    fan_in = _COLOURS
    for fan_out in _CHANNELS:
        layers += [nn.Conv2d(fan_in, fan_out, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)]
        fan_in = fan_out
    network = nn.Sequential(*layers, nn.Flatten(), nn.Linear(fan_in * _LAST_SIDE**2, _CLASSES))
    for name, weights in network.named_parameters():
        if name.endswith("weight"):
            nn.init.xavier_uniform_(weights)
        else:
            nn.init.zeros_(weights)
    return network


def _scaled(split: LabelledImages) -> Data:
    """Images as the network gets them, and classes."""
    images = split.images.astype(np.float32) / 127.5 - 1
    return torch.from_numpy(images), torch.from_numpy(split.labels.astype(np.int64))
