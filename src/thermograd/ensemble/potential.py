"""The potential U that a sampler moves in, and what is measured of it at given weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from thermograd.dynamics.preconditioner import frozen_preconditioner
from thermograd.ensemble.plan import probe_forward
from thermograd.numerics import fisher_yates, philox
from thermograd.observables.described_loss import per_sample_loss
from thermograd.observables.per_sample_loss import PerSampleLoss
from thermograd.observables.top_directions import top_directions
from thermograd.problems.functional import FunctionalProblem
from thermograd.problems.negative_log_posterior import in_units_of, negative_log_posterior
from thermograd.problems.problem import Problem, built

if TYPE_CHECKING:
    Array = npt.NDArray[Any]
    Weights = Mapping[str, Tensor]

_SAMPLES_OF_CURVATURE = 10_000
_PAIRS = 64  # draws at which the noise of minibatches is measured
_ENOUGH = 1e-3  # of the largest curvature, to which it has to be known


@dataclass(frozen=True, eq=False)
class Potential:
    """U in the units φ = θ/√P of the preconditioner, at which weights are drawn.

    Attributes:
        problem: whose loss, regulariser included, is U.
        scales: √P by name, float64; None without a preconditioner.
        shapes: of the weights.
        frozen: parameters that are not sampled, and buffers, by name.
        notes: what a reader of the draws should know.
    """

    problem: Problem
    scales: dict[str, Tensor] | None
    shapes: dict[str, tuple[int, ...]]
    frozen: dict[str, Tensor]
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        problem: Any,
        *,
        prior_precision: float | None,
        prior_mean: Mapping[str, Tensor] | None,
        preconditioner: Any,
    ) -> Potential:
        """That of a problem with a prior.

        Args:
            problem: a `Problem`, or a built-in one.
            prior_precision: of every weight; None if the loss of the problem is U already.
            prior_mean: by name; None for 0.
            preconditioner: P, an optimizer to read it from, or None.

        Raises:
            ValueError: layers that mix the samples of a batch, or arguments that do not fit.
        """
        problem = built(problem)
        functional = FunctionalProblem(problem, "float64", "cpu")
        random, changing = probe_forward(functional)
        if changing:
            message = (
                "the model changes its buffers in a forward pass (batch normalisation in training mode): the samples of a "
                "batch then have no losses of their own, and there is no posterior. Call model.eval() on the module first, "
                "or use layer or group normalisation"
            )
            raise ValueError(message)
        notes = []
        if prior_precision == 0:
            notes.append("flat prior: directions without curvature diffuse without limit")
        if random:
            notes.append(
                "the forward pass is random (dropout): its noise is sampled over, and measured without"
            )
        if prior_mean is not None:
            prior_mean = {name: value.detach() for name, value in prior_mean.items()}
            got = {name: tuple(value.shape) for name, value in prior_mean.items()}
            if got != functional.shapes:
                message = f"prior_mean has names and shapes {got}; the model has {functional.shapes}"
                raise ValueError(message)
        whole = negative_log_posterior(problem, prior_precision, prior_mean)
        frozen = _frozen(functional)
        if preconditioner is None:
            return cls(whole, None, functional.shapes, frozen, tuple(notes))
        stretch = frozen_preconditioner(preconditioner, functional.shapes)
        scales = {name: value.sqrt() for name, value in stretch.items()}
        return cls(in_units_of(whole, scales), scales, functional.shapes, frozen, tuple(notes))

    @property
    def size(self) -> int:
        """Number of weights N."""
        return sum(math.prod(shape) for shape in self.shapes.values())

    @property
    def samples(self) -> int:
        """Number of samples M."""
        return len(self.problem.train[0])

    def initial(self, start: Mapping[str, Any] | None) -> dict[str, Tensor]:
        """φ of one set of weights, the first of several; the initial ones of the problem if None.

        Args:
            start: θ by name.

        Raises:
            ValueError: other names than the model has.
        """
        if start is None:
            return FunctionalProblem(self.problem, "float64", "cpu").draw_initial(0)[0]
        return self.scaled(self.one_of(start))

    def one_of(self, start: Mapping[str, Any]) -> dict[str, Tensor]:
        """One set of given weights θ, the first if they are stacked.

        Args:
            start: by name.

        Raises:
            ValueError: other names than the model has, or numbers that are not finite.
        """
        tensors = {name: torch.as_tensor(value).detach() for name, value in self.sampled(start).items()}
        return {
            name: value.reshape(-1, *self.shapes[name])[0] if value.ndim > len(self.shapes[name]) else value
            for name, value in tensors.items()
        }

    def sampled(self, start: Any) -> dict[str, Any]:
        """Those of given weights that are sampled; the others must be the frozen ones and the buffers of the model.

        Args:
            start: by name, stacked or not; a state_dict will do.

        Raises:
            ValueError: no weights by name, other names than the model has, or frozen parameters or buffers of other values.
        """
        given: object = start  # whatever its annotation says
        if not isinstance(given, Mapping):
            message = (
                f"start is {type(given).__name__}; give weights by name, as start=net.state_dict() or "
                'start=torch.load("net.pt")'
            )
            raise ValueError(message)
        if not set(self.shapes) <= set(start) <= set(self.shapes) | set(self.frozen):
            message = f"start has weights {sorted(start)}; the model has {sorted(self.shapes)}"
            raise ValueError(message)
        for name in set(start) - set(self.shapes):
            value = torch.as_tensor(start[name]).detach().to(self.frozen[name])
            if value.shape != self.frozen[name].shape or not torch.equal(value, self.frozen[name]):
                message = (
                    f"{name!r} is frozen (requires_grad=False, or a buffer), and in start it has other values than in the model: "
                    "make the problem of the model that has them, model=lambda: net"
                )
                raise ValueError(message)
        for name in self.shapes:
            if not bool(torch.as_tensor(start[name]).isfinite().all()):
                message = f"start {name!r} holds NaN or infinity; a training that diverged is no start"
                raise ValueError(message)
        return {name: start[name] for name in self.shapes}

    def smallest_curvature_bound(self, prior_precision: float | None) -> float:
        """The curvature that the prior gives every direction, in units of φ; 0 if it is not known.

        Args:
            prior_precision: of each weight.
        """
        if prior_precision is None:
            regulariser = self.problem.regulariser
            return 0.0 if callable(regulariser) or self.scales is not None else 2 * float(regulariser)
        smallest = 1.0 if self.scales is None else min(float(v.min()) ** 2 for v in self.scales.values())
        return prior_precision * smallest

    def scaled(self, weights: Mapping[str, Any]) -> dict[str, Tensor]:
        """θ, with any leading axes, in the units of φ."""
        tensors = {name: torch.as_tensor(value).detach() for name, value in weights.items()}
        if self.scales is None or set(tensors) != set(self.scales):
            return tensors
        return {name: value.double() / self.scales[name] for name, value in tensors.items()}

    def unscaled(self, weights: Mapping[str, Array]) -> dict[str, Array]:
        """φ, with any leading axes, as θ."""
        if self.scales is None:
            return dict(weights)
        return {
            name: (value * self.scales[name].numpy()).astype(value.dtype) for name, value in weights.items()
        }

    def flat(self, weights: Mapping[str, Any]) -> Tensor:
        """Weights with any leading axes in one row each, `(..., N)` float64."""
        parts = []
        for name, shape in self.shapes.items():
            value = torch.as_tensor(weights[name]).detach().double()
            parts.append(value.reshape(*value.shape[: value.ndim - len(shape)], -1))
        return torch.cat(parts, dim=-1)

    def loss(self, device: str = "cpu") -> PerSampleLoss:
        """U as a function of φ in one row, with its derivatives.

        Args:
            device: where it is computed.
        """
        known = per_sample_loss(self.problem)
        return replace(
            known, data=tuple(part.to(device) for part in known.data), start=known.start.to(device)
        )

    def largest_curvature(self, weights: Mapping[str, Any], *, seed: int = 0) -> float:
        """The largest eigenvalue of √P H √P, by Lanczos, of 10⁴ samples where there are more.

        Args:
            weights: φ, where.
            seed: of the samples chosen and of the first vector.
        """
        known = per_sample_loss(self.problem)
        if known.samples > _SAMPLES_OF_CURVATURE:
            chosen = np.random.default_rng(seed).choice(known.samples, _SAMPLES_OF_CURVATURE, replace=False)
            rows = torch.from_numpy(np.sort(chosen))
            known = replace(known, data=tuple(part[rows] for part in known.data))
        return float(top_directions(known, self.flat(weights), 1, seed=seed, tolerance=_ENOUGH)[0][0])


def _frozen(functional: FunctionalProblem) -> dict[str, Tensor]:
    """Parameters of the module that are not trained, and its buffers."""
    if functional.module is None:
        return {}
    module = functional.module
    fixed = [named for named in module.named_parameters() if not named[1].requires_grad]
    return {name: value.detach() for name, value in (*fixed, *module.named_buffers())}


@dataclass(frozen=True, eq=False)
class Measurement:
    """What is measured at some of the draws of every chain.

    Attributes:
        potential: U, `(chain, measured)`.
        virial: (φ − c)·∇U, `(chain, measured)`; it does not depend on the units.
        directional: (u·(φ − c))(u·∇U), `(chain, measured, k)`.
        batch_variance: tr of the covariance of a minibatch gradient, `(chain,)`.
    """

    potential: Array
    virial: Array
    directional: Array
    batch_variance: Array


def measure(
    known: PerSampleLoss,
    points: Tensor,
    centres: Tensor,
    *,
    directions: int,
    batch_size: int,
    epochs: Sequence[int],
    seed: int,
) -> Measurement:
    """Full gradients and two minibatch gradients at draws.

    Args:
        known: U.
        points: φ, `(chain, measured, N)`.
        centres: c, `(chain, N)`.
        directions: k, the number of modes of the largest curvature at c in which the virial is taken too.
        batch_size: m of the two disjoint minibatches.
        epochs: of the points, `(measured,)`; they choose the minibatches.
        seed: of the experiment.
    """
    chains, count, size = points.shape
    values, slopes = known.values_and_gradients(points.reshape(-1, size))
    slopes = slopes.reshape(points.shape)
    away = points - centres[:, None]
    directional = np.zeros((chains, count, directions))
    if directions:
        for chain in range(chains):
            _, basis, _ = top_directions(known, centres[chain], directions, seed=seed)
            directional[chain] = ((away[chain] @ basis) * (slopes[chain] @ basis)).cpu().numpy()
    variance = np.full(chains, np.nan)
    if 2 * batch_size <= known.samples:
        some = np.unique(np.linspace(0, count - 1, min(count, _PAIRS)).round().astype(int))
        squares = [
            _difference_of_batches(known, points[:, place], batch_size, epochs[place], seed).square().sum(1)
            for place in some
        ]
        variance = (1 - batch_size / known.samples) / 2 * torch.stack(squares).mean(0).cpu().numpy()
    return Measurement(
        values.reshape(chains, count).cpu().numpy(),
        (away * slopes).sum(-1).cpu().numpy(),
        directional,
        variance,
    )


def _difference_of_batches(
    known: PerSampleLoss, points: Tensor, batch_size: int, epoch: int, seed: int
) -> Tensor:
    """g_B − g_B' of each chain, `(chain, N)`."""
    rows = range(len(points))
    words = philox.words(seed, philox.OBSERVABLE, rows, epoch, 2 * batch_size)
    chosen = torch.from_numpy(
        fisher_yates.shuffle(fisher_yates.identity(known.samples, len(points)), words, 0).copy()
    )
    return known.batch_gradients(points, chosen[:, :batch_size]) - known.batch_gradients(
        points, chosen[:, batch_size:]
    )
