"""Gradients and curvatures of any torch loss at one point, in float64: what the theory of the stationary state needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from thermograd.errors import ConfigError
from thermograd.numerics.real_numbers import real_numbers
from thermograd.numerics.whole_number import check_whole_number
from thermograd.observables.described_loss import per_sample_loss
from thermograd.observables.effective_loss import effective_loss as effective_loss
from thermograd.observables.effective_loss import minimize_effective_loss as minimize_effective_loss
from thermograd.observables.per_sample_loss import Parameters, PerSampleLoss
from thermograd.observables.refinement import DENSE, newton, newton_conjugate_gradients
from thermograd.observables.top_directions import top_directions
from thermograd.problems.tensor_data import as_tensor
from thermograd.quantities import Landscape

Array = npt.NDArray[Any]

FLAT = 1e-6  # of the largest curvature: what is above minus that counts as flat
SMALL = 64  # parameters up to which the Hessian of every sample is kept as an array


def landscape(
    loss: Any,
    data: Any = None,
    parameters: Parameters | None = None,
    *,
    criterion: Callable[..., Tensor] | None = None,
    regulariser: float | Callable[[Any], Tensor] | None = None,
    weight_decay: float = 0.0,
    sample_hessians: bool | str = False,
    third_derivative: bool = False,
    directions: int | None = None,
    refine: bool = False,
    chunk: int | None = None,
) -> Landscape:
    """Gradients G_i of all samples and the Hessian at one point, in float64; nothing of the caller's is changed.

    The regulariser R is carried by every sample, G_i = ∇ℓ_i + ∇R, K_i = ∇∇ℓ_i + ∇∇R. A module is copied and evaluated in
    evaluation mode; its own mode, weights, gradients and all random states stay as they are.

    Args:
        loss: a function `(parameters, batch) -> (B,)` of a flat tensor or of a dict of tensors; an `nn.Module`, with
            `criterion`; or a problem, which brings data, weights and regulariser.
        data: a tensor or a tuple of tensors with samples on axis 0; for a module `(inputs, targets)`.
        parameters: the point; needed for a function, otherwise those of the model, or fresh ones of the problem.
        criterion: called as `criterion(outputs, targets, reduction="none")` and averaged over all axes but the first; a
            loss module of `torch.nn` will do. Weights of classes are averaged over samples, not over the weights.
        regulariser: λ of R = λ Σ θ², or a function of the parameters.
        weight_decay: w of R = ½ w |θ|², as in torch optimizers.
        sample_hessians: True for the K_i: as an array `(M, N, N)` up to 64 parameters, otherwise as a function
            v -> K_i v; "array" for the array at any size.
        third_derivative: T of L, and (1/M) Σ T_i·G_i with `sample_hessians`.
        directions: k, to keep to the k directions of largest curvature; for large networks.
        refine: go on to the minimum first, by Newton's method.
        chunk: samples in a pass; chosen to need little memory if None.

    Raises:
        ConfigError: a ValueError: arguments that do not go together, data that do not fit, a sample whose gradient is
            not finite.

    >>> parabolas = lambda place, batch: batch[0] * (place[0] - batch[1]).square() / 2
    >>> data = (torch.tensor([1.5, 0.5]), torch.tensor([-2 / 3, 2.0]))
    >>> land = landscape(parabolas, data, torch.zeros(1), sample_hessians=True)
    >>> land.sample_gradients.round(6).tolist(), land.sample_hessians.tolist()
    ([[1.0], [-1.0]], [[[1.5]], [[0.5]]])
    """
    if directions is not None:
        check_whole_number("directions", directions, 1, error=ConfigError)
    if directions is not None and sample_hessians:
        message = (
            "directions= and sample_hessians= do not go together: the Hessian of a sample mixes the directions with all "
            "others. Leave one of them out"
        )
        raise ConfigError(message)
    if sample_hessians not in (True, False, "array"):
        message = f"sample_hessians is {sample_hessians!r}; it must be True, False or 'array'"
        raise ConfigError(message)
    known = per_sample_loss(
        loss,
        data,
        parameters,
        criterion=criterion,
        regulariser=regulariser,
        weight_decay=weight_decay,
        chunk=chunk,
    )
    known.check_finite(known.start)
    point = _refined(known, known.start) if refine else known.start
    if directions is not None:
        return _in_directions(known, point, directions, third_derivative)
    return _whole(known, point, sample_hessians, third_derivative)


def hessian_vector(
    loss: Any, data: Any, parameters: Parameters | None, vector: Tensor, **options: Any
) -> Tensor:
    """H v of the mean loss, `(N,)`, forward over reverse.

    Args:
        loss: see `landscape`.
        data: see `landscape`.
        parameters: see `landscape`.
        vector: `(N,)`.
        **options: criterion, regulariser, weight_decay, chunk; see `landscape`.

    >>> hessian_vector(lambda place, batch: batch * place.square().sum(), torch.ones(3), torch.zeros(2), torch.ones(2)).tolist()
    [2.0, 2.0]
    """
    known = per_sample_loss(loss, data, parameters, **options)
    return known.hessian_vector(known.start, _direction(known, vector))


def sample_hessian_vectors(
    loss: Any, data: Any, parameters: Parameters | None, vectors: Tensor, **options: Any
) -> Tensor:
    """K_i v of every sample, `(M, N)`; or K_i v_i for one vector a sample.

    Args:
        loss: see `landscape`.
        data: see `landscape`.
        parameters: see `landscape`.
        vectors: v `(N,)`, or v_i `(M, N)`.
        **options: criterion, regulariser, weight_decay, chunk; see `landscape`.

    Raises:
        ConfigError: a ValueError: shapes that do not fit.

    >>> stretched = lambda place, batch: batch * place.square().sum() / 2
    >>> sample_hessian_vectors(stretched, torch.tensor([1.0, 3.0]), torch.zeros(2), torch.ones(2)).tolist()
    [[1.0, 1.0], [3.0, 3.0]]
    """
    known = per_sample_loss(loss, data, parameters, **options)
    vectors = as_tensor("vectors", vectors)
    if vectors.ndim == 1:
        return torch.cat(list(known.sample_hessian_vectors(known.start, _direction(known, vectors))))
    if vectors.shape != (known.samples, known.size):
        message = f"vectors have shape {tuple(vectors.shape)}; {(known.size,)} or {(known.samples, known.size)} fits"
        raise ConfigError(message)
    return torch.cat(list(known.own_hessian_vectors(known.start, vectors.to(known.start))))


def gradients(loss: Any, data: Any = None, *, points: npt.ArrayLike, **options: Any) -> Array:
    """The full gradient ∇L at every point, of the shape of `points`.

    Args:
        loss: see `landscape`; a problem, a module or a function of a flat tensor.
        data: see `landscape`.
        points: `(..., N)`.
        **options: criterion, regulariser, weight_decay, chunk; see `landscape`.

    Raises:
        ConfigError: a ValueError: no points, or points of another number of parameters.

    >>> gradients(lambda place, batch: batch * place.square().sum(), torch.ones(3), points=[[1.0], [2.0]]).tolist()
    [[2.0], [4.0]]
    """
    places = real_numbers("points", points)
    if not places.ndim or not places.size:
        message = f"points have shape {places.shape}; give one or more points (..., parameters)"
        raise ConfigError(message)
    flat = torch.from_numpy(places.reshape(-1, places.shape[-1]).copy())
    own = not callable(loss) or isinstance(loss, torch.nn.Module)
    known = per_sample_loss(loss, data, None if own else flat[0], **options)
    if flat.shape[1] != known.size:
        message = f"points have shape {places.shape}; the loss has {known.size} parameters, the last axis"
        raise ConfigError(message)
    found = known.gradients(flat.to(known.start))
    return found.cpu().numpy().reshape(places.shape)


def _refined(known: PerSampleLoss, point: Tensor) -> Tensor:
    if known.size <= DENSE:
        return newton(known.value, known.gradient, known.hessian, point)
    return newton_conjugate_gradients(known.value, known.gradient, known.hessian_vector, point)


def _whole(known: PerSampleLoss, point: Tensor, sample_hessians: bool | str, third: bool) -> Landscape:
    fields: dict[str, Any] = {}
    if sample_hessians and (known.size <= SMALL or sample_hessians == "array"):
        units = torch.eye(known.size, dtype=point.dtype, device=point.device)
        columns = [torch.cat(list(known.sample_hessian_vectors(point, unit))) for unit in units]
        found = torch.stack(columns, dim=2)
        fields["sample_hessians"] = _array((found + found.mT) / 2)
    elif sample_hessians:
        fields["sample_hessian_products"] = lambda vector: np.concatenate(
            [_array(part) for part in known.sample_hessian_vectors(point, torch.as_tensor(vector).to(point))]
        )
    if third:
        units = torch.eye(known.size, dtype=point.dtype, device=point.device)
        fields["third_derivative"] = _array(known.third_derivative(point, units))
        if sample_hessians:
            fields["third_derivative_gradient"] = _array(known.third_derivative_gradient(point))
    return Landscape(
        parameters=_array(point),
        sample_gradients=np.concatenate([_array(part) for part in known.sample_gradients(point)]),
        hessian=_array(known.hessian(point)),
        loss=float(known.value(point)),
        shapes=known.shapes,
        note=known.note,
        **fields,
    )


def _in_directions(known: PerSampleLoss, point: Tensor, count: int, third: bool) -> Landscape:
    curvatures, basis, smallest = top_directions(known, point, count)
    notes = [known.note] if known.note else []
    if smallest < -FLAT * float(curvatures[0]):
        notes.append(
            f"no minimum yet: outside these directions the curvature is down to {smallest:.2g} or lower, so the loss will fall "
            "by more than its fluctuations"
        )
    inside, squares, total = [], 0.0, torch.zeros_like(point)
    for part in known.sample_gradients(point):
        inside.append(part @ basis)
        squares += float(part.square().sum())
        total += part.sum(0)
    mean = total / known.samples
    spread = squares - known.samples * float(mean @ mean)
    return Landscape(
        parameters=_array(point),
        sample_gradients=_array(torch.cat(inside)),
        hessian=np.diag(_array(curvatures)),
        gradient=_array(mean @ basis),
        gradient_covariance_trace=spread / max(known.samples - 1, 1),
        third_derivative=_array(known.third_derivative(point, basis)) if third else None,
        loss=float(known.value(point)),
        shapes=known.shapes,
        note="; ".join(notes),
        directions=_array(basis),
    )


def _direction(known: PerSampleLoss, vector: Tensor) -> Tensor:
    vector = as_tensor("vector", vector)
    if vector.shape != (known.size,):
        message = f"vector has shape {tuple(vector.shape)}; the loss has {known.size} parameters"
        raise ConfigError(message)
    return vector.to(known.start)


def _array(tensor: Tensor) -> Array:
    array: Array = tensor.detach().cpu().numpy()
    return array
