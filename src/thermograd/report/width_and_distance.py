"""How far the decision boundary is from the samples against how far apart replicas end up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from thermograd.quantities import Estimate
from thermograd.report.figure import Figure
from thermograd.report.look import STYLES, error_bars, layout, points
from thermograd.report.ranking import number_text


@dataclass(frozen=True, eq=False)
class WidthAndDistance:
    """One setting.

    Attributes:
        width: of the boundary, or what it exceeds that of gradient descent by.
        distance: between replicas, per parameter.
    """

    width: Estimate
    distance: Estimate


def width_against_distance(
    settings: Mapping[str, WidthAndDistance], *, width: str = "boundary width", what: str = ""
) -> Figure:
    """A point for each setting with both intervals.

    Args:
        settings: by name.
        width: what the widths are, for the axis.
        what: what was trained, for the title.

    Returns:
        Markers; after the sixth setting marker and colour are combined anew.
    """
    traces = []
    for place, (name, one) in enumerate(settings.items()):
        mark = points([one.distance.value], [one.width.value], name, place)
        # Colours and markers go round at different speeds, so that no two settings look alike.
        mark["marker"]["symbol"] = STYLES[(place + place // len(STYLES)) % len(STYLES)].marker
        mark["error_x"] = error_bars([one.distance.value], [one.distance.low], [one.distance.high])
        mark["error_y"] = error_bars([one.width.value], [one.width.low], [one.width.high])
        traces.append(mark)
    columns: dict[str, list[Any]] = {"setting": list(settings)}
    for name, parts in (
        ("replica distance", [one.distance for one in settings.values()]),
        (width, [one.width for one in settings.values()]),
    ):
        columns |= {name: [float(part.value) for part in parts]}
        columns |= {f"{name} from": [float(part.low) for part in parts]}
        columns |= {f"{name} to": [float(part.high) for part in parts]}
    return Figure(
        stem="effective_temperature",
        name="width_against_distance",
        title=f"{width[0].upper()}{width[1:]} against replica distance{', ' * bool(what)}{what}",
        conclusion=_conclusion(settings, width),
        traces=tuple(traces),
        layout=layout("replica distance (per parameter)", f"{width} (input space)", hovermode="closest"),
        table=columns,
    )


def _conclusion(settings: Mapping[str, WidthAndDistance], width: str) -> str:
    if not settings:
        return "No setting was trained."
    ordered = sorted(settings.items(), key=lambda entry: float(entry[1].distance.value))
    (near, first), (far, last) = ordered[0], ordered[-1]
    text = (
        f"From {near} to {far} the distance goes from {number_text(first.distance)} to {number_text(last.distance)} and the "
        f"{width} from {number_text(first.width)} to {number_text(last.width)}"
    )
    widths = np.array([one.width.value for _, one in ordered])
    if len(ordered) > 2:
        rising = int((np.diff(widths) > 0).sum())
        text += f"; it grows in {rising} of {len(ordered) - 1} steps in between"
    return f"{text}."
