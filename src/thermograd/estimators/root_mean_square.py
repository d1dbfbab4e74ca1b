"""The root mean square of a recorded norm, late in training."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError
from thermograd.estimators.trajectory_pieces import checked_level, joined, mean_of_pieces
from thermograd.numerics.argument_kind import check_number
from thermograd.numerics.real_numbers import real_numbers
from thermograd.quantities import Estimate


def root_mean_square(
    norms: npt.ArrayLike, steps: npt.ArrayLike, since: float = 10_000, *, level: float = 0.95
) -> Estimate:
    """√⟨g²⟩ over trajectories and over all times from `since` on.

    Shown for gradients after 10⁴ steps in Fig A.3 of Herrera Segura, Montoya, Tapias (Subaging in underparametrized deep neural networks).
    Pieces are trajectories if there are 20 or more, otherwise blocks of time that outlast the correlations.

    Args:
        norms: g, `(trajectory, time)` or `(time,)`.
        steps: when they were recorded, `(time,)`.
        since: the first step that counts.
        level: two-sided.

    Raises:
        ConfigError: shapes that do not fit, nothing recorded since, or no trajectory that stayed finite.

    >>> round(root_mean_square([[9.0, 3.0, 4.0], [9.0, 4.0, 3.0]], [0, 1, 2], since=1).value ** 2, 9)
    12.5
    """
    checked_level(level)
    record, times = np.atleast_2d(real_numbers("norms", norms)), real_numbers("steps", steps)
    check_number("since", since)
    if record.ndim != 2 or record.shape[1:] != times.shape:
        message = f"norms have shape {np.shape(norms)} and steps {times.shape}; they must be (trajectory, time) and (time,)"
        raise ConfigError(message)
    late = record[:, times >= since]
    finite = np.isfinite(late).all(axis=1)
    squares = np.square(late[finite])
    if squares.size < 2:
        message = (
            f"{int(finite.sum())} trajectories with {late.shape[1]} finite records each since step {since}; at least two numbers are "
            f"needed. The last record is of step {times.max() if times.size else 'none'}"
        )
        raise ConfigError(message)
    mean = mean_of_pieces(squares)
    low, high = (float(np.sqrt(max(float(end), 0.0))) for end in mean.interval(level))
    gone = int((~finite).sum())
    note = f"{gone} trajectories that diverged left out" if gone else ""
    return Estimate(
        float(np.sqrt(float(mean.value))),
        (low, high),
        level=level,
        pieces=mean.pieces,
        note=joined([note, mean.note]),
    )
