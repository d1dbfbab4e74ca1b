"""`Landscape`: gradients and curvatures of a loss at one point."""

from __future__ import annotations

import importlib
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError
from thermograd.quantity_html import landscape_html

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Landscape:
    """Gradients and curvatures of a loss at one point: what the theory of the stationary state needs.

    L = (1/M) Σ ℓ_i + R with per-sample losses ℓ_i, i = 1 ... M, and a regulariser R that every sample carries in full:
    G_i = ∇ℓ_i + ∇R, K_i = ∇∇ℓ_i + ∇∇R. `thermograd.landscape` measures it; by hand two arrays are enough.
    N is the number of coordinates: parameters, or `directions` if these are given.

    Attributes:
        sample_gradients: G_i, `(M, N)`.
        parameters: the point, `(N,)`; zeros if not given. With `directions` it stays `(N_full,)`.
        sample_hessians: K_i, `(M, N, N)`, or None.
        sample_hessian_products: function v `(N,)` -> K_i v `(M, N)`, where the K_i themselves are too large; or None.
        hessian: `(N, N)`; the mean of the K_i if not given.
        gradient: `(N,)`; the mean of the G_i if not given.
        third_derivative: of L, `(N, N, N)`, or None.
        third_derivative_gradient: (1/M) Σ_i T_i·G_i with T_i the third derivative of sample i, `(N, N)`, or None.
        gradient_covariance_trace: tr S over all N_full parameters, for a landscape in `directions`; or None.
        loss: L.
        shapes: shape of every parameter tensor by name.
        directions: `(N_full, N)` with orthonormal columns, in whose coordinates the arrays are; None for all.
        note: what was left out when it was taken, in words.

    Raises:
        ConfigError: a ValueError: shapes that do not fit, no Hessian at all, or numbers that are not finite.

    >>> land = Landscape(sample_gradients=[[1.0, 0.0], [-1.0, 0.0]], hessian=[[2.0, 0.0], [0.0, 1.0]])
    >>> land.gradient_covariance.tolist()
    [[2.0, 0.0], [0.0, 0.0]]
    """

    sample_gradients: Array
    parameters: Array = None  # type: ignore[assignment]  # filled in when it is made
    sample_hessians: Array | None = None
    sample_hessian_products: Callable[[Array], Array] | None = None
    hessian: Array = None  # type: ignore[assignment]  # filled in when it is made
    gradient: Array = None  # type: ignore[assignment]  # filled in when it is made
    third_derivative: Array | None = None
    third_derivative_gradient: Array | None = None
    gradient_covariance_trace: float | None = None
    loss: float = float("nan")
    shapes: Mapping[str, tuple[int, ...]] | None = None
    directions: Array | None = None
    note: str = ""

    def __repr__(self) -> str:
        count, size = self.sample_gradients.shape
        curvatures = np.linalg.eigvalsh((self.hessian + self.hessian.T) / 2)
        where = "" if self.directions is None else f" directions of {len(self.directions)}"
        known = [name for name in _OPTIONAL if getattr(self, name) is not None]
        return (
            f"Landscape({count} samples, {size}{where} parameters, loss {self.loss:.6g}, "
            f"|gradient| {np.linalg.norm(self.gradient):.3g}, curvatures {curvatures[0]:.4g} to {curvatures[-1]:.4g}"
            + (f"; with {', '.join(known)}" if known else "")
            + (f"; {self.note}" if self.note else "")
            + ")"
        )

    def _repr_html_(self) -> str:
        return landscape_html(self)

    def __post_init__(self) -> None:
        for name in LANDSCAPE_ARRAYS:
            if getattr(self, name) is not None or name == "sample_gradients":
                object.__setattr__(self, name, _numbers(name, getattr(self, name)))
        if _numbers("loss", self.loss).ndim:
            message = f"loss is {self.loss!r}; it must be a number"
            raise ConfigError(message)
        shapes: object = self.shapes  # whatever its annotation says
        if shapes is not None and not isinstance(shapes, Mapping):
            message = f"shapes is a {type(shapes).__name__}; give a dict from the names of the weights to their shapes"
            raise ConfigError(message)
        for name, shape in (shapes or {}).items():
            if not isinstance(shape, Sequence) or not all(isinstance(size, int) for size in shape):
                message = f"shapes[{name!r}] is {shape!r}; it must be a tuple of whole numbers, as (10, 64)"
                raise ConfigError(message)
        if self.directions is not None and self.directions.ndim != 2:
            message = f"directions has shape {self.directions.shape}; it must be (parameters, directions)"
            raise ConfigError(message)
        gradients = self.sample_gradients
        if gradients.ndim != 2 or 0 in gradients.shape:
            message = (
                f"sample_gradients has shape {gradients.shape}; it must be (samples, parameters), neither 0"
            )
            raise ConfigError(message)
        samples, count = gradients.shape
        missing = {name for name in ("hessian", "gradient", "parameters") if getattr(self, name) is None}
        if "hessian" in missing:
            if self.sample_hessians is None:
                message = "a landscape needs hessian (N, N), or sample_hessians (M, N, N), got neither"
                raise ConfigError(message)
            object.__setattr__(self, "hessian", self.sample_hessians.mean(axis=0))
        if "gradient" in missing:
            object.__setattr__(self, "gradient", gradients.mean(axis=0))
        full = count if self.directions is None else len(self.directions)
        if "parameters" in missing:
            object.__setattr__(self, "parameters", np.zeros(full))
        expected_shapes = {
            "parameters": (full,),
            "sample_hessians": (samples, count, count),
            "hessian": (count, count),
            "gradient": (count,),
            "third_derivative": (count, count, count),
            "third_derivative_gradient": (count, count),
            "directions": (full, count),
        }
        for name, expected in expected_shapes.items():
            given = getattr(self, name)
            if given is not None and given.shape != expected:
                message = (
                    f"{name} has shape {given.shape}; {expected} fits sample_gradients {gradients.shape}"
                )
                raise ConfigError(message)
        for name in LANDSCAPE_ARRAYS:
            _check_finite(name, getattr(self, name))
        if self.sample_hessians is not None:
            _check_mean(self.hessian, self.sample_hessians.mean(axis=0))
        if self.shapes is not None and sum(map(math.prod, self.shapes.values())) != full:
            message = f"shapes {dict(self.shapes)} do not hold the {full} parameters"
            raise ConfigError(message)

    @property
    def samples(self) -> int:
        """Number of samples M."""
        return len(self.sample_gradients)

    @property
    def position(self) -> Array:
        """The point in the coordinates of the arrays, `(N,)`."""
        place: Array = self.parameters if self.directions is None else self.parameters @ self.directions
        return place

    @property
    def gradient_covariance(self) -> Array:
        """S = (1/(M−1)) Σ (G_i − g)(G_i − g)ᵀ, `(N, N)`; 0 for a single sample."""
        away = self.sample_gradients - self.sample_gradients.mean(axis=0)
        result: Array = away.T @ away / max(self.samples - 1, 1)
        return result

    def flatten(self, weights: Mapping[str, Any]) -> Array:
        """Weights by name, with any leading axes, as points `(..., N)`.

        Args:
            weights: arrays by name, each `(..., *shape)`; what `Run.weights` returns, for example.

        Raises:
            ConfigError: the landscape has no `shapes`, or names or shapes differ.
        """
        shapes = self._known_shapes()
        if set(weights) != set(shapes):
            message = f"weights have the names {sorted(weights)}; the landscape has {sorted(shapes)}"
            raise ConfigError(message)
        parts = []
        for name, shape in shapes.items():
            value = np.asarray(weights[name], np.float64)
            lead = value.ndim - len(shape)
            if lead < 0 or value.shape[lead:] != tuple(shape):
                message = f"weight {name!r} has shape {value.shape}; it must end with {tuple(shape)}"
                raise ConfigError(message)
            parts.append(value.reshape(*value.shape[:lead], -1))
        points = np.concatenate(parts, axis=-1)
        return points if self.directions is None else points @ self.directions

    def unflatten(self, points: npt.ArrayLike) -> dict[str, Array]:
        """Points `(..., N)` as weights by name, each `(..., *shape)`; beside `directions` all stays as it is here.

        Raises:
            ConfigError: the landscape has no `shapes`, or the last axis is not N.
        """
        shapes = self._known_shapes()
        flat = np.asarray(points, np.float64)
        if flat.ndim == 0 or flat.shape[-1] != self.sample_gradients.shape[1]:
            message = (
                f"points have shape {flat.shape}; the last axis must be {self.sample_gradients.shape[1]}"
            )
            raise ConfigError(message)
        if self.directions is not None:
            flat = self.parameters + (flat - self.position) @ self.directions.T
        ends = np.cumsum([math.prod(shape) for shape in shapes.values()])[:-1]
        parts = np.split(flat, ends, axis=-1)
        return {
            name: part.reshape(*flat.shape[:-1], *shape)
            for (name, shape), part in zip(shapes.items(), parts, strict=True)
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the landscape to one npz file, atomically; `sample_hessian_products`, a function, is left out.

        Args:
            path: the file to create or replace.

        Raises:
            OSError: the disk refuses; an old file is untouched.
        """
        _files().save_landscape(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Landscape:
        """Read what `save` wrote. Nothing in the file is executed.

        Args:
            path: the file.

        Raises:
            ConfigError: a ValueError: there is no such file, or it is something else.
            DamagedDataError: a ValueError: cut short or altered.
            NewerFormatError: written by a newer version.
        """
        found: Landscape = _files().load_landscape(path)
        return found

    def _known_shapes(self) -> Mapping[str, tuple[int, ...]]:
        if self.shapes is None:
            message = "this landscape has no shapes (name -> shape); give shapes= when making it"
            raise ConfigError(message)
        return self.shapes


def _files() -> ModuleType:
    """What writes and reads landscapes, of a higher layer: found by name, as a figure is."""
    return importlib.import_module("thermograd.store.landscape_file")


_OPTIONAL = ("sample_hessians", "sample_hessian_products", "third_derivative", "third_derivative_gradient")
LANDSCAPE_ARRAYS = (
    "sample_gradients",
    "parameters",
    "sample_hessians",
    "hessian",
    "gradient",
    "third_derivative",
    "third_derivative_gradient",
    "directions",
)


def _numbers(name: str, value: Any) -> Array:
    try:
        return np.asarray(value, np.float64)
    except (TypeError, ValueError) as error:
        message = f"{name} is a {type(value).__name__}, not numbers ({error}); give an array"
        raise ConfigError(message) from error


def _check_mean(hessian: Array, mean: Array) -> None:
    """Both belong to one loss, regulariser included."""
    off = float(np.abs(hessian - mean).max())
    if off > 1e-6 * float(np.abs(mean).max()):
        message = (
            f"hessian differs from the mean of sample_hessians by up to {off:.3g}; both must be of the loss with its "
            "regulariser, which every sample carries in full. Leave hessian out to have it computed"
        )
        raise ConfigError(message)


def _check_finite(name: str, value: Array | None) -> None:
    if value is None or np.isfinite(value).all():
        return
    place = tuple(int(axis) for axis in np.argwhere(~np.isfinite(value))[0])
    which = f"sample {place[0]}, first at index {place}" if name.startswith("sample_") else f"index {place}"
    message = f"{name} holds NaN or infinity: {which}"
    raise ConfigError(message)
