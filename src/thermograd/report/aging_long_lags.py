"""Beyond the waiting time: how displacement grows with the lag at every age, and where ages are forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.estimators.aging import CurveSpread, Diffusion
from thermograd.estimators.short_number import short_number
from thermograd.quantities import Estimate
from thermograd.report.figure import Figure
from thermograd.report.look import INK, error_bars, layout, line, logarithmic, points, stacked, style

Array = npt.NDArray[Any]

_POWERS = {"exponentformat": "power", "tickformat": ""}
_KINDS = ((2.0, "2: updates aligned", "dash"), (1.0, "1: updates independent", "dot"))
_HEADINGS = (
    "lags", "waiting time (steps)", "exponent γ", "γ from", "γ to", "coefficient D (weight²/step^γ)", "D from", "D to",
)  # fmt: skip


def diffusion_against_age(found: Diffusion | Mapping[str, Diffusion], *, what: str = "") -> Figure:
    """γ and D of Δ = 2 D t^γ against the waiting time, for one range of lags or several.

    Args:
        found: the law at every waiting time; several by the name of their lags, as "short lags" and "long lags".
        what: what was trained, for the title.

    Returns:
        Two panels over the waiting time: γ, with lines at 1 and 2, and D on a logarithmic axis, whose unit depends on γ.
        Waiting times with too few lags are left out; an interval without end has no bar.
    """
    series = {"": found} if isinstance(found, Diffusion) else dict(found)
    traces: list[dict[str, Any]] = []
    table: dict[str, list[Any]] = {heading: [] for heading in _HEADINGS}
    for position, (name, law) in enumerate(series.items()):
        shown = np.isfinite(law.exponent.value) & (law.waiting_times > 0)
        waiting = law.waiting_times[shown]
        columns = [_part(law.exponent, shown), _part(law.coefficient, shown)]
        label = name or "exponent γ, coefficient D"
        if waiting.size:
            shift = 1.02 ** (position - (len(series) - 1) / 2)  # so that intervals stay apart
            for axis, (value, low, high) in zip(("y2", "y"), columns, strict=True):
                mark = points(waiting * shift, value, label, position, legendgroup=label, yaxis=axis)
                mark["error_y"] = {**error_bars(value, low, high), "color": style(position).colour}
                traces.append(mark | {"showlegend": axis == "y2"})
        cells = (
            [name] * waiting.size,
            waiting.tolist(),
            *(part.tolist() for column in columns for part in column),
        )
        for heading, column in zip(_HEADINGS, cells, strict=True):
            table[heading] += column
    waited = np.array(table["waiting time (steps)"], float)
    return Figure(
        stem="aging",
        name="diffusion_against_age",
        title=f"How displacement grows with the lag, at every age{', ' * bool(what)}{what}",
        conclusion=_grows(series),
        traces=(*_kinds(waited), *traces),
        layout=_panels(waited, table),
        table=table,
    )


def curve_spread(found: CurveSpread, *, what: str = "") -> Figure:
    """How far the curves of different waiting times are apart at each lag, and where they have merged.

    Args:
        found: the spread.
        what: what was trained, for the title.

    Returns:
        Standard deviation over waiting times of ln Δ against the lag, half of its largest value, and the merging lag
        with its interval.
    """
    known = np.isfinite(found.spread)
    lags, spread = found.lags[known], found.spread[known]
    traces: list[dict[str, Any]] = []
    if lags.size:
        top = float(spread.max())
        half = line(lags[[0, -1]], [top / 2] * 2, "half of the largest", INK, "dot")
        traces += [half, line(lags, spread, "spread of the curves", style(0).colour)]
        if found.merging_lag is not None:
            traces.append(_merging(found.merging_lag, top / 2))
    return Figure(
        stem="aging",
        name="curve_spread",
        title=f"How far the curves of different ages are apart{', ' * bool(what)}{what}",
        conclusion=_apart(found, lags, spread),
        traces=tuple(traces),
        layout=layout(
            "lag t (steps)",
            "spread of ln Δ over waiting times",
            hovermode="closest",
            xaxis=logarithmic(lags, room=1.2) | _POWERS,
            yaxis={"rangemode": "tozero"},
        ),
        table={"lag (steps)": found.lags.tolist(), "spread of ln Δ": found.spread.tolist()},
    )


def _part(found: Estimate, shown: Array) -> tuple[Array, Array, Array]:
    value, low, high = (np.asarray(end, float)[shown] for end in (found.value, found.low, found.high))
    return value, low, high


def _kinds(waiting: Array) -> list[dict[str, Any]]:
    if not waiting.size:
        return []
    ends = [waiting.min() / 1.1, waiting.max() * 1.1]
    return [line(ends, [height] * 2, name, INK, dash, yaxis="y2") for height, name, dash in _KINDS]


def _panels(waiting: Array, table: dict[str, list[Any]]) -> dict[str, Any]:
    drawing = stacked(
        "waiting time t_w (steps)",
        [("exponent γ", 1.0), ("coefficient D", 1.0)],
        gap=0.08,
        height=600,
        hovermode="closest",
        xaxis=logarithmic(waiting, room=1.3) | _POWERS,
    )
    drawing["yaxis"] |= logarithmic(table["coefficient D (weight²/step^γ)"], room=2.0) | _POWERS
    drawing["yaxis2"]["rangemode"] = "tozero"
    return drawing


def _merging(found: Estimate, height: float) -> dict[str, Any]:
    mark = points([found.value], [height], "merging lag", 1)
    high = found.high if np.isfinite(found.high) else 10 * found.value
    mark["error_x"] = {**error_bars([found.value], [found.low], [high]), "color": style(1).colour}
    return mark


def _grows(series: Mapping[str, Diffusion]) -> str:
    said = []
    for name, law in series.items():
        known = np.flatnonzero(np.isfinite(law.exponent.value) & (law.waiting_times > 0))
        start = f"{name}: " if name else "Displacement grows as t^γ: "
        if not known.size:
            said.append(f"{start}no waiting time has lags enough")
            continue
        ends = [
            f"{_gamma(law.exponent, place)} at t_w = {law.waiting_times[place]}"
            for place in dict.fromkeys((known[0], known[-1]))
        ]
        said.append(f"{start}γ = {', '.join(ends)}")
    text = "; ".join(said) or "nothing was given"
    return f"{text[0].upper()}{text[1:]}."


def _gamma(found: Estimate, place: int) -> str:
    value, low, high = (float(np.asarray(end)[place]) for end in (found.value, found.low, found.high))
    return f"{value:.2f} ({low:.2f} to {high:.2f})" if np.isfinite([low, high]).all() else f"{value:.2f}"


def _apart(found: CurveSpread, lags: Array, spread: Array) -> str:
    if not lags.size:
        return "No lag was measured at all waiting times."
    ages = f"waiting times {found.waiting_times[0]} to {found.waiting_times[-1]}"
    place = int(spread.argmax())
    text = f"Curves of {ages} are up to {spread[place]:.2g} apart in ln Δ, at lag {lags[place]}"
    merging = found.merging_lag
    if merging is None:
        return f"{text}; within the lags measured they do not merge to half of it."
    high = short_number(merging.high) if np.isfinite(merging.high) else "never"
    return f"{text}; by lag {short_number(merging.value)} ({short_number(merging.low)} to {high}) they have merged to half of it."
