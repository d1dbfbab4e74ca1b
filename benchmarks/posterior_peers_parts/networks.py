"""Networks with data, as modules: what an own training loop has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from posterior_peers_parts.regressions import BATCH, regression


@dataclass(frozen=True, eq=False)
class Training:
    """A model, its data, and its negative log likelihood.

    Attributes:
        make: a new model with always the same weights.
        data: inputs and targets.
        loss: (outputs, targets) -> mean over the batch.
        batch_size: m.
        precision: of the prior.
        rate: η.
    """

    make: Callable[[], nn.Module]
    data: tuple[Tensor, Tensor]
    loss: Callable[[Any, Any], Tensor]
    batch_size: int
    precision: float
    rate: float

    @property
    def samples(self) -> int:
        """M."""
        return len(self.data[0])

    @property
    def steps_per_epoch(self) -> int:
        """n."""
        return self.samples // self.batch_size

    def of_module(self, model: nn.Module, batch: Any) -> Tensor:
        """Mean loss of a batch."""
        return self.loss(model(batch[0]), batch[1])


def _regression(name: str) -> Training:
    """The regressions, at their minimum in float64."""
    chosen = regression(name)
    precision = 1 / (2 * chosen.noise**2)

    def make() -> nn.Module:
        if name == "linear":
            model: nn.Module = nn.Linear(3, 1, bias=False).double()
            weights = [chosen.minimum["weights"][None]]
        else:
            model = nn.Sequential(nn.Linear(1, 2), nn.Tanh(), nn.Linear(2, 1)).double()
            weights = list(chosen.minimum.values())
        with torch.no_grad():
            for parameter, value in zip(model.parameters(), weights, strict=True):
                parameter.copy_(torch.from_numpy(value))
        return model

    inputs, targets = (torch.from_numpy(part) for part in chosen.data)
    return Training(
        make,
        (inputs, targets[:, None]),
        lambda outputs, wanted: precision * (outputs - wanted).square().mean(),
        BATCH,
        2 * chosen.regulariser,
        1e-7,
    )


def _classifier() -> Training:
    """784-128-10, 101 770 weights, on 2000 random inputs, in float32."""
    generator = torch.Generator().manual_seed(9)
    data = torch.randn(2000, 784, generator=generator), torch.randint(10, (2000,), generator=generator)

    def make() -> nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(10)
            return nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))

    return Training(make, data, cross_entropy, 100, 1.0, 1e-7)


@cache
def training(name: str) -> Training:
    """The "linear" regression with 3 weights, the "network" with 7, or the "classifier" with 101 770."""
    return _classifier() if name == "classifier" else _regression(name)
