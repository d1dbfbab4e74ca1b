"""Clusters of Gaussian points in many dimensions: the classifier whose SGD mean-field theory describes exactly."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from thermograd.numerics.whole_number import check_whole_number
from thermograd.problems.problem import Problem
from thermograd.theory.mean_field_mixture import Mixture

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class GaussianMixture:
    """Two clusters and a linear classifier, or three and a door, as in the mean-field theory of SGD on such data.

    n = round(αd) samples x = c v/√d + √Δ z with a direction v, |v|² = d, and z standard normal. Two clusters: c = y = ±1,
    half of the samples each. Three: c = 0 with y = −1, half of them; c = ±1 with y = +1, a quarter each. Preactivation
    h = w·x/√d, output φ = h, or φ = h² − L² of three clusters, z = yφ. Loss of one sample l: logistic log(1 + e^−z),
    square (φ − y)²/2, squared_hinge (κ − z)₊²/2.

    The theory descends Σ_μ l_μ + (λ/2)|w|², a sum; a `Problem` has a mean. So its per-sample loss is n·l, and the mean over a
    batch of bn samples is Σ_{in the batch} l/b. Data are shared by the trajectories of an experiment: for a mean over data
    run several `data_seed`s. Stable for learning rates below 2 over the largest curvature, some λ + Δ(1 + √α)² for the
    square loss.

    Model and questions of Mignacco and Urbani (arXiv 2112.10852), whose parameters are not known to us: the defaults
    are ours.

    Attributes:
        dimension: d.
        sample_ratio: α.
        cluster_variance: Δ.
        clusters: 2 (linear output) or 3 (door).
        door_width: L.
        loss: "logistic", "square" or "squared_hinge".
        margin: κ.
        weight_decay: λ of (λ/2)|w|², which is `Problem.regulariser` = λ/2.
        initial_norm_squared: C₀, |w(0)|²/d.
        initial_overlap: m₀, w(0)·v/d; the rest of w(0) is random.
        data_seed: of the samples.
        dtype: see `Problem`.

    Raises:
        ValueError: a field out of its range, or fewer samples than clusters.

    >>> problem = GaussianMixture(dimension=20, sample_ratio=3).build()
    >>> [tuple(part.shape) for part in problem.train], problem.train[1].sum().item()
    ([(60, 20), (60,)], 0.0)
    """

    dimension: int = 500
    sample_ratio: float = 2.0
    cluster_variance: float = 0.5
    clusters: int = 2
    door_width: float = 0.7
    loss: str = "logistic"
    margin: float = 1.0
    weight_decay: float = 0.1
    initial_norm_squared: float = 1.0
    initial_overlap: float = 0.0
    data_seed: int = 0
    dtype: str = "float64"

    def __post_init__(self) -> None:
        Mixture.of(self)
        for name, least in (("dimension", 2), ("data_seed", 0)):
            check_whole_number(name, getattr(self, name), least)
        if not math.isfinite(self.sample_ratio * self.dimension):
            message = f"sample_ratio {self.sample_ratio:g} times dimension {self.dimension} is no finite number of samples"
            raise ValueError(message)
        if self.samples < self.clusters:
            message = (
                f"sample_ratio {self.sample_ratio:g} times dimension {self.dimension} is {self.samples} samples, fewer than "
                f"the {self.clusters} clusters; give more of either"
            )
            raise ValueError(message)

    @property
    def samples(self) -> int:
        """The number of samples, round(αd)."""
        return round(self.sample_ratio * self.dimension)

    def draw(self, seed: int) -> tuple[Array, Array, Array]:
        """Inputs `(samples, dimension)`, labels `(samples,)` and the direction v `(dimension,)`, in float64.

        Cluster sizes are exact; what does not divide goes to c = −1 of two clusters, to c = 0 of three.

        Args:
            seed: of the data.

        >>> inputs, labels, direction = GaussianMixture(dimension=10, clusters=3).draw(0)
        >>> labels.sum(), round(float(direction @ direction), 12)
        (np.float64(0.0), 10.0)
        """
        generator = np.random.default_rng(seed)
        direction = generator.standard_normal(self.dimension)
        direction *= math.sqrt(self.dimension) / np.linalg.norm(direction)
        share = self.samples // (2 if self.clusters == 2 else 4)
        centres = np.full(self.samples, -1.0 if self.clusters == 2 else 0.0)
        centres[:share] = 1.0
        if self.clusters == 3:
            centres[share : 2 * share] = -1.0
        centres = generator.permutation(centres)
        noise = generator.standard_normal((self.samples, self.dimension))
        inputs = (
            centres[:, None] * direction / math.sqrt(self.dimension)
            + math.sqrt(self.cluster_variance) * noise
        )
        return inputs, np.where(centres == 0, -1.0, 1.0) if self.clusters == 3 else centres, direction

    def build(self) -> Problem:
        """The problem with the data of `data_seed`; its one parameter is `weights`, w."""
        inputs, labels, direction = self.draw(self.data_seed)
        scale = 1 / math.sqrt(self.dimension)
        door = self.door_width**2

        def forward(weights: dict[str, Tensor], points: Tensor) -> Tensor:
            preactivation = (points @ weights["weights"]) * scale
            return preactivation if self.clusters == 2 else preactivation.square() - door

        def initial(generator: torch.Generator) -> dict[str, Tensor]:
            return {"weights": self._start(torch.from_numpy(direction), generator)}

        return Problem(
            forward=forward,
            loss=self._loss,
            train=(torch.from_numpy(inputs), torch.from_numpy(labels)),
            initial=initial,
            regulariser=self.weight_decay / 2,
            dtype=self.dtype,
            name="gaussian_mixture",
        )

    def _loss(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """n·l of every sample; the logistic one in a form that neither overflows nor branches."""
        margin = labels * outputs
        if self.loss == "logistic":
            value = torch.logaddexp(torch.zeros_like(margin), -margin)
        elif self.loss == "square":
            value = (outputs - labels).square() / 2
        else:
            value = torch.relu(self.margin - margin).square() / 2
        return self.samples * value

    def _start(self, direction: Tensor, generator: torch.Generator) -> Tensor:
        """w(0) with exactly the overlap and norm that are asked for."""
        random = torch.randn(self.dimension, generator=generator).to(torch.float64)
        random = random - direction * (random @ direction) / self.dimension
        across = self.dimension * (self.initial_norm_squared - self.initial_overlap**2)
        start: Tensor = self.initial_overlap * direction + random * (math.sqrt(across) / random.norm())
        return start
