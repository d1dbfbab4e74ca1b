"""A run while it goes on, in the terminal: a table that moves, or a line per change into a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from thermograd.cli import terminal
from thermograd.cli.exit_codes import DONE, REFUSED
from thermograd.report.live_run import ENDED, LiveRun
from thermograd.store.duration import duration

_PER_SECOND = 4
_SECONDS = 0.5
_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 24
_UNREADABLE = ("gone", "damaged")


class TerminalView:
    """Follows a run until it ends.

    Args:
        live: the run.
        wait: called between two looks.
    """

    def __init__(self, live: LiveRun, wait: Callable[[], None] = lambda: time.sleep(_SECONDS)) -> None:
        self._live = live
        self._wait = wait
        self._seen = -1
        self._last = ""
        self._noted: set[str] = set()

    def follow(self) -> int:
        """Show it until it is finished, interrupted or failed.

        Returns:
            The exit code: 3 if the run cannot be read any more, else 0.
        """
        return self._moving() if sys.stdout.isatty() else self._lines()

    def _lines(self) -> int:
        while True:
            data = self._news()
            if data is not None:
                line = "; ".join(
                    f"{name} {value}" if name else value.rstrip(".") for name, value in rows(data)
                )
                for note in data["notes"]:
                    if note not in self._noted:
                        terminal.result(f"note: {note}")
                self._noted = set(data["notes"])
                if line != self._last:
                    terminal.result(line)
                self._last = line
                if _over(data):
                    return _code(data)
            self._wait()

    def _moving(self) -> int:
        from rich.console import Console  # here, so that a pipe needs no rich
        from rich.live import Live

        with Live(console=Console(), refresh_per_second=_PER_SECOND) as view:
            while True:
                data = self._news()
                if data is not None:
                    view.update(_table(self._live.name, data))
                    if _over(data):
                        return _code(data)
                self._wait()

    def _news(self) -> dict[str, Any] | None:
        """All that is known, if anything is new; while the run goes on its time left is."""
        self._live.refresh(_SECONDS)
        if self._live.version == self._seen and sys.stdout.isatty() is False:
            return None
        self._seen = self._live.version
        return self._live.data()


def rows(data: dict[str, Any]) -> list[tuple[str, str]]:
    """What there is to say, as (what, value)."""
    about, outcome = data["about"], data["outcome"]
    found = [("", data["text"]), ("committed", f"{100 * data['progress']:.1f} %")]
    if data["time_left"]:
        found.append(("time left", _time_left(data["time_left"])))
    counts = [f"{many} {name}" for name, many in outcome.items() if many]
    found.append(("trajectories", ", ".join(counts)))
    found += [
        (about["figures"][name]["title"], _newest(points, about)) for name, points in data["series"].items()
    ]
    found += [("failed", line) for line in data["failures"]]
    return found


def sparkline(values: list[float | None]) -> str:
    """A curve in one line of text; a blank where there is no value.

    >>> sparkline([0.0, 0.5, None, 1.0])
    '▁▅ █'
    """
    step = max(1, -(-len(values) // _WIDTH))
    chosen = values[::-step][::-1]
    known = [value for value in chosen if value is not None]
    if not known:
        return ""
    low, width = min(known), max(known) - min(known)
    scale = (len(_BARS) - 1) / width if width > 0 else 0.0
    return "".join(" " if value is None else _BARS[int((value - low) * scale + 0.5)] for value in chosen)


def _newest(points: dict[str, list[Any]], about: dict[str, Any]) -> str:
    mean, high, step, many = (points[key][-1] for key in ("mean", "high", "step", "trajectories"))
    if mean is None:
        return "not defined"
    spread = "" if high is None else f" ± {high - mean:.2g}"
    when = f"{about['unit']} {step / about['steps_per_unit']:g}"
    return f"{mean:.4g}{spread} at {when} over {many} of {about['trajectories']}"


def _table(name: str, data: dict[str, Any]) -> Any:
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(name), show_header=False)
    curves = {data["about"]["figures"][key]["title"]: entry["mean"] for key, entry in data["series"].items()}
    for what, value in rows(data):
        curve = Text(sparkline(curves[what])) if what in curves else Text("")
        table.add_row(Text(what), Text(value), curve)
    for note in data["notes"]:
        table.add_row(Text("note"), Text(note), Text(""))
    table.add_row(Text(""), ProgressBar(total=1.0, completed=data["progress"], width=40), Text(""))
    return table


def _time_left(left: dict[str, Any]) -> str:
    low = duration(left["low"])
    if left["high"] is None:
        return f"at least {low}"
    high = duration(left["high"])
    return f"about {low}" if low == high else f"{low} to {high}"


def _over(data: dict[str, Any]) -> bool:
    return data["state"] in {*ENDED, *_UNREADABLE} and not data["unread"]


def _code(data: dict[str, Any]) -> int:
    return REFUSED if data["state"] in _UNREADABLE else DONE
