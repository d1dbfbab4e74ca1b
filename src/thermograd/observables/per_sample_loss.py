"""A loss of one sample as a pure function of flat float64 parameters, from a callable, a module or a problem."""

from __future__ import annotations

import copy
import functools
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, jvp, vjp, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from thermograd.errors import ConfigError
from thermograd.problems.functional import FunctionalProblem
from thermograd.problems.problem import Problem

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

            found += along(vectors[0])[None] if len(vectors) == 1 else vmap(along, chunk_size=16)(vectors)
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
            if {name: tuple(value.shape) for name, value in parameters.items()} != self.shapes:
                got = {name: tuple(value.shape) for name, value in parameters.items()}
                message = f"parameters have names and shapes {got}; the loss takes {self.shapes}"
                raise ConfigError(message)
            parameters = torch.cat([torch.as_tensor(parameters[name]).reshape(-1) for name in self.shapes])
        point = torch.as_tensor(parameters)
        if point.shape != (self.size,):
            message = (
                f"parameters have shape {tuple(point.shape)}; the loss takes {self.size} numbers in one row"
            )
            raise ConfigError(message)
        return point.to(self.start)


def per_sample_loss(
    loss: Any,
    data: Any = None,
    parameters: Parameters | None = None,
    *,
    criterion: Callable[..., Tensor] | None = None,
    regulariser: float | Callable[[Any], Tensor] | None = None,
    weight_decay: float = 0.0,
    chunk: int | None = None,
) -> PerSampleLoss:
    """The per-sample loss of whatever describes one.

    Args:
        loss: `(parameters, batch) -> (B,)` with flat or named parameters; an `nn.Module`, with `criterion`; a problem.
        data: a tensor, or a tuple of equally long ones, of which a function gets slices; a problem brings its own.
        parameters: where to begin; needed for a callable.
        criterion: `(outputs, targets, reduction="none")`, averaged over all axes but the first; or a module of
            `torch.nn` with a `reduction`.
        regulariser: λ of λ Σ θ², or a function of the parameters.
        weight_decay: w of ½ w |θ|².
        chunk: samples in a pass.

    Raises:
        ConfigError: arguments that do not go together.
    """
    if chunk is not None and chunk < 1:
        message = f"chunk is {chunk!r}; it must be a whole number of samples, 1 or larger"
        raise ConfigError(message)
    if hasattr(loss, "build"):
        loss = loss.build()
    if isinstance(loss, Problem):
        found = _of_problem(loss, data, parameters)
    elif isinstance(loss, nn.Module):
        found = _of_module(loss, data, parameters, criterion)
    elif callable(loss):
        found = _of_callable(loss, data, parameters)
    else:
        message = f"loss is a {type(loss).__name__}; give a function (parameters, batch) -> losses, an nn.Module, or a problem"
        raise ConfigError(message)
    if criterion is not None and not isinstance(loss, nn.Module):
        message = "criterion= goes with an nn.Module only; a function or a problem brings its own loss"
        raise ConfigError(message)
    named = not (set(found.shapes) == {FLAT} and isinstance(parameters, Tensor))
    return _checked(_regularised(found, regulariser, weight_decay, named=named, chunk=chunk))


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


def _of_problem(problem: Problem, data: Any, parameters: Parameters | None) -> PerSampleLoss:
    given = [value for value in (parameters.values() if isinstance(parameters, Mapping) else [parameters])]
    device = given[0].device if isinstance(given[0], Tensor) else torch.device("cpu")
    functional = FunctionalProblem(problem, "float64", str(device))
    weights, buffers = functional.draw_initial(0)
    functional = functional.with_buffers(buffers)

    def losses(weights: Weights, batch: Batch) -> Tensor:
        found = functional.loss(functional.outputs(weights, batch[0]), batch[1])
        return found + functional.regularisation(weights)

    start = torch.cat([value.reshape(-1) for value in weights.values()])
    found = PerSampleLoss(
        losses, functional.train if data is None else _data(data, device), start, functional.shapes
    )
    return _at(found, parameters)


def _of_module(
    module: nn.Module, data: Any, parameters: Parameters | None, criterion: Callable[..., Tensor] | None
) -> PerSampleLoss:
    if criterion is None:
        message = "an nn.Module needs criterion=, for example criterion=torch.nn.functional.cross_entropy"
        raise ConfigError(message)
    for name, layer in module.named_modules():
        batch_statistics = isinstance(layer, nn.modules.batchnorm._BatchNorm) and (
            layer.training or layer.running_mean is None
        )
        if batch_statistics:
            message = (
                f"layer {name!r} normalises by the statistics of the batch, so that no sample has a loss of its own. Call "
                "model.eval() first if the running statistics are meant"
            )
            raise ConfigError(message)
    copied = copy.deepcopy(module).to(torch.float64).eval()
    weights = {name: value.detach() for name, value in copied.named_parameters() if value.requires_grad}
    if not weights:
        message = "the model has no trainable parameters"
        raise ConfigError(message)
    shapes = {name: tuple(value.shape) for name, value in weights.items()}
    start = torch.cat([value.reshape(-1) for value in weights.values()])
    measure = _unreduced(criterion, start)

    def losses(weights: Weights, batch: Batch) -> Tensor:
        with sdpa_kernel(SDPBackend.MATH):  # the fused kernels have no second derivatives
            outputs = functional_call(copied, weights, batch[:-1])
        found = measure(outputs, batch[-1])
        return found.flatten(1).mean(1) if found.ndim > 1 else found

    silent = any(
        isinstance(layer, nn.modules.dropout._DropoutNd) and layer.p > 0 for layer in module.modules()
    )
    note = "dropout switched off: its noise is left out" if silent else ""
    return _at(PerSampleLoss(losses, _data(data, start.device), start, shapes, note=note), parameters)


def _unreduced(criterion: Callable[..., Tensor], start: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    if isinstance(criterion, nn.Module):
        if getattr(criterion, "reduction", None) not in {"mean", "none"}:
            message = (
                f"criterion {type(criterion).__name__} has reduction {getattr(criterion, 'reduction', None)!r}; it must be 'mean': "
                "learning rate, batch size and weight decay are those of a mean over samples"
            )
            raise ConfigError(message)
        whole = copy.deepcopy(criterion).to(start)
        whole.reduction = "none"  # type: ignore[assignment]  # a module whose class is not known
        return whole
    return lambda outputs, targets: criterion(outputs, targets, reduction="none")


def _of_callable(loss: Callable[..., Tensor], data: Any, parameters: Parameters | None) -> PerSampleLoss:
    if parameters is None:
        message = "a function needs parameters=, a flat tensor or a dict of tensors"
        raise ConfigError(message)
    alone, named = not isinstance(data, tuple | list), isinstance(parameters, Mapping)

    def losses(weights: Weights, batch: Batch) -> Tensor:
        return loss(weights if named else weights[FLAT], batch[0] if alone else batch)

    if isinstance(parameters, Mapping):
        shapes = {name: tuple(value.shape) for name, value in parameters.items()}
        start = torch.cat([value.detach().reshape(-1) for value in parameters.values()]).double()
        return PerSampleLoss(losses, _data(data, start.device), start, shapes)
    start = torch.as_tensor(parameters).detach().double()
    if start.ndim != 1:
        message = (
            f"parameters have shape {tuple(start.shape)}; a flat tensor (N,) is needed, or a dict of tensors"
        )
        raise ConfigError(message)
    return PerSampleLoss(losses, _data(data, start.device), start, {FLAT: tuple(start.shape)})


def _at(found: PerSampleLoss, parameters: Parameters | None) -> PerSampleLoss:
    return replace(found, start=found.flat(parameters).detach())


def _data(data: Any, device: torch.device) -> Batch:
    data = getattr(data, "tensors", data)  # of a TensorDataset
    parts = data if isinstance(data, tuple | list) else (data,)
    if not parts or not all(hasattr(part, "shape") and len(part.shape) and len(part) for part in parts):
        message = (
            f"data is a {type(data).__name__}; give tensors with the samples on axis 0, for a model the tuple "
            "(inputs, targets). Of a Dataset: torch.utils.data.default_collate(list(dataset))"
        )
        raise ConfigError(message)
    tensors = tuple(torch.as_tensor(part).detach().to(device) for part in parts)
    lengths = {len(part) for part in tensors}
    if len(lengths) > 1:
        message = (
            f"data have {', '.join(map(str, sorted(lengths)))} samples; all tensors must have equally many"
        )
        raise ConfigError(message)
    return tuple(part.double() if part.is_floating_point() else part for part in tensors)


def _regularised(
    found: PerSampleLoss,
    regulariser: float | Callable[[Any], Tensor] | None,
    weight_decay: float,
    *,
    named: bool,
    chunk: int | None,
) -> PerSampleLoss:
    def losses(weights: Weights, batch: Batch) -> Tensor:
        total = found.named_losses(weights, batch)
        if callable(regulariser):
            total = total + regulariser(weights if named else weights[FLAT])
        strength = weight_decay / 2 + (0.0 if regulariser is None or callable(regulariser) else regulariser)
        if strength:
            total = total + strength * torch.stack([value.square().sum() for value in weights.values()]).sum()
        return total

    return replace(found, named_losses=losses, chunk=chunk)


def _checked(found: PerSampleLoss) -> PerSampleLoss:
    """One number per sample, the same whatever the other samples are."""
    count = min(2, found.samples)
    got = found.losses(found.start, tuple(part[:count] for part in found.data))
    if not isinstance(got, Tensor) or got.shape != (count,):
        shape = tuple(got.shape) if isinstance(got, Tensor) else type(got).__name__
        message = (
            f"the loss must give one number per sample, shape ({count},) for {count} samples; got {shape}"
        )
        raise ConfigError(message)
    alone = found.losses(found.start, tuple(part[:1] for part in found.data))
    if got.isfinite().all() and not torch.allclose(alone[0], got[0], rtol=1e-6, atol=1e-12):
        shapes = ", ".join(str(tuple(part.shape)) for part in found.data)
        message = (
            f"the loss of a sample changes with the other samples of its batch: {float(alone[0]):.6g} alone, "
            f"{float(got[0]):.6g} beside another. Do outputs and targets have the same shape, (N, 1) and not (N,)? Data "
            f"here: {shapes}"
        )
        raise ConfigError(message)
    return found
