"""What the stationary squared gradient says about the landscape, as a function of the learning rate (FDR2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import chdtri, fdtri, ndtri, stdtrit

from thermograd.errors import ConfigError
from thermograd.numerics.finite_number import is_finite_number
from thermograd.numerics.real_numbers import real_numbers
from thermograd.quantities import Estimate, Verdict

Array = npt.NDArray[Any]

_LEVEL = 0.95
_TOLERANCE = 0.3
_NOT_NEGATIVE = 4.0  # standard errors below 0 at which a mean of squares cannot be believed
_INDEPENDENT, _RESHUFFLED = "with_replacement", "without_replacement"


@dataclass(frozen=True, eq=False)
class LandscapeResponse:
    """Stationary squared gradients at several learning rates, compared with a harmonic landscape.

    Attributes:
        learning_rates: η, `(rate,)`, increasing.
        squared_gradients: `(rate,)` G, the stationary mean of |∇f|² at each of them.
        standard_errors: `(rate,)` their standard errors; without given ones, from the scatter.
        trace_hessian_noise: Tr(H C), in units of |g|² times curvature; NaN if the sampler does not allow it.
        slope: G / η on the linear range.
        linear_up_to: largest rate of the range in which G is proportional to η; 0 if not even the two smallest
            rates agree.
        harmonic_up_to: largest rate up to which the values are those of a quadratic loss: with a known largest
            curvature the end of the range inside the envelope, else `linear_up_to`; NaN under reshuffling.
        envelope: `(low, high)` squared gradients that a quadratic loss with this Tr(H C) allows at each rate; None
            without a largest curvature.
        verdict: "harmonic" (True), "anharmonic" (False), "nonlinear" (None: proportionality is lost, for one of
            two reasons), "undecided" (None: the errors could hide a bend of more than 30 %), "sampler_biased"
            (None: reshuffled epochs).

    >>> rates = np.array([0.01, 0.02, 0.05, 0.1])
    >>> bends = rates**1.5
    >>> independent = {"sampling": "with_replacement", "largest_curvature": 1.0}
    >>> found = landscape_response(rates, bends, 0.01 * bends, **independent)
    >>> found.verdict.kind, found.linear_up_to
    ('anharmonic', 0.0)
    """

    learning_rates: Array
    squared_gradients: Array
    standard_errors: Array
    trace_hessian_noise: Estimate
    slope: Estimate
    linear_up_to: float
    harmonic_up_to: float
    envelope: tuple[Array, Array] | None
    verdict: Verdict

    def __str__(self) -> str:
        return str(self.verdict)


class _Traces(NamedTuple):
    """2 G / η at every rate, with its error; `free` is the number of degrees of freedom of that error."""

    rate: Array
    value: Array
    error: Array
    free: float


def landscape_response(
    learning_rates: npt.ArrayLike,
    squared_gradients: npt.ArrayLike,
    standard_errors: npt.ArrayLike | None = None,
    *,
    sampling: str,
    largest_curvature: float | None = None,
    momentum: float = 0.0,
    dampening: float = 0.0,
) -> LandscapeResponse:
    """Tr(H C) from the growth of ⟨|∇f|²⟩ with the learning rate, and where that growth stops being harmonic.

    FDR2 (Yaida, arXiv 1810.00004): ⟨|∇f|²⟩ = (η/2) Tr(H C̃) + O(η²), C̃ = C + ⟨∇f ∇fᵀ⟩. So G = ⟨|∇f|²⟩ starts as a
    line through the origin of slope Tr(H C) / 2. It is fitted with weights 1 / SE² on the largest initial range
    whose χ² is below its 95 % point. The paper reads any bend as anharmonicity; but a quadratic loss bends too,
    2 G / η = Σ h s / (1 − η h / 2), since C̃ contains the gradient. With h_max known, 2 G / η of a quadratic loss lies in
    [a, a / (1 − η h_max / 2)] for some a = Tr(H C); only what no a can bring inside, at 5 % by χ², is anharmonic,
    and so is any stationary state at η h_max ≥ 2.

    With momentum μ and dampening ν the same holds with (1−ν) / (1−μ) η for η in front and (1−ν) / (1+μ) η inside
    the brackets. The interval of Tr(H C) reaches down as far as a bend that is not seen allows: with h_max known,
    any within the envelope; else the one that a straight line through 2 G / η shows.

    Without standard errors all 2 G / η get the same one, from their scatter about a straight line in η; χ² then has
    the F distribution. That takes a curved bend for noise, so it finds less. Standard errors from few seeds are too
    uncertain for weights: from 5 seeds the interval holds Tr(H C) in 79 % of cases instead of 95 %. Pool them to one
    error in per cent, or leave them out.

    Args:
        learning_rates: η, `(rate,)`, at least 3 different ones, in any order.
        squared_gradients: G, `(rate,)`, the stationary mean of the squared full gradient at each rate. An unbiased estimate
            such as the mean of g_a·g_b of two independent batches may be negative within its error.
        standard_errors: of G, `(rate,)`, positive.
        sampling: "with_replacement" (independent batches) or "without_replacement" (reshuffled epochs), where
            G at ends of epochs is orders of magnitude too small and no Tr(H C) is given.
        largest_curvature: h_max, the largest eigenvalue of the Hessian there.
        momentum: μ of the optimizer, from 0 to below 1.
        dampening: ν, from 0 to below 1.

    Returns:
        The fit and its verdict.

    Raises:
        ConfigError: a ValueError: fewer than 3 different rates, shapes that differ, numbers out of range, a
            squared gradient negative by more than 4 standard errors, or an unknown sampling.

    >>> rates = np.array([0.01, 0.02, 0.05, 0.1])
    >>> fit = landscape_response(
    ...     rates, rates / 2 * 3 / (1 - rates / 2), 0.01 * rates, sampling="with_replacement", largest_curvature=1.0
    ... )  # one mode, h = 1, s = 3
    >>> fit.verdict.kind, fit.linear_up_to, fit.harmonic_up_to
    ('harmonic', 0.05, 0.1)
    >>> print(fit.trace_hessian_noise)
    3.041 (2.977 to 3.063 at 95 %), from 3 pieces (low enough for a quadratic loss that bends unseen)
    """
    if not isinstance(sampling, str) or sampling not in {_INDEPENDENT, _RESHUFFLED}:
        message = f"sampling must be {_INDEPENDENT!r} or {_RESHUFFLED!r}, got {sampling!r}"
        raise ConfigError(message)
    for name, number in (("momentum", momentum), ("dampening", dampening)):
        if not is_finite_number(number) or not 0 <= number < 1:
            message = f"{name} is {number!r}; it must be from 0 to below 1"
            raise ConfigError(message)
    if largest_curvature is not None and not (is_finite_number(largest_curvature) and largest_curvature >= 0):
        message = f"largest_curvature is {largest_curvature!r}; it must be finite, 0 or larger"
        raise ConfigError(message)
    rate, gradient, error = _checked(learning_rates, squared_gradients, standard_errors)
    unit = (1.0 - dampening) / (1.0 - momentum) * rate / 2.0
    traces = _traces(rate, gradient / unit, None if error is None else error / unit)
    bend = (
        None
        if largest_curvature is None
        else _bend(rate * (1.0 - dampening) / (1.0 + momentum), largest_curvature)
    )
    linear_up_to = _largest_range(traces, np.ones(rate.size))
    trace = _trace(traces, max(linear_up_to, rate[0]), bend)
    scale = unit[0] / rate[0]
    if sampling == _RESHUFFLED:
        harmonic_up_to, shown = np.nan, _no_trace()
        verdict = _biased(_scaled(trace, scale))
    else:
        harmonic_up_to, shown = linear_up_to if bend is None else _largest_range(traces, bend), trace
        verdict = _verdict(traces, trace, harmonic_up_to, linear_up_to, largest_curvature, bend)
    return LandscapeResponse(
        rate,
        gradient,
        traces.error * unit,
        shown,
        _scaled(trace, scale),
        linear_up_to,
        float(harmonic_up_to),
        None if bend is None else (shown.value * unit, shown.value * unit * bend),
        verdict,
    )


def _checked(
    learning_rates: npt.ArrayLike, squared_gradients: npt.ArrayLike, standard_errors: npt.ArrayLike | None
) -> tuple[Array, Array, Array | None]:
    rate, gradient = (
        real_numbers("learning_rates", learning_rates),
        real_numbers("squared_gradients", squared_gradients),
    )
    error = None if standard_errors is None else real_numbers("standard_errors", standard_errors)
    shapes = {rate.shape, gradient.shape} | (set() if error is None else {error.shape})
    if rate.ndim != 1 or len(shapes) > 1:
        message = f"learning_rates, squared_gradients and standard_errors must be equally long lists, got shapes {shapes}"
        raise ConfigError(message)
    if np.unique(rate).size < 3:
        message = f"a line and its bend need 3 different learning rates or more, got {rate.tolist()}"
        raise ConfigError(message)
    if not (np.isfinite(rate) & (rate > 0)).all() or not np.isfinite(gradient).all():
        message = (
            "learning_rates must be positive and squared_gradients finite: leave out the rates at which training "
            f"diverged; got {rate.tolist()} and {gradient.tolist()}"
        )
        raise ConfigError(message)
    if error is not None and not (np.isfinite(error) & (error > 0)).all():
        message = (
            f"standard_errors must be positive and finite, got {error.tolist()}; leave them out if unknown"
        )
        raise ConfigError(message)
    if not gradient.any():
        message = "all squared gradients are 0: without noise there is nothing to read off the learning rate"
        raise ConfigError(message)
    allowed = np.zeros(rate.size) if error is None else -_NOT_NEGATIVE * error
    if (gradient < allowed).any():
        place = int(np.argmin(gradient - allowed))
        message = (
            f"the squared gradient at learning rate {rate[place]:g} is {gradient[place]:g}, negative beyond "
            + (
                "its error: pass standard_errors"
                if error is None
                else f"its error {error[place]:g}: check both"
            )
        )
        raise ConfigError(message)
    order = np.argsort(rate, kind="stable")
    return rate[order], gradient[order], None if error is None else error[order]


def _traces(rate: Array, value: Array, error: Array | None) -> _Traces:
    if error is not None:
        return _Traces(rate, value, error, np.inf)
    free = rate.size - 2
    residual = value - np.polyval(np.polyfit(rate, value, 1), rate)
    scatter = float(np.sqrt(residual @ residual / free))
    # Numbers that agree exactly are known to rounding.
    floor = 1e-12 * float(np.abs(value).max()) or np.finfo(float).tiny
    return _Traces(rate, value, np.full(rate.size, max(scatter, floor)), float(free))


def _bend(step: Array, largest_curvature: float) -> Array:
    """Largest 2 G / η over Tr(H C) of a quadratic loss, infinite where it is unstable."""
    left = 1.0 - step * largest_curvature / 2.0
    return np.where(left > 0, 1.0 / np.where(left > 0, left, 1.0), np.inf)


def _largest_range(traces: _Traces, bend: Array) -> float:
    """Largest rate up to which one a exists with all values in [a, a bend]; 0 if not up to the second."""
    for last in np.unique(traces.rate)[:0:-1]:
        used = traces.rate <= last
        if np.isfinite(bend[used]).all() and _misfit(traces, used, bend) <= _threshold(traces, used):
            return float(last)
    return 0.0


def _misfit(traces: _Traces, used: Array, bend: Array) -> float:
    """Smallest χ² of the distances from [a, a bend], over a ≥ 0; it is convex in a."""
    value, error, most = traces.value[used], traces.error[used], bend[used]

    def distances(a: float) -> tuple[Array, Array]:
        return np.maximum(a - value, 0.0) / error, np.maximum(value - a * most, 0.0) / error

    def slope(a: float) -> float:
        below, above = distances(a)
        return float(np.sum((below - most * above) / error))

    a = 0.0 if slope(0.0) >= 0 else brentq(slope, 0.0, value.max(), xtol=1e-14 * value.max())
    return float(np.sum(np.square(distances(a))))


def _threshold(traces: _Traces, used: Array) -> float:
    free = int(used.sum()) - 1
    if np.isinf(traces.free):
        return float(chdtri(free, 1.0 - _LEVEL))
    return float(free * fdtri(free, traces.free, _LEVEL))


def _quantile(traces: _Traces) -> float:
    upper = 0.5 + _LEVEL / 2.0
    return float(ndtri(upper) if np.isinf(traces.free) else stdtrit(traces.free, upper))


def _trace(traces: _Traces, last: float, bend: Array | None) -> Estimate:
    used = traces.rate <= last
    value, weight = traces.value[used], traces.error[used] ** -2.0
    middle = float(weight @ value / weight.sum())
    reach = _quantile(traces) * float(weight.sum() ** -0.5)
    if bend is not None:
        least = min(float(weight @ (value / bend[used]) / weight.sum()), middle) - reach
    else:
        least = min(middle - reach, _at_rate_zero(traces, used))
    note = "low enough for a quadratic loss that bends unseen"
    return Estimate(middle, (least, middle + reach), level=_LEVEL, pieces=int(used.sum()), note=note)


def _at_rate_zero(traces: _Traces, used: Array) -> float:
    """Lower end of the interval of 2 G / η extrapolated to η = 0 by a straight line."""
    rate, value, weight = traces.rate[used], traces.value[used], traces.error[used] ** -2.0
    centre = weight @ rate / weight.sum()
    spread = float(weight @ (rate - centre) ** 2)
    if spread == 0:
        return np.inf
    start = weight @ value / weight.sum() - centre * (weight @ ((rate - centre) * value)) / spread
    return float(start - _quantile(traces) * np.sqrt(1.0 / weight.sum() + centre**2 / spread))


def _scaled(trace: Estimate, scale: float) -> Estimate:
    return Estimate(
        scale * trace.value,
        (scale * trace.low, scale * trace.high),
        level=trace.level,
        pieces=trace.pieces,
        note="squared gradient over learning rate",
    )


def _no_trace() -> Estimate:
    unknown = float("nan")
    return Estimate(
        unknown, (unknown, unknown), level=_LEVEL, note="reshuffled epochs: the slope is not that of Tr(HC)"
    )


def _hidden(traces: _Traces, trace: Estimate) -> float:
    """Half-width of the interval of the bend: change of 2 G / η from the first rate to the last, over its mean."""
    weight = traces.error**-2.0
    centred = traces.rate - weight @ traces.rate / weight.sum()
    error = float(weight @ centred**2) ** -0.5
    if trace.value == 0:
        return np.inf
    return float(_quantile(traces) * error * np.ptp(traces.rate) / abs(trace.value))


def _biased(slope: Estimate) -> Verdict:
    text = (
        f"The squared gradient grows by {slope.value:.3g} ({slope.low:.3g} to {slope.high:.3g}) per unit of the learning "
        "rate, but the batches were reshuffled epoch by epoch: their noise cancels within an epoch, and at its end the "
        "squared gradient is far smaller than Tr(HC) says. Train with independent batches to read it off."
    )
    return Verdict(None, "sampler_biased", text, {"slope": float(slope.value)})


def _verdict(
    traces: _Traces,
    trace: Estimate,
    harmonic_up_to: float,
    linear_up_to: float,
    largest_curvature: float | None,
    bend: Array | None,
) -> Verdict:
    rate = traces.rate
    hidden = _hidden(traces, trace)
    found = f"Tr(HC) = {trace.value:.3g} ({trace.low:.3g} to {trace.high:.3g})"
    span = f"from learning rate {rate[0]:g} to {rate[-1]:g}"
    holds: bool | None
    if harmonic_up_to == rate[-1] and (hidden > _TOLERANCE or trace.low <= 0):
        holds, kind = None, "undecided"
        text = f"No bend of the squared gradient is seen {span}, but one of {100 * hidden:.3g} % would not show; {found}."
    elif harmonic_up_to == rate[-1]:
        holds, kind = True, "harmonic"
        how = "in proportion to the learning rate"
        if linear_up_to < rate[-1]:
            how = f"as that of a quadratic loss of largest curvature {largest_curvature:g} can"
        text = f"The squared gradient grows {how} {span}: the landscape looks harmonic; {found}."
    elif bend is None:
        holds, kind = None, "nonlinear"
        text = (
            f"The squared gradient {_departure(traces, trace, linear_up_to)}; {found} if it starts as a line."
        )
    else:
        holds, kind = False, "anharmonic"
        where = (
            f"above learning rate {harmonic_up_to:g}"
            if harmonic_up_to
            else "even at the smallest learning rates"
        )
        text = (
            f"No quadratic loss of largest curvature {largest_curvature:g} has these squared gradients {where}"
            f"{_unstable(rate, bend)}: the landscape is anharmonic; {found} from rates up to "
            f"{max(linear_up_to, rate[0]):g}."
        )
    evidence = {
        "trace_hessian_noise": float(trace.value),
        "linear_up_to": linear_up_to,
        "harmonic_up_to": harmonic_up_to,
        "chi_square_of_line": _misfit(traces, rate > 0, np.ones(rate.size)),
        "hidden_bend": hidden,
    }
    return Verdict(holds, kind, text, evidence)


def _departure(traces: _Traces, trace: Estimate, linear_up_to: float) -> str:
    until = f"is proportional to the learning rate up to {linear_up_to:g} and"
    if not linear_up_to:
        until = "is not proportional to the learning rate even at the smallest ones and"
    beyond = traces.rate > max(linear_up_to, traces.rate[0])
    weight = traces.error[beyond] ** -2.0
    if weight @ traces.value[beyond] < weight.sum() * trace.value:
        return (
            f"{until} falls short of it beyond: no quadratic loss does that, so the landscape is anharmonic"
        )
    return (
        f"{until} exceeds it beyond. A quadratic loss bends like that too, by 1 / (1 - learning rate * curvature / "
        "2); give largest_curvature to tell this from an anharmonic landscape"
    )


def _unstable(rate: Array, bend: Array) -> str:
    unstable = rate[np.isinf(bend)]
    return f" (from {unstable[0]:g} on it would not even be stable)" if unstable.size else ""
