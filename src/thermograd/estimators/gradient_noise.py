"""The noise of minibatch gradients: its trace, the squared gradient, and their ratio, the noise scale."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from thermograd.errors import ConfigError
from thermograd.estimators.trajectory_pieces import checked_level
from thermograd.numerics.argument_kind import check_number
from thermograd.numerics.real_numbers import real_numbers
from thermograd.quantities import Estimate, Verdict

__all__ = ["GradientNoise", "gradient_noise_scale"]

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class GradientNoise:
    """How noisy minibatch gradients are.

    Attributes:
        trace: S = Tr Σ, trace of the covariance of the gradient of one sample.
        squared_gradient: |∇f|², squared length of the mean gradient; unbiased, so it may come out negative.
        noise_scale: S / |∇f|² in samples: the batch size at which noise and mean are equally long. Where the
            gradient is not resolved, its upper end is infinite.
        pieces: number of blocks.
        verdict: "gradient_resolved" (True), "gradient_not_resolved" (None: the interval of |∇f|² includes 0, so
            the noise scale has a lower end only) or "no_noise" (True: S = 0).

    >>> found = gradient_noise_scale([9.0, 11.0, 10.0, 10.0], [1.9, 2.2, 2.0, 1.9])
    >>> found.trace.value, found.squared_gradient.value, found.noise_scale.value, found.verdict.kind
    (10.0, 2.0, 5.0, 'gradient_resolved')
    """

    trace: Estimate
    squared_gradient: Estimate
    noise_scale: Estimate
    pieces: int
    verdict: Verdict

    def __str__(self) -> str:
        return str(self.verdict)


def gradient_noise_scale(
    trace_blocks: npt.ArrayLike,
    squared_gradient_blocks: npt.ArrayLike,
    *,
    counts: npt.ArrayLike | None = None,
    level: float = 0.95,
) -> GradientNoise:
    """The noise scale as a ratio of averages, with an interval over blocks.

    B = ⟨S⟩ / ⟨|∇f|²⟩ (McCandlish et al., arXiv 1812.06162, Eq 2.9 and appendix A.1). A mean of ratios would have
    no expectation. The interval leaves out one block at a time (jackknife, Student's t); it is taken of
    ⟨|∇f|²⟩ / ⟨S⟩, whose denominator is never near 0, and turned over. Blocks must be long against the
    correlation time.

    Args:
        trace_blocks: `(block,)` mean of S over the measurements of each block, in units of |g|².
        squared_gradient_blocks: `(block,)` the same of |∇f|².
        counts: `(block,)` number of measurements of each; None = equally many.
        level: two-sided, of every interval.

    Returns:
        Trace, squared gradient, noise scale and the verdict. One block alone has infinite intervals.

    Raises:
        ConfigError: a ValueError: shapes differ, no blocks, numbers that are not finite, or counts that are not positive.

    >>> noise = gradient_noise_scale([9.0, 11.0, 10.0, 10.0], [1.9, 2.2, 2.0, 1.9])
    >>> print(noise.noise_scale)
    5 (4.7 to 5.341 at 95 %) samples, from 4 pieces
    >>> unresolved = gradient_noise_scale([9.0, 11.0, 10.0, 10.0], [1.0, -0.8, 0.5, -0.6])
    >>> unresolved.verdict.kind, unresolved.noise_scale.high
    ('gradient_not_resolved', inf)
    """
    checked_level(level)
    trace, squared, count = _checked(trace_blocks, squared_gradient_blocks, counts)
    trace_mean = _ratio(count * trace, count, level, "squared gradient per sample")
    squared_mean = _ratio(count * squared, count, level, "squared gradient")
    if not trace.any():
        scale = Estimate(0.0, (0.0, 0.0), level=level, pieces=len(trace), unit="samples")
        verdict = Verdict(True, "no_noise", "The noise scale is 0: all gradients agree.")
        return GradientNoise(trace_mean, squared_mean, scale, len(trace), verdict)
    inverse = _ratio(count * squared, count * trace, level, "")
    scale = Estimate(
        _reciprocal(inverse.value),
        (_reciprocal(inverse.high), _reciprocal(inverse.low)),
        level=level,
        pieces=len(trace),
        unit="samples",
    )
    return GradientNoise(trace_mean, squared_mean, scale, len(trace), _verdict(scale, squared_mean))


def micro_batch_moments(
    sizes: npt.ArrayLike, squared_norms: npt.ArrayLike, squared_norm_of_mean: float
) -> tuple[float, float]:
    """S and |∇f|² from the gradients of the micro-batches of one step, given their squared lengths.

    S = (Σ b_i |g_i|² − n |ḡ|²) / (k − 1) and |∇f|² = |ḡ|² − S / n, with n = Σ b_i and ḡ = Σ b_i g_i / n; for k of
    equal size b: S = b/(k − 1) Σ |g_i − ḡ|². Both are unbiased for independent samples. For disjoint parts of a
    finite set of M samples S is unbiased for the trace with divisor M − 1, and |∇f|² for |∇f|² − S/M of the set.

    Args:
        sizes: `(k,)` b_i, samples of each micro-batch.
        squared_norms: `(k,)` |g_i|², g_i the mean gradient over micro-batch i.
        squared_norm_of_mean: |ḡ|².

    Returns:
        S and |∇f|², in units of |g|².

    Raises:
        ConfigError: a ValueError: fewer than two micro-batches, or shapes that differ.

    >>> micro_batch_moments([2, 2], [9.0, 1.0], 4.0)  # gradients 3 and 1 of one parameter
    (4.0, 3.0)
    """
    size, norms = real_numbers("sizes", sizes), real_numbers("squared_norms", squared_norms)
    if size.ndim != 1 or size.shape != norms.shape or size.size < 2 or (size <= 0).any():
        message = (
            f"sizes {size.tolist()} and squared_norms of shape {norms.shape} must be equally long lists of two "
            "micro-batches or more, of at least one sample each"
        )
        raise ConfigError(message)
    check_number("squared_norm_of_mean", squared_norm_of_mean)
    total = float(size.sum())
    trace = (float(size @ norms) - total * squared_norm_of_mean) / (size.size - 1)
    return trace, squared_norm_of_mean - trace / total


def _checked(
    trace_blocks: npt.ArrayLike, squared_gradient_blocks: npt.ArrayLike, counts: npt.ArrayLike | None
) -> tuple[Array, Array, Array]:
    trace, squared = (
        real_numbers("trace_blocks", trace_blocks),
        real_numbers("squared_gradient_blocks", squared_gradient_blocks),
    )
    count = np.ones(trace.shape) if counts is None else real_numbers("counts", counts)
    if trace.ndim != 1 or trace.size == 0 or trace.shape != squared.shape or trace.shape != count.shape:
        message = (
            f"trace_blocks {trace.shape}, squared_gradient_blocks {squared.shape} and counts {count.shape} must be "
            "equally long lists with one number per block"
        )
        raise ConfigError(message)
    bad = ~(np.isfinite(trace) & np.isfinite(squared) & np.isfinite(count) & (count > 0))
    if bad.any():
        place = int(np.flatnonzero(bad)[0])
        message = (
            f"block {place} has trace {trace[place]}, squared gradient {squared[place]}, count {count[place]}; "
            "leave out blocks without measurements or with gradients that are not finite"
        )
        raise ConfigError(message)
    return trace, squared, count


def _ratio(numerators: Array, denominators: Array, level: float, unit: str) -> Estimate:
    """Ratio of sums, its interval by leaving out one block at a time."""
    value = float(numerators.sum() / denominators.sum())
    pieces = len(numerators)
    if pieces < 2:
        return Estimate(value, (-math.inf, math.inf), level=level, pieces=pieces, unit=unit)
    without = (numerators.sum() - numerators) / (denominators.sum() - denominators)
    error = math.sqrt((pieces - 1) / pieces * float(((without - without.mean()) ** 2).sum()))
    half = float(special.stdtrit(pieces - 1, (1 + level) / 2)) * error
    return Estimate(value, (value - half, value + half), level=level, pieces=pieces, unit=unit)


def _reciprocal(value: float) -> float:
    """1/x of a number that cannot truly be negative: infinite from 0 down."""
    return 1 / value if value > 0 else math.inf


def _verdict(scale: Estimate, squared: Estimate) -> Verdict:
    evidence = {
        "noise_scale": scale.value,
        "low": scale.low,
        "high": scale.high,
        "squared_gradient": squared.value,
    }
    blocks = f"{scale.pieces:g} block" + ("s" if scale.pieces != 1 else "")
    if math.isfinite(scale.high) and squared.low > 0:
        text = f"The noise scale is {scale.value:.3g} ({scale.low:.3g} to {scale.high:.3g}) samples."
        return Verdict(True, "gradient_resolved", text, evidence)
    text = (
        f"The noise scale is above {scale.low:.3g} samples; its upper end is open, since the squared gradient "
        f"{squared.value:.3g} ({squared.low:.3g} to {squared.high:.3g}) is not told from 0 by {blocks}."
    )
    return Verdict(None, "gradient_not_resolved", text, evidence)
