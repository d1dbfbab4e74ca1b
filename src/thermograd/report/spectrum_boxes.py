"""Box plots of the spectrum of the Hessian along training, with every outlier drawn and listed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from thermograd.advisor.wording import number
from thermograd.estimators.landscape import SpectrumSummary, spectrum_summary
from thermograd.estimators.short_number import short_number
from thermograd.report.arsinh_scale import ArsinhScale, scale_of
from thermograd.report.figure import Figure, numbers
from thermograd.report.log_steps import log_axis, log_places
from thermograd.report.look import layout, points, style, transparent

Array = npt.NDArray[Any]


class _Box(NamedTuple):
    """A spectrum at a step."""

    step: int
    size: int
    spectrum: SpectrumSummary


def spectrum_boxes(spectra: Mapping[int, npt.ArrayLike], *, what: str = "") -> Figure:
    """One box for each step: quartiles, whiskers to the last eigenvalue within 1.5 interquartile ranges, all outliers.

    Args:
        spectra: step -> all eigenvalues of the Hessian, `(P,)`, or `(trajectory, P)`, which are pooled.
        what: what was trained, for the title.

    Returns:
        Boxes over the logarithm of the step, on a vertical axis that is logarithmic in both signs and linear near 0. An
        outlier is a marker, and stands in the table with its value. Eigenvalues that are not finite are left out.
    """
    boxes = [box for step in sorted(spectra) if (box := _box(step, spectra[step])) is not None]
    steps = np.array([box.step for box in boxes], float)
    ends = np.array([end for box in boxes for end in (*box.spectrum.whiskers, *box.spectrum.outliers)])
    scale = scale_of(ends)
    return Figure(
        stem="landscape",
        name="spectrum_boxes",
        title=f"Eigenvalues of the Hessian along training{', ' * bool(what)}{what}",
        conclusion=_conclusion(boxes),
        traces=tuple(_traces(boxes, log_places(steps), scale)),
        layout=layout(
            "time (optimiser steps)",
            "eigenvalue",
            hovermode="closest",
            height=520,
            xaxis=log_axis(steps),
            yaxis=scale.axis(ends),
        ),
        table=_table(boxes),
    )


def _box(step: int, eigenvalues: npt.ArrayLike) -> _Box | None:
    given = np.asarray(eigenvalues, float).ravel()
    values = given[np.isfinite(given)]
    return _Box(step, values.size, spectrum_summary(values)) if values.size else None


def _traces(boxes: list[_Box], places: Array, scale: ArsinhScale) -> list[dict[str, Any]]:
    if not boxes:
        return []
    colour = style(0).colour
    gaps = np.diff(places)
    quartiles = scale(np.array([box.spectrum.quartiles for box in boxes]))
    box = {
        "type": "box",
        "x": numbers(places),
        "q1": numbers(quartiles[:, 0]),
        "median": numbers(quartiles[:, 1]),
        "q3": numbers(quartiles[:, 2]),
        "lowerfence": numbers(scale([entry.spectrum.whiskers[0] for entry in boxes])),
        "upperfence": numbers(scale([entry.spectrum.whiskers[1] for entry in boxes])),
        "width": 0.6 * float(gaps.min()) if gaps.size else 0.2,
        "name": "quartiles and whiskers",
        "line": {"color": colour, "width": 1.5},
        "fillcolor": transparent(colour, 0.22),
        "hoverinfo": "skip",
    }
    marks = [
        _outliers(entry, place, scale)
        for entry, place in zip(boxes, places.tolist(), strict=True)
        if entry.spectrum.outliers.size
    ]
    return [box, *(mark | {"showlegend": number == 0} for number, mark in enumerate(marks))]


def _outliers(box: _Box, place: float, scale: ArsinhScale) -> dict[str, Any]:
    values = box.spectrum.outliers
    mark = points([place] * values.size, scale(values), "outlier", 1, legendgroup="outlier")
    mark["marker"] |= {"size": 6, "symbol": "circle-open", "line": {"width": 1.2, "color": style(1).colour}}
    mark["text"] = [f"step {box.step}: {value:.4g}" for value in values.tolist()]
    return mark | {"hoverinfo": "text"}


def _table(boxes: list[_Box]) -> dict[str, list[Any]]:
    spectra = [box.spectrum for box in boxes]
    return {
        "step": [box.step for box in boxes],
        "eigenvalues": [box.size for box in boxes],
        "lower whisker": [entry.whiskers[0] for entry in spectra],
        "first quartile": [entry.quartiles[0] for entry in spectra],
        "median": [entry.quartiles[1] for entry in spectra],
        "third quartile": [entry.quartiles[2] for entry in spectra],
        "upper whisker": [entry.whiskers[1] for entry in spectra],
        "negative fraction": [entry.negative_fraction for entry in spectra],
        "number of outliers": [int(entry.outliers.size) for entry in spectra],
        "outliers": ["; ".join(f"{value:.4g}" for value in entry.outliers.tolist()) for entry in spectra],
    }


def _conclusion(boxes: list[_Box]) -> str:
    if not boxes:
        return "No spectrum was recorded."
    ends = [boxes[0], boxes[-1]][: len(boxes)]
    said = ", ".join(f"{number(box.spectrum.largest)} at step {box.step}" for box in ends)
    beyond = np.concatenate([box.spectrum.outliers for box in boxes])
    total = sum(box.size for box in boxes)
    if not beyond.size:
        return f"Largest eigenvalue {said}; none of {total} eigenvalues lies beyond the whiskers."
    span = f"{short_number(float(beyond.min()))} to {short_number(float(beyond.max()))}"
    return (
        f"Largest eigenvalue {said}; {beyond.size} of {total} eigenvalues lie beyond the whiskers, from {span}, all of "
        "them drawn and in the table."
    )
