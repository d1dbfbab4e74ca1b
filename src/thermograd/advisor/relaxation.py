"""Since when the survivors of the unperturbed runs have relaxed, as far as the advice needs it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.estimators.first_passage import FirstPassageTimes, quasi_steady_state, relaxation_time
from thermograd.quantities import Verdict

Array = npt.NDArray[Any]


def relaxation_of_survivors(
    values: Array, times: Array, passages: FirstPassageTimes, interval: int, known: float | None, seed: int
) -> tuple[float, Verdict]:
    """From when on the survivors are quasi-steady: t_r, not before the window it is tested on.

    Args:
        values: unperturbed runs `(trajectory, time)`.
        times: times of the columns.
        passages: first-passage times of the same runs.
        interval: P*; the window is P*/5 to P*.
        known: the relaxation time, if it is known.
        seed: seed of the resamples.

    Returns:
        The time, 0 if undecided or never; and how that was decided: "relaxation_given", "quasi_stationary",
        "not_quasi_stationary" or "relaxation_unknown".
    """
    if known is not None:
        return float(known), Verdict(True, "relaxation_given", f"Relaxation time {known:g}, as given.")
    first = max(int(times[0]), -(-interval // 5))
    inside = times <= interval
    if (
        inside.sum() < 2
        or first >= times[inside][-1]
        or not _seen_under_way(values, times, passages, first, interval)
    ):
        text = f"Too few records up to {interval} to see whether the survivors relax."
        return 0.0, Verdict(None, "relaxation_unknown", text)
    steady = quasi_steady_state(
        values[:, inside], passages, window=(first, int(times[inside][-1])), times=times[inside], seed=seed
    )
    found = relaxation_time(steady)
    if isinstance(found, Verdict):
        return 0.0, found
    since = max(float(found.value), float(first))
    text = (
        f"The survivors are quasi-steady from {found.value:g} ({found.low:g}–{found.high:g}) on, by distance "
        f"to their mean over {first} to {interval}; Eq. 9 is taken to hold from {since:g} on."
    )
    return since, Verdict(True, "quasi_stationary", text, {"relaxation_time": found.value, "since": since})


def _seen_under_way(values: Array, times: Array, passages: FirstPassageTimes, first: int, last: int) -> bool:
    """Whether any run that had not arrived has a finite value from `first` to `last`."""
    window = (times >= first) & (times <= last)
    ahead = passages.time[:, None] - times[window]
    under_way = (ahead > 0) | ((ahead == 0) & ~passages.reached[:, None])
    return bool((under_way & np.isfinite(values[:, window])).any())
