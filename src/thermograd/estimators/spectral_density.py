"""The density of the eigenvalues of a matrix that is known by its products only, with errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError
from thermograd.estimators.trajectory_pieces import checked_level, student
from thermograd.numerics.argument_kind import check_number
from thermograd.numerics.finite_number import check_finite_number
from thermograd.numerics.real_numbers import real_numbers
from thermograd.numerics.whole_number import check_whole_number
from thermograd.quantities import Estimate

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class SpectralDensity:
    """Eigenvalue density of H by stochastic Lanczos quadrature (Lin, Saad & Yang, SIAM Rev. 58, 34, 2016).

    Every probe z of random signs gives zᵀf(H)z/P = Σ w_i f(x_i), whose mean is tr f(H)/P; exact for powers below twice the
    number of nodes. Intervals are Student's over probes.

    Attributes:
        nodes: x, `(probes, steps)`.
        weights: w, `(probes, steps)`; each row adds up to 1.
        complete: whether the nodes of every probe are eigenvalues, so that functions with steps are exact too.

    Raises:
        ConfigError: shapes that differ, fewer than two probes, weights that do not add up to 1.

    >>> density = SpectralDensity([[-1.0, 3.0], [-1.0, 3.0]], [[0.25, 0.75], [0.35, 0.65]], complete=True)
    >>> density.moment(1).value, density.fraction_below(0.0).value
    (1.8, 0.3)
    """

    nodes: Array
    weights: Array
    complete: bool = False

    def __post_init__(self) -> None:
        for name in ("nodes", "weights"):
            object.__setattr__(self, name, real_numbers(name, getattr(self, name)))
        if self.nodes.ndim != 2 or self.nodes.shape != self.weights.shape or len(self.nodes) < 2:
            message = (
                f"nodes have shape {self.nodes.shape} and weights {self.weights.shape}; both must be (probes, steps), with 2 "
                "probes or more"
            )
            raise ConfigError(message)
        if not np.isfinite(self.nodes).all():
            message = "nodes are NaN or infinite; the curvature at these weights is not finite"
            raise ConfigError(message)
        if not np.allclose(self.weights.sum(axis=1), 1) or (self.weights < 0).any():
            message = "weights must not be negative, and those of a probe add up to 1"
            raise ConfigError(message)

    def __str__(self) -> str:
        probes, steps = self.nodes.shape
        return f"spectral density of {probes} probes with {steps} nodes, {self.nodes.min():.4g} to {self.nodes.max():.4g}"

    __repr__ = __str__

    def moment(self, power: int, *, level: float = 0.95) -> Estimate:
        """The trace of Hᵏ over P.

        Args:
            power: k.
            level: two-sided.

        Raises:
            ConfigError: k is negative, or too high for the number of nodes.
        """
        check_whole_number("power", power, 0, error=ConfigError)
        most = 2 * self.nodes.shape[1]
        if not power < most and not self.complete:
            message = f"power is {power}; {self.nodes.shape[1]} nodes give moments 0 to {most - 1}"
            raise ConfigError(message)
        return _over_probes((self.weights * self.nodes**power).sum(axis=1), level)

    def fraction_below(self, bound: float, *, level: float = 0.95) -> Estimate:
        """The share of eigenvalues below a bound; at 0 that of the directions that go down.

        The weight of the nodes below it. The share of a probe lies between the weights of all such nodes but the last, and
        of one node more (Chebyshev, Markov & Stieltjes; Szegő, *Orthogonal Polynomials*, § 3.41), so the interval reaches
        from the lower end of the one to the upper end of the other. It is wide where many eigenvalues lie
        about the bound: of a network with many flat directions the number below 0 is a matter of rounding, and
        a bound somewhat below 0 is the better question.

        Args:
            bound: x.
            level: two-sided.

        Raises:
            ConfigError: a ValueError: a bound that is no number, or a level that is not between 0 and 1.
        """
        check_number("bound", bound)
        below = self.nodes < bound
        share = _over_probes((self.weights * below).sum(axis=1), level)
        low, high = share.interval
        if not self.complete:
            inner, outer = self._neighbours(below)
            low = _over_probes((self.weights * inner).sum(axis=1), level).low
            high = _over_probes((self.weights * outer).sum(axis=1), level).high
        ends = max(0.0, min(low, share.value)), min(1.0, max(high, share.value))
        return Estimate(share.value, ends, level=level, pieces=len(self.nodes))

    def curve(self, points: npt.ArrayLike, width: float, *, level: float = 0.95) -> Estimate:
        """The density at points, every eigenvalue a Gaussian of that width; per unit of curvature.

        Args:
            points: `(n,)`.
            width: standard deviation.
            level: two-sided.

        Raises:
            ConfigError: the width is not positive.
        """
        check_finite_number("width", width, zero=False, error=ConfigError)
        away = (np.atleast_1d(real_numbers("points", points))[:, None, None] - self.nodes) / width
        height = np.exp(-np.square(away) / 2) / (width * np.sqrt(2 * np.pi))
        return _over_probes((height * self.weights).sum(axis=2).T, level)

    def _neighbours(self, below: npt.NDArray[np.bool_]) -> tuple[Array, Array]:
        """The nodes below without the last of them, and with the next one."""
        order = np.argsort(self.nodes, axis=1)
        places = np.argsort(order, axis=1)
        count = below.sum(axis=1, keepdims=True)
        return places < count - 1, places <= count


def _over_probes(each: Array, level: float) -> Estimate:
    """Mean over probes on axis 0."""
    checked_level(level)
    count = len(each)
    mean = each.mean(axis=0)
    half = student(level, count) * each.std(axis=0, ddof=1) / np.sqrt(count)
    if mean.ndim:
        return Estimate(mean, (mean - half, mean + half), level=level, pieces=count)
    value, reach = float(mean), float(half)
    return Estimate(value, (value - reach, value + reach), level=level, pieces=count)
