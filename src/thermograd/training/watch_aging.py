"""What a watch says of aging: one sentence per group of a tracker of displacements."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thermograd.errors import ConfigError
from thermograd.estimators.aging import aging_exponent
from thermograd.estimators.displacement_table import DisplacementTable

if TYPE_CHECKING:
    from thermograd.training.live_window import LiveWindow


def aging(watch: LiveWindow) -> dict[str, dict[str, str]]:
    """The aging exponent in words, by tracker and group, over all waiting times there are.

    Args:
        watch: whose; trackers of other things are left out.
    """
    tables = {name: watch.trackers[name] for name in watch.trackers.names}
    return {
        name: {group: _sentence(table, group) for group in table.groups}
        for name, table in tables.items()
        if isinstance(table, DisplacementTable)
    }


def _sentence(table: DisplacementTable, group: str) -> str:
    try:
        return str(aging_exponent(table, group=group))
    except ConfigError as error:
        return f"none yet: {error}"
