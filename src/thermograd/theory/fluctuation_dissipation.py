"""Stationary state of SGD on a quadratic loss, where every quantity of the fluctuation-dissipation relations is known.

Relations FDR1, FDR1' (with momentum) and FDR2 are those of Yaida, arXiv 1810.00004. They hold for any loss
in a stationary state; for independent parabolas under independent noise both of their sides are exact numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError
from thermograd.numerics.finite_number import is_finite_number
from thermograd.numerics.real_numbers import real_numbers
from thermograd.quantities import Prediction

__all__ = ["quadratic"]

Array = npt.NDArray[Any]

_RESTS_ON = "a quadratic loss and independent gradient noise of constant covariance"


def quadratic(
    curvatures: npt.ArrayLike,
    noise: npt.ArrayLike,
    learning_rate: float,
    momentum: float = 0.0,
    dampening: float = 0.0,
) -> dict[str, Prediction]:
    """Stationary averages of SGD on f = ½ Σ h x², at any learning rate that is stable.

    Per mode g = h x + ξ, Var ξ = s; b ← μ b + (1 − ν) g; x ← x − η b. Two-by-two Lyapunov equation:
    ⟨x²⟩ = η (1−ν)(1+μ) s / (h (1−μ) d) and ⟨b²⟩ = 2 (1−ν)² s / ((1−μ) d), with d = 2 (1+μ) − η (1−ν) h.
    N is the number of modes, and the result has

    - `variance`: ⟨x²⟩ per mode;
    - `dissipation`: Σ h ⟨x²⟩ = ⟨θ·∇f⟩, the left side of FDR1;
    - `fluctuation`: (1+μ) / (2 (1−ν)) η Σ ⟨b²⟩, its right side; without momentum η ⟨|g|²⟩ / 2;
    - `ratio`: their quotient, 1 in a stationary state;
    - `temperature`: fluctuation / N, in units of the loss;
    - `squared_gradient`: ⟨|∇f|²⟩ = Σ h² ⟨x²⟩. Without momentum it is (η/2) Tr(H C̃), FDR2 without a rest, with
      the two-point matrix C̃ = C + ⟨∇f ∇fᵀ⟩; so 2 ⟨|∇f|²⟩ / η = Σ h s / (1 − η h / 2) exceeds Tr(H C);
    - `trace_hessian_noise`: Tr(H C) = Σ h s;
    - `relaxation_times`: −1 / ln |λ| steps per mode, λ the larger root of λ² − (1 + μ − η (1−ν) h) λ + μ = 0:
      the time in which ⟨x⟩ falls by e, oscillating (complex λ, |λ| = √μ) or not. ⟨x²⟩ takes half of it.

    Args:
        curvatures: h, the eigenvalues of the Hessian, `(mode,)`, all positive.
        noise: s, variance of the minibatch gradient per mode, `(mode,)` or one number.
        learning_rate: η.
        momentum: μ, from 0 to below 1.
        dampening: ν, from 0 to below 1.

    Returns:
        The quantities by name.

    Raises:
        ConfigError: a ValueError: an argument out of its range, no noise at all, or a mode that is not stable,
            η h ≥ 2 (1+μ) / (1−ν).

    >>> predicted = quadratic(curvatures=[1, 0.1, 0.01], noise=[1, 1, 1], learning_rate=0.1)
    >>> predicted["variance"].value.round(6).tolist()  # η s / (h (2 − η h))
    [0.052632, 0.502513, 5.002501]
    >>> print(round(predicted["fluctuation"].value, 7), round(predicted["squared_gradient"].value, 8))
    0.1529078 0.05815695
    """
    h, s = _modes(curvatures, noise)
    rate = _number("learning_rate", learning_rate)
    mu, nu = _number("momentum", momentum, below=1.0), _number("dampening", dampening, below=1.0)
    if rate == 0:
        message = "learning_rate is 0: nothing moves, so there is no stationary state; give a positive one"
        raise ConfigError(message)
    _check_stable(h, rate, mu, nu)
    distance = 2.0 * (1.0 + mu) - rate * (1.0 - nu) * h
    variance = rate * (1.0 - nu) * (1.0 + mu) * s / (h * (1.0 - mu) * distance)
    second_moment = 2.0 * (1.0 - nu) ** 2 * s / ((1.0 - mu) * distance)
    dissipation = float(h @ variance)
    fluctuation = float((1.0 + mu) / (2.0 * (1.0 - nu)) * rate * second_moment.sum())
    per_mode = {
        "variance": variance,
        "relaxation_times": relaxation_times(rate * (1.0 - nu) * h, mu),
    }
    sums = {
        "dissipation": dissipation,
        "fluctuation": fluctuation,
        "ratio": dissipation / fluctuation,
        "temperature": fluctuation / h.size,
        "squared_gradient": float(h**2 @ variance),
        "trace_hessian_noise": float(h @ s),
    }
    return {name: Prediction(value, at=h, rests_on=_RESTS_ON) for name, value in per_mode.items()} | {
        name: Prediction(value, rests_on=_RESTS_ON) for name, value in sums.items()
    }


def relaxation_times(step: Array, momentum: float) -> Array:
    """−1 / ln |λ| steps per mode, from the roots x = 1 − λ of x² − (1 − μ + a) x + a = 0, exact for slow modes too.

    Args:
        step: a = η (1 − ν) h per mode.
        momentum: μ.

    >>> relaxation_times(np.array([0.5]), 0.0).round(6).tolist()  # 1 / ln 2
    [1.442695]
    """
    middle = 1.0 - momentum + step
    discriminant = middle**2 - 4.0 * step
    root = np.sqrt(np.maximum(discriminant, 0.0))
    near, far = 2.0 * step / (middle + root), (middle + root) / 2.0
    with np.errstate(divide="ignore"):  # λ = 0: gone in one step
        real = np.maximum(
            np.log(np.abs(1.0 - far)), np.where(near < 1, np.log1p(-np.minimum(near, 1)), -np.inf)
        )
        return -1.0 / np.where(discriminant < 0, 0.5 * np.log(momentum), real)


def _modes(curvatures: npt.ArrayLike, noise: npt.ArrayLike) -> tuple[Array, Array]:
    h = np.atleast_1d(real_numbers("curvatures", curvatures))
    s = real_numbers("noise", noise)
    if h.ndim != 1 or h.size == 0 or s.shape not in {(), h.shape}:
        message = (
            "curvatures must be a list of one number per mode, and noise as many or a single one; got "
            f"shapes {h.shape} and {s.shape}"
        )
        raise ConfigError(message)
    flat = np.flatnonzero(~((h > 0) & np.isfinite(h)))
    if flat.size:
        message = (
            f"mode {flat[0]} has curvature {h[flat[0]]:g}: nothing finite holds it, so it has no stationary state. "
            "Leave out such modes; all curvatures must be positive and finite"
        )
        raise ConfigError(message)
    if not (np.isfinite(s) & (s >= 0)).all() or not s.any():
        message = (
            f"noise must be finite variances, 0 or larger and not all 0, got {noise!r}. Without any noise "
            "SGD stops at the minimum, and the ratio of the relation is 0/0"
        )
        raise ConfigError(message)
    return h, np.broadcast_to(s, h.shape)


def _number(name: str, value: float, below: float = np.inf) -> float:
    if not is_finite_number(value) or not 0 <= value < below:
        limit = "a finite number, 0 or larger" if below == np.inf else f"from 0 to below {below:g}"
        message = f"{name} is {value!r}; it must be {limit}"
        raise ConfigError(message)
    return float(value)


def _check_stable(h: Array, rate: float, mu: float, nu: float) -> None:
    bound = 2.0 * (1.0 + mu) / (1.0 - nu)
    worst = int(np.argmax(h))
    if rate * h[worst] >= bound:
        message = (
            f"mode {worst} of curvature {h[worst]:g} is unstable: learning_rate times curvature is "
            f"{rate * h[worst]:g} and must be below 2 (1 + momentum) / (1 - dampening) = {bound:g}. Take a "
            f"learning_rate below {bound / h[worst]:g}"
        )
        raise ConfigError(message)
