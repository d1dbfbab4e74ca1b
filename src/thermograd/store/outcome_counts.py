"""How many trajectories of a run ended how, by the names of outcomes that people read."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from thermograd.store.layout import DIVERGED, FAILED, FINISHED, PENDING

OUTCOMES = {"finished": FINISHED, "diverged": DIVERGED, "failed": FAILED, "pending": PENDING}
"""The names, in the order in which they are told."""


def outcome_counts(outcome: npt.ArrayLike) -> dict[str, int]:
    """The number of trajectories of each outcome, 0 included.

    Args:
        outcome: as in a run, one a trajectory.

    >>> outcome_counts([FINISHED, PENDING, FINISHED])
    {'finished': 2, 'diverged': 0, 'failed': 0, 'pending': 1}
    """
    found = np.asarray(outcome)
    return {name: int((found == code).sum()) for name, code in OUTCOMES.items()}
