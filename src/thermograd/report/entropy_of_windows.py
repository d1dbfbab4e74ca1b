"""The entropy that training produces: its fluctuation theorems, and its growth with the length of the window."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.quantities import Estimate
from thermograd.report.figure import Figure
from thermograd.report.look import INK, error_bars, layout, line, points, style

Array = npt.NDArray[Any]


def integral_theorem(sigma: Mapping[int, Array], averages: Mapping[int, Estimate]) -> Figure:
    """Histograms of exp(−σ) for windows of several lengths, with their means, which are 1.

    Args:
        sigma: σ of windows by their length in updates.
        averages: ⟨exp(−σ)⟩ by the same lengths.

    Returns:
        One line per length, and the means as vertical lines.
    """
    weights = {length: np.exp(-values.ravel()) for length, values in sigma.items()}
    low, high = np.quantile(np.concatenate(list(weights.values())), [0.001, 0.999])
    edges = np.linspace(low, high, 81)
    centres = (edges[1:] + edges[:-1]) / 2
    traces, table, top = [], {"exp(−σ)": centres.tolist()}, 0.0
    for place, (length, values) in enumerate(weights.items()):
        share = np.histogram(values, bins=edges)[0] / len(values) / (edges[1] - edges[0])
        top = max(top, float(share.max()))
        name = f"{length} update{'s' * (length > 1)}"
        traces.append(line(centres, share, name, style(place).colour, style(place).dash))
        table[name] = share.tolist()
    for place, (length, average) in enumerate(averages.items()):
        mean = float(average.value)
        traces.append(
            line([mean, mean], [0, top], f"mean, {length}", style(place).colour, "dot", showlegend=False)
        )
    said = "; ".join(
        f"{average.value:.5f} ± {(average.high - average.low) / 2:.5f}" for average in averages.values()
    )
    return Figure(
        stem="stationary_state",
        name="integral_theorem",
        title="The integral fluctuation theorem: ⟨exp(−σ)⟩ = 1",
        conclusion=f"Means for {', '.join(map(str, averages))} updates: {said}. It holds from any start, so it shows no equilibration.",
        traces=tuple(traces),
        layout=layout("exp(−σ)", "probability density"),
        table=table,
    )


def detailed_theorem(curves: Mapping[int, tuple[Array, Estimate]], slopes: Mapping[int, Estimate]) -> Figure:
    """The logarithm of P(−σ)/P(σ) against σ for windows of several lengths, and the line of slope −1.

    Args:
        curves: length in updates -> centres of the bins and the logarithm of the ratio there.
        slopes: the same lengths -> fitted slope.

    Returns:
        Markers with error bars and the line.
    """
    said = ", ".join(f"{entry.value:.3f} ({entry.low:.3f} to {entry.high:.3f})" for entry in slopes.values())
    known = {length: _finite(*curve) for length, curve in curves.items()}
    last = max((float(columns[0].max(initial=0.0)) for columns in known.values()), default=0.0)
    traces = [line([0, last], [0, -last], "theory, −σ", INK, "dot")]
    table: dict[str, list[Any]] = {name: [] for name in ("updates", "σ", "ln P(−σ)/P(σ)", "from", "to")}
    for place, (length, (centres, value, low, high)) in enumerate(known.items()):
        mark = points(centres, value, f"{length} update{'s' * (length > 1)}", place)
        mark["error_y"] = error_bars(value, low, high)
        mark["marker"] |= {"size": 7}
        traces.append(mark)
        columns = (np.full(len(centres), length), centres, value, low, high)
        for name, values in zip(table, columns, strict=True):
            table[name] += np.asarray(values).tolist()
    return Figure(
        stem="stationary_state",
        name="detailed_theorem",
        title="The detailed fluctuation theorem: P(−σ)/P(σ) = exp(−σ)",
        conclusion=f"Slopes for windows of {', '.join(map(str, slopes))} updates: {said}; theory −1 for any length.",
        traces=tuple(traces),
        layout=layout("entropy σ of a window", "ln P(−σ)/P(σ)", hovermode="closest"),
        table=table,
    )


def entropy_growth(measured: Mapping[int, Estimate], per_update: float) -> Figure:
    """Mean entropy of a window against its length, with the line of the predicted production.

    Args:
        measured: length in updates -> ⟨σ⟩ per update.
        per_update: predicted.

    Returns:
        Markers with error bars and the line through 0.
    """
    lengths = np.array(list(measured))
    value, low, high = (
        lengths * np.array([float(getattr(entry, end)) for entry in measured.values()])
        for end in ("value", "low", "high")
    )
    ends = np.array([0, lengths.max()])
    mark = points(lengths, value, "simulation", 0)
    mark["error_y"] = error_bars(value, low, high)
    return Figure(
        stem="stationary_state",
        name="entropy_growth",
        title="Entropy produced against the length of the window",
        conclusion=f"Predicted {per_update:.4g} per update; measured {value[-1] / lengths[-1]:.4g} over {lengths[-1]}.",
        traces=(line(ends, per_update * ends, "theory", INK, "dot"), mark),
        layout=layout("updates in the window", "mean entropy ⟨σ⟩", xaxis={"dtick": 1}),
        table={
            "updates": lengths.tolist(),
            "mean entropy": value.tolist(),
            "from": low.tolist(),
            "to": high.tolist(),
            "theory": (per_update * lengths).tolist(),
        },
    )


def _finite(centres: Array, ratio: Estimate) -> tuple[Array, Array, Array, Array]:
    """Only bins that are known with both ends of their interval."""
    columns = (np.asarray(centres), np.asarray(ratio.value), np.asarray(ratio.low), np.asarray(ratio.high))
    there = np.isfinite(np.stack(columns)).all(axis=0)
    return columns[0][there], columns[1][there], columns[2][there], columns[3][there]
