"""The trainings on which schedules are compared: convex, small perceptrons, a small convolutional network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor, nn

from fluctuation_dissipation_parts.known_truth import data
from fluctuation_dissipation_parts.task import Task
from thermograd.errors import MissingDataError
from thermograd.problems.cifar10_images import read_cifar10
from thermograd.problems.mnist_images import read_mnist


@dataclass(frozen=True)
class Trial:
    """A task at two budgets, in epochs."""

    task: Task
    budgets: tuple[int, int]


def perceptron(*widths: int) -> Callable[[], nn.Module]:
    """ReLU layers of these widths, with PyTorch's initial weights."""

    def network() -> nn.Module:
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), nn.ReLU()]
        return nn.Sequential(*layers[:-1])

    return network


def convolutional() -> nn.Module:
    """Two strided 5 x 5 convolutions and a linear layer on 3 x 32 x 32."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.Conv2d(8, 16, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16 * 8 * 8, 10),
    )


def digits() -> tuple[Tensor, Tensor]:
    """The 1500 images and labels of the known-truth task, in single precision and without the constant."""
    inputs, labels = data("digits")
    return inputs[:, :-1].float(), labels


def digits_tasks() -> dict[str, Task]:
    """Short names of what is trained on digits with a tenth of the labels redrawn."""
    inputs, labels = digits()
    noisy = Task("MLP 64-32-10, digits, batch 15", inputs, labels, perceptron(64, 32, 10), 0.2, 1e-3, 15)
    return {
        "convex": Task("softmax, digits, batch 100", inputs, labels, perceptron(64, 10), 0.1, 1e-2, 100),
        "mlp15": noisy,
        "mlp100": replace(noisy, name="MLP 64-32-10, digits, batch 100", batch_size=100),
        "adam": replace(
            noisy, name="the same, Adam, batch 15", learning_rate=0.01, optimizer=torch.optim.Adam
        ),
    }


def mnist_task(batch_size: int) -> Task:
    """Perceptron on the first 5000 images, standardised, with the paper's rate and weight decay."""
    train = read_mnist().train
    pixels = torch.from_numpy(train.images[:5000]).float().flatten(1)
    inputs = (pixels - pixels.mean()) / pixels.std()
    labels = torch.from_numpy(train.labels[:5000]).long()
    name = f"MLP 784-32-10, MNIST 5000, batch {batch_size}"
    return Task(name, inputs, labels, perceptron(784, 32, 10), 0.1, 1e-2, batch_size)


def cifar10_task() -> Task:
    """Small convolutional network on the first 2000 images, in [-1, 1], with momentum."""
    train = read_cifar10().train
    inputs = torch.from_numpy(train.images[:2000]).float() / 127.5 - 1
    labels = torch.from_numpy(train.labels[:2000]).long()
    return Task(
        "CNN, CIFAR-10 2000, batch 50",
        inputs,
        labels,
        convolutional,
        0.01,
        1e-2,
        50,
        arguments={"momentum": 0.9},
    )


def trials() -> tuple[list[Trial], list[str]]:
    """All trials whose data are here, and why others are not."""
    tasks = digits_tasks()
    found = [
        Trial(tasks["convex"], (300, 600)),
        Trial(tasks["mlp15"], (80, 300)),
        Trial(tasks["mlp100"], (150, 600)),
        Trial(tasks["adam"], (48, 192)),
    ]
    absent = []
    wanted: Sequence[tuple[Callable[[], Task], tuple[int, int]]] = (
        (lambda: mnist_task(15), (12, 40)),
        (lambda: mnist_task(100), (40, 120)),
        (cifar10_task, (20, 50)),
    )
    for make, budgets in wanted:
        try:
            found.append(Trial(make(), budgets))
        except MissingDataError as cause:
            absent.append(str(cause))
    return found, absent
