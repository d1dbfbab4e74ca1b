"""How many times sooner training arrives when it is perturbed, against the interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.estimators.first_passage import extrapolated_mean, restricted_mean
from thermograd.estimators.first_passage_times import FirstPassageTimes
from thermograd.numerics.bootstrap import percentile_interval
from thermograd.quantities import Estimate, Prediction
from thermograd.report.figure import Figure
from thermograd.report.look import band, error_bars, layout, line, points, style
from thermograd.report.ranking import number_text

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Curve:
    """One alternative to leaving training alone.

    Attributes:
        name: what it is called.
        prediction: mean first-passage time against the interval, `at` and `valid` included.
        usable_from: shortest interval into which the residual time fits; 0 if that is no limit.
        brute_force: interval -> first-passage times of runs that were really perturbed that often.
    """

    name: str
    prediction: Prediction
    usable_from: float = 0.0
    brute_force: Mapping[int, FirstPassageTimes] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Ratio:
    """Speed-up of one alternative at its usable intervals: restricted mean ÷ predicted mean."""

    at: Array
    value: Array
    low: Array
    high: Array
    valid: npt.NDArray[np.bool_]

    def best(self) -> int | None:
        """Position of the largest valid speed-up; None if no interval is valid."""
        shown = np.where(self.valid & np.isfinite(self.value), self.value, -np.inf)
        return int(np.argmax(shown)) if np.isfinite(shown).any() else None

    def estimate(self, position: int) -> Estimate:
        """The speed-up at one position."""
        return Estimate(float(self.value[position]), (float(self.low[position]), float(self.high[position])))


def ratio(alone: Estimate, curve: Curve) -> Ratio:
    """The unperturbed mean divided by the predicted mean.

    Args:
        alone: mean first-passage time of the unperturbed runs, restricted or extrapolated.
        curve: the alternative; resamples of its prediction are paired with those of `alone`, as both come
            from the same runs and seed.

    Returns:
        The ratio where the residual time fits into the interval, with a 95 % band.
    """
    prediction = curve.prediction
    at, mean = np.asarray(prediction.at, float), np.asarray(prediction.value, float)
    kept = np.isfinite(mean) & (at >= curve.usable_from)
    valid = np.ones(at.size, bool) if prediction.valid is None else np.asarray(prediction.valid, bool)
    if prediction.samples is not None and alone.samples is not None:
        count = min(len(prediction.samples), len(alone.samples))
        low, high = percentile_interval(alone.samples[:count, None] / prediction.samples[:count], 0.95)
    else:
        ends = (mean, mean) if prediction.interval is None else prediction.interval
        low, high = alone.value / np.asarray(ends[1]), alone.value / np.asarray(ends[0])
    return Ratio(at[kept], alone.value / mean[kept], low[kept], high[kept], (valid & kept)[kept])


def tried(passages: FirstPassageTimes, brute_force: FirstPassageTimes) -> Estimate:
    """The measured speed-up: restricted means over the time both were watched.

    Args:
        passages: first-passage times of the unperturbed runs.
        brute_force: those of the perturbed runs; independent of the unperturbed ones.

    Returns:
        Their ratio; an upper bound, and its note says so, if some perturbed run never arrived.
    """
    alone = restricted_mean(passages)
    kicked = restricted_mean(brute_force)
    value = float(alone.value / kicked.value)
    low, high = percentile_interval(np.asarray(alone.samples) / np.asarray(kicked.samples), 0.95)
    missing = int((~brute_force.reached).sum())
    note = f"an upper bound: {missing} of {len(brute_force)} runs never arrived" if missing else ""
    return Estimate(value, (float(low), float(high)), note=note, pieces=len(brute_force))


def speed_up(passages: FirstPassageTimes, curves: Sequence[Curve]) -> Figure:
    """How many times sooner training arrives, against the interval of the perturbation.

    Args:
        passages: first-passage times of the unperturbed runs.
        curves: the alternatives, with what was measured by brute force.

    Returns:
        Band; solid where the prediction is valid, dashed where only the residual time fits into the
        interval; markers where it was tried. Left scale against the restricted mean, right scale against
        the extrapolated one; the share of runs that never arrived is in the title.
    """
    alone, tail = restricted_mean(passages), extrapolated_mean(passages)
    ratios = {curve.name: ratio(alone, curve) for curve in curves}
    tails = {curve.name: ratio(tail, curve) for curve in curves}
    checks = {
        curve.name: {at: tried(passages, times) for at, times in sorted(curve.brute_force.items())}
        for curve in curves
    }
    traces: list[dict[str, Any]] = []
    for position, curve in enumerate(curves):
        traces += _traces(position, curve.name, ratios[curve.name], checks[curve.name])
    unit = passages.unit
    drawing, more = _scales(ratios, checks, float(tail.value / alone.value), passages)
    reach = [float(edge) for entry in ratios.values() for edge in entry.at[[0, -1]] if entry.at.size]
    if reach:
        traces.append(line([min(reach), max(reach)], [1, 1], "left alone", dash="dot"))
    return Figure(
        stem="first_passage",
        name="speed_up",
        title=f"Speed-up against the interval; {100 * passages.censored_fraction:.3g} % of unperturbed runs never arrived",
        conclusion=_conclusion(ratios, tails, checks, passages),
        traces=tuple(traces + more),
        layout=layout(
            f"interval of the perturbation ({unit}s)",
            f"speed-up, at least (of {passages.horizon} {unit}s)",
            **drawing,
        ),
        table=_numbers(ratios, checks, unit),
    )


def _traces(position: int, name: str, shown: Ratio, checks: Mapping[int, Estimate]) -> list[dict[str, Any]]:
    """Band and line: solid where valid, dashed where only usable; markers where it was tried."""
    colour = style(position).colour
    group = {"legendgroup": str(position)}
    traces: list[dict[str, Any]] = []
    if shown.at.size:
        traces += band(shown.at, shown.low, shown.high, f"{name}, 95 %", colour, **group)
        traces[-1]["showlegend"] = False
        solid, dashed = (np.where(part, shown.value, np.nan) for part in (shown.valid, _beside(shown.valid)))
        symbol = {"color": colour, "symbol": style(position).marker, "size": 7, "maxdisplayed": 8}
        traces.append(line(shown.at, solid, name, colour, mode="lines+markers", marker=symbol, **group))
        if np.isfinite(dashed).any():
            label = f"{name}, usable but not covered by the theory"
            traces.append(line(shown.at, dashed, label, colour, "dash", **group))
    if checks:
        values = list(checks.values())
        mark = points(list(checks), [entry.value for entry in values], f"{name}, tried", position, **group)
        low, high = [entry.low for entry in values], [entry.high for entry in values]
        mark["error_y"] = {**error_bars([entry.value for entry in values], low, high), "color": colour}
        mark["marker"]["symbol"] = [
            mark["marker"]["symbol"] + ("-open" if entry.note else "") for entry in values
        ]
        traces.append(mark)
    return traces


def _beside(valid: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Points that are not valid, and their valid neighbours, so that the two lines touch."""
    outside = ~valid
    wider = outside.copy()
    wider[1:] |= outside[:-1]
    wider[:-1] |= outside[1:]
    return wider


def _scales(
    ratios: Mapping[str, Ratio],
    checks: Mapping[str, Mapping[int, Estimate]],
    factor: float,
    passages: FirstPassageTimes,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Both vertical scales: against the restricted mean, and `factor` times that if the tail is exponential."""
    tops = [entry.high[np.isfinite(entry.high)].max(initial=1.0) for entry in ratios.values()]
    tops += [estimate.high for entry in checks.values() for estimate in entry.values()]
    top = 1.06 * max([1.0, *map(float, tops)])
    drawing: dict[str, Any] = {
        "xaxis": {
            "type": "log",
            "tickvals": (ticks := _round_numbers(passages.horizon)),
            "ticktext": [f"{tick:g}" for tick in ticks],
        },
        "yaxis": {"range": [0, top], "fixedrange": True},
        "hovermode": "closest",
        "margin": {"t": 56, "r": 16, "l": 56, "b": 56},
    }
    if not np.isfinite(factor) or not passages.censored_fraction:
        return drawing, []
    drawing["yaxis2"] = {
        "title": {"text": "if the tail is exponential"},
        "overlaying": "y",
        "side": "right",
        "range": [0, top * factor],
        "showgrid": False,
        "zeroline": False,
        "fixedrange": True,
        "automargin": True,
        "tickmode": "auto",
        "nticks": 6,
    }
    # A second axis is drawn only if some trace lies on it.
    empty = {
        **line([1], [0], "", "#222222"),
        "yaxis": "y2",
        "showlegend": False,
        "hoverinfo": "skip",
        "opacity": 0,
    }
    return drawing, [empty]


def _round_numbers(horizon: int) -> list[int]:
    """1, 2, 5, 10, 20, ... up to the horizon.

    >>> _round_numbers(60)
    [1, 2, 5, 10, 20, 50]
    """
    decades = range(len(str(horizon)))
    return [digit * 10**power for power in decades for digit in (1, 2, 5) if digit * 10**power <= horizon]


def _conclusion(
    ratios: Mapping[str, Ratio],
    tails: Mapping[str, Ratio],
    checks: Mapping[str, Mapping[int, Estimate]],
    passages: FirstPassageTimes,
) -> str:
    found = {name: (entry, entry.best()) for name, entry in ratios.items()}
    known = {name: (entry, place) for name, (entry, place) in found.items() if place is not None}
    if not known:
        return (
            "No interval is covered by the theory, so whether a perturbation helps, these data cannot decide."
        )
    name = max(known, key=lambda key: known[key][0].value[known[key][1]])
    entry, place = known[name]
    best, at, unit = entry.estimate(place), int(entry.at[place]), f"{passages.unit}s"
    size = number_text(best)
    if best.low > 1:
        bound = f"at least {size} times" if passages.censored_fraction else f"{size} times"
        text = f"Best covered by the theory: {name} every {at} {unit}, which arrives {bound} as soon"
        if passages.censored_fraction:
            text += f"; if the tail is exponential, {number_text(tails[name].estimate(place))} times"
    elif best.high < 1:
        text = f"Nothing tried here helps: the best, {name} every {at} {unit}, arrives {size} times as soon"
    else:
        text = f"Whether anything helps, the data cannot decide: the best, {name} every {at} {unit}, arrives {size} times as soon"
    return f"{text}.{_checked(name, at, best, checks.get(name, {}))}"


def _checked(name: str, at: int, best: Estimate, checks: Mapping[int, Estimate]) -> str:
    if not checks:
        return ""
    nearest = min(checks, key=lambda interval: abs(np.log(interval / at)))
    measured = checks[nearest]
    shown = f"tried with {name} every {nearest}: {number_text(measured)}" + (
        f", {measured.note}" if measured.note else ""
    )
    if nearest != at:
        return f" Nearest interval {shown}."
    agrees = measured.low <= best.high and best.low <= measured.high
    return f" It was {shown}, which {'agrees' if agrees else 'does not agree'} with the prediction."


def _numbers(
    ratios: Mapping[str, Ratio], checks: Mapping[str, Mapping[int, Estimate]], unit: str
) -> dict[str, list[Any]]:
    rows: list[tuple[Any, ...]] = []
    for name, entry in ratios.items():
        for position, at in enumerate(entry.at):
            kind = "predicted" if entry.valid[position] else "predicted, not covered by the theory"
            rows.append(
                (name, kind, float(at), entry.value[position], entry.low[position], entry.high[position])
            )
        for interval, measured in checks[name].items():
            kind = "tried, upper bound" if measured.note else "tried"
            rows.append((name, kind, float(interval), measured.value, measured.low, measured.high))
    names = ("alternative", "what", f"interval ({unit}s)", "speed-up, at least", "95 % from", "to")
    return {heading: [row[column] for row in rows] for column, heading in enumerate(names)}
