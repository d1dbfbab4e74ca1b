"""When the fast phase of learning ends, and where the loss rests on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError
from thermograd.estimators.short_number import short_number
from thermograd.estimators.trajectory_pieces import checked_level, joined
from thermograd.numerics.bootstrap import percentile_interval, resampled_counts
from thermograd.numerics.finite_number import is_finite_number
from thermograd.numerics.real_numbers import real_numbers
from thermograd.numerics.whole_number import check_whole_number
from thermograd.quantities import Estimate, Verdict

Array = npt.NDArray[np.float64]
Steps = npt.NDArray[np.int64]

_HALF_DECADE = 0.5
_FLAT = 0.1
_ERRORS = 2
_BETWEEN = (0.15, 0.95)
_ENOUGH = 8
_DEVIATIONS = 3


@dataclass(frozen=True, eq=False)
class Phases:
    """The phases of a loss curve.

    Attributes:
        slow_since: step from which on less than `remaining` of the decrease is left; None if the loss did not decrease.
        plateaus: first and last step of every stretch of half a decade or more, before that, on which the loss rests.
        verdict: its kind is the outcome; it holds if the fast phase is over.

    >>> steps = np.arange(1, 1001)
    >>> found = learning_phases(steps, np.exp(-steps / 20.0))
    >>> found.outcome, bool(found.slow_since.low < 20 * np.log(10) < found.slow_since.high), found.plateaus
    ('slow', True, ())
    """

    slow_since: Estimate | None
    plateaus: tuple[tuple[float, float], ...]
    verdict: Verdict

    @property
    def outcome(self) -> str:
        """One of "slow", "still_fast" and "no_decrease"."""
        return self.verdict.kind

    def __str__(self) -> str:
        return f"{self.outcome}: {self.verdict.text}"


class _Curve(NamedTuple):
    """A loss in bins of the logarithm of time.

    Attributes:
        times: geometric mean of the steps in each bin, `(bin,)`.
        first: loss at the start, `(trajectory,)`.
        means: in each bin, `(trajectory, bin)`.
        deviation: of the records in the last bin.
    """

    times: Array
    first: Array
    means: Array
    deviation: float


def learning_phases(
    steps: npt.ArrayLike,
    loss: npt.ArrayLike,
    *,
    remaining: float = 0.1,
    per_decade: int = 8,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Phases:
    """Fast phase, plateaus and slow phase of a loss, by how much of its decrease is left.

    Phases as Herrera Segura, Montoya, Tapias (Subaging in underparametrized deep neural networks) tell them, decided by rules of ours.
    In bins of ln t (a last one of few records joins the one before), r = (L − L_last)/(L_first − L_last) of the mean over trajectories. The slow phase begins where r falls
    below `remaining` for the last time, linear in ln t between bins. On a plateau 0.15 < r < 0.95, and the slope of r
    against log₁₀ t, by least squares over half a decade, is below 0.1 by two standard errors.

    L_last is the loss where the record ends: the phases of a longer record are others. A loss that falls like a power of t
    has no slow phase of its own.

    Args:
        steps: when the loss was recorded, `(time,)`, increasing; a record at step 0 is the start.
        loss: `(time,)`, or `(trajectory, time)`. A trajectory with NaN is left out.
        remaining: between 0 and 1.
        per_decade: bins per decade.
        resamples: of the bootstrap over trajectories, of 8 or more.
        seed: of the bootstrap.
        level: two-sided; with fewer trajectories the interval is that between two bins, whatever the level.

    Returns:
        The phases: "no_decrease" if L_first ≤ L_last + 3 standard deviations of the last records; "still_fast" if the slow
        phase begins in the last half decade; else "slow".

    Raises:
        ConfigError: a ValueError: shapes or steps that do not fit, fewer than 3 bins, or no finite trajectory.

    >>> steps = np.arange(1, 100_001)
    >>> print(learning_phases(steps, 1 / steps))  # r = 1/t − 10⁻⁵
    slow: 90 % of the decrease is done by step 10 (8.5 to 11); the loss falls slowly since.
    """
    checked_level(level)
    check_whole_number("per_decade", per_decade, 1, 1000, error=ConfigError)
    check_whole_number("resamples", resamples, 2, error=ConfigError)
    check_whole_number("seed", seed, 0, error=ConfigError)
    if not is_finite_number(remaining) or not 0 < remaining < 1:
        message = f"remaining is {remaining!r}; it must be between 0 and 1, as 0.1"
        raise ConfigError(message)
    times, losses, note = _checked(steps, loss)
    curve = _in_bins(times, losses, per_decade)
    first, last = float(curve.first.mean()), float(curve.means[:, -1].mean())
    if first <= last + _DEVIATIONS * curve.deviation:
        text = (
            f"The loss did not decrease: {first:.4g} at first, {last:.4g} at step {short_number(times[-1])}, where its "
            f"records scatter by {curve.deviation:.2g}."
        )
        return Phases(None, (), Verdict(None, "no_decrease", text, {"first": first, "last": last}))
    left = _remaining(curve, np.ones((1, len(losses))))
    since = _since(curve, left[0], remaining, (resamples, seed, level), note)
    return _phases(curve, left[0], since, remaining, per_decade)


def _checked(steps: npt.ArrayLike, loss: npt.ArrayLike) -> tuple[Array, Array, str]:
    times, given = real_numbers("steps", steps), real_numbers("loss", loss)
    losses = given[None] if given.ndim == 1 else given
    if times.ndim != 1 or losses.ndim != 2 or losses.shape[1:] != times.shape or not losses.size:
        message = f"loss has shape {given.shape} and steps {times.shape}; they must be (trajectory, time) or (time,), and (time,)"
        raise ConfigError(message)
    if not np.isfinite(times).all() or times[0] < 0 or (np.diff(times) <= 0).any():
        message = f"steps are {times[:5].tolist()} ...; they must be 0 or larger, increasing"
        raise ConfigError(message)
    whole = np.isfinite(losses).all(axis=1)
    if not whole.any():
        message = f"none of the {len(losses)} trajectories has a finite loss at all {times.size} steps; cut the record before it ends"
        raise ConfigError(message)
    count = int((~whole).sum())
    return (
        times,
        losses[whole],
        f"{count} trajectories diverged or are unfinished and are left out" if count else "",
    )


def _in_bins(times: Array, losses: Array, per_decade: int) -> _Curve:
    positive = times > 0
    logarithm = np.log10(times[positive])
    # A step on an edge belongs to the bin above it, whatever the rounding of its logarithm.
    label = np.floor(per_decade * logarithm + 1e-9)
    edges = np.flatnonzero(np.diff(label, prepend=-np.inf))
    if edges.size < 3:
        message = f"steps {times[0]:g} to {times[-1]:g} fill {edges.size} bins of 1/{per_decade} decade; 3 are needed: record longer"
        raise ConfigError(message)
    counts = np.diff(np.append(edges, label.size))
    if counts[-1] < counts[-2] / 2 and edges.size > 3:
        # Round lengths end on an edge: the loss where the record ends would be that of a single record.
        edges, counts = edges[:-1], np.append(counts[:-2], counts[-2] + counts[-1])
    later = losses[:, positive]
    means = np.add.reduceat(later, edges, axis=1) / counts
    tail = later[:, edges[-1] :] if later[:, edges[-1] :].size > 1 else later[:, edges[-2] :]
    centres = 10 ** (np.add.reduceat(logarithm, edges) / counts)
    return _Curve(centres, means[:, 0] if positive.all() else losses[:, 0], means, float(tail.std(ddof=1)))


def _remaining(curve: _Curve, counts: npt.NDArray[np.generic]) -> Array:
    """What is left of the decrease in each bin, for trajectories taken `counts` times, `(n, bin)`."""
    weights = counts / counts.sum(axis=1, keepdims=True)
    means, first = weights @ curve.means, weights @ curve.first
    last = means[:, -1]
    with np.errstate(divide="ignore", invalid="ignore"):
        left: Array = (means - last[:, None]) / (first - last)[:, None]
    return np.where((first > last)[:, None], left, np.nan)


def _crossing(times: Array, left: Array, remaining: float) -> tuple[Array, Array, Array]:
    """Last times at which curves `(n, bin)` fall below `remaining`, and the bins before and after."""
    above = left > remaining
    last = above.shape[1] - 1 - above[:, ::-1].argmax(axis=1)
    never = ~above.any(axis=1)
    before = np.minimum(last, times.size - 2)
    row = np.arange(len(left))
    high, low = left[row, before], left[row, before + 1]
    share = np.where(never, 0.0, (high - remaining) / np.where(never, 1.0, high - low))
    at = times[before] * (times[before + 1] / times[before]) ** share
    # The start lies above, so it fell before the first bin.
    found = np.where(never, times[0], at)
    found = np.where(np.isnan(left).any(axis=1), np.nan, found)
    return found, np.where(never, 0.0, times[before]), np.where(never, times[0], times[before + 1])


def _since(
    curve: _Curve, left: Array, remaining: float, draws: tuple[int, int, float], note: str
) -> Estimate:
    found, before, after = (float(value[0]) for value in _crossing(curve.times, left[None], remaining))
    count = len(curve.means)
    resamples, seed, level = draws
    if count < _ENOUGH:
        said = "one run" if count == 1 else f"{count} trajectories"
        return Estimate(found, (before, after), level, count, "step", joined([said, note]))
    drawn = _remaining(curve, resampled_counts(np.ones(count, np.int64), resamples, seed))
    samples = _crossing(curve.times, drawn, remaining)[0]
    samples = samples[np.isfinite(samples)]
    low, high = percentile_interval(samples, level, pieces=count)
    ends = min(float(low), found), max(float(high), found)
    return Estimate(found, ends, level, count, "step", note, samples)


def _phases(curve: _Curve, left: Array, since: Estimate, remaining: float, per_decade: int) -> Phases:
    plateaus = _plateaus(curve.times, left, since.value, per_decade)
    last = float(curve.times[-1])
    late = np.log10(last / since.value) < _HALF_DECADE
    done = f"{100 * (1 - remaining):g} % of the decrease is done by step {short_number(since.value)} " + (
        f"({short_number(since.low)} to {short_number(since.high)})"
    )
    rests = "".join(
        f" It rests from step {short_number(start)} to {short_number(stop)}." for start, stop in plateaus
    )
    if late:
        text = f"{done}, in the last half decade: where the loss is going is not known yet."
    else:
        text = f"{done}; the loss falls slowly since."
    evidence = {
        "slow_since": since.value,
        "first": float(curve.first.mean()),
        "last": float(curve.means[:, -1].mean()),
    }
    return Phases(
        since, plateaus, Verdict(not late, "still_fast" if late else "slow", text + rests, evidence)
    )


def _plateaus(times: Array, left: Array, end: float, per_decade: int) -> tuple[tuple[float, float], ...]:
    """Stretches of half a decade on which r is flat, joined where they overlap."""
    place = np.log10(times)
    low, high = _BETWEEN
    found: list[tuple[float, float]] = []
    for start in range(times.size):
        # Mean times of bins are spaced evenly but for rounding.
        far = np.flatnonzero(place - place[start] >= _HALF_DECADE - 0.1 / per_decade)
        far = far[far >= start + 2]  # two bins lie on a line whatever the loss does
        if not far.size or times[far[0]] > end:
            break
        part = slice(start, int(far[0]) + 1)
        away = place[part] - place[part].mean()
        slope = float(away @ left[part] / (away @ away))
        scatter = left[part] - left[part].mean() - slope * away
        error = float(np.sqrt(scatter @ scatter / (away.size - 2) / (away @ away)))
        if abs(slope) + _ERRORS * error >= _FLAT or (left[part] <= low).any() or (left[part] >= high).any():
            continue
        begin, stop = float(times[start]), float(times[far[0]])
        if found and begin <= found[-1][1]:
            begin = found.pop()[0]
        found.append((begin, stop))
    return tuple(found)
