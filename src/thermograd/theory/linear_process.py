"""The stationary state of a linear process: mean, covariance, circulation, entropy production, relaxation times.

x ← A x + ξ with noise of covariance 2D settles at Σ = AΣAᵀ + 2D and circulates with C = (ΣAᵀ − AΣ)/2, the mean area
½ ⟨δ ∧ Δδ⟩ swept per update (Adhikari, Kabakçıoğlu, Strang, Yuret, Hinczewski, arXiv 2306.03521, (21) to (29)).
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError
from thermograd.numerics.lyapunov import Relaxation, RelaxationModes, relaxation_of, square_matrix
from thermograd.numerics.real_numbers import real_numbers
from thermograd.numerics.whole_number import check_whole_number
from thermograd.quantities import Prediction, Verdict
from thermograd.theory.entropy import entropy_force, entropy_production
from thermograd.theory.equilibrium import equilibrium_verdict

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Marginal:
    """The Gaussian density of some coordinates and the current in it, the others averaged over.

    Attributes:
        mean: `(k,)`.
        covariance: `(k, k)`.
        circulation: `(k, k)`.

    >>> spiral = np.array([[0.8, -0.3, 0.0], [0.3, 0.8, 0.0], [0.0, 0.0, 0.5]])
    >>> plane = linear_process(spiral, np.diag([0.27, 0.27, 1.0])).marginal(0, 1)
    >>> plane.covariance.round(9).tolist(), plane.velocity([1.0, 0.0]).round(9).tolist()  # to the left
    ([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.3])
    >>> float((2 * np.pi * plane.density([0.0, 0.0])).round(9))
    1.0
    """

    mean: Array
    covariance: Array
    circulation: Array

    def density(self, points: npt.ArrayLike) -> Array:
        """Probability density at points `(..., k)`.

        Raises:
            ConfigError: a ValueError: the coordinates do not fluctuate in every direction, so there is no density.
        """
        away, correlation = self._in_standard_deviations(points)
        if np.linalg.matrix_rank(correlation, hermitian=True) < len(correlation):
            message = (
                "these coordinates do not fluctuate in every direction: no density. Leave out those that stay"
            )
            raise ConfigError(message)
        square = np.sum(away * np.linalg.solve(correlation, away[..., None])[..., 0], axis=-1)
        norm = np.sqrt(np.linalg.det(2 * np.pi * correlation)) / np.prod(self._scale)
        density: Array = np.exp(-square / 2) / norm
        return density

    def velocity(self, points: npt.ArrayLike) -> Array:
        """−C Σ⁻¹ δ at points `(..., k)`: mean velocity of the current, per update; within the k coordinates exact."""
        away, correlation = self._in_standard_deviations(points)
        inverse = np.linalg.pinv(correlation, rcond=1e-12, hermitian=True) * self._scale
        velocity: Array = -(away @ inverse @ self.circulation.T)
        return velocity

    def _in_standard_deviations(self, points: npt.ArrayLike) -> tuple[Array, Array]:
        """Points from the mean, and the covariance, in units of the standard deviations."""
        given = real_numbers("points", points)
        if given.shape[-1:] != self.mean.shape:
            message = f"points have shape {given.shape}; the last axis must be that of the {len(self.mean)} coordinates"
            raise ConfigError(message)
        away = (given - self.mean) * self._scale
        return away, self.covariance * self._scale[:, None] * self._scale

    @property
    def _scale(self) -> Array:
        """One over the standard deviations; 0 where nothing moves."""
        variance = np.diagonal(self.covariance)
        scale: Array = np.where(variance > 0, 1 / np.sqrt(np.where(variance > 0, variance, 1.0)), 0.0)
        return scale


@dataclass(frozen=True, eq=False)
class StationaryState:
    """What training fluctuates around, how much, how it circulates, and how long it takes to settle.

    δ = θ − mean, N coordinates: the parameters, or `directions`. An update is a step; an epoch without replacement.

    Attributes:
        mean: ⟨θ⟩, `(N,)`.
        covariance: Σ = ⟨δδᵀ⟩, `(N, N)`.
        circulation: C = ½⟨δ ∧ Δδ⟩, antisymmetric, area per update, `(N, N)`.
        diffusion: D, half the covariance of one update, `(N, N)`.
        propagator: A of δ ← A δ + noise, `(N, N)`; with momentum `(2N, 2N)` in (weights, momentum buffer).
        equilibrium: whether it is an equilibrium state; kind boltzmann, equilibrium or nonequilibrium.
        relaxation_times: in steps, one per mode, `(modes,)`, slowest last: the mean falls by e, the covariance in half of it.
        entropy_force: W of σ = Σ (Wδ)·Δθ, `(N, N)`, or None.
        entropy_production: ⟨σ⟩ per update, or None.
        excess_loss: ½ tr(HΣ), the loss that the fluctuations cost, or None if no loss is known.
        loss: loss at the centre as far as it is known, or NaN.
        inverse_temperature: β of the Boltzmann factor, where there is one; else None.
        steps_per_update: steps in an update.
        joint_covariance: with momentum Σ of (weights, PyTorch's momentum buffer), `(2N, 2N)`; else None.
        joint_circulation: with momentum C of both, `(2N, 2N)`; else None.
        directions: `(N_full, N)` of the landscape, or None.
        dropped: coordinates without gradient and curvature, which stay where they are.
        title: the dynamics, in words.
        note: what speaks against using it as it is, in words.
        rests_on: the assumptions, in words.

    >>> state = linear_process([[0.8, -0.3], [0.3, 0.8]], 0.27 * np.eye(2))  # a spiral inwards, shaken
    >>> state.covariance.round(9).tolist(), state.equilibrium.kind  # 0.27/(1 − 0.8² − 0.3²)
    ([[1.0, 0.0], [0.0, 1.0]], 'nonequilibrium')
    >>> state.prediction("circulation").value.round(9).tolist(), state.sample(5, seed=0).shape
    ([[0.0, 0.3], [-0.3, 0.0]], (5, 2))
    """

    mean: Array
    covariance: Array
    circulation: Array
    diffusion: Array
    propagator: Array
    equilibrium: Verdict
    relaxation_times: Array
    entropy_force: Array | None = None
    entropy_production: float | None = None
    excess_loss: float | None = None
    loss: float = float("nan")
    inverse_temperature: float | None = None
    steps_per_update: int = 1
    joint_covariance: Array | None = None
    joint_circulation: Array | None = None
    directions: Array | None = None
    dropped: tuple[int, ...] = ()
    title: str = "a linear process"
    note: str = ""
    rests_on: str = ""

    def prediction(self, name: str = "covariance") -> Prediction:
        """One of the quantities as a `Prediction` that carries what it rests on.

        Args:
            name: of an attribute that holds numbers.

        Raises:
            ConfigError: a ValueError: no such quantity, or the state does not have it.
        """
        value = getattr(self, str(name), None)
        if not isinstance(value, np.ndarray | float | int):
            message = f"this state has no quantity {name!r}; it has {', '.join(self._quantities())}"
            raise ConfigError(message)
        return Prediction(value, rests_on="; ".join(text for text in (self.note, self.rests_on) if text))

    def sample(self, count: int, seed: int) -> Array:
        """Independent draws of θ from the Gaussian of this mean and covariance, `(count, N)`.

        Args:
            count: number of draws.
            seed: non-negative integer.

        Raises:
            ConfigError: a ValueError: a number that is none of these.
        """
        check_whole_number("count", count, 1, 2**31 - 1, error=ConfigError)
        check_whole_number("seed", seed, 0, error=ConfigError)
        values, vectors = np.linalg.eigh(self.covariance)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        normal = np.random.default_rng(seed).standard_normal((count, len(values)))
        draws: Array = self.mean + normal @ root.T
        return draws

    def velocity(self, points: npt.ArrayLike) -> Array:
        """−C Σ⁻¹ δ at points `(..., N)`: mean velocity of the current, per update."""
        return self.marginal(*range(len(self.mean))).velocity(points)

    def marginal(self, *coordinates: int) -> Marginal:
        """Density and current of some coordinates, the others averaged over; `marginal(5, 6)` is a plane.

        Args:
            *coordinates: their numbers, from 0 on.

        Raises:
            ConfigError: a ValueError: none, or one that is not there.
        """
        if not coordinates:
            message = f"no coordinate was given; name some of the {len(self.mean)}, as in marginal(0, 1)"
            raise ConfigError(message)
        for place in coordinates:
            check_whole_number("coordinate", place, 0, len(self.mean) - 1, error=ConfigError)
        chosen = np.array(coordinates, dtype=int)
        block = np.ix_(chosen, chosen)
        return Marginal(self.mean[chosen], self.covariance[block], self.circulation[block])

    def __str__(self) -> str:
        slowest, fastest = self.relaxation_times[-1], self.relaxation_times[0]
        lines = [f"stationary state of {self.title}"]
        if self.note:
            lines.append(f"  note: {self.note}")
        if self.excess_loss is not None:
            share = abs(self.excess_loss / self.loss) if self.loss else float("nan")
            of_all = f" ({100 * share:.2g} % of the loss {self.loss:.6g})" if np.isfinite(share) else ""
            lines.append(
                f"  excess loss, for as long as the learning rate stays: {self.excess_loss:.4g}{of_all}"
            )
        lines.append(
            f"  relaxation times {fastest:.3g} to {slowest:.3g} steps: settled after {5 * slowest:.2g} steps, "
            f"5 times the slowest{self._of_directions()}"
        )
        lines.append(f"  {self.equilibrium.text}")
        if self.inverse_temperature is not None:
            lines.append(f"  inverse temperature {self.inverse_temperature:.4g}")
        if self.entropy_production:
            lines.append(f"  entropy production {self.entropy_production:.4g} per {self._update()}")
        if self.rests_on:
            lines.append(f"  rests on {self.rests_on}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        first, *rest = (html.escape(line.strip()) for line in str(self).splitlines())
        return f"<p><b>{first}</b>{''.join(f'<br>{line}' for line in rest)}</p>"

    def _of_directions(self) -> str:
        if self.directions is None:
            return ""
        return f" of these {self.directions.shape[1]} directions; flatter ones take longer"

    def _update(self) -> str:
        return "step" if self.steps_per_update == 1 else f"update of {self.steps_per_update} steps"

    def _quantities(self) -> list[str]:
        return [name for name, value in vars(self).items() if isinstance(value, np.ndarray | float | int)]


def linear_process(
    propagator: npt.ArrayLike, noise_covariance: npt.ArrayLike, mean: npt.ArrayLike | None = None
) -> StationaryState | Verdict:
    """The stationary state of x ← A x + ξ, or the `Verdict` `unstable` if it has none.

    Args:
        propagator: A, `(N, N)`, any.
        noise_covariance: 2D = ⟨ξξᵀ⟩, symmetric `(N, N)`.
        mean: of x, `(N,)`; zeros if not given.

    Raises:
        ConfigError: a ValueError: shapes that do not fit, numbers that are not finite, a noise that is no covariance.

    >>> state = linear_process([[0.5]], [[3.0]])
    >>> state.covariance.tolist(), state.relaxation_times.round(4).tolist(), state.equilibrium.kind
    ([[4.0]], [1.4427], 'boltzmann')
    """
    matrix = square_matrix("propagator", propagator)
    noise = square_matrix("noise_covariance", noise_covariance)
    if noise.shape != matrix.shape:
        message = f"noise_covariance has shape {noise.shape}; it must be {matrix.shape} as the propagator"
        raise ConfigError(message)
    _check_covariance(noise)
    centre = np.zeros(len(matrix)) if mean is None else real_numbers("mean", mean)
    if centre.shape != (len(matrix),) or not np.isfinite(centre).all():
        message = f"mean has shape {centre.shape}; it must be ({len(matrix)},), finite numbers"
        raise ConfigError(message)
    relaxation = relaxation_of(np.eye(len(matrix)) - matrix)
    radius = float(np.abs(1 - relaxation.eigenvalues).max())
    if radius >= 1:
        text = (
            f"no stationary state: the propagator has an eigenvalue of size {radius:.6g}, it must be below 1"
        )
        return Verdict(False, "unstable", text, {"spectral_radius": radius})
    facts = {"mean": centre, "rests_on": "linear drift and noise that does not depend on the state"}
    return settled(relaxation, (noise + noise.T) / 4, matrix, discrete=True, facts=facts)


def _check_covariance(noise: Array) -> None:
    """Symmetric, and without a direction of negative variance, both to rounding."""
    rounding = 1e-10 * np.abs(noise).max()
    if np.abs(noise - noise.T).max() > rounding:
        message = "noise_covariance is not symmetric, so it is no covariance; give the covariance of the noise of one update"
        raise ConfigError(message)
    lowest = float(np.linalg.eigvalsh(noise)[0])
    if lowest < -rounding:
        message = f"noise_covariance has the eigenvalue {lowest:.4g}, so it is no covariance: no variance is negative"
        raise ConfigError(message)


def settled(
    relaxation: Relaxation | RelaxationModes,
    diffusion: Array,
    propagator: Array,
    *,
    discrete: bool,
    facts: dict[str, Any],
) -> StationaryState:
    """The stationary state of δ ← (I − F) δ + noise of covariance 2D, in the time asked for.

    Args:
        relaxation: F, of a stable process.
        diffusion: D in the coordinates, `(N, N)`.
        propagator: I − F, with the modes that are left out of `relaxation`.
        discrete: False for continuous time.
        facts: the attributes of the state that the process does not give, `mean` at least.
    """
    local = relaxation.into(diffusion)
    covariance = relaxation.covariance(2 * local, discrete=discrete)
    flow = relaxation.times(covariance)
    circulation = (flow - flow.T) / 2
    heard = _without_rounding(local)
    entropy = entropy_force(relaxation, heard, relaxation.covariance(2 * heard, discrete=False))
    rests_on = str(facts.get("rests_on", ""))
    if entropy.rank < len(local):
        rests_on += f"; the diffusion matrix has rank {entropy.rank} of {len(local)}: entropy production is that within its range"
    back = relaxation.back
    circling = back(circulation)
    spread = back(covariance)
    return StationaryState(
        **facts
        | {
            "covariance": (spread + spread.T) / 2,
            "circulation": (circling - circling.T) / 2,
            "diffusion": diffusion,
            "propagator": propagator,
            "equilibrium": equilibrium_verdict(circulation, flow, local),
            "relaxation_times": relaxation_times(relaxation.eigenvalues) * facts.get("steps_per_update", 1),
            "entropy_force": back(entropy.force),
            "entropy_production": entropy_production(relaxation, entropy.force, covariance),
            "rests_on": rests_on,
        }
    )


def relaxation_times(eigenvalues: Array) -> Array:
    """−1 / ln |1 − r| updates for each eigenvalue r of the relaxation, slowest last.

    Args:
        eigenvalues: r, real or complex.

    >>> relaxation_times(np.array([1e-6, 0.5])).round(2).tolist()
    [1.44, 999999.5]
    """
    real, imaginary = np.real(eigenvalues), np.imag(eigenvalues)
    with np.errstate(divide="ignore"):  # r = 1: gone in one update
        decay = np.log1p(real * (real - 2) + imaginary**2) / 2  # |1 − r|² = 1 − 2 Re r + |r|²
        times: Array = np.sort(-1 / decay)
    return np.where(times == 0, 0.0, times)


def _without_rounding(diffusion: Array) -> Array:
    """Rows and columns of modes whose noise is rounding of the largest set to 0."""
    variance = np.diagonal(diffusion)
    quiet = variance <= 2 * len(variance) * np.finfo(float).eps * variance.max(initial=0.0)
    if not quiet.any():
        return diffusion
    cleaned = diffusion.copy()
    cleaned[quiet], cleaned[:, quiet] = 0.0, 0.0
    return cleaned
