"""The ranking of an `Advice` as a table."""

from __future__ import annotations

import dataclasses
import html
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from thermograd.quantities import Estimate, Prediction
from thermograd.store.printable import printable


def ranking_table(entries: Sequence[Any], unit: str = "") -> str:
    """The ranked alternatives, best first, one row each.

    Args:
        entries: dataclasses of one type, whose fields become the columns; anything else is one cell.
        unit: unit of times, for the headings of means and intervals.

    Returns:
        An HTML table, all text in it escaped; "" if there is nothing to rank.
    """
    if not entries:
        return ""
    names = _columns(entries)
    headings = ["", *(_heading(name, unit) for name in names)]
    rows = "".join(_row(place, entry, names, headings) for place, entry in enumerate(entries, start=1))
    head = "".join(f"<th scope='col'>{html.escape(heading)}</th>" for heading in headings)
    return (
        "<div class='wide' tabindex='0' role='region' aria-label='Ranking'><table class='ranking'>"
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def number_text(value: Any) -> str:
    """A number, an estimate with its interval, or any text.

    >>> number_text(Estimate(20.03, (18.2, 21.9))), number_text(math.inf), number_text(None)
    ('20.0 (18.2 to 21.9)', '∞', '–')
    """
    if value is None:
        return "–"
    if isinstance(value, Estimate | Prediction):
        if np.ndim(value.value):
            return str(value)
        if value.interval is None:
            return number_text(value.value)
        return f"{number_text(value.value)} ({number_text(value.interval[0])} to {number_text(value.interval[1])})"
    if isinstance(value, float | np.floating | np.ndarray) and np.ndim(value) == 0:
        number = float(value)
        if math.isinf(number):
            return "∞" if number > 0 else "−∞"
        return "–" if math.isnan(number) else _three_digits(number)
    return str(value)


def _three_digits(number: float) -> str:
    if 1e3 <= abs(number) < 1e6:
        return f"{number:.0f}"
    return f"{number:#.3g}".rstrip(".") if number else "0"


def _columns(entries: Sequence[Any]) -> list[str]:
    kinds = {type(entry) for entry in entries}
    if len(kinds) > 1 or not dataclasses.is_dataclass(entries[0]):
        return []
    return [field.name for field in dataclasses.fields(entries[0])]


def _heading(name: str, unit: str) -> str:
    times = ("interval", "mean", "time")
    words = name.replace("_", " ")
    return f"{words} ({unit}s)" if unit and name.endswith(times) else words


def _row(place: int, entry: Any, names: list[str], headings: list[str]) -> str:
    cells = [getattr(entry, name) for name in names] if names else [entry]
    titles = headings[1:] or ["alternative"]
    body = "".join(
        f'<td data-heading="{html.escape(title, quote=True)}">{html.escape(_cell(cell), quote=True)}</td>'
        for title, cell in zip(titles, cells, strict=True)
    )
    return f"<tr><th scope='row'>{place}.</th>{body}</tr>"


def _cell(value: Any) -> str:
    note = f", {value.note}" if isinstance(value, Estimate) and value.note else ""
    return printable(number_text(value) + note)
