"""The noise of a sampler on live parameters: one buffer, drawn anew at each step, and what is pending in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from thermograd.dynamics.sgld import SGLD
from thermograd.dynamics.sgworld import SGWORLD


class LangevinNoise:
    """Normal numbers shaped like the parameters, √P times a spread.

    Attributes:
        root: √P, one tensor for each parameter, or None.

    Args:
        parameters: those that move.
        preconditioner: P, one tensor for each parameter, or None.
        seed: of the numbers.
    """

    def __init__(self, parameters: Sequence[Tensor], preconditioner: list[Tensor] | None, seed: int) -> None:
        one = parameters[0]
        self._buffer = one.detach().new_zeros(sum(value.numel() for value in parameters))
        parts = torch.split(self._buffer, [value.numel() for value in parameters])
        self._parts = [part.view(value.shape) for part, value in zip(parts, parameters, strict=True)]
        self._generator = torch.Generator(one.device).manual_seed(seed)
        self.root = None if preconditioner is None else [scale.sqrt() for scale in preconditioner]

    @property
    def size(self) -> int:
        """Number of weights N."""
        return self._buffer.numel()

    def stir(self, dynamics: SGLD | SGWORLD, weights: list[Tensor], rate: float, temperature: float) -> None:
        """Add the noise of a step: of SGWORLD half of it was pending, and as much is pending afterwards.

        Args:
            dynamics: the sampler.
            weights: changed in place.
            rate: η.
            temperature: T.
        """
        if isinstance(dynamics, SGLD):
            self._draw((2 * rate * temperature) ** 0.5)
        elif dynamics.variant == "published":
            return
        else:
            torch._foreach_add_(weights, self._parts)
            self._draw((rate * temperature / 2) ** 0.5)
        torch._foreach_add_(weights, self._parts)

    def hold(self, spread: float, drift: list[Tensor], rate: float) -> None:
        """Draw the noise of a whole epoch, add η times a drift, and keep both.

        Args:
            spread: of the noise.
            drift: one tensor for each parameter, or none at all.
            rate: η.
        """
        self._draw(spread)
        if drift:
            torch._foreach_add_(self._parts, drift, alpha=rate)

    def release(self, weights: list[Tensor]) -> None:
        """Add what was kept.

        Args:
            weights: changed in place.
        """
        torch._foreach_add_(weights, self._parts)

    def _draw(self, spread: float) -> None:
        self._buffer.normal_(0.0, spread, generator=self._generator)
        if self.root is not None:
            torch._foreach_mul_(self._parts, self.root)

    def state_dict(self) -> dict[str, Any]:
        """What is pending, and the state of the generator."""
        return {"pending": self._buffer.clone(), "generator": self._generator.get_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there.

        Args:
            state: what `state_dict` gave.
        """
        self._buffer.copy_(state["pending"])
        self._generator.set_state(state["generator"].cpu())
