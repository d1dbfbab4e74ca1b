"""The ranking of an `Advice`, and any table of words, as HTML."""

from __future__ import annotations

import dataclasses
import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from thermograd.advisor.candidate import Candidate
from thermograd.advisor.perturbation_evidence import NOTHING
from thermograd.advisor.wording import number
from thermograd.quantities import Estimate, Prediction
from thermograd.store.printable import printable

_LONGEST = 1e6


def ranking_table(entries: Sequence[Any], unit: str = "") -> str:
    """The ranked alternatives, best first, one row each.

    Args:
        entries: dataclasses of one type, whose fields become the columns; anything else is one cell. Of a
            `Candidate` what was measured and what is predicted have a column each, and one whose mean is a lower
            bound says so where its speed-up would stand. Columns that say nothing of any entry are left out.
        unit: unit of times, for the headings of means and intervals.

    Returns:
        An HTML table, all text in it escaped; "" if there is nothing to rank.
    """
    if not entries:
        return ""
    columns = _columns(entries)
    headings = ["", *(_heading(name, unit) for name in columns)]
    rows = [
        _row(f"{place}.", [_cell(cell) for cell in cells], headings[1:] or ["alternative"])
        for place, cells in enumerate(zip(*(columns or {"": list(entries)}).values(), strict=True), start=1)
    ]
    return _wide("Ranking", headings, rows)


def text_table(columns: Mapping[str, Sequence[str]], addresses: Sequence[str] = ()) -> str:
    """A table of words, one row each, the first column naming the row.

    Args:
        columns: heading -> cells.
        addresses: where the names of the rows lead, if they do.

    Returns:
        An HTML table, all text in it escaped; "" without rows. On a narrow page a row becomes a block.
    """
    headings = list(columns)
    entries = list(zip(*columns.values(), strict=True))
    rows = [
        _row(first, [printable(cell) for cell in cells], headings[1:], address)
        for (first, *cells), address in zip(entries, addresses or [""] * len(entries), strict=True)
    ]
    return _wide("Table", headings, rows) if rows else ""


def number_text(value: Any) -> str:
    """A number, an estimate with its interval, or any text.

    >>> number_text(Estimate(20.03, (18.2, 21.9))), number_text(Estimate(0.1, (-0.2, 0.4)))
    ('20 (18.2–21.9)', '0.1 (-0.2 to 0.4)')
    >>> number_text(math.inf), number_text(None), number_text(1.5e7), number_text(True)
    ('∞', '–', '1.5e+07', 'yes')
    >>> number_text(Estimate(math.nan, (math.nan, math.nan)))  # of trajectories that all diverged
    '–'
    """
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Estimate | Prediction):
        return _with_interval(value)
    if isinstance(value, float | np.floating | np.ndarray) and np.ndim(value) == 0:
        return _number(float(value))
    return str(value)


def _with_interval(quantity: Estimate | Prediction) -> str:
    if np.ndim(quantity.value):
        return str(quantity)
    certain = quantity.interval is not None and quantity.interval[0] == quantity.value
    if quantity.interval is None or math.isnan(quantity.value) or (math.isinf(quantity.value) and certain):
        return number_text(float(quantity.value))
    low, high = (float(end) for end in quantity.interval)
    # Between a minus sign and a dash the reader would have to guess.
    between = " to " if min(low, high) < 0 else "–"
    return f"{number_text(quantity.value)} ({_number(low)}{between}{_number(high)})"


def _number(value: float) -> str:
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return number(value) if abs(value) < _LONGEST else f"{value:.3g}"


def _columns(entries: Sequence[Any]) -> dict[str, list[Any]]:
    """By name what the entries say, without what all leave open; empty if they are not of one kind."""
    kinds = {type(entry) for entry in entries}
    if len(kinds) > 1 or not dataclasses.is_dataclass(entries[0]):
        return {}
    rows = [_facts(entry) for entry in entries]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    return {name: cells for name, cells in columns.items() if any(cell is not None for cell in cells)}


def _facts(entry: Any) -> dict[str, Any]:
    if isinstance(entry, Candidate):
        return _facts_of_candidate(entry)
    return {field.name: getattr(entry, field.name) for field in dataclasses.fields(entry)}


def _facts_of_candidate(entry: Candidate) -> dict[str, Any]:
    """What to do, what was measured, what is predicted; a wider bet only where it is one."""
    left_alone = entry.name == NOTHING  # its mean is that of the runs themselves, no prediction
    bet = not (entry.optimistic or entry.verified or entry.usable_interval == entry.interval)
    return {
        "name": entry.name,
        "interval": entry.interval,
        "measured_mean": entry.predicted_mean if left_alone else entry.measured_mean,
        "predicted_mean": None if left_alone else entry.predicted_mean,
        "mean_residual_time": entry.mean_residual_time,
        "speed_up": entry.gain() if entry.optimistic else entry.speed_up,
        "best_in": entry.chances().removeprefix("best in "),
        "worth_one_test: interval": entry.usable_interval if bet else None,
        "worth_one_test: predicted mean": entry.usable_mean if bet else None,
    }


def _heading(name: str, unit: str) -> str:
    times = ("interval", "mean", "time")
    words = name.replace("_", " ").replace("speed up", "speed-up")
    return f"{words} ({unit}s)" if unit and name.endswith(times) else words


def _wide(label: str, headings: Sequence[str], rows: Sequence[str]) -> str:
    head = "".join(f"<th scope='col'>{html.escape(heading)}</th>" for heading in headings)
    return (
        f"<div class='wide' tabindex='0' role='region' aria-label='{label}'><table class='ranking'>"
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _row(first: str, cells: Sequence[str], titles: Sequence[str], address: str = "") -> str:
    name = html.escape(printable(first))
    if address:
        name = f'<a href="{html.escape(address, quote=True)}">{name}</a>'
    body = "".join(
        f'<td data-heading="{html.escape(title, quote=True)}">{html.escape(cell, quote=True)}</td>'
        for title, cell in zip(titles, cells, strict=True)
    )
    return f"<tr><th scope='row'>{name}</th>{body}</tr>"


def _cell(value: Any) -> str:
    note = f", {value.note}" if isinstance(value, Estimate) and value.note else ""
    return printable(number_text(value) + note)
