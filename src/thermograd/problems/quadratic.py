"""Independent parabolas: the problem in which everything is known in closed form."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from thermograd.numerics.finite_number import is_finite_number
from thermograd.numerics.whole_number import check_whole_number
from thermograd.problems.problem import Problem


@dataclass(frozen=True)
class Quadratic:
    """l_i(θ) = ½ Σ_k h_k (θ_k − x_ik)², x standard normal; starts from standard normal θ.

    Attributes:
        curvatures: h_k, the eigenvalues of the Hessian.
        samples: number of training samples M.
        seed: seed of the data.
        dtype: see `Problem`.

    Raises:
        ValueError: no curvature, or one below 0; fewer than one sample; a negative seed.

    >>> Quadratic(samples=5).build().train[0].shape
    torch.Size([5, 3])
    """

    curvatures: tuple[float, ...] = (1.0, 0.1, 0.01)
    samples: int = 200
    seed: int = 0
    dtype: str = "float64"

    def __post_init__(self) -> None:
        given = tuple(self.curvatures) if isinstance(self.curvatures, Iterable) else ()
        if not given or not all(is_finite_number(h) and h >= 0 for h in given):
            message = f"curvatures is {self.curvatures!r}; give a tuple of finite numbers, 0 or larger"
            raise ValueError(message)
        object.__setattr__(self, "curvatures", given)
        check_whole_number("samples", self.samples, 1)
        check_whole_number("seed", self.seed, 0)

    def build(self) -> Problem:
        """The problem with its data."""
        curvatures = torch.tensor(self.curvatures, dtype=torch.float64)
        centres = np.random.default_rng(self.seed).standard_normal((self.samples, len(curvatures)))

        def loss(offsets: Tensor, _: Tensor) -> Tensor:
            return 0.5 * (curvatures.to(offsets) * offsets**2).sum(-1)

        def initial(generator: torch.Generator) -> dict[str, Tensor]:
            return {"position": torch.randn(len(curvatures), generator=generator)}

        return Problem(
            forward=lambda weights, inputs: weights["position"] - inputs,
            loss=loss,
            train=(torch.from_numpy(centres), torch.zeros(self.samples)),
            initial=initial,
            dtype=self.dtype,
            name="quadratic",
        )
