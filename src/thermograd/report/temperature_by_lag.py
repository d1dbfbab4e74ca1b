"""The effective temperature at every lag, and up to which lag it shows the memory of the batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from thermograd.ensemble.temperature_reading import TemperatureReading
from thermograd.estimators.effective_temperature import EffectiveTemperature
from thermograd.quantities import Estimate
from thermograd.report.displacement_against_response import by_name
from thermograd.report.figure import Figure
from thermograd.report.look import (
    banded,
    error_bars,
    layout,
    line,
    logarithmic,
    points,
    round_numbers,
    style,
    transparent,
)
from thermograd.report.ranking import number_text

_SHADE = 0.12


def temperature_by_lag(
    measured: EffectiveTemperature | TemperatureReading | Mapping[str, EffectiveTemperature],
    *,
    noise_memory: float | Mapping[str, float] = 0.0,
    what: str = "",
) -> Figure:
    """T(j) against the lag with its interval; the temperatures at the first and last lag marked, that of the fit a line.

    Args:
        measured: one temperature, or several by the name of their setting.
        noise_memory: correlation time of the batches in steps, of all settings or by their names; lags up to it are shaded
            in the colour of the setting. Nothing is shaded up to 1 step: such batches have no memory.
        what: what was trained, for the title.

    Returns:
        A curve for each setting; both axes logarithmic.
    """
    settings = by_name(measured)
    traces: list[dict[str, Any]] = []
    table: dict[str, list[Any]] = {
        key: [] for key in ("setting", "lag (steps)", "temperature", "from", "to", "noise memory (steps)")
    }
    for place, (name, found) in enumerate(settings.items()):
        traces += _traces(name or "T", found, place)
        memory = _memory(noise_memory, name)
        columns = (
            [name] * found.lags.size,
            found.lags.tolist(),
            *(column.tolist() for column in (found.curve, *found.curve_interval)),
            [memory] * found.lags.size,
        )
        for key, column in zip(table, columns, strict=True):
            table[key] += column
    longest = max(int(found.lags[-1]) for found in settings.values())
    heights = np.concatenate([found.curve for found in settings.values()])
    ticks = round_numbers(longest)
    lags = logarithmic([1, longest], room=1.15) | {
        "tickmode": "array",
        "tickvals": ticks,
        "ticktext": [str(tick) for tick in ticks],
    }
    lags.pop("dtick", None)
    return Figure(
        stem="effective_temperature",
        name="temperature_by_lag",
        title=f"Effective temperature against the lag{', ' * bool(what)}{what}",
        conclusion=_conclusion(settings),
        traces=tuple(traces),
        layout=layout(
            "lag j (steps)",
            "temperature T(j) (units of the loss)",
            hovermode="closest",
            xaxis=lags,
            yaxis=logarithmic(heights),
            shapes=_shades(settings, noise_memory),
        ),
        table=table,
    )


def _traces(name: str, found: EffectiveTemperature, place: int) -> list[dict[str, Any]]:
    colour, _, _ = style(place)
    low, high = found.curve_interval
    drawn = banded(found.lags, found.curve, low, high, name, place)
    if found.fit is not None:
        ends = found.lags[[0, -1]]
        fit = line(ends, [found.fit.value] * 2, f"{name}, fit", colour, "dot", legendgroup=name)
        fit["line"]["width"] = 1
        drawn.append(
            fit | {"showlegend": False, "hovertemplate": f"fit {found.fit.value:.3g}<extra></extra>"}
        )
    for label, one, lag in (("short", found.short, found.lags[0]), ("long", found.long, found.lags[-1])):
        if one is not None:
            drawn.append(_mark(f"{name}, {label}", one, lag, place) | {"legendgroup": name})
    return drawn


def _mark(name: str, one: Estimate, lag: int, place: int) -> dict[str, Any]:
    mark = points([lag], [one.value], name, place, showlegend=False)
    if np.isfinite(one.interval).all():
        mark["error_y"] = error_bars([one.value], [one.low], [one.high])
    return mark


def _shades(
    settings: Mapping[str, EffectiveTemperature], noise_memory: float | Mapping[str, float]
) -> list[dict[str, Any]]:
    """From the left edge up to the memory of each setting, or up to the last lag; one memory of all in the first colour."""
    memories = {name: _memory(noise_memory, name) for name in settings}
    if not isinstance(noise_memory, Mapping):
        memories = dict(list(memories.items())[:1])
    return [
        {
            "type": "rect",
            "xref": "x",
            "yref": "paper",
            "x0": 1 / 1.15,
            "x1": min(memory, float(settings[name].lags[-1])),
            "y0": 0,
            "y1": 1,
            "line": {"width": 0},
            "fillcolor": transparent(style(place).colour, _SHADE),
            "layer": "below",
        }
        for place, (name, memory) in enumerate(memories.items())
        if memory > 1
    ]


def _memory(noise_memory: float | Mapping[str, float], name: str) -> float:
    return float(noise_memory.get(name, 0.0) if isinstance(noise_memory, Mapping) else noise_memory)


def _conclusion(settings: Mapping[str, EffectiveTemperature]) -> str:
    if len(settings) == 1:
        (found,) = settings.values()
        return found.verdict.text
    said = []
    for name, found in settings.items():
        ends = [number_text(float(one.value)) for one in (found.short, found.long) if one is not None]
        said.append(f"{name} {' to '.join(ends)}" if ends else f"{name} none")
    return f"From the shortest to the longest lag: {'; '.join(said)}. Shaded: lags within the memory of the batches."
