"""CIFAR-10 and the ResNet-18 for images of 32×32 pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from thermograd.numerics.whole_number import check_whole_number
from thermograd.problems.cifar10_images import read_cifar10
from thermograd.problems.data_folder import LabelledImages, first_images
from thermograd.problems.problem import Data, Problem

_MEAN = (0.4914, 0.4822, 0.4465)
_DEVIATION = (0.2470, 0.2435, 0.2616)
_CLASSES = 10
_EVALUATED_TOGETHER = 250


@dataclass(frozen=True)
class CIFAR10:
    """ResNet-18 on 32×32 colour images, cross-entropy, no augmentation; 11 173 962 parameters.

    He, Zhang, Ren, Sun (arXiv 1512.03385), with a 3×3 first convolution of stride 1 and no pooling behind it, as usual
    for images of this size. Convolutions start normal with variance 2/(fan-out), batch normalisations from 1 and 0, the
    last layer as in PyTorch. Each colour is shifted and scaled to mean 0 and standard deviation 1 over the 50 000
    training images.

    The setting of Meir, Keidar, Reuveni, Hirshberg (arXiv 2502.04121): train_samples=50_000, test_samples=10_000,
    `SGD(learning_rate=0.02)`, `WithoutReplacement(batch_size=125)`, 200 epochs, 1000 runs, target test accuracy 0.72,
    on GPUs. The data are read from the folder that THERMOGRAD_DATA names; the defaults are what the small file holds.

    Attributes:
        train_samples: training images, the first of 50 000.
        test_samples: test images, the first of 10 000.
        width: channels of the first stage; the others have 2, 4 and 8 times as many. 64 is ResNet-18.
        dtype: see `Problem`.

    Raises:
        ValueError: a size that is no whole number from 1.

    >>> with torch.device("meta"):  # shapes alone: nothing is allocated
    ...     network = ResNet18()
    >>> sum(weights.numel() for weights in network.parameters())
    11173962
    """

    train_samples: int = 5000
    test_samples: int = 1000
    width: int = 64
    dtype: str = "float32"

    def __post_init__(self) -> None:
        for name in ("train_samples", "test_samples", "width"):
            check_whole_number(name, getattr(self, name), 1)

    def build(self) -> Problem:
        """The problem with its data.

        Raises:
            MissingDataError: the data set is not in the data folder.
            DamagedDataError: a file of it cannot be read.
            ValueError: more samples are asked for than there are.
        """
        splits = read_cifar10()
        width = self.width
        return Problem(
            model=lambda: ResNet18(width),
            loss=nn.CrossEntropyLoss(reduction="none"),
            train=_scaled(first_images(splits.train, self.train_samples, "train_samples")),
            test=_scaled(first_images(splits.test, self.test_samples, "test_samples")),
            dtype=self.dtype,
            name="cifar10",
        )


class ResNet18(nn.Module):
    """Eight residual blocks in four stages, the last three of which halve the image.

    In evaluation mode images go through in parts, so that a pass over a whole data set needs the memory of one part;
    the scores are those of single images.

    Args:
        width: channels of the first stage.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        fan_in = width
        for stage in range(4):
            fan_out = width * 2**stage
            stages += [_Block(fan_in, fan_out, 1 if stage == 0 else 2), _Block(fan_out, fan_out, 1)]
            fan_in = fan_out
        self.stem = nn.Sequential(_convolution(3, width, 3, 1), nn.BatchNorm2d(width), nn.ReLU())
        self.stages = nn.Sequential(*stages)
        self.classes = nn.Linear(fan_in, _CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """Scores (samples, 10) of images (samples, 3, 32, 32)."""
        if self.training:
            return self._scores(images)
        return torch.cat([self._scores(part) for part in torch.split(images, _EVALUATED_TOGETHER)])

    def _scores(self, images: Tensor) -> Tensor:
        features: Tensor = self.stages(self.stem(images)).mean((-2, -1))
        scores: Tensor = self.classes(features)
        return scores


class _Block(nn.Module):
    """relu(shortcut(x) + f(x)), f two 3×3 convolutions; the shortcut is 1×1 where the shape changes."""

    def __init__(self, fan_in: int, fan_out: int, stride: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            _convolution(fan_in, fan_out, 3, stride),
            nn.BatchNorm2d(fan_out),
            nn.ReLU(),
            _convolution(fan_out, fan_out, 3, 1),
            nn.BatchNorm2d(fan_out),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or fan_in != fan_out:
            self.shortcut = nn.Sequential(_convolution(fan_in, fan_out, 1, stride), nn.BatchNorm2d(fan_out))

    def forward(self, features: Tensor) -> Tensor:
        """The features after this block."""
        return torch.relu(self.shortcut(features) + self.residual(features))


def _convolution(fan_in: int, fan_out: int, size: int, stride: int) -> nn.Conv2d:
    layer = nn.Conv2d(fan_in, fan_out, size, stride, padding=size // 2, bias=False)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return layer


def _scaled(split: LabelledImages) -> Data:
    """Images as the network gets them, and classes."""
    mean, deviation = (np.array(values, np.float32).reshape(3, 1, 1) for values in (_MEAN, _DEVIATION))
    images = (split.images.astype(np.float32) / 255 - mean) / deviation
    return torch.from_numpy(images), torch.from_numpy(split.labels.astype(np.int64))
