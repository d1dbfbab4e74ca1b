"""Whether a measured circulation is compatible with detailed balance."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError
from thermograd.estimators.trajectory_pieces import ENOUGH_PIECES, ROUNDING, student
from thermograd.numerics.argument_kind import check_has
from thermograd.numerics.finite_number import is_finite_number
from thermograd.quantities import Estimate, Verdict

Array = npt.NDArray[Any]

_TOLERANCE = 0.05


def detailed_balance(circulation: Estimate, *, scale: float | None = None) -> Verdict:
    """Does the stationary state obey detailed balance, that is, does nothing circulate?

    No, if the largest |z| = |C_ij| / standard error of the N(N−1)/2 planes passes Student's quantile for all of them
    together (Bonferroni). Yes only if a scale is given against which every circulation is shown to be small: all
    intervals within ±0.05 scale. Otherwise the data cannot decide, however small the circulation looks.

    Args:
        circulation: from `circulation`, `(N, N)`.
        scale: a circulation that would be large, such as learning rate × ‖H‖ ‖Σ‖.

    Returns:
        kind "circulates" (False), "detailed_balance" (True); None: "undecided", "few_pieces" below 8 pieces,
        "rounding_dominates". `evidence` holds the largest z, its plane, the bound, and the largest circulation.

    Raises:
        ConfigError: a ValueError: no square matrix of 2 parameters or more, or a scale that is not positive.

    >>> still = np.zeros((2, 2))
    >>> measured = Estimate(still, (still - 0.1, still + 0.1), pieces=100)
    >>> detailed_balance(measured).holds, detailed_balance(measured, scale=10.0).holds
    (None, True)
    """
    check_has("circulation", circulation, "interval", "what circulation(...) returns, or an Estimate")
    values = np.asarray(circulation.value, np.float64)
    if values.ndim != 2 or values.shape[0] != values.shape[1] or len(values) < 2:
        message = f"circulation has shape {values.shape}; it must be (N, N) with at least 2 parameters"
        raise ConfigError(message)
    if scale is not None and not (is_finite_number(scale) and scale > 0):
        message = f"scale is {scale!r}; it must be positive and finite, a circulation that would be large"
        raise ConfigError(message)
    rows, columns = np.triu_indices(len(values), 1)
    planes = values[rows, columns]
    low, high = (np.asarray(end, np.float64)[rows, columns] for end in circulation.interval)
    reach = np.maximum(np.abs(low), np.abs(high))
    pieces = circulation.pieces
    evidence: dict[str, Any] = {
        "planes": planes.size,
        "pieces": pieces,
        "largest_circulation": float(np.abs(planes).max()),
        "largest_end_of_interval": float(reach.max()),
    }
    if ROUNDING in circulation.note:
        text = "The weights are recorded too coarsely to see their circulation: train in float64."
        return Verdict(None, "rounding_dominates", text, evidence)
    if not pieces >= ENOUGH_PIECES:
        text = f"{pieces:g} independent pieces are too few to decide about detailed balance; 8 are needed."
        return Verdict(None, "few_pieces", text, evidence)
    towards_zero = np.where(planes > 0, planes - low, high - planes)
    error = towards_zero / student(circulation.level, pieces)
    scores = np.abs(np.divide(planes, error, out=np.zeros_like(planes), where=error > 0))
    bound = student(1 - (1 - circulation.level) / planes.size, pieces)
    worst = int(scores.argmax())
    plane = (int(rows[worst]), int(columns[worst]))
    evidence |= {"largest_z": float(scores[worst]), "plane": plane, "bound": bound}
    return _decided(evidence, scale, bool(reach.max() <= _TOLERANCE * scale) if scale is not None else False)


def _decided(evidence: dict[str, Any], scale: float | None, small: bool) -> Verdict:
    of_planes = (
        f"the largest of {evidence['planes']} circulations is {evidence['largest_z']:.3g} standard errors from 0, "
        f"{evidence['bound']:.3g} would be evidence"
    )
    if evidence["largest_z"] > evidence["bound"]:
        text = (
            f"No detailed balance: the weights circulate in plane {evidence['plane']}, {evidence['largest_z']:.3g} standard "
            f"errors from 0 where {evidence['bound']:.3g} would do."
        )
        return Verdict(False, "circulates", text, evidence)
    if small:
        text = f"Detailed balance: all circulations are below {100 * _TOLERANCE:g} % of {scale:.3g}, and {of_planes}."
        return Verdict(True, "detailed_balance", text, evidence)
    wanted = (
        "give a scale to test whether they are small"
        if scale is None
        else f"the intervals reach {evidence['largest_end_of_interval']:.3g}, beyond {100 * _TOLERANCE:g} % of {scale:.3g}"
    )
    return Verdict(None, "undecided", f"Cannot decide on detailed balance: {of_planes}; {wanted}.", evidence)
