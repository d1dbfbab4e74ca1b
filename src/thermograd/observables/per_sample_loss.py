"""A loss of one sample as a pure function of flat float64 parameters, and its derivatives."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.func import grad, grad_and_value, jvp, vjp, vmap

from thermograd.errors import ConfigError
from thermograd.numerics.argument_kind import check_has

Batch = tuple[Tensor, ...]
Weights = dict[str, Tensor]
Parameters = Tensor | Mapping[str, Tensor]

_NUMBERS = (
    2**21
)  # of one per-sample array in memory at a time, 16 MiB: larger ones leave the cache and are slower
_SAMPLES = 8192  # in one pass of the mean loss
FLAT = "parameters"


@dataclass(frozen=True, eq=False)
class PerSampleLoss:
    """ℓ_i(θ) + R(θ) of M samples, and its derivatives, in passes over chunks of samples.

    Attributes:
        named_losses: `(parameters by name, batch) -> (B,)`, the regulariser in every one.
        data: tensors with samples on axis 0.
        start: the parameters that came with it, `(N,)`.
        shapes: shape of every parameter by name.
        chunk: samples in a pass, or None to choose.
        note: what was left out, in words.
    """

    named_losses: Callable[[Weights, Batch], Tensor]
    data: Batch
    start: Tensor
    shapes: dict[str, tuple[int, ...]]
    chunk: int | None = None
    note: str = ""

    def losses(self, point: Tensor, batch: Batch) -> Tensor:
        """The losses of a batch at flat parameters `(N,)`."""
        return self.named_losses(unflattened(point, self.shapes), batch)

    @property
    def samples(self) -> int:
        """M."""
        return len(self.data[0])

    @property
    def size(self) -> int:
        """N."""
        return self.start.numel()

    def batches(self, *, per_sample: bool = False) -> Iterator[Batch]:
        """The data in chunks, small ones if a pass makes N numbers per sample."""
        most = max(1, _NUMBERS // self.size) if per_sample else _SAMPLES
        step = self.chunk or min(most, _SAMPLES)
        for first in range(0, self.samples, step):
            yield tuple(part[first : first + step] for part in self.data)

    def check_finite(self, point: Tensor) -> None:
        """Refuse a point at which a sample has no finite loss.

        Raises:
            ConfigError: says which is the first.
        """
        first = 0
        for batch in self.batches():
            with torch.no_grad():
                known = torch.isfinite(self.losses(point, batch))
            if not known.all():
                message = f"the loss of sample {first + int(torch.nonzero(~known)[0])} is NaN or infinite at this point"
                raise ConfigError(message)
            first += len(known)

    def value(self, point: Tensor) -> Tensor:
        """L, a scalar."""
        with torch.no_grad():
            return (
                torch.stack([self.losses(point, batch).sum() for batch in self.batches()]).sum()
                / self.samples
            )

    def gradient(self, point: Tensor) -> Tensor:
        """∇L, `(N,)`."""
        slope = grad(self._total)
        return torch.stack([slope(point, batch) for batch in self.batches()]).sum(0) / self.samples

    def hessian_vector(self, point: Tensor, vector: Tensor) -> Tensor:
        """H v, `(N,)`, forward over reverse."""
        return self.hessian_vectors(point, vector[None])[0]

    def hessian_vectors(self, point: Tensor, vectors: Tensor) -> Tensor:
        """H v of every row, `(V, N)`."""
        found = torch.zeros_like(vectors)
        for batch in self.batches():

            def along(vector: Tensor, batch: Batch = batch) -> Tensor:
                return _derivative(grad(lambda place: self._total(place, batch)), point, vector)

            part = along(vectors[0])[None] if len(vectors) == 1 else vmap(along, chunk_size=16)(vectors)
            found = found + part  # not in place: the parameters may be one of many that are mapped over
        return found / self.samples

    def hessian(self, point: Tensor) -> Tensor:
        """H, `(N, N)`."""
        found = self.hessian_vectors(point, torch.eye(self.size, dtype=point.dtype, device=point.device))
        return (found + found.T) / 2

    def sample_gradients(self, point: Tensor) -> Iterator[Tensor]:
        """G_i in chunks of samples, each `(chunk, N)`.

        Raises:
            ConfigError: one is not finite; says which sample is the first.
        """

        def single(weights: Weights, sample: Batch) -> Tensor:
            return self.named_losses(weights, tuple(part[None] for part in sample))[0]

        weights, slope, first = unflattened(point, self.shapes), grad(single), 0
        for batch in self.batches(per_sample=True):
            slopes = _over_samples(lambda sample: tuple(slope(weights, sample).values()), batch)
            parts = [part.flatten(1) for part in slopes]
            found = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
            known = torch.isfinite(found.sum(1))  # a sum is far cheaper than a look at every number
            if not known.all():
                bad = first + int(torch.nonzero(~known)[0])
                message = f"the gradient of sample {bad} is NaN or infinite at this point"
                raise ConfigError(message)
            first += len(found)
            yield found

    def sample_hessian_vectors(self, point: Tensor, vector: Tensor) -> Iterator[Tensor]:
        """K_i v in chunks of samples, each `(chunk, N)`."""

        def along(sample: Batch) -> Tensor:
            return _derivative(grad(lambda place: self._single(place, sample)), point, vector)

        for batch in self.batches(per_sample=True):
            yield _over_samples(along, batch)

    def own_hessian_vectors(self, point: Tensor, vectors: Tensor) -> Iterator[Tensor]:
        """K_i v_i for `(M, N)` vectors in chunks of samples, each `(chunk, N)`."""

        def along(sample: Batch) -> Tensor:
            *own, vector = sample
            return _derivative(grad(lambda place: self._single(place, tuple(own))), point, vector)

        first = 0
        for batch in self.batches(per_sample=True):
            rows = vectors[first : first + len(batch[0])]
            first += len(rows)
            yield _over_samples(along, (*batch, rows))

    def gradients(self, points: Tensor) -> Tensor:
        """∇L at every row of `(K, N)` points."""
        slope = vmap(grad(self._total), (0, None), chunk_size=max(1, _NUMBERS // (self.samples * 64)))
        found = torch.zeros_like(points)
        for batch in self.batches():
            found += slope(points, batch)
        return found / self.samples

    def values_and_gradients(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """L and ∇L at every row of `(K, N)` points: `(K,)` and `(K, N)`."""
        both = grad_and_value(self._total)
        width = max(1, _NUMBERS // self._pass_numbers)
        values, slopes = points.new_zeros(len(points)), torch.zeros_like(points)
        for batch in self.batches():
            if width > 1:
                slope, value = vmap(both, (0, None), chunk_size=width)(points, batch)
            else:
                slope, value = map(torch.stack, zip(*(both(point, batch) for point in points), strict=True))
            values, slopes = values + value, slopes + slope
        return values / self.samples, slopes / self.samples

    @property
    def _pass_numbers(self) -> int:
        """Numbers that a pass makes at one point, roughly."""
        return min(self.samples, self.chunk or _SAMPLES) * 64 + self.size

    def batch_gradients(self, points: Tensor, rows: Tensor) -> Tensor:
        """The gradient of the mean loss of some samples, others `(K, m)` at each of `(K, N)` points, `(K, N)`."""
        batches = tuple(part[rows.to(part.device)] for part in self.data)
        slope = grad(self._total)
        if len(points) > 1 and rows.shape[1] * 64 + self.size <= _NUMBERS:
            found: Tensor = vmap(slope)(points, batches)
        else:
            each = zip(points, zip(*batches, strict=True), strict=True)
            found = torch.stack([slope(point, batch) for point, batch in each])
        return found / rows.shape[1]

    def third_derivative(self, point: Tensor, directions: Tensor) -> Tensor:
        """T along the columns of `(N, k)` directions, `(k, k, k)`, from k(k+1)/2 passes."""
        count = directions.shape[1]
        found = point.new_zeros(count, count, count)
        for first in range(count):
            for second in range(first, count):
                bent = self._bend(point, directions[:, first], directions[:, second]) @ directions
                found[first, second] = found[second, first] = bent
        return found

    def third_derivative_gradient(self, point: Tensor) -> Tensor:
        """(1/M) Σ T_i·G_i, `(N, N)`, from N passes."""

        def bend(unit: Tensor, sample: Batch) -> Tensor:
            slope = grad(lambda place: self._single(place, sample))
            return _derivative(lambda place: _derivative(slope, place, unit), point, slope(point))

        units = torch.eye(self.size, dtype=point.dtype, device=point.device)
        found = torch.zeros_like(units)
        for batch in self.batches(per_sample=True):
            columns = [_over_samples(functools.partial(bend, unit), batch).sum(0) for unit in units]
            found += torch.stack(columns)
        return (found + found.T) / (2 * self.samples)

    def _bend(self, point: Tensor, first: Tensor, second: Tensor) -> Tensor:
        found = torch.zeros_like(point)
        for batch in self.batches():
            found += _bend(self._total, batch, point, first, second)
        return found / self.samples

    def _total(self, point: Tensor, batch: Batch) -> Tensor:
        return self.losses(point, batch).sum()

    def _single(self, point: Tensor, sample: Batch) -> Tensor:
        return self.losses(point, tuple(part[None] for part in sample))[0]

    def flat(self, parameters: Parameters | None) -> Tensor:
        """Parameters of the form the loss takes as one float64 vector; its own if None.

        Raises:
            ConfigError: other names or shapes.
        """
        if parameters is None:
            return self.start
        if isinstance(parameters, Mapping):
            for name, value in parameters.items():
                check_has(f"parameters {name!r}", value, "shape", "a tensor for each name")
            if {name: tuple(value.shape) for name, value in parameters.items()} != self.shapes:
                got = {name: tuple(value.shape) for name, value in parameters.items()}
                message = f"parameters have names and shapes {got}; the loss takes {self.shapes}"
                raise ConfigError(message)
            parameters = torch.cat([torch.as_tensor(parameters[name]).reshape(-1) for name in self.shapes])
        check_has("parameters", parameters, "shape", f"a tensor of {self.size} numbers, or tensors by name")
        point = torch.as_tensor(parameters)
        if point.shape != (self.size,):
            message = (
                f"parameters have shape {tuple(point.shape)}; the loss takes {self.size} numbers in one row"
            )
            raise ConfigError(message)
        return point.to(self.start)


def unflattened(point: Tensor, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """A flat vector as parameters by name."""
    parts = torch.split(point, [math.prod(shape) for shape in shapes.values()])
    return {name: part.reshape(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}


def _derivative(function: Callable[[Tensor], Tensor], point: Tensor, direction: Tensor) -> Tensor:
    """J v of a function whose Jacobian is symmetric: forward mode, or reverse where an operation has no forward mode."""
    _load_forward_mode()
    try:
        found: Tensor = jvp(function, (point,), (direction,))[1]
    except NotImplementedError:
        found = vjp(function, point)[1](direction)[0]
    return found


def _over_samples(function: Callable[[Batch], Any], batch: Batch) -> Any:
    """What a function gives for each sample, stacked: batched, or one by one where an operation cannot be batched."""
    try:
        return vmap(function)(batch)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError:
        each = [function(tuple(part[place] for part in batch)) for place in range(len(batch[0]))]
        if isinstance(each[0], tuple):
            return tuple(torch.stack(parts) for parts in zip(*each, strict=True))
        return torch.stack(each)


@functools.cache
def _load_forward_mode() -> None:
    """The first forward-mode derivative, whose warning about torch's own use of `torch.jit.script` helps nobody."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        jvp(torch.sin, (torch.zeros(1),), (torch.ones(1),))


def _bend(
    total: Callable[[Tensor, Batch], Tensor], batch: Batch, point: Tensor, first: Tensor, second: Tensor
) -> Tensor:
    """T along two directions."""
    slope = grad(lambda place: total(place, batch))
    return _derivative(lambda place: _derivative(slope, place, first), point, second)
