"""The potential U of a live model, and its derivatives: gradient, curvature, the correction of an epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from thermograd.dynamics.sgworld import pairs_of_batches
from thermograd.numerics.extreme_eigenpairs import extreme_eigenpairs
from thermograd.observables.described_loss import layer_that_mixes_samples

if TYPE_CHECKING:
    from thermograd.training.posterior_batches import EpochBatches, Indices, Supply

Loss = Callable[[nn.Module, Any], Tensor]

_LANCZOS, _AGAIN = 40, 6
_TOLERANCE = 1e-2
CURVATURE_SAMPLES = 10_000
_ALIKE = 0.1  # of the gradient of the loss, within which gradients are the same: bfloat16 is off by 0.01
_SCALED = (
    8.0  # times the gradient of the loss, from which on gradients are taken for scaled, where they are random
)


class LivePotential:
    """U = M · (mean loss) + ½ precision |θ − mean|², of the parameters of a model where they are.

    Args:
        model: the module.
        loss: `(model, batch) -> mean loss`, a scalar.
        parameters: those that are sampled.
        samples: M.
        precision: of the prior.
        mean: of the prior, one tensor for each parameter, or None for 0.
        preconditioner: P, one tensor for each parameter, or None.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Loss,
        parameters: Sequence[Tensor],
        *,
        samples: int,
        precision: float,
        mean: list[Tensor] | None,
        preconditioner: list[Tensor] | None,
    ) -> None:
        self._model, self._loss, self._parameters = model, loss, list(parameters)
        self._samples, self.precision, self.mean = samples, precision, mean
        self._scale = preconditioner
        self.stiffest: Tensor | None = None

    def mean_loss(self, batch: Any) -> Tensor:
        """The loss of a batch.

        Raises:
            ValueError: it is no mean.
        """
        with sdpa_kernel(SDPBackend.MATH):  # the fused kernels of attention have no second derivatives
            value: object = self._loss(self._model, batch)
        if not isinstance(value, Tensor) or value.ndim != 0:
            got = (
                f"a tensor of shape {tuple(value.shape)}"
                if isinstance(value, Tensor)
                else type(value).__name__
            )
            message = f"loss(model, batch) gave {got}; it must be the mean over the batch, a scalar (reduction='mean')"
            raise ValueError(message)
        return value

    def check_used(self, batch: Any) -> None:
        """Refuse parameters that the loss does not depend on.

        Args:
            batch: some samples.

        Raises:
            ValueError: says how many of which shape.
        """
        with torch.random.fork_rng(devices=[]):
            loss = self.mean_loss(batch)
        slopes = torch.autograd.grad(loss, self._parameters, allow_unused=True)
        unused = [p for p, slope in zip(self._parameters, slopes, strict=True) if slope is None]
        if unused:
            message = (
                f"the loss does not depend on {len(unused)} parameters (the first of shape {tuple(unused[0].shape)}), which would "
                "drift off; set requires_grad=False for them"
            )
            raise ValueError(message)

    def prior_pull(self) -> list[Tensor]:
        """θ − mean of the prior."""
        if self.mean is None:
            return [value.detach() for value in self._parameters]
        return [value.detach() - centre for value, centre in zip(self._parameters, self.mean, strict=True)]

    def value_and_gradient(self, supply: Supply, indices: Indices) -> tuple[float, list[Tensor]]:
        """U and ∇U, the likelihood part by the samples given, as if they were all."""
        pull = self.prior_pull()
        value = self.precision / 2 * float(sum(part.square().sum() for part in pull))
        gradient = [self.precision * part for part in pull]
        for batch, count in supply.passes(indices):
            share = self._samples * count / len(indices)
            loss = self.mean_loss(batch)
            torch._foreach_add_(gradient, torch.autograd.grad(loss, self._parameters), alpha=share)
            value += share * float(loss.detach())
        return value, gradient

    def hessian_vector(self, supply: Supply, indices: Indices, vector: Sequence[Tensor]) -> list[Tensor]:
        """H v, the likelihood part by the samples given, as if they were all."""
        found = [self.precision * part for part in vector]
        for batch, count in supply.passes(indices):
            slope = torch.autograd.grad(self.mean_loss(batch), self._parameters, create_graph=True)
            along = torch.stack([(a * b).sum() for a, b in zip(slope, vector, strict=True)]).sum()
            share = self._samples * count / len(indices)
            torch._foreach_add_(found, self._gradient_of(along), alpha=share)
        return found

    def largest_curvature(self, supply: Supply, indices: Indices) -> float:
        """The largest eigenvalue of √P H √P, by Lanczos; from the second time on by a few steps from the last vector."""
        flat = torch.cat([value.detach().reshape(-1) for value in self._parameters])
        again = self.stiffest is not None
        start = self.stiffest
        if start is None:
            start = torch.randn(flat.shape, generator=torch.Generator().manual_seed(0)).to(flat)
        root = None if self._scale is None else torch.cat([p.sqrt().reshape(-1) for p in self._scale])

        def product(vector: Tensor) -> Tensor:
            scaled = vector if root is None else root * vector
            image = self.hessian_vector(supply, indices, self._shaped(scaled))
            whole = torch.cat([part.reshape(-1) for part in image])
            return whole if root is None else root * whole

        basis = flat.new_empty(min(len(flat), _AGAIN if again else _LANCZOS), len(flat))
        ritz, vectors = extreme_eigenpairs(product, start, basis, 1, tolerance=_TOLERANCE)
        self.stiffest = vectors[:, 0].clone()
        return float(ritz.values[0])

    def difference(self, first: Any, second: Any, *, differentiable: bool) -> tuple[Tensor, ...]:
        """g_B − g_B' of two batches."""
        gap = self._samples * (self.mean_loss(first) - self.mean_loss(second))
        return torch.autograd.grad(gap, self._parameters, create_graph=differentiable)

    def distance(self, first: Any, second: Any) -> float:
        """|g_B − g_B'|²_P of two batches."""
        squares = [part.square() for part in self.difference(first, second, differentiable=False)]
        if self._scale is not None:
            torch._foreach_mul_(squares, self._scale)
        return float(torch.stack([part.sum() for part in squares]).sum())

    def correction(self, first: Any, second: Any, strength: float) -> tuple[list[Tensor], float]:
        """∇ [strength · (g_B − g_B')ᵀ P (g_B − g_B')] by one double backward pass, and that |g_B − g_B'|²_P.

        Args:
            first: B.
            second: B', disjoint from it.
            strength: η c m/8M.

        Raises:
            ValueError: an operation of the model cannot be differentiated twice.
            RuntimeError: torch's own.
        """
        try:
            gap = self.difference(first, second, differentiable=True)
            squares = [part.square() for part in gap]
            if self._scale is not None:
                squares = [p * part for p, part in zip(self._scale, squares, strict=True)]
            size = torch.stack([part.sum() for part in squares]).sum()
            return self._gradient_of(strength * size), float(size.detach())
        except (RuntimeError, NotImplementedError) as failure:
            told = str(failure).strip().splitlines()[0]
            if not any(word in told for word in ("derivative", "twice", "double backward")):
                raise
            message = (
                f"SGWORLD's correction is a gradient of gradients, and an operation of the model has none ({told[:200]}). Use "
                "SGWORLD(correction=False), or another form of that operation"
            )
            raise ValueError(message) from failure

    def descend(self, gradients: list[Any], rate: float, share: float) -> None:
        """θ ← θ − ηP (share · g + precision · (θ − mean)), in place.

        Args:
            gradients: g, of the mean loss of a batch.
            rate: η.
            share: by which the batch stands for all samples.
        """
        parameters = [value.data for value in self._parameters]
        if self._scale is None and self.mean is None:
            if self.precision:
                torch._foreach_mul_(parameters, 1 - rate * self.precision)
            torch._foreach_add_(parameters, gradients, alpha=-rate * share)
            return
        slopes = torch._foreach_mul(gradients, share)
        torch._foreach_add_(slopes, self.prior_pull(), alpha=self.precision)
        if self._scale is not None:
            torch._foreach_mul_(slopes, self._scale)
        torch._foreach_add_(parameters, slopes, alpha=-rate)

    def epoch_drift(
        self, supply: Supply, batches: EpochBatches, epoch: int, rate: float, *, published: bool
    ) -> tuple[list[Tensor], float]:
        """P∇V̂ of an epoch, or P∇δL of the published variant, and |g_B − g_B'|²_P of the pair.

        Args:
            supply: of samples.
            batches: of the epochs.
            epoch: which.
            rate: η.
            published: which of the two.
        """
        pairs = pairs_of_batches(batches.samples, batches.size, batches.steps)
        first, second = (supply.batch(chosen) for chosen in batches.pair(epoch))
        strength = rate * pairs * batches.size / (8 * batches.samples)
        drift, square = self.correction(first, second, strength)
        if published:
            everything = batches.subset(batches.samples)
            torch._foreach_add_(drift, self.published_drift(supply, everything, rate * pairs / 2))
        if self._scale is not None:
            torch._foreach_mul_(drift, self._scale)
        return drift, square

    def published_drift(self, supply: Supply, indices: Indices, strength: float) -> list[Tensor]:
        """−strength · H P ∇U, of all samples."""
        _, gradient = self.value_and_gradient(supply, indices)
        if self._scale is not None:
            torch._foreach_mul_(gradient, self._scale)
        image = self.hessian_vector(supply, indices, gradient)
        torch._foreach_mul_(image, -strength)
        return image

    def _gradient_of(self, scalar: Tensor) -> list[Tensor]:
        """Its gradient; zeros where it does not depend on a parameter."""
        if not scalar.requires_grad:
            return [torch.zeros_like(value) for value in self._parameters]
        slopes = torch.autograd.grad(scalar, self._parameters, allow_unused=True)
        return [
            torch.zeros_like(value) if slope is None else slope
            for value, slope in zip(self._parameters, slopes, strict=True)
        ]

    def _shaped(self, flat: Tensor) -> list[Tensor]:
        parts = torch.split(flat, [value.numel() for value in self._parameters])
        return [part.reshape(value.shape) for part, value in zip(parts, self._parameters, strict=True)]


def check_separable(model: nn.Module) -> None:
    """Refuse layers that mix the samples of a batch.

    Args:
        model: the module.

    Raises:
        ValueError: batch normalisation in training mode.
    """
    mixing = layer_that_mixes_samples(model)
    if mixing is not None:
        message = (
            f"layer {mixing!r} normalises by the statistics of the batch, so that samples have no losses of their own and "
            "there is no posterior. Call model.eval() (running statistics), or use layer or group normalisation"
        )
        raise ValueError(message)


def random_layers(model: nn.Module) -> bool:
    """Whether dropout is at work.

    Args:
        model: the module.
    """
    return any(
        isinstance(layer, nn.modules.dropout._DropoutNd) and layer.training and layer.p > 0
        for layer in model.modules()
    )


def check_mean(potential: LivePotential, supply: Supply, samples: int) -> None:
    """Refuse a loss that is no mean: of samples given twice it must be the same.

    Args:
        potential: of the model.
        supply: of batches.
        samples: M.

    Raises:
        ValueError: it is a sum, or has no single value.
    """
    few = np.arange(min(2, samples))
    potential.check_used(supply.batch(few))
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        state = torch.random.get_rng_state()
        once = float(potential.mean_loss(supply.batch(few)))
        torch.random.set_rng_state(state)
        twice = float(potential.mean_loss(supply.batch(np.concatenate([few, few]))))
    if math.isfinite(once) and abs(once) > 0 and abs(twice - 2 * once) < 1e-3 * abs(once):
        message = (
            f"loss(model, batch) is {once:.6g} for {len(few)} samples and {twice:.6g} for the same samples twice: it is a "
            "sum. It must be the mean over the batch (reduction='mean')"
        )
        raise ValueError(message)


def check_gradients(
    potential: LivePotential,
    parameters: Sequence[Tensor],
    batch: Any,
    gradients: Sequence[Any],
    *,
    random: bool,
) -> None:
    """Refuse gradients that are not those of the loss: the same, or of about the size where dropout is at work.

    Args:
        potential: of the model.
        parameters: those that are sampled.
        batch: on the device of the model.
        gradients: what a loop has computed of it.
        random: whether the forward pass draws random numbers.

    Raises:
        RuntimeError: they are not.
    """
    with torch.enable_grad():
        expected = torch.autograd.grad(potential.mean_loss(batch), parameters)
    apart = [a - b for a, b in zip(gradients, expected, strict=True)]
    got, wanted, distance = (
        float(torch.stack([part.square().sum() for part in parts]).sum().sqrt())
        for parts in (gradients, expected, apart)
    )
    same = 1 / _SCALED < got / wanted < _SCALED if random and wanted else distance <= _ALIKE * wanted
    if not same:
        message = (
            f"the gradients are not those of loss(model, batch): their norm is {got:.4g}, that of the loss {wanted:.4g}. Call "
            "zero_grad() before backward(); unscale them (scaler.unscale_(sampler), scaler.step(sampler)); do not clip "
            "them, which changes what is sampled; and use the same mean loss in the loop as the sampler was given"
        )
        raise RuntimeError(message)
