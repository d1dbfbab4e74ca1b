"""A loss or an accuracy against training time on a logarithmic axis, with its fast and its slow phase."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.advisor.wording import number
from thermograd.estimators.aging import Phases
from thermograd.estimators.short_number import short_number
from thermograd.quantities import Estimate
from thermograd.report.band_of_runs import BandOfRuns, band_of_runs
from thermograd.report.figure import Figure
from thermograd.report.look import banded, error_bars, layout, line, logarithmic, points, style, transparent

Array = npt.NDArray[Any]

_POWERS = {"exponentformat": "power", "tickformat": ""}
_HEADINGS = ("series", "step", "runs", "mean", "a tenth of the runs below", "a tenth above")


@dataclass(frozen=True, eq=False)
class LearningCurve:
    """A recorded number of one ensemble.

    Attributes:
        steps: when it was recorded, `(time,)`.
        values: `(trajectory, time)`, or `(time,)` of one run; NaN where nothing was recorded.
        phases: of its loss, or None.
    """

    steps: npt.ArrayLike
    values: npt.ArrayLike
    phases: Phases | None = None


def learning_curves(
    curves: Mapping[str, LearningCurve], *, quantity: str = "loss", rising: bool = False, what: str = ""
) -> Figure:
    """Mean over trajectories against steps, one curve a setting, with the band that holds 80 % of the trajectories.

    Args:
        curves: name -> what was recorded.
        quantity: what it is, for the axis.
        rising: whether large is good, as an accuracy is; the axis then ends at 1.
        what: what was trained, for the title.

    Returns:
        Curves over a logarithmic axis, without step 0, which is in the table. Where the slow phase begins a marker with
        its interval lies on the curve; stretches on which it rests are drawn broad.

    Raises:
        ConfigError: a ValueError: shapes that do not fit.
    """
    found = {name: band_of_runs(curve.steps, curve.values) for name, curve in curves.items()}
    traces: list[dict[str, Any]] = []
    table: dict[str, list[Any]] = {heading: [] for heading in _HEADINGS}
    for position, (name, entry) in enumerate(found.items()):
        later = entry.steps > 0
        phases = curves[name].phases
        traces += _plateaus(entry, phases, position)
        if np.isfinite(entry.mean[later]).any():
            part = (column[later] for column in (entry.steps, entry.mean, entry.low, entry.high))
            at, mean, low, high = part
            traces += banded(at, mean, low, high, name, position)
        cells = ([name] * entry.steps.size, *(column.tolist() for column in entry))
        for heading, column in zip(_HEADINGS, cells, strict=True):
            table[heading] += column
    for position, (name, entry) in enumerate(found.items()):
        traces += _boundary(entry, curves[name].phases, position)
    steps = np.array(table["step"], float)
    return Figure(
        stem="aging",
        name=f"learning_curves_{quantity}".replace(" ", "_"),
        title=f"{quantity[0].upper()}{quantity[1:]} against training time{', ' * bool(what)}{what}",
        conclusion=_conclusion(found, curves, quantity),
        traces=tuple(_once(traces)),
        layout=layout(
            "time (optimiser steps)",
            quantity,
            hovermode="closest",
            xaxis=logarithmic(steps, room=1.1) | _POWERS,
            yaxis={"range": _share(found)} if rising else {"rangemode": "tozero"},
        ),
        table=table,
    )


def _share(found: Mapping[str, BandOfRuns]) -> list[float]:
    lows = np.concatenate([np.zeros(0), *(entry.low for entry in found.values())])
    known = lows[np.isfinite(lows)]
    low = float(known.min()) if known.size else 0.0
    return [low - 0.05 * (1 - low), 1.0]


def _height(entry: BandOfRuns, at: Any) -> Array:
    """The mean at other steps, linear in their logarithm."""
    known = (entry.steps > 0) & np.isfinite(entry.mean)
    if not known.any():
        return np.full(np.shape(at), np.nan)
    height: Array = np.interp(np.log(np.maximum(at, 1e-300)), np.log(entry.steps[known]), entry.mean[known])
    return height


def _boundary(entry: BandOfRuns, phases: Phases | None, position: int) -> list[dict[str, Any]]:
    if phases is None or phases.slow_since is None or phases.slow_since.value <= 0:
        return []
    since = phases.slow_since
    mark = points(
        [since.value], _height(entry, [since.value]), "slow since", position, legendgroup="slow since"
    )
    # A logarithm of 0 has no place.
    low = max(float(since.low), float(since.value) / 10)
    mark["error_x"] = {**error_bars([since.value], [low], [since.high]), "color": style(position).colour}
    mark["marker"]["size"] = 12
    return [mark]


def _plateaus(entry: BandOfRuns, phases: Phases | None, position: int) -> list[dict[str, Any]]:
    traces = []
    for start, stop in phases.plateaus if phases else ():
        inside = entry.steps[(entry.steps > start) & (entry.steps < stop)]
        at = np.array([start, *inside, stop], float)
        trace = line(at, _height(entry, at), "plateau", transparent(style(position).colour, 0.35))
        trace["line"]["width"] = 14
        traces.append(trace | {"legendgroup": "plateau", "hoverinfo": "skip"})
    return traces


def _once(traces: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Boundaries and plateaus of all curves share one entry in the legend."""
    seen: set[str] = set()
    for trace in traces:
        group = trace["legendgroup"]
        if group in {"slow since", "plateau"}:
            trace["showlegend"] = group not in seen
            seen.add(group)
    return traces


def _conclusion(found: Mapping[str, BandOfRuns], curves: Mapping[str, LearningCurve], quantity: str) -> str:
    said = []
    for name, entry in found.items():
        known = np.flatnonzero(np.isfinite(entry.mean))
        if not known.size:
            said.append(f"{name}: nothing was recorded")
            continue
        last = known[-1]
        phases = curves[name].phases
        since = _since(phases.slow_since) if phases and phases.slow_since else ""
        rests = "".join(
            f", at rest from step {short_number(start)} to {short_number(stop)}"
            for start, stop in (phases.plateaus if phases else ())
        )
        said.append(
            f"{name}: {quantity} {number(float(entry.mean[last]))} at step {entry.steps[last]:.0f}{since}{rests}"
        )
    return f"{'; '.join(said) or 'Nothing was recorded'}."


def _since(since: Estimate) -> str:
    ends = f"{short_number(float(since.low))} to {short_number(float(since.high))}"
    return f", slow since step {short_number(float(since.value))} ({ends})"
