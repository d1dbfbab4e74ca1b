"""A state that was saved goes on only where the settings are those it was saved with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def check_same_settings(there: Mapping[str, Any], here: Mapping[str, Any], what: str) -> None:
    """Refuse a state of other settings.

    Args:
        there: settings in the state.
        here: settings of what loads it.
        what: it is, for the message.

    Raises:
        ValueError: they differ; names those that do.

    >>> check_same_settings({"factor": 0.5}, {"factor": 0.1}, "scheduler")
    Traceback (most recent call last):
    ValueError: this state is of another scheduler; factor: 0.5 there, 0.1 here
    """
    different = [
        f"{name}: {there.get(name)} there, {value} here"
        for name, value in here.items()
        if there.get(name) != value
    ]
    if different:
        message = f"this state is of another {what}; {'; '.join(different)}"
        raise ValueError(message)
