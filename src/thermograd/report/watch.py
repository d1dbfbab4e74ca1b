"""The page of a watched training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from thermograd.quantities import Verdict
from thermograd.report.equilibration import equilibration
from thermograd.report.figures import figure
from thermograd.report.page import write_page
from thermograd.report.temperature import temperature
from thermograd.report.waiting_and_cutting import waiting_and_cutting
from thermograd.report.watched_training import WatchedTraining

TITLE = "Has training equilibrated?"


def watch_figure(history: Sequence[Mapping[str, Any]]) -> Any:
    """The ratio against its band, the verdicts and the coverage, for notebooks.

    Args:
        history: one mapping per block, as `Watch.history()` gives them.

    Returns:
        A `plotly.graph_objects.Figure`.

    Raises:
        ConfigError: there is no block yet.
        MissingExtraError: plotly is not installed.
    """
    return figure(WatchedTraining(history))


def write_watch_page(
    path: str | Path,
    history: Sequence[Mapping[str, Any]],
    *,
    verdicts: Sequence[Verdict] = (),
    facts: Sequence[tuple[str, str]] = (),
    title: str = TITLE,
) -> Path:
    """Write one self-contained page of a watched training, atomically.

    Args:
        path: the file; its folder must exist.
        history: one mapping per block, as `Watch.history()` gives them; figures that cannot be drawn from
            them are left out.
        verdicts: what is concluded, the most important first.
        facts: (name, value) of what was watched.
        title: heading of the page.

    Returns:
        The file.

    Raises:
        ConfigError: the folder of the page does not exist, or a block has no step.
        MissingExtraError: plotly is not installed.
    """
    training = WatchedTraining(history)
    figures = (
        (equilibration(training), *waiting_and_cutting(training), *temperature(training)) if history else ()
    )
    shown = [("Watched", str(training)), *facts]
    return write_page(path, title=title, verdicts=verdicts, facts=shown, figures=figures)
