"""Quantities as notebooks show them: a table and a static drawing, no script, all text escaped."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from thermograd.quantity_sketch import curve_sketch, interval_sketch
from thermograd.quantity_text import digits, short

if TYPE_CHECKING:
    from thermograd.quantities import Advice, Estimate, Landscape, Prediction, Verdict

_ROWS = 5
_MATRIX = 6
_SIGNS = {True: ("✓", "#009E73"), False: ("✗", "#D55E00"), None: ("?", "#888888")}


def estimate_html(estimate: Estimate) -> str:
    """A measured number with its interval, its unit and what it rests on, or a curve at up to five points."""
    unit = f" {estimate.unit}" if estimate.unit else ""
    name = "range" if math.isnan(estimate.level) else f"{100 * estimate.level:g} % interval"
    facts = _numbers(estimate.value, estimate.interval, name, unit)
    if np.isfinite(estimate.pieces):
        facts["independent pieces"] = digits(float(estimate.pieces))
    facts["note"] = estimate.note
    return _quantity("Estimate", facts) + _drawn(None, estimate.value, estimate.interval, unit, name)


def prediction_html(prediction: Prediction) -> str:
    """A number or curve of theory, with what it rests on and where that holds."""
    interval = prediction.interval
    facts = _numbers(prediction.value, interval, "interval", "")
    if interval is None:
        facts["interval"] = "none: exact"
    facts["rests on"] = prediction.rests_on
    return _quantity("Prediction", facts) + _drawn(
        prediction.at, prediction.value, interval, "", "interval", valid=prediction.valid
    )


def verdict_html(verdict: Verdict) -> str:
    """The sentence of a verdict, and the numbers behind it."""
    evidence = {name: short(value) for name, value in verdict.evidence.items()}
    return f"<p>{_answer(verdict)}</p>{facts_table({'kind': verdict.kind, **evidence})}"


def advice_html(advice: Advice) -> str:
    """What to do; the alternatives, best first, with their means, predicted or measured; verdicts and caveats."""
    verdicts = "".join(f"<li>{_answer(entry)}</li>" for entry in advice.verdicts)
    caveats = "".join(f"<li>{escaped(entry)}</li>" for entry in advice.caveats)
    return (
        f"<p><b>{escaped(advice.recommendation)}</b></p>{_ranking(advice.ranking)}"
        + (f"<ul style='list-style:none;padding-left:0'>{verdicts}</ul>" if verdicts else "")
        + (f"<p>Keep in mind:</p><ul>{caveats}</ul>" if caveats else "")
    )


def landscape_html(landscape: Landscape) -> str:
    """Size, loss and gradient of a landscape, and its curvatures, largest first."""
    count, size = landscape.sample_gradients.shape
    curvatures = np.linalg.eigvalsh((landscape.hessian + landscape.hessian.T) / 2)[::-1]
    facts = {
        "samples": str(count),
        "parameters": str(size)
        if landscape.directions is None
        else f"{size} directions of {len(landscape.directions)}",
        "loss": digits(landscape.loss),
        "length of the gradient": digits(float(np.linalg.norm(landscape.gradient))),
        "curvatures": f"{digits(float(curvatures[0]))} to {digits(float(curvatures[-1]))}",
        "note": landscape.note,
    }
    return _quantity("Landscape", facts) + curve_sketch(None, curvatures, None)


def facts_table(facts: Mapping[str, str]) -> str:
    """Names and texts, one a row, those without text left out; "" if none is left.

    >>> facts_table({"note": "a < b", "unit": ""})
    "<table><tr><th style='text-align:left'>note</th><td style='text-align:left'>a &lt; b</td></tr></table>"
    """
    rows = "".join(_row([escaped(text)], escaped(name)) for name, text in facts.items() if text)
    return f"<table>{rows}</table>" if rows else ""


def cells_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells that are HTML already, the first column naming the row."""
    head = "".join(f"<th style='text-align:left'>{escaped(heading)}</th>" for heading in headings)
    return f"<table><tr>{head}</tr>{''.join(_row(cells, first) for first, *cells in rows)}</table>"


def escaped(text: object) -> str:
    """Text that is nothing else in HTML and XML; signs that cannot be printed are replaced.

    >>> escaped("a < b")
    'a &lt; b'
    """
    shown = "".join(
        sign if sign.isprintable() or sign == "\n" else "\N{REPLACEMENT CHARACTER}" for sign in str(text)
    )
    return html.escape(shown, quote=True)


def _quantity(kind: str, facts: Mapping[str, str]) -> str:
    return f"<p><b>{kind}</b></p>{facts_table(facts)}"


def _numbers(value: Any, interval: tuple[Any, Any] | None, name: str, unit: str) -> dict[str, str]:
    if np.ndim(value):
        return {"value": f"{short(np.asarray(value))}{unit}"}
    facts = {"value": f"{short(value)}{unit}"}
    if interval is not None:
        low, high = (short(end) for end in interval)
        facts[name] = f"{low} to {high}{unit}"
    return facts


def _drawn(
    at: npt.NDArray[Any] | None,
    value: Any,
    interval: tuple[Any, Any] | None,
    unit: str,
    name: str,
    valid: npt.NDArray[Any] | None = None,
) -> str:
    """The drawing of a number, of a curve with some of its points, or the cells of a small matrix."""
    array = np.asarray(value)
    at = at if at is not None and np.shape(at) == array.shape else None
    if array.ndim == 0:
        return "" if interval is None else interval_sketch(float(value), interval)
    if array.ndim == 2 and max(array.shape) <= _MATRIX:
        rows = [[str(place), *map(digits, row)] for place, row in enumerate(array.tolist())]
        return cells_table(["", *map(str, range(array.shape[1]))], rows)
    if array.ndim != 1 or not array.size:
        return ""
    places = np.unique(np.linspace(0, array.size - 1, min(array.size, _ROWS)).round().astype(int)).tolist()
    columns = {"at" if at is not None else "index": np.arange(array.size) if at is None else np.asarray(at)}
    columns[f"value{unit and f' ({unit.strip()})'}"] = array
    if interval is not None:
        columns |= {f"{name} from": np.asarray(interval[0]), "to": np.asarray(interval[1])}
    rows = [[digits(float(column[place])) for column in columns.values()] for place in places]
    if valid is not None:
        for row, place in zip(rows, places, strict=True):
            row.append("yes" if valid[place] else "no")
    headings = [*columns, *([] if valid is None else ["assumptions hold"])]
    return curve_sketch(at, array, interval) + cells_table(headings, rows)


def _ranking(entries: Sequence[Any]) -> str:
    if not entries:
        return ""
    means = [getattr(entry, "ranked_mean", None) for entry in entries]
    known = [mean for mean in means if mean is not None]
    numbers = np.array([(mean.value, *mean.interval) for mean in known], float).ravel()
    numbers = numbers[np.isfinite(numbers)]
    axis = (float(numbers.min()), float(numbers.max())) if numbers.size else None
    rows = []
    for place, (entry, mean) in enumerate(zip(entries, means, strict=True), start=1):
        drawing = (
            ""
            if mean is None or axis is None
            else interval_sketch(mean.value, mean.interval, axis, width=180)
        )
        rows.append([f"{place}.", escaped(entry), drawing])
    unit = f" ({known[0].unit}s)" if known and known[0].unit else ""
    return cells_table(["", "alternative", f"mean{unit}" if known else ""], rows)


def _answer(verdict: Verdict) -> str:
    sign, colour = _SIGNS[verdict.holds]
    return f"<b style='color:{colour}'>{sign}</b> {escaped(verdict)}"


def _row(cells: Sequence[str], first: str) -> str:
    body = "".join(f"<td style='text-align:left'>{cell}</td>" for cell in cells)
    return f"<tr><th style='text-align:left'>{first}</th>{body}</tr>"
