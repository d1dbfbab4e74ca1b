"""The figure of a quantity, which another layer draws."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

from thermograd.errors import MissingExtraError


def figure_of(thing: Any, name: str | None = None) -> Any:
    """The figure of a quantity or a run, found through the entry point `thermograd.plot`.

    Args:
        thing: what is drawn.
        name: which part of it, where it has several.

    Returns:
        A `plotly.graph_objects.Figure`.

    Raises:
        MissingExtraError: the requirements of the report layer are not installed.
    """
    for entry in entry_points(group="thermograd.plot", name="figure"):
        return entry.load()(thing, name)
    raise MissingExtraError(package="plotly", extra="lab", purpose="A figure")
