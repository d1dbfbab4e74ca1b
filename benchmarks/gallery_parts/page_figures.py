"""The figures of a page, as `thermograd reproduce` wrote it."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

from thermograd.report.figure import Figure

_DATA = re.compile(r"<script type='application/json' id='figures'>(.*?)</script>", re.DOTALL)
_FIGURE = re.compile(r"<figure><h3>(.*?)</h3><p class='conclusion'>(.*?)</p>.*?</figure>", re.DOTALL)
_FILE = re.compile(r'class="download" href="[^"]*" download="([^"-]*)-([^"]*)\.csv"')


def page_figures(page: Path) -> dict[str, Figure]:
    """What a page draws, by the name of the figure; without the tables of numbers.

    Args:
        page: a `report.html`.

    Returns:
        The figures, in the order of the page.

    Raises:
        ValueError: it is no such page.
    """
    text = page.read_text("utf-8")
    data = _DATA.search(text)
    shown = list(_FIGURE.finditer(text))
    drawn = json.loads(data[1]) if data else []
    if data is None or len(drawn) != len(shown):
        message = f"{page} is no page of thermograd: {len(shown)} figures with {len(drawn)} drawings"
        raise ValueError(message)
    figures = {}
    for entry, found in zip(drawn, shown, strict=True):
        title, conclusion = map(html.unescape, found.groups())
        file = _FILE.search(found[0])
        stem, name = map(html.unescape, file.groups()) if file else ("", title)
        figures[name] = Figure(stem, name, title, conclusion, tuple(entry["data"]), entry["layout"], table={})
    return figures
