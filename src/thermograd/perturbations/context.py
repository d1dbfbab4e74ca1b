"""What a perturbation may ask besides weights and state, drawn from (seed, trajectory, step) alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor

from thermograd.numerics import philox

if TYPE_CHECKING:
    from thermograd.protocols import HiddenLayer, State, Weights


class Initialiser(Protocol):
    """Where new weights come from: a problem, or a live model."""

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights."""

    @property
    def device(self) -> torch.device:
        """Where they are."""

    def draw_initial(self, torch_seed: int) -> tuple[Weights, State]:
        """Newly initialised weights and buffers."""


@dataclass(frozen=True)
class Moment:
    """What is known of one trajectory when a perturbation is called.

    Attributes:
        metric: the value last recorded, None before the first.
        due: whether a kick is due; False at the other steps of perturbations that are called at every step.
        best: weights and state at the best metric so far, None before the first.
        hidden_layers: makes what passed through the network's hidden layers, for perturbations that need it.
    """

    metric: float | None = None
    due: bool = True
    best: tuple[Weights, State] | None = None
    hidden_layers: Callable[[], tuple[HiddenLayer, ...]] | None = None


class PerturbationContext:
    """What a perturbation of trajectory k at step t may draw and see; see `thermograd.protocols.Context`.

    Fresh weights come from words 2c, 2c + 1 of stream 3 (c-th call), other numbers from its draws 1, 2, ...

    Args:
        source: where fresh weights come from.
        seed: of the experiment.
        trajectory: k; 0 in one's own loop.
        step: t, completed steps.
        moment: what is known of the trajectory.
    """

    def __init__(
        self, source: Initialiser, seed: int, trajectory: int, step: int, moment: Moment | None = None
    ) -> None:
        known = moment or Moment()
        self.step = step
        self.metric, self.due, self.best = known.metric, known.due, known.best
        self._hidden_layers = known.hidden_layers
        self._source = source
        self._seed, self._trajectory = seed, trajectory
        self._fresh_calls = 0
        self._draws = 0

    @property
    def activations(self) -> tuple[HiddenLayer, ...]:
        """The hidden layers with what they passed on.

        Raises:
            ValueError: the perturbation is used where no forward pass can be seen.
        """
        if self._hidden_layers is None:
            message = (
                "this perturbation looks at activations (needs_activations), and none can be seen here; use it "
                "in a tg.Experiment, or with tg.Perturber in your own loop"
            )
            raise ValueError(message)
        return self._hidden_layers()

    def fresh(self) -> tuple[Weights, State]:
        """Newly initialised `(weights, buffers)`."""
        torch_seed = philox.torch_seeds(
            self._seed,
            [self._trajectory],
            stream=philox.PERTURBATION,
            step=self.step,
            call=self._fresh_calls,
        )[0]
        self._fresh_calls += 1
        return self._source.draw_initial(torch_seed)

    def uniform(self, shape: Sequence[int]) -> Tensor:
        """Uniform numbers in [0, 1)."""
        return self._drawn(philox.uniform, shape)

    def normal(self, shape: Sequence[int]) -> Tensor:
        """Standard normal numbers."""
        return self._drawn(philox.normal, shape)

    def _drawn(self, law: Any, shape: Sequence[int]) -> Tensor:
        self._draws += 1
        count = math.prod(shape)
        numbers = law(self._seed, philox.PERTURBATION, [self._trajectory], self.step, count, draw=self._draws)
        flat = torch.from_numpy(np.ascontiguousarray(numbers[0]))
        return flat.reshape(tuple(shape)).to(self._source.device, self._source.dtype)
