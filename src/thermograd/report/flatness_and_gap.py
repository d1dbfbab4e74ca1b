"""Does the generalisation gap grow with the trace of the Hessian per sample?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.estimators.landscape import Correlation, flatness_correlation
from thermograd.report.figure import Figure
from thermograd.report.look import INK, STYLES, layout, logarithmic, points, style
from thermograd.report.ranking import number_text

Array = npt.NDArray[Any]

_WIDE = 30.0
_FEWEST = 4
_GREY = "#7F7F7F"
_POWERS = {"exponentformat": "power", "tickformat": ""}


@dataclass(frozen=True, eq=False)
class TrainedNetworks:
    """Networks of one depth that were trained on so many samples.

    Attributes:
        depth: name of the architecture, "H = 3".
        samples: N of the training set.
        traces: tr H of the training loss, one number a run, `(run,)`.
        gaps: test loss − training loss, `(run,)`.
    """

    depth: str
    samples: int
    traces: npt.ArrayLike
    gaps: npt.ArrayLike


def flatness_and_gap(
    networks: Sequence[TrainedNetworks],
    *,
    correlation: Correlation | None = None,
    what: str = "",
) -> Figure:
    """Test − training loss against tr H / N: a marker a run, its colour the depth, its shape the number of samples.

    Args:
        networks: what was trained.
        correlation: of the two; None: over all runs together, if they are 4 or more.
        what: what was trained, for the title.

    Returns:
        Markers; runs with a number that is not finite are left out of the drawing and stay in the table.
    """
    depths = list(dict.fromkeys(entry.depth for entry in networks))
    sizes = sorted({entry.samples for entry in networks})
    rows = [
        (entry.depth, entry.samples, float(trace), float(gap))
        for entry in networks
        for trace, gap in zip(np.ravel(entry.traces), np.ravel(entry.gaps), strict=True)
    ]
    x = np.array([trace / samples for _, samples, trace, _ in rows])
    shown = np.isfinite(x) & np.isfinite([gap for *_, gap in rows])
    traces: list[dict[str, Any]] = []
    for position, depth in enumerate(depths):
        there = np.flatnonzero(shown & np.array([row[0] == depth for row in rows], bool))
        if there.size:
            mark = points(x[there], [rows[place][3] for place in there], depth, position, opacity=0.8)
            mark["marker"] |= {"size": 8, "symbol": [_shape(sizes.index(rows[place][1])) for place in there]}
            mark["text"] = [f"N = {rows[place][1]}" for place in there]
            traces.append(mark | {"showlegend": False})
    return Figure(
        stem="landscape",
        name="flatness_and_gap",
        title=f"Generalisation gap against the trace of the Hessian per sample{', ' * bool(what)}{what}",
        conclusion=_conclusion(int(shown.sum()), correlation or _correlation(rows, shown)),
        traces=(*traces, *(_keys(depths, sizes) if traces else ())),
        layout=layout("tr H / N", "test − training loss", hovermode="closest", xaxis=_scale(x[shown])),
        table={
            "depth": [row[0] for row in rows],
            "N": [row[1] for row in rows],
            "tr H": [row[2] for row in rows],
            "tr H / N": x.tolist(),
            "test − training loss": [row[3] for row in rows],
        },
    )


def _shape(place: int) -> str:
    return STYLES[place % len(STYLES)].marker


def _keys(depths: list[str], sizes: list[int]) -> list[dict[str, Any]]:
    """The legend: a colour for each depth, a shape for each number of samples."""
    keys = []
    for position, depth in enumerate(depths):
        key = points([None], [None], depth, position)
        key["marker"] |= {
            "symbol": "circle",
            "size": 11,
            "line": {"width": 0, "color": style(position).colour},
        }
        keys.append(key)
    for place, samples in enumerate(sizes):
        key = points([None], [None], f"N = {samples}", place)
        key["marker"] |= {"color": _GREY, "line": {"width": 1, "color": INK}}
        keys.append(key)
    return keys


def _scale(x: Array) -> dict[str, Any]:
    """Logarithmic if all are positive and far apart."""
    if not x.size or x.min() <= 0 or x.max() < _WIDE * x.min():
        return {}
    return logarithmic(x, room=1.3) | _POWERS


def _correlation(rows: list[tuple[str, int, float, float]], shown: Array) -> Correlation | None:
    if int(shown.sum()) < _FEWEST:
        return None
    _, samples, traces, gaps = (np.array(column)[shown] for column in zip(*rows, strict=True))
    return flatness_correlation(traces, gaps, samples)


def _conclusion(count: int, found: Correlation | None) -> str:
    if not count:
        return "No run has both a trace and a gap."
    if found is None:
        return f"{count} runs are too few for a correlation."
    ranks = found.spearman
    if ranks.low > 0:
        answer = "the gap grows with the trace"
    elif ranks.high < 0:
        answer = "the gap falls with the trace"
    else:
        answer = "whether the gap grows with the trace, these runs cannot decide"
    said = f"Spearman's {number_text(ranks)}, Pearson's {number_text(found.pearson)}"
    return f"Correlation over {count} runs, {said}: {answer}."
