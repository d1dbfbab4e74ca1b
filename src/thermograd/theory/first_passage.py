"""Mean first-passage time under perturbation (Eq. 3 and 9) and under restarts (Eq. 5).

Equation numbers are those of Meir, Keidar, Reuveni, Hirshberg (arXiv 2502.04121). Times are steps or epochs
completed, so the paper's time is ours minus 1. Inputs are arrays, `Estimate` or `Prediction`; of the last
two the resamples are carried through, paired one by one. Resamples drawn from the same data with the same
seed are paired as they must be, those of different data are independent.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError
from thermograd.numerics.argument_kind import check_has
from thermograd.numerics.bootstrap import percentile_interval
from thermograd.numerics.confidence_level import checked_level
from thermograd.numerics.real_numbers import real_numbers
from thermograd.numerics.whole_number import check_whole_number
from thermograd.quantities import Estimate, Prediction

__all__ = ["best_interval", "perturbed_mean", "restart_mean"]

Array = npt.NDArray[Any]
Quantity = Estimate | Prediction | npt.ArrayLike


def perturbed_mean(
    survival: Quantity,
    residual: Quantity,
    intervals: npt.ArrayLike | None = None,
    *,
    relaxation_time: Quantity = 0,
    measured_at: int | None = None,
) -> Prediction:
    """Mean first-passage time if training is perturbed every P steps.

    E[T_P] = sum of Psi(t) over t < P, plus Psi(P) tau. With one residual time per interval, tau = tau_P,
    this is Eq. 3, an identity. With a single one, measured at P*, it is Eq. 9: it takes the residual time
    as the same at every P, which holds for max(relaxation time, tau) <= P <= P*, after the survivors have
    relaxed and before the next perturbation comes too soon.

    Args:
        survival: Psi(t) for t = 0, 1, ..., horizon, of the unperturbed training.
        residual: mean residual time tau: a scalar (Eq. 9) or one per interval (Eq. 3).
        intervals: P, whole numbers from 1 to the horizon; default 1 ... `measured_at`, or ... horizon.
        relaxation_time: from when on the survivors are quasi-steady (Eq. 9).
        measured_at: P*, the interval at which `residual` was measured (Eq. 9); None: no upper limit.

    Returns:
        The curve over `at`, `valid` saying where the assumptions hold.

    Raises:
        ConfigError: survival is not a survival function, an interval is beyond the horizon, a time is negative or NaN, or
            the number of residual times is neither one nor that of the intervals.

    >>> geometric = 0.9 ** np.arange(51)
    >>> perturbed_mean(geometric, 4.0, [10, 20]).value.round(4).tolist()  # 10 - 6 * 0.9 ** P
    [7.9079, 9.2705]
    """
    curve, samples, level = _survival(survival)
    if measured_at is not None:
        check_whole_number("measured_at", measured_at, 1, error=ConfigError)
    last = curve.size - 1 if measured_at is None else min(int(measured_at), curve.size - 1)
    at = _intervals(intervals, last, curve.size - 1)
    tau, tau_samples = _value_and_samples("residual", residual)
    if not (tau >= 0).all():
        message = f"residual is {residual!r}; a mean residual time is 0 or larger"
        raise ConfigError(message)
    if tau.ndim and tau.shape != at.shape:
        message = f"residual must be one number or one per interval ({at.size}), got shape {tau.shape}"
        raise ConfigError(message)
    value = _with_residual(curve, tau, at)
    drawn = _pair(samples, tau_samples, curve, tau, at)
    if tau.ndim:
        valid = np.ones(at.size, bool)
        rests_on = "the residual time at each interval (Eq. 3)"
    else:
        relaxed = _value_and_samples("relaxation_time", relaxation_time)[0]
        if relaxed.ndim or not relaxed >= 0:
            message = f"relaxation_time is {relaxation_time!r}; it must be one number, 0 or larger"
            raise ConfigError(message)
        from_here = max(float(relaxed), float(tau))
        valid = (at >= from_here) & (at <= (np.inf if measured_at is None else measured_at))
        rests_on = "a residual time that does not depend on the interval (Eq. 9)"
    return _prediction(value, drawn, level, _fewest_pieces(survival, residual), at, valid, rests_on)


def restart_mean(
    survival: Quantity, intervals: npt.ArrayLike | None = None, *, waiting: str = "fixed"
) -> Prediction:
    """Mean first-passage time if training is restarted from scratch, every start independent.

    Fixed intervals, Eq. 5: E = sum of Psi(t) over t < P, divided by 1 - Psi(P); infinite where Psi(P) = 1.
    Geometric waiting, with probability r = 1 / <P> after each unsuccessful step: E = sum of
    Psi(t) (1 - r)^t over t < L, divided by 1 - Psi(0) + sum of (Psi(t-1) - Psi(t)) (1 - r)^(t-1) over
    t = 1 ... L; invalid where what lies beyond the record, (1 - r)^L Psi(L), exceeds 1e-3 of the numerator.

    Args:
        survival: Psi(t) for t = 0, 1, ..., horizon L, of the unperturbed training.
        intervals: whole intervals P from 1 to the horizon, or mean waiting times <P> >= 1; default
            1 ... horizon.
        waiting: "fixed" or "geometric".

    Returns:
        The curve over `at`.

    Raises:
        ConfigError: survival is not a survival function, an interval cannot be used, or `waiting` is unknown.

    >>> geometric = 0.9 ** np.arange(51)  # no memory: restarting changes nothing
    >>> restart_mean(geometric, [5, 50]).value.round(9).tolist()
    [10.0, 10.0]
    """
    curve, samples, level = _survival(survival)
    pieces = _fewest_pieces(survival)
    if waiting == "fixed":
        at = _intervals(intervals, curve.size - 1, curve.size - 1)
        drawn = None if samples is None else _restarted(samples, at)
        valid = np.ones(at.size, bool)
        return _prediction(
            _restarted(curve, at), drawn, level, pieces, at, valid, "independent restarts (Eq. 5)"
        )
    if waiting != "geometric":
        message = f"waiting must be 'fixed' or 'geometric', got {waiting!r}"
        raise ConfigError(message)
    mean = np.atleast_1d(
        np.arange(1.0, curve.size) if intervals is None else real_numbers("intervals", intervals)
    )
    if mean.ndim != 1 or not mean.size or not (mean >= 1).all():
        message = f"mean waiting times are at least 1 step, got {mean.tolist()}"
        raise ConfigError(message)
    numerator, value = _restarted_at_random(curve, mean)
    beyond = (1.0 - 1.0 / mean) ** (curve.size - 1) * curve[-1]
    drawn = None if samples is None else _restarted_at_random(samples, mean)[1]
    rests_on = "independent restarts at geometric times"
    return _prediction(value, drawn, level, pieces, mean, beyond <= 1e-3 * numerator, rests_on)


def best_interval(prediction: Prediction, *, level: float = 0.95) -> Estimate:
    """The interval of the smallest predicted mean, over valid points only.

    Args:
        prediction: a curve over intervals.
        level: two-sided confidence of the interval, from the optimum of each resample.

    Returns:
        The interval; without resamples of the prediction, its own interval is the point itself.

    Raises:
        ConfigError: not a curve, no valid point with a finite mean, or a level that is none.

    >>> half_arrive_at_3 = np.where(np.arange(31) < 3, 1.0, 0.5)
    >>> float(best_interval(restart_mean(half_arrive_at_3)).value)
    3.0
    """
    check_has("prediction", prediction, "valid", "what perturbed_mean or restart_mean returns")
    checked_level(level)
    at = np.asarray(prediction.at)
    valid = np.ones(at.shape, bool) if prediction.valid is None else np.asarray(prediction.valid, bool)
    value = np.asarray(prediction.value)
    if value.ndim != 1 or not (valid & np.isfinite(value)).any():
        message = "no interval to choose: the prediction has no valid point with a finite mean"
        raise ConfigError(message)
    best = at[np.argmin(np.where(valid, value, np.inf))]
    if prediction.samples is None:
        return Estimate(best, (best, best), level=level, note="no resamples to take an interval from")
    candidates = np.where(valid, prediction.samples, np.inf)
    samples = at[np.argmin(candidates, axis=1)]
    hopeless = ~np.isfinite(candidates).any(axis=1)
    note = ""
    if hopeless.any():
        samples = np.where(hopeless, np.inf, samples)
        note = f"in {100 * hopeless.mean():.2g} % of resamples no interval has a finite mean: counted as infinite"
    return Estimate(best, percentile_interval(samples, level), level=level, note=note, samples=samples)


def _with_residual(survival: Array, tau: Array, at: Array) -> Array:
    beyond = survival[..., at]
    # Where nobody is left the residual time, possibly infinite, does not matter.
    rest = np.where(beyond > 0, beyond * np.where(beyond > 0, tau, 0.0), 0.0)
    return _time_up_to(survival)[..., at] + rest


def _restarted(survival: Array, at: Array) -> Array:
    arrived = 1.0 - survival[..., at]
    spent = _time_up_to(survival)[..., at]
    return np.where(arrived > 0, spent / np.where(arrived > 0, arrived, 1.0), np.inf)


def _restarted_at_random(survival: Array, mean: Array) -> tuple[Array, Array]:
    kept = (1.0 - 1.0 / mean)[:, None] ** np.arange(survival.shape[-1] - 1)
    numerator = survival[..., :-1] @ kept.T
    arrived = 1.0 - survival[..., :1] - np.diff(survival, axis=-1) @ kept.T
    return numerator, np.where(arrived > 0, numerator / np.where(arrived > 0, arrived, 1.0), np.inf)


def _time_up_to(survival: Array) -> Array:
    """Sum of Psi(t) over t < P, for P = 0, 1, ..., horizon."""
    total = np.zeros(survival.shape)
    np.cumsum(survival[..., :-1], axis=-1, out=total[..., 1:])
    return total


def _pair(
    samples: Array | None, tau_samples: Array | None, curve: Array, tau: Array, at: Array
) -> Array | None:
    if samples is None and tau_samples is None:
        return None
    count = min(part.shape[0] for part in (samples, tau_samples) if part is not None)
    curves = np.broadcast_to(curve, (count, curve.size)) if samples is None else samples[:count]
    taus = np.broadcast_to(tau, (count, *tau.shape)) if tau_samples is None else tau_samples[:count]
    return _with_residual(curves, taus if tau.ndim else taus[:, None], at)


def _value_and_samples(name: str, quantity: Quantity) -> tuple[Array, Array | None]:
    if isinstance(quantity, Estimate | Prediction):
        return np.asarray(quantity.value, float), quantity.samples
    return real_numbers(name, quantity), None


def _survival(quantity: Quantity) -> tuple[Array, Array | None, float]:
    curve, samples = _value_and_samples("survival", quantity)
    level = quantity.level if isinstance(quantity, Estimate) else 0.95
    good = curve.ndim == 1 and curve.size > 1 and bool((np.diff(curve) <= 1e-12).all())
    if not good or not -1e-12 <= curve[-1] <= curve[0] <= 1 + 1e-12:
        message = (
            "survival must be Ψ(t) for t = 0, 1, ..., horizon: from at most 1, never rising, never "
            f"negative; got {_fault(curve)}"
        )
        raise ConfigError(message)
    return curve, samples, level


def _fault(curve: Array) -> str:
    """What is wrong with a curve that is no survival function, for a message."""
    if curve.ndim != 1 or curve.size < 2:
        return f"an array of shape {curve.shape}; two times or more are needed"
    if not np.isfinite(curve).all():
        return f"{curve[~np.isfinite(curve)][0]} at t = {int(np.argmin(np.isfinite(curve)))}"
    if curve[0] > 1 + 1e-12:
        return f"{curve[0]:g} at t = 0"
    rises = np.flatnonzero(np.diff(curve) > 1e-12)
    if rises.size:
        at = int(rises[0])
        return f"{curve[at + 1]:g} at t = {at + 1} after {curve[at]:g}"
    return f"{curve[-1]:g} at t = {curve.size - 1}"


def _intervals(intervals: npt.ArrayLike | None, last: int, horizon: int) -> npt.NDArray[np.int64]:
    if intervals is None:
        return np.arange(1, last + 1)
    given = np.atleast_1d(real_numbers("intervals", intervals))
    fits = (given >= 1) & (given <= horizon) & (np.floor(given) == given)
    if given.ndim != 1 or not given.size or not fits.all():
        message = f"intervals must be whole numbers from 1 to the horizon {horizon}, got {given.tolist()}"
        raise ConfigError(message)
    return given.astype(np.int64)


def _fewest_pieces(*quantities: Quantity) -> float:
    """Of how many trajectories the least known input was resampled; infinite if nothing says so."""
    numbers = [one.pieces for one in quantities if isinstance(one, Estimate) and one.samples is not None]
    return min((float(number) for number in numbers if np.isfinite(number)), default=np.inf)


def _prediction(
    value: Array,
    samples: Array | None,
    level: float,
    pieces: float,
    at: Array,
    valid: Array,
    rests_on: str,
) -> Prediction:
    interval = None if samples is None else percentile_interval(samples, level, pieces=pieces)
    return Prediction(value, interval, at, valid, rests_on, samples)
