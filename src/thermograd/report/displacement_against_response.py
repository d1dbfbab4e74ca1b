"""How far the weights wander against how far a field moves them: the slope is the effective temperature."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from thermograd.ensemble.temperature_reading import TemperatureReading
from thermograd.estimators.effective_temperature import EffectiveTemperature
from thermograd.report.figure import Figure
from thermograd.report.look import band, layout, line, points, style
from thermograd.report.ranking import number_text


def displacement_against_response(
    measured: EffectiveTemperature | TemperatureReading | Mapping[str, EffectiveTemperature],
    *,
    what: str = "",
) -> Figure:
    """D̄ against χ, a point a lag, with the line D̄ = T χ of the fit and its interval.

    In equilibrium all lags lie on the line; points above it at small χ are hotter at short lags.

    Args:
        measured: one temperature, or several by the name of their setting.
        what: what was trained, for the title.

    Returns:
        Points for each setting, and a line with a band for each that has a fit.
    """
    settings = by_name(measured)
    traces: list[dict[str, Any]] = []
    table: dict[str, list[Any]] = {
        key: [] for key in ("setting", "lag (steps)", "response χ", "displacement D̄", "fit · χ")
    }
    for place, (name, found) in enumerate(settings.items()):
        line_of_fit = np.full(found.lags.size, np.nan)
        if found.fit is not None:
            line_of_fit = found.fit.value * found.response
            traces += _line(name, found, place)
        traces.append(points(found.response, found.displacement, name or "all lags", place, legendgroup=name))
        columns = (
            [name] * found.lags.size,
            found.lags.tolist(),
            found.response.tolist(),
            found.displacement.tolist(),
            line_of_fit.tolist(),
        )
        for key, column in zip(table, columns, strict=True):
            table[key] += column
    for trace in traces:
        if trace["mode"] == "markers":
            trace["marker"] |= {"size": 6}
    return Figure(
        stem="effective_temperature",
        name="displacement_against_response",
        title=f"Displacement against response{', ' * bool(what)}{what}",
        conclusion=fits(settings),
        traces=tuple(traces),
        layout=layout(
            "response χ (steps × learning rate)",
            "displacement D̄ (per parameter)",
            hovermode="closest",
            xaxis={"rangemode": "tozero"},
            yaxis={"rangemode": "tozero", "exponentformat": "power"},
        ),
        table=table,
    )


def by_name(
    measured: EffectiveTemperature | TemperatureReading | Mapping[str, EffectiveTemperature],
) -> dict[str, EffectiveTemperature]:
    """Temperatures by the name of their setting; of a single one "", and of a reading with groups those of the groups too."""
    if isinstance(measured, TemperatureReading):
        if not measured.groups:
            return {"": measured.whole}
        return {
            "all weights": measured.whole,
            **{f"group {key}": one for key, one in measured.groups.items()},
        }
    return {"": measured} if isinstance(measured, EffectiveTemperature) else dict(measured)


def fits(settings: Mapping[str, EffectiveTemperature]) -> str:
    """The fitted temperature of each setting and how straight its line is; or why there is none."""
    if len(settings) == 1:
        (found,) = settings.values()
        if found.fit is None:
            return found.verdict.text
        return f"Slope of the fit {number_text(found.fit)}, R² {found.r_squared:.3f}. {found.verdict.text}"
    said = [
        f"{name} {number_text(found.fit)}" if found.fit is not None else f"{name} none ({_reason(found)})"
        for name, found in settings.items()
    ]
    return f"Slopes of the fits: {'; '.join(said)}."


def _reason(found: EffectiveTemperature) -> str:
    return found.verdict.kind.replace("_", " ")


def _line(name: str, found: EffectiveTemperature, place: int) -> list[dict[str, Any]]:
    """From the origin on, where D̄ and χ are both 0."""
    assert found.fit is not None
    reach = np.array([0.0, float(found.response.max())])
    colour, dash, _ = style(place)
    drawn = []
    if np.isfinite([found.fit.low, found.fit.high]).all():
        edges = band(
            reach, found.fit.low * reach, found.fit.high * reach, f"{name} fit", colour, legendgroup=name
        )
        drawn += [edge | {"showlegend": False} for edge in edges]
    label = f"{name}, slope {found.fit.value:.3g}" if name else f"slope {found.fit.value:.3g}"
    return [*drawn, line(reach, found.fit.value * reach, label, colour, dash, legendgroup=name)]
