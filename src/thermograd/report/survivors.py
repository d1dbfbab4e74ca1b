"""The values of the runs that have not arrived, as violins against time, with the target."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import bdtrik

from thermograd.counted import counted
from thermograd.estimators.first_passage_times import FirstPassageTimes
from thermograd.quantities import Estimate
from thermograd.report.figure import Figure, spaced
from thermograd.report.look import error_bars, layout, line, style, transparent
from thermograd.report.ranking import number_text

Array = npt.NDArray[Any]
_VIOLINS, _HEIGHTS, _FEWEST = 12, 40, 5
_CUT = (0.005, 0.995)
"""Quantiles between which a violin is drawn: one run far off would squeeze all of them."""


def survivors(
    values: Array,
    passages: FirstPassageTimes,
    target: float,
    *,
    times: Array | None = None,
    quantity: str = "value (as recorded)",
) -> Figure:
    """Violins of the values of the runs that have not arrived, at some times, with the target.

    The outline of a violin is a Gaussian kernel estimate of the density (bandwidth of Silverman 1986, eq. 3.31),
    drawn between the quantiles 0.005 and 0.995; each has the same largest width.

    Args:
        values: `(trajectory, time)` recorded values of the unperturbed runs.
        passages: their first-passage times.
        target: the value to reach.
        times: `(time,)` when they were recorded; default 1, 2, ...
        quantity: axis title, with unit.

    Returns:
        Up to 12 violins with median, first and ninth decile; the table has these at every time at which
        somebody survives.
    """
    time = np.arange(1, values.shape[1] + 1) if times is None else np.asarray(times)
    alive = passages.time[:, None] > time[None, :]
    alive |= ~passages.reached[:, None] & (time[None, :] <= passages.time[:, None])
    kept = np.where(alive & np.isfinite(values), values, np.nan)
    known = np.isfinite(kept).any(axis=0)
    kept, time = kept[:, known], time[known]
    deciles = np.nanquantile(kept, (0.1, 0.5, 0.9), axis=0)
    # The steep beginning would hide what happens near the target.
    late = np.flatnonzero(time >= 0.1 * time[-1])
    shown = late[spaced(late.size, _VIOLINS)]
    return Figure(
        stem="first_passage",
        name="survivors",
        title=f"Values of the runs still under way, from {passages.unit} {time[late[0]]:g} on",
        conclusion=_conclusion(kept, time, target, passages.unit),
        traces=(*_violins(kept, time, shown), *_marks(time, deciles, shown, target)),
        layout=layout(f"time ({passages.unit}s completed)", quantity, hovermode="closest"),
        table={
            f"time ({passages.unit}s)": time.tolist(),
            "survivors": np.isfinite(kept).sum(axis=0).tolist(),
            "median": deciles[1].tolist(),
            "first decile": deciles[0].tolist(),
            "ninth decile": deciles[2].tolist(),
        },
    )


def density(values: Array, heights: Array) -> Array:
    """Gaussian kernel estimate of a density; the bandwidth is 0.9 min(deviation, interquartile / 1.34) / n^(1/5).

    Args:
        values: `(n,)` the data, not all equal.
        heights: where the density is wanted.

    Returns:
        The density at `heights`.

    >>> h = 0.9 / 1.34 / 2**0.2  # the interquartile range is 1
    >>> found = density(np.array([-1.0, 1.0]), np.array([0.0]))
    >>> bool(np.isclose(found[0], np.exp(-0.5 / h**2) / (h * np.sqrt(2 * np.pi))))
    True
    """
    quarters = np.quantile(values, (0.25, 0.75))
    spreads = [float(values.std()), float(quarters[1] - quarters[0]) / 1.34]
    width = 0.9 * min(spread for spread in spreads if spread > 0) / values.size**0.2
    kernels = np.exp(-0.5 * ((heights[:, None] - values) / width) ** 2)
    return np.asarray(kernels.sum(axis=1) / (values.size * width * np.sqrt(2 * np.pi)))


def _violins(kept: Array, time: Array, shown: Array) -> list[dict[str, Any]]:
    """One closed outline each, so that thinning the points of a page cannot join two of them."""
    colour = style(0).colour
    steps = np.diff(time[shown])
    half = 0.42 * float(steps.min()) if steps.size else 0.4
    traces: list[dict[str, Any]] = []
    for place in shown.tolist():
        column = kept[np.isfinite(kept[:, place]), place]
        if column.size < _FEWEST or np.ptp(np.quantile(column, _CUT)) == 0:
            continue
        low, high = np.quantile(column, _CUT).tolist()
        heights = np.linspace(low, high, _HEIGHTS)
        outline = density(column, heights)
        across = half * outline / outline.max()
        x = np.concatenate([time[place] - across, (time[place] + across)[::-1], time[place] - across[:1]])
        y = np.concatenate([heights, heights[::-1], heights[:1]])
        trace = line(x, y, "values of the survivors", colour, fill="toself", hoverinfo="skip")
        trace["line"]["width"] = 1
        trace |= {"fillcolor": transparent(colour, 0.22), "legendgroup": "violins", "showlegend": not traces}
        traces.append(trace)
    return traces


def _marks(time: Array, deciles: Array, shown: Array, target: float) -> list[dict[str, Any]]:
    middle = line(time[shown], deciles[1, shown], "median, first to ninth decile", style(1).colour, "dot")
    middle |= {
        "mode": "lines+markers",
        "marker": {"color": style(1).colour, "symbol": style(1).marker, "size": 6},
        "error_y": error_bars(deciles[1, shown], deciles[0, shown], deciles[2, shown]),
    }
    return [middle, line(time[shown[[0, -1]]], [target, target], f"target {target:g}", dash="dash")]


def _conclusion(kept: Array, time: Array, target: float, unit: str) -> str:
    half = int(np.searchsorted(time, 0.5 * time[-1]))
    then, now = (_median(kept[:, column]) for column in (half, -1))
    count = int(np.isfinite(kept[:, -1]).sum())
    known = number_text(now if np.isfinite(now.low) else now.value)
    text = (
        f"At {unit} {time[-1]:g} the median of {counted(count, 'survivor')} is {known}, the target {target:g}"
    )
    apart = now.low > then.high or now.high < then.low
    if not np.isfinite([now.low, now.high, then.low, then.high]).all():
        return f"{text}; too few survive to decide whether they drift."
    if apart:
        return f"{text}; they have drifted from {number_text(then)} at {unit} {time[half]:g}."
    return f"{text}; whether they drift, their medians cannot decide ({number_text(then)} at {unit} {time[half]:g})."


def _median(column: Array) -> Estimate:
    """The median with its distribution-free interval from order statistics, at least 95 %."""
    values = np.sort(column[np.isfinite(column)])
    middle = float(np.median(values))
    from_ = int(bdtrik(0.025, values.size, 0.5))
    if values.size < 6:
        return Estimate(middle, (float("nan"), float("nan")))
    return Estimate(middle, (float(values[from_]), float(values[values.size - 1 - from_])))
