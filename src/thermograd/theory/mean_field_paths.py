"""The mean-field equations solved in one pass forward in time: samples by random paths, weights by their kernels.

Row t of every kernel needs only rows before it, so nothing is iterated to a fixed point. Discrete time throughout, in which
the equations are exact for d → ∞. Derived here; continuous-time forms are in Mignacco, Krzakala, Urbani, Zdeborová (arXiv
2006.06098), for the questions see Mignacco and Urbani (arXiv 2112.10852).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.theory.mean_field_kernels import WeightKernels
from thermograd.theory.mean_field_losses import MixtureLoss
from thermograd.theory.mean_field_memory import SampleResponses
from thermograd.theory.mean_field_mixture import Mixture
from thermograd.theory.mean_field_settings import SolverSettings
from thermograd.theory.selection_processes import Selection

Array = npt.NDArray[Any]

_LARGEST = 1e12
"""|w|²/d, in units of its start or of 1, from which on the weights count as diverged."""
_MOST_JITTER = 1e-6


@dataclass(frozen=True, kw_only=True)
class SampleMeans:
    """Means over the training samples at one step."""

    loss: float
    error: float
    margin: float
    curvature: float


@dataclass(frozen=True, kw_only=True)
class Solved:
    """What is kept of one solution; means over replicas.

    Attributes:
        overlap: m, `(T+1,)`.
        correlation: C, `(T+1, T+1)`.
        cross_correlation: of two replicas, Q, `(T+1, T+1)`, or None.
        response: R, `(T+1, T)`.
        memory: Γ, `(T, T)`.
        noise: M, `(T, T)`.
        samples: what was recorded of the samples, one entry a step that went well.
        jitter: the largest lift of a pivot.
        first_curvature: ⟨l″⟩ at the start.
        fault: why it ended before T steps, or an empty text.
    """

    overlap: Array
    correlation: Array
    cross_correlation: Array | None
    response: Array
    memory: Array
    noise: Array
    samples: list[SampleMeans]
    jitter: float
    first_curvature: float
    fault: str


class SamplePaths:
    """Representative samples: preactivation h and force g = s l′ of every path, step after step.

    r(t) = ζ(t) − √Δ Σ_{t′<t} R(t, t′) g(t′) with ζ Gaussian of covariance C, h = c m + √Δ r. The sum follows the weights like
    R itself, y(t+1) = (1 − ηλ) y(t) − η Σ Γ(t, u) y(u) + η g(t), which a cut of the memory shortens. The white numbers ζ is
    made of are drawn step by step, so that a longer solution begins with the same numbers.
    """

    def __init__(self, mixture: Mixture, selection: Selection, settings: SolverSettings, seed: Any) -> None:
        steps, replicas = settings.steps, settings.replicas
        self._mixture = mixture
        self._loss = MixtureLoss(mixture)
        self.centres, self.labels = mixture.centres_and_labels(settings.paths)
        normal, *batches = (np.random.default_rng(child) for child in seed.spawn(1 + replicas))
        self._normal = normal
        self._selected = [selection.weights(settings.paths, steps, batch) for batch in batches]
        self._white = np.empty((steps * replicas, settings.paths))
        self.forces = np.zeros((replicas, steps, settings.paths))
        self._answers = np.zeros_like(self.forces)

    def advance(self, step: int, kernels: WeightKernels) -> tuple[list[Array], SampleMeans]:
        """Preactivations and forces at `step`.

        Args:
            step: t.
            kernels: with m, R and C up to t.

        Returns:
            The curvatures a = s l″ of each replica, `(paths,)` each, and means of both.
        """
        curvatures, sums = [], []
        for replica in range(kernels.replicas):
            place = step * kernels.replicas + replica
            self._white[place] = self._normal.standard_normal(len(self.centres))
            free = kernels.factor_row(step, replica) @ self._white[: place + 1]
            answers = self._answers[replica]
            if step:
                kicked = kernels.learning_rate * self.forces[replica, step - 1]
                answers[step] = kernels.carried(step - 1, answers) + kicked
            variance = self._mixture.cluster_variance
            local = math.sqrt(variance) * free - variance * answers[step]
            preactivation = self.centres * kernels.overlap[step] + local
            value, first, second = self._loss.derivatives(preactivation, self.labels)
            chosen = next(self._selected[replica])
            self.forces[replica, step] = chosen * first
            curvatures.append(chosen * second)
            margins = self.labels * self._loss.output(preactivation)
            sums.append((value.sum(), np.count_nonzero(margins < 0), margins.sum(), second.sum()))
        loss, error, margin, curvature = np.sum(sums, axis=0) / self.forces[:, step].size
        return curvatures, SampleMeans(loss=loss, error=error, margin=margin, curvature=curvature)


class ForwardPass:
    """One solution of the mean-field equations, with its own random numbers.

    μ(t) = α⟨c g⟩, M(t, t′) = αΔ⟨g(t) g(t′)⟩ + (2T₀/η) δ_tt′, Γ(t, t′) = αΔ⟨a(t) D(t, t′)⟩. No factor 1/b belongs to Γ beyond
    the one inside s. Between two replicas M has no T₀; μ and Γ are means over both.
    """

    def __init__(self, mixture: Mixture, selection: Selection, settings: SolverSettings, seed: Any) -> None:
        self._mixture = mixture
        self._settings = settings
        self._paths = SamplePaths(mixture, selection, settings, seed)
        self._kernels = WeightKernels(
            mixture, settings.learning_rate, settings.steps, settings.replicas, settings.depth
        )
        self._heard = settings.paths_per_replica
        self._responses = SampleResponses(
            self._heard * settings.replicas, settings.steps, settings.depth, mixture.cluster_variance
        )

    def run(self) -> Solved:
        """All steps, or those before the weights diverged."""
        samples: list[SampleMeans] = []
        fault, first_curvature = "", math.nan
        with np.errstate(over="ignore", invalid="ignore"):
            for step in range(self._settings.steps):
                curvatures, means = self._paths.advance(step, self._kernels)
                first_curvature = first_curvature if step else means.curvature
                memory = self._memory(step, curvatures)
                self._kernels.advance(step, self._force(step), memory, self._noise(step))
                fault = self._fault(step)
                if fault:
                    break
                samples.append(means)
        return self._kept(samples, first_curvature, fault)

    def _kept(self, samples: list[SampleMeans], first_curvature: float, fault: str) -> Solved:
        kernels = self._kernels
        same = range(kernels.replicas)
        pairs = kernels.correlation
        return Solved(
            overlap=kernels.overlap,
            correlation=pairs[same, same].mean(axis=0),
            cross_correlation=None if kernels.replicas == 1 else (pairs[0, 1] + pairs[1, 0]) / 2,
            response=kernels.response,
            memory=kernels.memory,
            noise=kernels.noise[same, same].mean(axis=0),
            samples=samples,
            jitter=kernels.jitter,
            first_curvature=first_curvature,
            fault=fault,
        )

    def _force(self, step: int) -> float:
        """μ(t)."""
        forces = self._paths.forces[:, step]
        return self._mixture.sample_ratio * float((forces @ self._paths.centres).sum()) / forces.size

    def _memory(self, step: int, curvatures: list[Array]) -> Array:
        """Γ(t, t′), t′ = 0 … t; on the diagonal from all paths."""
        heard = np.concatenate([curvature[: self._heard] for curvature in curvatures])
        memory = np.zeros(step + 1)
        oldest, means = self._responses.advance(step, self._kernels.response[step, :step], heard)
        memory[oldest:] = means
        memory[step] = sum(curvature.mean() for curvature in curvatures) / len(curvatures)
        return self._mixture.sample_ratio * self._mixture.cluster_variance * memory

    def _noise(self, step: int) -> Array:
        """M_ab(t, t′), t′ = 0 … t, `(replicas, replicas, t + 1)`."""
        forces = self._paths.forces
        count = forces.shape[-1]
        scale = self._mixture.sample_ratio * self._mixture.cluster_variance / count
        noise = np.stack([[other[: step + 1] @ one[step] for other in forces] for one in forces]) * scale
        for replica in range(len(noise)):
            noise[replica, replica, step] += 2 * self._settings.temperature / self._settings.learning_rate
        return noise

    def _fault(self, step: int) -> str:
        """Why the weights after `step` are of no use, or an empty text."""
        kernels, most = self._kernels, _LARGEST * max(1.0, self._mixture.initial_norm_squared)
        same = range(kernels.replicas)
        norm = kernels.correlation[same, same, step + 1, step + 1].max()
        if not (norm <= most and np.isfinite(kernels.overlap[step + 1])):
            return f"|w|²/d is {norm:.3g} after step {step + 1}"
        if kernels.jitter > _MOST_JITTER:
            return f"the correlation of the weights is no longer positive after step {step + 1}: rounding"
        return ""
