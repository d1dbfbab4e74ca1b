"""The Gaussian mixture of the mean-field equations: what of a problem they depend on, and what is known without them."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import erfc

from thermograd.discover import nearest
from thermograd.errors import ConfigError
from thermograd.numerics.real_numbers import real_numbers

Array = npt.NDArray[Any]

LOSSES = ("logistic", "square", "squared_hinge")


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """Clusters of labelled points in many dimensions, and a linear or a door-shaped classifier of them.

    Sample: x = c v/√d + √Δ z with |v|² = d and z standard normal; two clusters c = y = ±1 of equal size, or three,
    c = 0 with y = −1 (half of the samples) and c = ±1 with y = +1 (a quarter each). Preactivation h = w·x/√d;
    output φ = h of two clusters, φ = h² − L² ("door") of three. w(0) is random with w·v/d = m₀ and |w|²/d = C₀.

    Attributes:
        sample_ratio: α, samples over dimensions.
        cluster_variance: Δ.
        clusters: 2 or 3.
        door_width: L.
        loss: one of `LOSSES`, see `MixtureLoss`.
        margin: κ of the squared hinge.
        weight_decay: λ of (λ/2)|w|².
        initial_norm_squared: C₀.
        initial_overlap: m₀.

    Raises:
        ConfigError: a ValueError that names the field, what was got and what is allowed.
    """

    sample_ratio: float
    cluster_variance: float
    clusters: int
    door_width: float
    loss: str
    margin: float
    weight_decay: float
    initial_norm_squared: float
    initial_overlap: float

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            message = f"loss is {self.loss!r}. {nearest(str(self.loss), LOSSES)}"
            raise ConfigError(message)
        if self.clusters not in (2, 3):
            message = f"clusters is {self.clusters!r}; use 2 (linear output) or 3 (door)"
            raise ConfigError(message)
        for name in ("sample_ratio", "cluster_variance", "initial_norm_squared"):
            _check_number(name, getattr(self, name), above=0.0)
        for name in ("door_width", "margin", "weight_decay"):
            _check_number(name, getattr(self, name), least=0.0)
        _check_number("initial_overlap", self.initial_overlap)
        if abs(self.initial_overlap) > math.sqrt(self.initial_norm_squared):
            message = (
                f"initial_overlap is {self.initial_overlap:g} and initial_norm_squared {self.initial_norm_squared:g}; "
                "no vector has an overlap whose square is larger than its squared norm. Give initial_norm_squared >= "
                f"{self.initial_overlap * self.initial_overlap:g}"
            )
            raise ConfigError(message)

    @classmethod
    def of(cls, problem: Any) -> Mixture:
        """The mixture of any object that has fields of these names, `GaussianMixture` for one.

        Args:
            problem: the object.

        Raises:
            ConfigError: a ValueError: a field is missing, or out of its range.
        """
        names = [field.name for field in fields(cls)]
        missing = [name for name in names if not hasattr(problem, name)]
        if missing:
            message = (
                f"problem is {type(problem).__name__} without {', '.join(missing)}; give a GaussianMixture, or an "
                f"object with the fields {', '.join(names)}"
            )
            raise ConfigError(message)
        return cls(**{name: getattr(problem, name) for name in names})

    def centres_and_labels(self, count: int) -> tuple[Array, Array]:
        """Centres c and labels y of `count` samples, each `(count,)`: in a fixed order in which every beginning is balanced."""
        if self.clusters == 2:
            centres = np.resize([1.0, -1.0], count)
            return centres, centres.copy()
        centres = np.resize([0.0, 1.0, 0.0, -1.0], count)
        return centres, np.where(centres == 0, -1.0, 1.0)

    @property
    def largest_covariance(self) -> float:
        """Largest eigenvalue of Σ_μ x xᵀ/d for d → ∞: of the noise, or of the direction of the clusters.

        The noise ends at Δ(1 + √α)². With s = α⟨c²⟩ the clusters add one eigenvalue (s + Δ)(s + αΔ)/s above that
        if s > √α Δ (Benaych-Georges and Nadakuditi, arXiv 1103.2221, section 3.1).

        >>> from types import SimpleNamespace
        >>> known = {"clusters": 2, "door_width": 0.7, "loss": "square", "margin": 1.0, "weight_decay": 0.1}
        >>> start = {"initial_norm_squared": 1.0, "initial_overlap": 0.0}
        >>> Mixture(sample_ratio=4.0, cluster_variance=1.0, **known, **start).largest_covariance
        10.0
        """
        ratio, variance = self.sample_ratio, self.cluster_variance
        signal = ratio * (1.0 if self.clusters == 2 else 0.5)
        if signal > math.sqrt(ratio) * variance:
            return (signal + variance) * (signal + ratio * variance) / signal
        return variance * (1 + math.sqrt(ratio)) ** 2


def generalization_error(overlap: npt.ArrayLike, norm_squared: npt.ArrayLike, problem: Any) -> Array:
    """Probability that a new sample is misclassified, from m = w·v/d and q = |w|²/d, exact for any weights.

    With Q(x) = erfc(x/√2)/2 and σ = √(Δq): Q(m/σ) of two clusters; of three
    Q(L/σ) + ½[1 − Q((L − m)/σ) − Q((L + m)/σ)].

    Args:
        overlap: m, any shape.
        norm_squared: q, of a shape that fits; where it is 0 the error is its limit.
        problem: a `GaussianMixture`, or an object with its fields.

    Raises:
        ConfigError: a ValueError: not such an object, or a negative squared norm.

    >>> from types import SimpleNamespace
    >>> door = {"clusters": 3, "door_width": 1.0, "loss": "square", "margin": 1.0, "weight_decay": 0.0}
    >>> rest = {"sample_ratio": 1.0, "cluster_variance": 1.0, "initial_norm_squared": 1.0, "initial_overlap": 0.0}
    >>> mixture = SimpleNamespace(**door, **rest)
    >>> [round(float(generalization_error(m, 1e-12, mixture)), 12) for m in (0.0, 2.0)]  # all of +1 wrong; all right
    [0.5, 0.0]
    """
    mixture = Mixture.of(problem)
    along = real_numbers("overlap", overlap)
    norm = real_numbers("norm_squared", norm_squared)
    if (norm < 0).any():
        message = f"norm_squared is {float(norm.min()):g} somewhere; it is a squared length, 0 or larger"
        raise ConfigError(message)
    spread = np.sqrt(np.maximum(mixture.cluster_variance * norm, np.finfo(float).tiny))
    if mixture.clusters == 2:
        return _tail(along / spread)
    width = mixture.door_width
    inside = 1 - _tail((width - along) / spread) - _tail((width + along) / spread)
    return _tail(width / spread) + inside / 2


def _tail(value: Array) -> Array:
    found: Array = erfc(value / math.sqrt(2)) / 2
    return found


def _check_number(name: str, value: Any, *, above: float = -math.inf, least: float = -math.inf) -> None:
    good = not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)
    if good and value > above and value >= least:
        return
    bound = (
        f" above {above:g}"
        if math.isfinite(above)
        else f", {least:g} or larger"
        if math.isfinite(least)
        else ""
    )
    message = f"{name} is {value!r}; give a finite number{bound}"
    raise ConfigError(message)
