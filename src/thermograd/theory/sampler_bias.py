"""How much too wide a sampler is in one direction, to leading order, and the step that keeps it within a bound.

For a model that fits, the gradients of the samples have the covariance S = M H, so that one number, nηh, decides.
"""

from __future__ import annotations

from typing import Any

import numpy.typing as npt
from scipy.optimize import brentq

from thermograd.errors import ConfigError
from thermograd.numerics.real_numbers import real_numbers
from thermograd.numerics.whole_number import check_whole_number
from thermograd.theory.sampling_settings import check_algorithm
from thermograd.theory.training_settings import check_positive

Array = npt.NDArray[Any]

SAFETY = 1.25
LARGEST = 1.0


def variance_excess(
    algorithm: str, curvature: npt.ArrayLike, *, learning_rate: npt.ArrayLike, steps_per_epoch: int
) -> Any:
    """The relative excess variance (⟨x²⟩ h − T)/T at T = 1 of a mode of curvature h.

    | algorithm | excess | from |
    |---|---|---|
    | sgld | nηh/2 | minibatch noise, and ηh/2 of the injected noise |
    | sgworld_published | nηh/2 | an Euler step of length nη |
    | sgworld_published_uncorrected | nηh | the same, and the drift of an epoch |
    | sgld_without_replacement | ηh/2 + (nηh)³/24 | injected noise; the order of the samples |
    | sgworld, sgworld_uncorrected | (nηh)³/24 | the order of the samples |

    The excess of SGLD in general is η uᵀCu/(2hT) + ηh/2 with C the covariance of a batch's gradient of U, along u. The cubic term
    is 15 % low at nηh = 0.6. Not in it: what the order of the samples does to the drift without correction, of relative
    size nηh N/M.

    Args:
        algorithm: one of `ALGORITHMS`.
        curvature: h of U, a number or an array.
        learning_rate: η.
        steps_per_epoch: n.

    Returns:
        The excess, a number or an array.

    Raises:
        ConfigError: a ValueError: an unknown algorithm, a number of steps below 1, or what are no numbers.

    >>> round(variance_excess("sgld", 100.0, learning_rate=1e-4, steps_per_epoch=20), 6)
    0.1
    >>> round(variance_excess("sgworld", 100.0, learning_rate=1e-4, steps_per_epoch=20), 6)
    0.000333
    """
    first, third = _coefficients(algorithm, steps_per_epoch)
    rate, bent = real_numbers("learning_rate", learning_rate), real_numbers("curvature", curvature)
    extent = steps_per_epoch * rate * bent
    excess: Array = first * extent + third * extent**3
    return excess if excess.ndim else float(excess)


def step_size(algorithm: str, curvature: float, *, steps_per_epoch: int, bias: float) -> float:
    """The largest learning rate whose relative excess variance stays within `bias`, by `variance_excess`.

    Its cubic term is taken 1.25 times as large, which makes up for higher orders, and nηh is at most 1.

    Args:
        algorithm: one of `ALGORITHMS`.
        curvature: the largest curvature h of U.
        steps_per_epoch: n.
        bias: relative excess of the variance in that direction, 0.01 for 1 %.

    Raises:
        ConfigError: a ValueError: an unknown algorithm, or a number out of its range.

    >>> rates = [step_size(name, 2e4, steps_per_epoch=20, bias=0.01) for name in ("sgld", "sgworld")]
    >>> [round(20 * rate * 2e4, 4) for rate in rates]  # nηh
    [0.02, 0.5769]
    """
    first, third = _coefficients(algorithm, steps_per_epoch)
    check_positive("curvature", curvature)
    check_positive("bias", bias)

    def over(extent: float) -> float:
        return float(first * extent + SAFETY * third * extent**3 - bias)

    extent = LARGEST if over(LARGEST) <= 0 else float(brentq(over, 0.0, LARGEST, xtol=1e-300, rtol=1e-14))
    return extent / (steps_per_epoch * curvature)


def _coefficients(algorithm: str, steps_per_epoch: int) -> tuple[float, float]:
    """Of nηh and of its cube."""
    check_algorithm(algorithm)
    check_whole_number("steps_per_epoch", steps_per_epoch, 1, error=ConfigError)
    return {
        "sgld": (1 / 2, 0.0),
        "sgld_without_replacement": (1 / (2 * steps_per_epoch), 1 / 24),
        "sgworld": (0.0, 1 / 24),
        "sgworld_uncorrected": (0.0, 1 / 24),
        "sgworld_published": (1 / 2, 0.0),
        "sgworld_published_uncorrected": (1.0, 0.0),
    }[algorithm]
