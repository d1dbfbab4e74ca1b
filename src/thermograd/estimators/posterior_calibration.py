"""Whether predicted probabilities are what happens: calibration error, likelihood, Brier score, accuracy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError
from thermograd.estimators.trajectory_pieces import checked_level
from thermograd.numerics.bootstrap import jackknife_acceleration, percentile_interval, resampled_counts
from thermograd.numerics.real_numbers import real_numbers
from thermograd.numerics.whole_number import check_whole_number
from thermograd.numerics.whole_numbers import whole_numbers
from thermograd.quantities import Estimate

Array = npt.NDArray[Any]

_ENTRIES_AT_ONCE = 4_000_000


@dataclass(frozen=True, eq=False)
class Calibration:
    """How good predicted probabilities are, each number with a bootstrap interval over samples.

    Attributes:
        expected_calibration_error: mean distance of confidence and accuracy over bins of the top probability.
        negative_log_likelihood: mean −log of the probability of what happened, in nats.
        brier: mean squared distance of the probabilities from what happened, 0 to 2.
        accuracy: share of samples whose most probable class happened.
        edges: of the bins of the top probability, `(bins + 1,)`.
        counts: samples per bin, `(bins,)`.
        mean_confidence: mean top probability per bin, NaN in an empty one, `(bins,)`.
        mean_accuracy: share of correct predictions per bin, NaN in an empty one, `(bins,)`.

    >>> says = np.repeat([[0.6, 0.4], [0.9, 0.1]], 100, axis=0)
    >>> happened = np.tile(np.repeat([0, 1], [80, 20]), 2)  # the first class in 80 % of both
    >>> found = calibration(says, happened, bins=10, resamples=100)
    >>> known = found.counts > 0
    >>> found.mean_confidence[known].round(9).tolist(), found.mean_accuracy[known].tolist()
    ([0.6, 0.9], [0.8, 0.8])
    """

    expected_calibration_error: Estimate
    negative_log_likelihood: Estimate
    brier: Estimate
    accuracy: Estimate
    edges: Array
    counts: Array
    mean_confidence: Array
    mean_accuracy: Array

    def __str__(self) -> str:
        return "\n".join(
            [
                f"calibration error {self.expected_calibration_error}",
                f"  negative log-likelihood {self.negative_log_likelihood}",
                f"  Brier score {self.brier}",
                f"  accuracy {self.accuracy}",
            ]
        )


def calibration(
    probabilities: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    bins: int = 15,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Calibration:
    """Expected calibration error, negative log-likelihood, Brier score and accuracy of class probabilities.

    The calibration error is Σ_b (n_b/n) |accuracy_b − confidence_b| over bins of equal width of the top probability
    (Guo et al., "On calibration of modern neural networks", ICML 2017, eq. 3). Absolute values of noise do not vanish:
    of n samples it is too large, and its note tells what perfectly calibrated probabilities would show, Σ_b (1/n)
    √(2/π Σ_i p_i (1 − p_i)). Its resamples are too large once more by about as much as it is; its interval is therefore
    the bootstrap interval turned round the value (2 × value − percentiles), and reaches down to 0 if perfectly calibrated
    probabilities may show as much. The other three are means of samples and have expanded percentile intervals (`thermograd.numerics.bootstrap`).

    Args:
        probabilities: `(n, classes)`, rows that sum to 1.
        labels: class of each sample, `(n,)`.
        bins: number of bins.
        level: two-sided confidence.
        resamples: bootstrap resamples.
        seed: of the resamples.

    Returns:
        The four estimates and the diagram.

    Raises:
        ConfigError: a ValueError: no samples, shapes that do not fit, rows that are no probabilities, labels that are no
            class.

    >>> confident = np.tile([0.8, 0.2], (1000, 1))
    >>> found = calibration(confident, np.repeat([0, 1], [900, 100]))  # right in 90 %, says 80 %
    >>> round(found.expected_calibration_error.value, 3), found.accuracy.value
    (0.1, 0.9)
    """
    checked_level(level)
    check_whole_number("bins", bins, 1, 10_000, error=ConfigError)
    check_whole_number("resamples", resamples, 2, 10**7, error=ConfigError)
    check_whole_number("seed", seed, 0, error=ConfigError)
    chances, classes = _checked(probabilities, labels)
    count = len(classes)
    of_label = chances[np.arange(count), classes]
    top, right = chances.max(axis=1), (chances.argmax(axis=1) == classes).astype(float)
    happened = np.zeros_like(chances)
    happened[np.arange(count), classes] = 1.0
    surprise = -np.log(of_label, where=of_label > 0, out=np.full(count, -np.inf))
    scores = np.stack([surprise, np.square(chances - happened).sum(axis=1), right], axis=1)
    member = np.minimum((top * bins).astype(int), bins - 1)
    gaps, infinite = np.zeros((count, bins)), np.isinf(scores)
    gaps[np.arange(count), member] = right - top
    columns = np.concatenate([np.where(infinite, 0.0, scores), infinite, gaps], axis=1)
    resampled = _resampled_means(columns, resamples, seed)
    own = columns.mean(axis=0)
    note = f"perfectly calibrated probabilities would show about {_chance_error(top, member, bins):.2g}"
    error, others = float(np.abs(own[6:]).sum()), np.abs(resampled[:, 6:]).sum(axis=1)
    low, high = percentile_interval(2 * error - others, level)
    low = 0.0 if error <= _largest_by_chance(top, member, bins, level, seed) else max(float(low), 0.0)
    counts = np.bincount(member, minlength=bins)
    return Calibration(
        Estimate(error, (low, max(float(high), error)), level, count, note=note),
        _mean(scores[:, 0], own, resampled, 0, level, "nat"),
        _mean(scores[:, 1], own, resampled, 1, level),
        _mean(scores[:, 2], own, resampled, 2, level),
        np.linspace(0, 1, bins + 1),
        counts,
        _mean_in_bins(top, member, counts),
        _mean_in_bins(right, member, counts),
    )


def _mean(scores: Array, own: Array, resampled: Array, column: int, level: float, unit: str = "") -> Estimate:
    count = len(scores)
    samples = np.where(resampled[:, 3 + column] > 0, np.inf, resampled[:, column])
    value = np.inf if own[3 + column] > 0 else float(own[column])
    note = f"{int(np.isinf(scores).sum())} samples had probability 0" if np.isinf(value) else ""
    without = (scores.sum() - scores) / max(count - 1, 1) if np.isfinite(value) else scores
    acceleration = jackknife_acceleration(without, np.ones(count))
    low, high = percentile_interval(samples, level, pieces=count, acceleration=acceleration)
    return Estimate(value, (float(low), float(high)), level, count, unit, note)


def _resampled_means(columns: Array, resamples: int, seed: int) -> Array:
    """Means over resampled samples, `(resample, column)`, a part of the resamples at a time."""
    count = len(columns)
    at_once = max(_ENTRIES_AT_ONCE // count, 1)
    parts = []
    for part, first in enumerate(range(0, resamples, at_once)):
        number = min(at_once, resamples - first)
        own_seed = int(np.random.SeedSequence([seed, part]).generate_state(1)[0])
        drawn = resampled_counts(np.ones(count, np.int64), number, own_seed)
        parts.append(drawn @ columns / count)
    return np.concatenate(parts)


def _chance_error(top: Array, member: Array, bins: int) -> float:
    variance = np.bincount(member, weights=top * (1 - top), minlength=bins)
    return float(np.sqrt(2 / np.pi * variance).sum() / len(top))


def _largest_by_chance(top: Array, member: Array, bins: int, level: float, seed: int) -> float:
    """What the error of perfectly calibrated probabilities stays below, one-sided at the upper end of `level`."""
    deviation = np.sqrt(np.bincount(member, weights=top * (1 - top), minlength=bins)) / len(top)
    generator = np.random.default_rng(np.random.SeedSequence([seed, len(top)]))
    by_chance = np.abs(generator.normal(size=(2000, bins)) * deviation).sum(axis=1)
    return float(np.quantile(by_chance, (1 + level) / 2))


def _mean_in_bins(values: Array, member: Array, counts: Array) -> Array:
    sums = np.bincount(member, weights=values, minlength=len(counts))
    means: Array = np.divide(sums, counts, out=np.full(len(counts), np.nan), where=counts > 0)
    return means


def _checked(probabilities: npt.ArrayLike, labels: npt.ArrayLike) -> tuple[Array, Array]:
    chances, classes = real_numbers("probabilities", probabilities), whole_numbers("labels", labels)
    if chances.ndim != 2 or not chances.size or classes.shape != chances.shape[:1]:
        message = f"probabilities has shape {chances.shape}, labels {classes.shape}; they must be (n, classes) and (n,)"
        raise ConfigError(message)
    if not ((chances >= 0).all() and np.allclose(chances.sum(axis=1), 1, atol=1e-3)):
        message = "probabilities must be 0 or larger and sum to 1 in every row; apply a softmax to logits"
        raise ConfigError(message)
    if classes.min() < 0 or classes.max() >= chances.shape[1]:
        message = (
            f"labels must be whole numbers from 0 to {chances.shape[1] - 1}, the classes of probabilities"
        )
        raise ConfigError(message)
    return chances, classes
