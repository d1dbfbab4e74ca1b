"""Do the survivors settle? Distance and p-value against time, and where in the distribution they drift."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.counted import counted
from thermograd.estimators.quasi_steady_state import QuasiSteadyState, relaxation_time
from thermograd.numerics.bootstrap import percentile_interval
from thermograd.quantities import Estimate, Verdict
from thermograd.report.figure import Figure
from thermograd.report.look import band, layout, line, stacked, style

Array = npt.NDArray[Any]
_TOLERANCE, _SIGNIFICANCE = 0.1, 0.05
_CRAMER_VON_MISES_5_PERCENT = 0.461


def quasi_steady(steady: QuasiSteadyState, unit: str = "epoch") -> Figure:
    """Distance of the survivors' distribution from its mean over the window, and its p-value, with both t_r.

    Args:
        steady: the analysis of the survivors.
        unit: unit of its times.

    Returns:
        Above, the noise-corrected distance in units of the distribution function with its 90 % band; below, the
        p-value of the paper's Kolmogorov-Smirnov test. The relaxation time of each criterion is marked.
    """
    there = np.isfinite(steady.distance.value)
    time, distance, p_value = steady.time[there], steady.distance, steady.p_value[there]
    low, high = distance.low[there], distance.high[there]
    colour, other = style(0).colour, style(1).colour
    by_distance = relaxation_time(steady)
    by_p_value = relaxation_time(steady, criterion="kolmogorov_smirnov")
    first, last = steady.window
    ends, top = time[[0, -1]], float(max(np.nanmax(high), _TOLERANCE))
    traces = [
        *band(time, low, high, "90 % band", colour, yaxis="y2"),
        line(time, distance.value[there], "distance", colour, yaxis="y2"),
        line(ends, [_TOLERANCE] * 2, f"tolerance {_TOLERANCE:g}", dash="dash", yaxis="y2"),
        *_mark(by_distance, "distance", top, colour, yaxis="y2"),
        line(time, p_value, "p-value", other, style(1).dash),
        line(ends, [_SIGNIFICANCE] * 2, f"significance {_SIGNIFICANCE:g}", dash="dot"),
        *_mark(by_p_value, "p-value", 1.0, other),
    ]
    return Figure(
        stem="first_passage",
        name="quasi_steady",
        title=f"Do the survivors settle? Distance from their mean distribution, {unit}s {first} to {last}",
        conclusion=f"{_settled(by_distance, steady, unit)} {_passed(by_p_value, steady, unit)}",
        traces=tuple(traces),
        layout=stacked(f"time ({unit}s completed)", [("distance", 1), ("p (K–S test)", 1)], gap=0.1),
        table={
            f"time ({unit}s)": time.tolist(),
            "survivors": steady.survivors[there].tolist(),
            "distance (in distribution function)": distance.value[there].tolist(),
            "90 % from": low.tolist(),
            "to": high.tolist(),
            "p (Kolmogorov-Smirnov)": p_value.tolist(),
        },
    )


def quantile_deviation(steady: QuasiSteadyState, unit: str = "epoch") -> Figure:
    """Where in the distribution the survivors deviate: F_t - F against F, its mean, at five times of the window.

    Args:
        steady: the analysis of the survivors.
        unit: unit of its times.

    Returns:
        One line per time; the band is what 95 % of samples as small as the smallest one shown deviate by at each
        quantile, ± 1.96 sqrt(F (1 - F) / N).
    """
    first, last = steady.window
    wanted = np.linspace(first, last, 5)
    known = np.flatnonzero(steady.survivors > 0)
    places = sorted({int(known[np.argmin(np.abs(steady.time[known] - moment))]) for moment in wanted})
    quantile = np.arange(1, 100) / 100
    deviation = steady.deviation(quantile)
    fewest = int(steady.survivors[places].min())
    noise = 1.96 * np.sqrt(quantile * (1 - quantile) / fewest)
    traces = [*band(quantile, -noise, noise, f"noise of {fewest} survivors, 95 %", "#7F7F7F")]
    table: dict[str, list[Any]] = {"quantile of the mean distribution": quantile.tolist()}
    for position, place in enumerate(places):
        colour, dash, _ = style(position)
        name = f"{unit} {steady.time[place]}"
        traces.append(line(quantile, deviation[place], name, colour, dash))
        table[name] = deviation[place].tolist()
    return Figure(
        stem="first_passage",
        name="quantile_deviation",
        title=f"Where the survivors deviate from their mean distribution over {unit}s {first} to {last}",
        conclusion=_where(
            steady, deviation, [place for place in places if steady.time[place] >= first], unit
        ),
        traces=tuple(traces),
        layout=layout("mean distribution function F", "F at the time, minus F"),
        table=table,
    )


def cramer_von_mises(steady: QuasiSteadyState, unit: str = "epoch") -> Figure:
    """The paper's CM(t) (equation S12) against time, with what the noise of so few survivors alone gives.

    Args:
        steady: the analysis of the survivors.
        unit: unit of its times.

    Returns:
        CM(t) on a logarithmic scale with its 90 % band, which is cut at a tenth of the noise floor, and that floor,
        the integral of F (1 - F) dF / N(t).
    """
    there = (steady.survivors > 0) & (steady.cramer_von_mises > 0)
    time, value, floor = (part[there] for part in (steady.time, steady.cramer_von_mises, steady.noise_floor))
    low, high = (np.maximum(end[there], 0.1 * floor) for end in _band_of(steady))
    colour, other = style(0).colour, style(1)
    traces = [
        *band(time, low, high, "90 % band", colour),
        line(time, value, "CM", colour),
        line(time, floor, "noise floor", other.colour, "dash"),
    ]
    first, last = steady.window
    inside = (time >= first) & (time <= last)
    count = int((value * steady.survivors[there] >= _CRAMER_VON_MISES_5_PERCENT)[inside].sum())
    return Figure(
        stem="first_passage",
        name="cramer_von_mises",
        title=f"Mean square deviation of the survivors' distribution, CM, against {unit}s {first} to {last}",
        conclusion=_above_noise(count, int(inside.sum()), unit, first, last),
        traces=tuple(traces),
        layout=layout(
            f"time ({unit}s completed)",
            "CM (of distribution function)",
            yaxis={"type": "log", "exponentformat": "power", "dtick": 1},
        ),
        table={
            f"time ({unit}s)": time.tolist(),
            "CM": value.tolist(),
            "90 % from": low.tolist(),
            "to": high.tolist(),
            "noise floor": floor.tolist(),
        },
    )


def _mark(found: Estimate | Verdict, name: str, top: float, colour: str, **more: Any) -> list[dict[str, Any]]:
    """A vertical line at a relaxation time; none if there is none."""
    if not isinstance(found, Estimate):
        return []
    at = float(found.value)
    return [line([at, at], [0, top], f"settled by {name}: {at:g}", colour, "dashdot", **more)]


def _settled(found: Estimate | Verdict, steady: QuasiSteadyState, unit: str) -> str:
    if isinstance(found, Verdict):
        return f"{found.text[0].upper()}{found.text[1:].removesuffix('.')}."
    first, last = steady.window
    return f"Over {unit}s {first} to {last} the survivors are quasi-steady, from {unit} {_whole(found)} on by distance."


def _passed(found: Estimate | Verdict, steady: QuasiSteadyState, unit: str) -> str:
    if isinstance(found, Verdict) and "value" not in found.evidence:
        return f"The p-value never exceeds {_SIGNIFICANCE:g}."
    at = f"{found.value:g}" if isinstance(found, Estimate) else f"{found.evidence['value']:g}"
    again = steady.rejected_fraction
    later = (
        f"and rejects in {100 * again:.2g} % of the window" if again else "and rejects nowhere in the window"
    )
    return f"The p-value first exceeds {_SIGNIFICANCE:g} at {unit} {at}, {later}."


def _where(steady: QuasiSteadyState, deviation: Array, places: list[int], unit: str) -> str:
    quantile = np.arange(1, 100) / 100
    row, column = np.unravel_index(np.argmax(np.abs(deviation[places])), deviation[places].shape)
    size, place, at = float(deviation[places][row, column]), places[int(row)], float(quantile[column])
    count = int(steady.survivors[place])
    where = f"at quantile {at:.2f} of {unit} {steady.time[place]}"
    # The supremum over quantiles and the times shown: Kolmogorov's law, with Bonferroni's factor.
    limit = float(np.sqrt(-0.5 * np.log(0.025 / len(places)) / count))
    if abs(size) <= limit:
        return (
            f"The largest deviation inside the window is {size:+.3f} {where}, within the noise of {counted(count, 'survivor')} "
            f"(± {limit:.2g}): whether they drift, these times cannot decide."
        )
    low = "more" if size > 0 else "fewer"
    return (
        f"Inside the window the survivors deviate most {where}, where {low} runs lie below than on average, by "
        f"{abs(size):.3f}: beyond the noise of {counted(count, 'survivor')} (± {limit:.2g}), so they drift."
    )


def _band_of(steady: QuasiSteadyState) -> tuple[Array, Array]:
    """A resample of trajectories carries the noise twice; the floor is taken off once."""
    drawn = np.maximum(steady.resampled["survivors"], 1.0)
    extra = steady.noise_floor * np.maximum(steady.survivors, 1) / drawn
    return percentile_interval(steady.resampled["cramer_von_mises"] - extra, steady.distance.level)


def _above_noise(count: int, total: int, unit: str, first: int, last: int) -> str:
    share = f"{count} of the {total} {unit}s from {first} to {last}"
    if count > 0.1 * total:
        return f"In {share} CM is beyond the 95 % point of the noise: the survivors keep drifting there."
    return (
        f"In {share} CM is beyond the 95 % point of the noise, about as often as noise alone would be: whether "
        "the survivors still drift, CM cannot decide."
    )


def _whole(time: Estimate) -> str:
    """A time in whole units, with its interval."""
    return f"{time.value:.0f} ({time.low:.0f} to {time.high:.0f})"
