"""Whether a point is a minimum, and whether a learning rate can hold it: what must be true before anything settles."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.numerics.lyapunov import RelaxationModes
from thermograd.quantities import Landscape, Verdict

Array = npt.NDArray[Any]

NEGATIVE = 1e-10


def curvature_modes(landscape: Landscape) -> RelaxationModes:
    """Eigenvalues and eigenvectors of the Hessian, flattest first.

    >>> land = Landscape(sample_gradients=np.eye(2), hessian=np.diag([3.0, 1.0]))
    >>> curvature_modes(land).rates.tolist()
    [1.0, 3.0]
    """
    return RelaxationModes.of((landscape.hessian + landscape.hessian.T) / 2)


def flat(modes: RelaxationModes) -> Array:
    """Which modes have a curvature of 0 to rounding, `(N,)` of bool."""
    rounding = 10 * len(modes.rates) * np.finfo(float).eps * np.abs(modes.rates).max()
    which: Array = modes.rates <= rounding
    return which


def not_a_minimum(modes: RelaxationModes) -> Verdict | None:
    """The verdict that the point is no minimum, or None if it is one or merely flat.

    >>> print(not_a_minimum(RelaxationModes.of(np.diag([-1.0, 2.0]))))
    no: not a minimum: the smallest curvature is -1, the largest 2; coordinate 0 makes up 100 % of that direction. ...
    """
    smallest, largest = float(modes.rates[0]), float(modes.rates[-1])
    if smallest >= -NEGATIVE * abs(largest):
        return None
    direction = modes.basis[:, 0]
    chief = int(np.argmax(np.abs(direction)))
    share = float(direction[chief] ** 2)
    text = (
        f"not a minimum: the smallest curvature is {smallest:.4g}, the largest {largest:.4g}; coordinate {chief} makes up "
        f"{100 * share:.3g} % of that direction. Train on, take the landscape with refine=True, or add weight decay"
    )
    evidence = {
        "smallest_curvature": smallest,
        "largest_curvature": largest,
        "direction": direction,
        "coordinate": chief,
        "share": share,
    }
    return Verdict(False, "not_a_minimum", text, evidence)


def unstable(modes: RelaxationModes, learning_rate: float, bound: float) -> Verdict | None:
    """The verdict that the learning rate is too large, or None if η h < bound for every curvature h.

    Args:
        modes: of the Hessian.
        learning_rate: η.
        bound: 2; with momentum β and dampening d, 2 (1 + β)/(1 − d).
    """
    steepest = float(modes.rates[-1])
    if learning_rate * steepest < bound:
        return None
    text = (
        f"unstable: learning rate times the largest curvature {steepest:.4g} is {learning_rate * steepest:.4g}, it must "
        f"be below {bound:.4g}. The largest stable learning rate is {bound / steepest:.4g}"
    )
    evidence = {"largest_curvature": steepest, "largest_learning_rate": bound / steepest}
    return Verdict(False, "unstable", text, evidence)


def growing(relaxation: RelaxationModes) -> Verdict | None:
    """The verdict that an epoch without replacement does not pull back in every direction, or None if it does.

    Args:
        relaxation: F of δ ← (I − F) δ of an epoch; stable from 0 to below 2.
    """
    smallest, largest = float(relaxation.rates[0]), float(relaxation.rates[-1])
    if smallest >= -NEGATIVE * abs(largest) and largest < 2:
        return None
    text = (
        f"unstable: an epoch without replacement multiplies distances by {1 - smallest:.4g} in one direction and by "
        f"{1 - largest:.4g} in another. Learning rate x steps per epoch x curvature is too large, at least for the "
        "expansion in the order of the samples; take a smaller learning rate or larger batches"
    )
    return Verdict(False, "unstable", text, {"smallest_relaxation": smallest, "largest_relaxation": largest})


def diffusing(modes: RelaxationModes, loose: Array, diffusion: Array) -> Verdict | None:
    """The verdict that a direction without curvature has noise, so that the weights drift off; or None.

    Args:
        modes: of the Hessian, or of the relaxation.
        loose: which modes are flat.
        diffusion: D, `(N, N)`.
    """
    if not loose.any():
        return None
    free = modes.basis[:, loose]
    spread = np.einsum("ik,ij,jk->k", free, diffusion, free)
    rounding = 10 * len(diffusion) * np.finfo(float).eps * np.trace(diffusion)
    if spread.max() <= rounding:
        return None
    count = int((spread > rounding).sum())
    text = (
        f"no stationary state: {count} direction{'s' * (count > 1)} without curvature but with noise, along which the "
        f"weights diffuse without limit (largest 2D = {2 * spread.max():.4g} per update). Add weight decay, or leave "
        "these directions out"
    )
    return Verdict(False, "diffusing", text, {"directions": free[:, spread > rounding], "diffusion": spread})


def no_noise() -> Verdict:
    """The verdict that the batches do not differ, so that nothing fluctuates."""
    text = (
        "no noise: every update is the same whichever batch is drawn, so the weights come to rest at the minimum, with "
        "covariance 0. Take a batch_size below the number of samples"
    )
    return Verdict(False, "no_noise", text)


def dropped_coordinates(modes: RelaxationModes, loose: Array) -> tuple[int, ...]:
    """Coordinates that lie more than half in the flat modes."""
    inside = (modes.basis[:, loose] ** 2).sum(axis=1)
    return tuple(int(place) for place in np.flatnonzero(inside > 0.5))
