"""The trainings of the paper on ageing: narrow tanh networks, plain SGD at a constant learning rate of 0.05."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from thermograd.dynamics.sgd import SGD
from thermograd.ensemble.experiment import Experiment
from thermograd.ensemble.run import run
from thermograd.estimators import aging
from thermograd.estimators.aging import Aging, DisplacementTable
from thermograd.minibatching.without_replacement import WithoutReplacement
from thermograd.numerics.log_times import Logarithmic
from thermograd.observables.accuracy import Accuracy
from thermograd.observables.loss import Loss
from thermograd.observables.two_time_displacement import TwoTimeDisplacement
from thermograd.reproductions.reproduction import Settings
from thermograd.store.run import Run

LEARNING_RATE = 0.05
THRESHOLD = 1e-3
"""Δ* of the paper's exponents."""
THRESHOLDS = tuple(float(level) for level in 10 ** np.linspace(-4.5, 0.0, 19))
"""At which the exponent is looked at, four a decade."""


@dataclass(frozen=True)
class Sizes:
    """How much is trained.

    Attributes:
        trajectories: of each network.
        steps: of each trajectory.
        waiting: first waiting time that an exponent is fitted to.
    """

    trajectories: int
    steps: int
    waiting: int

    @property
    def fact(self) -> tuple[str, str]:
        """What was run, for the page."""
        return (
            "ensemble",
            f"{self.trajectories} trajectories × {self.steps} steps, learning rate {LEARNING_RATE}",
        )


@dataclass(frozen=True, eq=False)
class Network:
    """One network of a comparison.

    Attributes:
        name: what a figure calls it, "1 hidden layer".
        problem: the network with its data.
        batch_size: samples of a step.
    """

    name: str
    problem: Any
    batch_size: int


@dataclass(frozen=True, eq=False)
class Trained:
    """An ensemble of one network.

    Attributes:
        network: what was trained.
        sizes: how much.
        run: what was recorded.
    """

    network: Network
    sizes: Sizes
    run: Run

    @property
    def name(self) -> str:
        """Of the network."""
        return self.network.name

    @cached_property
    def table(self) -> DisplacementTable:
        """Squared distances between the weights at two times."""
        return aging.table(self.run)

    @cached_property
    def at_threshold(self) -> Aging:
        """The exponent at the paper's threshold."""
        return self._exponent(THRESHOLD)

    @cached_property
    def stable(self) -> Aging:
        """The exponent between those thresholds where it does not depend on them."""
        return self._exponent("stable")

    @cached_property
    def per_threshold(self) -> Aging:
        """The exponent at one threshold after another."""
        return self._exponent(THRESHOLDS)

    def _exponent(self, thresholds: Any) -> Aging:
        return aging.aging_exponent(self.table, thresholds, waiting=(self.sizes.waiting, None))


def depth_name(hidden: Sequence[int]) -> str:
    """What a network of that many layers is called.

    >>> depth_name((5,)), depth_name((4, 4, 4))
    ('1 hidden layer', '3 hidden layers')
    """
    return f"{len(hidden)} hidden layer{'' if len(hidden) == 1 else 's'}"


def in_turn(
    networks: Iterable[Network], sizes: Sizes, settings: Settings, observe: Sequence[Any] = ()
) -> Iterator[list[Trained]]:
    """Train one network after another.

    Args:
        networks: what is trained.
        sizes: how much.
        settings: its seed; `say` is told what is being done.
        observe: what is recorded besides.

    Yields:
        After each network, all that are trained.
    """
    done: list[Trained] = []
    for network in networks:
        settings.say(f"{network.name}: {sizes.trajectories} × {sizes.steps} steps")
        done.append(trained(network, sizes, settings.seed, observe))
        yield done.copy()


def trained(network: Network, sizes: Sizes, seed: int, observe: Sequence[Any] = ()) -> Trained:
    """Train an ensemble; loss, accuracy, and squared distances between the weights at two times are recorded.

    Args:
        network: what is trained.
        sizes: how much.
        seed: of all randomness.
        observe: what is recorded besides.
    """
    experiment = Experiment(
        network.problem,
        dynamics=SGD(learning_rate=LEARNING_RATE),
        minibatching=WithoutReplacement(batch_size=network.batch_size),
        observe=[
            Loss(split="train", at=Logarithmic(8)),
            Accuracy(split="train", at=Logarithmic(8)),
            TwoTimeDisplacement(first_waiting=100),
            *observe,
        ],
        trajectories=sizes.trajectories,
        steps=sizes.steps,
        seed=seed,
        block_size=sizes.trajectories,
    )
    return Trained(network, sizes, run(experiment))
