"""The rows of the reliability plan, and how many rounds each is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from thermograd.reproductions import (
    running_damage,
    running_disk_faults,
    running_four_at_once,
    running_full_disk,
    running_kills,
    running_kills_at_writes,
    running_orphans,
    running_poison_block,
    running_same_bits,
    running_signals,
    running_spoilt_files,
    running_worker_disk_faults,
)
from thermograd.reproductions.running_counted import Counted
from thermograd.reproductions.running_harness import Harness

Rounds = Callable[[Harness, int | None, int], Counted]
"""Plays a number of rounds, None for all there are, with a seed."""


@dataclass(frozen=True)
class PlannedRow:
    """One row.

    Attributes:
        rounds: what plays it.
        quick: how many rounds when little time is given; None for all.
        nightly: how many at night.
    """

    rounds: Rounds
    quick: int | None = None
    nightly: int | None = None

    def play(self, harness: Harness, seed: int, *, full: bool) -> Counted:
        """The outcome.

        Args:
            harness: where.
            seed: of everything that is random.
            full: at night.

        Returns:
            What came of it.
        """
        return self.rounds(harness, self.nightly if full else self.quick, seed)


PLAN: dict[str, PlannedRow] = {
    "kills": PlannedRow(running_kills.rounds, 15, 300),
    "kills at writes": PlannedRow(running_kills_at_writes.rounds),
    "disk faults": PlannedRow(running_disk_faults.rounds, 120),
    "disk faults of workers": PlannedRow(running_worker_disk_faults.rounds, 12),
    "full disk": PlannedRow(running_full_disk.rounds),
    "damage": PlannedRow(running_damage.rounds, 80),
    "same bits": PlannedRow(running_same_bits.rounds),
    "four at once": PlannedRow(running_four_at_once.rounds, 20, 100),
    "orphans": PlannedRow(running_orphans.rounds, 10, 100),
    "poison block": PlannedRow(running_poison_block.rounds, 5, 50),
    "signals": PlannedRow(running_signals.rounds, 10, 50),
    "spoilt files": PlannedRow(running_spoilt_files.rounds, 500, 20_000),
    "commit order swapped": PlannedRow(
        partial(running_kills_at_writes.rounds, controls=("commit order swapped",))
    ),
    "no checksums": PlannedRow(partial(running_damage.rounds, controls=("no checksums",))),
    "no lock": PlannedRow(partial(running_four_at_once.rounds, controls=("no lock",))),
    "no fence": PlannedRow(partial(running_orphans.rounds, controls=("no fence",))),
}
"""Every row by name; the last ones are negative controls."""
