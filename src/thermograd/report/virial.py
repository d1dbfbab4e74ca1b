"""How hot a sampler is, by the virial: against time, and against the curvature of every mode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.quantities import Estimate
from thermograd.report.figure import Figure
from thermograd.report.look import INK, banded, error_bars, layout, line, logarithmic, points, style

Array = npt.NDArray[Any]

_Z = 1.96


def virial_against_time(records: Mapping[str, Array], epochs: Array, *, what: str = "") -> Figure:
    """Virial ratio over all chains at every recorded epoch, with its 95 % band; 1 is the posterior.

    Args:
        records: name of the sampler -> (θ−c)·∇U / (N T), `(chain, time)`, at least 2 chains.
        epochs: `(time,)`.
        what: what is sampled, for the title.

    Returns:
        A line with a band for each sampler and the line at 1.
    """
    traces: list[dict[str, Any]] = [
        line([epochs[0], epochs[-1]], [1, 1], "posterior", INK, "dot", hoverinfo="skip")
    ]
    table: dict[str, list[Any]] = {key: [] for key in ("sampler", "epoch", "virial ratio", "95 % from", "to")}
    late = {}
    for place, (name, values) in enumerate(records.items()):
        mean, error = values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(len(values))
        low, high = mean - _Z * error, mean + _Z * error
        traces += banded(epochs, mean, low, high, name, place)
        cells = ([name] * len(epochs), epochs.tolist(), mean.tolist(), low.tolist(), high.tolist())
        for key, column in zip(table, cells, strict=True):
            table[key] += column
        own = values[:, len(epochs) // 2 :].mean(axis=1)
        late[name] = own.mean(), _Z * own.std(ddof=1) / np.sqrt(len(own))
    said = ", ".join(f"{name} {mean:.3f} ± {half:.2g}" for name, (mean, half) in late.items())
    return Figure(
        stem="posterior",
        name="virial_against_time",
        title=f"Virial ratio against time{', ' * bool(what)}{what}",
        conclusion=f"Mean over the second half, ± 95 %: {said}. Above 1 is too hot.",
        traces=tuple(traces),
        layout=layout("time (epochs)", "virial / (N T)", yaxis={"rangemode": "tozero"}),
        table=table,
    )


def virial_by_mode(
    curvatures: Array,
    measured: Mapping[str, Estimate],
    predicted: Mapping[str, Array] | None = None,
    *,
    name: str = "virial_by_mode",
    what: str = "",
    lines: str = "exact moments",
) -> Figure:
    """Virial ratio along every mode of the Hessian against its curvature; 1 is the posterior.

    Args:
        curvatures: h, ascending, `(k,)`.
        measured: name of the sampler -> virial ratios with intervals, `(k,)`.
        predicted: name of the sampler -> predicted ratios, `(k,)`.
        name: of the figure, for pages with several.
        what: what is sampled, for the title.
        lines: what the predictions are.

    Returns:
        Markers with intervals and, where something is predicted, lines.
    """
    ends = np.array([curvatures.min(), curvatures.max()]) * [1 / 1.15, 1.15]
    traces: list[dict[str, Any]] = [line(ends, [1, 1], "posterior", INK, "dot", hoverinfo="skip")]
    table: dict[str, list[Any]] = {
        key: [] for key in ("sampler", "curvature h", "virial ratio", "from", "to", "predicted")
    }
    for place, (sampler, found) in enumerate(measured.items()):
        value, low, high = (np.asarray(part, float) for part in (found.value, found.low, found.high))
        shift = 1.012 ** (place - (len(measured) - 1) / 2)  # so that intervals stay apart
        mark = points(curvatures * shift, value, sampler, place, legendgroup=sampler)
        mark["error_y"] = error_bars(value, low, high)
        traces.append(mark)
        expected = (predicted or {}).get(sampler)
        if expected is not None:
            colour, dash, _ = style(place)
            curve = line(curvatures, expected, f"{sampler}, predicted", colour, dash, legendgroup=sampler)
            traces.append(curve | {"showlegend": False})
        rest = [None] * len(value) if expected is None else np.asarray(expected).tolist()
        cells = (
            [sampler] * len(value),
            curvatures.tolist(),
            value.tolist(),
            low.tolist(),
            high.tolist(),
            rest,
        )
        for key, column in zip(table, cells, strict=True):
            table[key] += column
    level = next(iter(measured.values())).level
    said = ", ".join(
        f"{sampler} {np.asarray(found.value)[-1]:.3f} ({np.asarray(found.low)[-1]:.3f} to {np.asarray(found.high)[-1]:.3f})"
        for sampler, found in measured.items()
    )
    lines = f" Lines: {lines}." if predicted else ""
    return Figure(
        stem="posterior",
        name=name,
        title=f"Virial ratio of every mode{', ' * bool(what)}{what}",
        conclusion=f"In the stiffest mode, with {100 * level:g} % intervals: {said}.{lines}",
        traces=tuple(traces),
        layout=layout(
            "curvature h of U", "virial / T", hovermode="closest", xaxis=logarithmic(curvatures, room=1.2)
        ),
        table=table,
    )
