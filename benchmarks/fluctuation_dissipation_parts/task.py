"""What is trained: data, network and optimizer, with its batches in per-epoch shuffles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Task:
    """A training without its schedule.

    Attributes:
        name: in tables.
        inputs: (samples, ...) of training.
        labels: (samples,).
        network: a new model; it is seeded by whoever calls it.
        learning_rate: at the start.
        weight_decay: λ of the loss term λ|θ|²/2.
        batch_size: samples a step; the rest of an epoch that fills no batch is left out.
        optimizer: SGD, Adam or RMSprop of torch.
        arguments: what else the optimizer is given.
    """

    name: str
    inputs: Tensor
    labels: Tensor
    network: Callable[[], nn.Module]
    learning_rate: float
    weight_decay: float
    batch_size: int
    optimizer: type[torch.optim.Optimizer] = torch.optim.SGD
    arguments: dict[str, object] = field(default_factory=dict)

    @property
    def steps_per_epoch(self) -> int:
        return len(self.labels) // self.batch_size

    def model(self, seed: int) -> nn.Module:
        """Initial weights depend on the seed alone."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.network()

    def make_optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        return self.optimizer(
            model.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay, **self.arguments
        )

    def batches(self, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Without end, each epoch a new permutation."""
        draw = np.random.default_rng([seed, 1])
        while True:
            order = torch.from_numpy(draw.permutation(len(self.labels)))
            inputs, labels = self.inputs[order], self.labels[order]
            for first in range(0, self.steps_per_epoch * self.batch_size, self.batch_size):
                yield inputs[first : first + self.batch_size], labels[first : first + self.batch_size]

    @torch.no_grad()
    def objective(self, model: nn.Module) -> float:
        """Mean loss over all training samples with the weight decay as a loss term."""
        loss = nn.functional.cross_entropy(model(self.inputs), self.labels).item()
        return loss + self.weight_decay / 2 * sum(
            weight.square().sum().item() for weight in model.parameters()
        )
