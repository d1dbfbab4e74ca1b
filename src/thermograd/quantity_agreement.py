"""How far a measured value is from a predicted one, in standard errors."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError

Array = npt.NDArray[Any]


def z_score(measured: Any, other: Any, level: float) -> Any:
    """(measured − other) over the root of the sum of their squared standard errors; see `Estimate.z_score`.

    Args:
        measured: an `Estimate`.
        other: a `Prediction`, an `Estimate`, or a number or array known exactly.
        level: of the interval of a `Prediction`.

    Returns:
        Of the shape of the values.

    Raises:
        ConfigError: the shapes differ, or what is compared is no number.
    """
    value, expected = _numbers(measured.value, "the estimate"), _numbers(other, "what it is compared with")
    if value.shape != expected.shape:
        message = f"the estimate has shape {value.shape} and what it is compared with {expected.shape}; take the same points of both"
        raise ConfigError(message)
    above = expected > value
    error = np.hypot(_error(measured, above, level), _error(other, ~above, level))
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.where((value == expected) & ~np.isnan(error), 0.0, (value - expected) / error)
    valid = getattr(other, "valid", None)
    if valid is not None:
        found = np.where(np.asarray(valid, bool), found, np.nan)
    return float(found) if found.ndim == 0 else found


def _numbers(thing: Any, what: str) -> Array:
    try:
        return np.asarray(getattr(thing, "value", thing), np.float64)
    except (TypeError, ValueError) as error:
        message = f"{what} is a {type(thing).__name__}, not numbers; give a Prediction, an Estimate, a number or an array"
        raise ConfigError(message) from error


def _error(thing: Any, upwards: Array, level: float) -> Any:
    """Standard error on one side of the value: 0 where it is exact."""
    interval = getattr(thing, "interval", None)
    if interval is None:
        return 0.0
    quantile = NormalDist().inv_cdf((1 + getattr(thing, "level", level)) / 2)
    value, low, high = (np.asarray(part, np.float64) for part in (thing.value, *interval))
    return np.maximum(np.where(upwards, high - value, value - low), 0.0) / quantile
