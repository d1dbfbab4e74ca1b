"""From near a minimum into it: damped Newton, or Newton with conjugate gradients for many parameters."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from thermograd.errors import ConfigError

DENSE = 2000  # parameters up to which the whole Hessian is made
_STEPS = 200
_ROUNDING = 1e-12


def newton(
    value: Callable[[Tensor], Tensor],
    gradient: Callable[[Tensor], Tensor],
    hessian: Callable[[Tensor], Tensor],
    start: Tensor,
) -> Tensor:
    """The minimum by Newton steps with |h| in place of h, halved until the value falls.

    Stops at |g| < 1e-12 (1 + |value|), or where rounding lets the gradient fall no more; warns otherwise.

    Args:
        value: of the function.
        gradient: `(N,)`.
        hessian: `(N, N)`.
        start: `(N,)`.

    Raises:
        ConfigError: a ValueError: the Hessian is NaN or infinite somewhere on the way.
    """
    point, level, slope = start, value(start), gradient(start)
    for _ in range(_STEPS):
        size = float(slope.norm())
        if size < _ROUNDING * (1 + abs(float(level))):
            return point
        curvatures, basis = torch.linalg.eigh(_finite(hessian(point)))
        floor = curvatures.abs().max() * 1e-10
        step = basis @ ((basis.T @ slope) / curvatures.abs().clamp(min=floor))
        gain, length = float(step @ slope), 1.0
        nearest, found = point - step, value(point - step)
        slack = 1e-13 * (1 + abs(float(level)))
        while not found <= level - 1e-4 * length * gain + slack and length > 1e-9:
            length /= 2
            nearest = point - length * step
            found = value(nearest)
        slope = gradient(nearest)
        stalled = length <= 1e-9 or (gain < slack and float(slope.norm()) >= size / 2)
        if stalled and not float(slope.norm()) < size:  # NaN is no progress either
            break
        point, level = nearest, found
        if stalled:
            break
    size = float(gradient(point).norm())
    if not size <= 1e-8 * (1 + abs(float(level))):
        _warn(size)
    return point


def newton_conjugate_gradients(
    value: Callable[[Tensor], Tensor],
    gradient: Callable[[Tensor], Tensor],
    hessian_vector: Callable[[Tensor, Tensor], Tensor],
    start: Tensor,
) -> Tensor:
    """The same without the Hessian, by the trust region of `scipy.optimize` with conjugate gradients.

    Args:
        value: of the function.
        gradient: `(N,)`.
        hessian_vector: `(point, vector) -> (N,)`.
        start: `(N,)`.
    """

    def tensor(array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(start)

    level = float(value(start))
    found = minimize(  # type: ignore[call-overload]  # its stubs want named array types
        lambda point: float(value(tensor(point))),
        start.cpu().numpy(),
        jac=lambda point: gradient(tensor(point)).cpu().numpy(),
        hessp=lambda point, vector: hessian_vector(tensor(point), tensor(vector)).cpu().numpy(),
        method="trust-ncg",
        options={"gtol": 1e-9 * (1 + abs(level)), "maxiter": _STEPS},
    )
    point = tensor(found.x)
    size = float(gradient(point).norm())
    if not size <= 1e-6 * (1 + abs(float(found.fun))):
        _warn(size)
    return point


def _finite(hessian: Tensor) -> Tensor:
    if not hessian.isfinite().all():
        message = (
            "the second derivative of the loss is NaN or infinite at a point on the way to the minimum, so refine=True cannot "
            "go on. Train on before, or leave refine=True out"
        )
        raise ConfigError(message)
    return hessian


def _warn(size: float) -> None:
    message = (
        f"refine stopped with a gradient of {size:.3g}: what follows holds for a point that is not quite a minimum. Train "
        "on before, or add weight decay"
    )
    warnings.warn(message, RuntimeWarning, stacklevel=4)
