"""What a posterior sampler in one's own loop has recorded: one chain of draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from thermograd.dynamics.sgworld import SGWORLD
from thermograd.dynamics.stability import expected_excess
from thermograd.estimators.posterior_draws import PosteriorDraws

Array = npt.NDArray[Any]


class PosteriorRecord:
    """Draws of one chain, on the CPU.

    The fixed point c of the virial is the state the sampler began with: a single chain's burn-in is remembered by its first draws, which
    would make the virial too small.

    Args:
        parameters: by name.
        facts: how the draws are made.
    """

    def __init__(self, parameters: Mapping[str, Tensor], facts: dict[str, Any]) -> None:
        self._parameters = parameters
        self._facts = facts
        self._centre = {name: _array(value) for name, value in parameters.items()}
        self._kept: dict[str, list[Array]] = {name: [] for name in parameters}
        self._epochs: list[int] = []
        self._weights: list[float] = []
        self._temperatures: list[float] = []
        self._measured: list[int] = []
        self._potential: list[float] = []
        self._virial: list[float] = []
        self.squares: list[float] = []
        self.curvature = float("nan")

    @property
    def count(self) -> int:
        """Draws so far."""
        return len(self._epochs)

    @property
    def identity(self) -> dict[str, Any]:
        """What makes draws those of one sampling: facts, without notes."""
        return {name: value for name, value in self._facts.items() if name != "notes"}

    def recentre(self) -> None:
        """Take the weights as they are for the fixed point of the virial."""
        self._centre = {name: _array(value) for name, value in self._parameters.items()}

    def keep(
        self,
        epoch: int,
        weight: float,
        temperature: float,
        measured: tuple[float, Sequence[Tensor]] | None,
    ) -> None:
        """Keep the weights as they are.

        Args:
            epoch: epochs completed.
            weight: of the draw.
            temperature: T in its epoch; 0 gives it no weight.
            measured: U and its full gradient, if they were measured.
        """
        now = {name: _array(value) for name, value in self._parameters.items()}
        for name, value in now.items():
            self._kept[name].append(value)
        if measured is not None:
            energy, gradient = measured
            self._measured.append(self.count)
            self._potential.append(energy)
            pulls = zip(now.items(), gradient, strict=True)
            self._virial.append(sum(self._along(name, place, slope) for (name, place), slope in pulls))
        self._epochs.append(epoch)
        self._weights.append(weight if temperature > 0 else 0.0)
        self._temperatures.append(temperature)

    def _along(self, name: str, place: Array, slope: Tensor) -> float:
        away = place.astype(np.float64) - self._centre[name]
        return float((away * slope.detach().double().cpu().numpy()).sum())

    def draws(self, dynamics: Any, steps_per_epoch: int) -> PosteriorDraws:
        """The chain.

        Args:
            dynamics: `SGLD` or `SGWORLD`.
            steps_per_epoch: n.

        Raises:
            RuntimeError: nothing was recorded, or at several temperatures.
        """
        if not self.count:
            message = "no draw was recorded yet: call sampler.record() after an epoch"
            raise RuntimeError(message)
        found = sorted({value for value in self._temperatures if value > 0})
        if len(found) > 1:
            message = (
                f"draws were recorded at temperatures from {found[0]:g} to {found[-1]:g}, which is no one distribution; a schedule "
                "may have the factor 0, for exploring, or the same number in every epoch of a draw"
            )
            raise RuntimeError(message)
        temperature = found[0] if found else float(dynamics.temperature)
        return PosteriorDraws(
            {name: np.stack(value)[None] for name, value in self._kept.items()},
            temperature=temperature,
            potential=np.array(self._potential)[None],
            virial=np.array(self._virial)[None],
            measured=np.array(self._measured, np.int64),
            weights=np.array(self._weights),
            epochs=np.array(self._epochs, np.int64),
            noise_share=np.array([self._noise_share(dynamics, steps_per_epoch, temperature)]),
            facts={
                **self._facts,
                "largest_curvature": self.curvature,
                "expected_excess": expected_excess(dynamics, self.curvature, steps_per_epoch),
            },
        )

    def _noise_share(self, dynamics: Any, steps: int, temperature: float) -> float:
        """Of the minibatches in what drives the chain; of SGWORLD at most, in the stiffest mode."""
        if not self.squares:
            return float("nan")
        noise = dynamics.learning_rate * float(np.mean(self.squares))
        size = sum(value.numel() for value in self._parameters.values())
        share = noise / max(noise + 2 * temperature * size, np.finfo(float).tiny)
        if isinstance(dynamics, SGWORLD):
            share *= min(1.0, (steps * dynamics.learning_rate * self.curvature) ** 2 / 12)
        return float(share)

    def state_dict(self) -> dict[str, Any]:
        """What was recorded, as tensors and numbers."""
        return {
            "kept": {name: torch.from_numpy(np.stack(value)) for name, value in self._kept.items() if value},
            "centre": {name: torch.from_numpy(value) for name, value in self._centre.items()},
            "epochs": list(self._epochs),
            "weights": list(self._weights),
            "temperatures": list(self._temperatures),
            "measured": list(self._measured),
            "potential": list(self._potential),
            "virial": list(self._virial),
            "squares": list(self.squares),
            "curvature": self.curvature,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there.

        Args:
            state: what `state_dict` gave.
        """
        self._kept = {name: list(value.numpy()) for name, value in state["kept"].items()} or {
            name: [] for name in self._parameters
        }
        self._centre = {name: value.numpy() for name, value in state["centre"].items()}
        self._epochs, self._weights = list(state["epochs"]), list(state["weights"])
        self._temperatures = list(state["temperatures"])
        self._measured, self._potential = list(state["measured"]), list(state["potential"])
        self._virial, self.squares = list(state["virial"]), list(state["squares"])
        self.curvature = float(state["curvature"])


def _array(value: Tensor) -> Array:
    return value.detach().cpu().numpy().copy()
