"""Mean value against time under several protocols: left alone, perturbed one way or another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.quantities import Estimate
from thermograd.report.differences import mean_of, which_is_larger
from thermograd.report.figure import Figure
from thermograd.report.look import band, layout, line, style

Array = npt.NDArray[Any]


def mean_values(
    protocols: Mapping[str, Array],
    target: float,
    *,
    what: str = "",
    unit: str = "epoch",
    quantity: str = "value (as recorded)",
) -> Figure:
    """Mean value of all runs of each protocol against time, with its 95 % interval.

    Args:
        protocols: name -> `(trajectory, time)` values after 1, 2, ... units, of runs that go on past the target;
            NaN where a run was not evaluated.
        target: the value to reach.
        what: what is compared, for the title.
        unit: unit of the times.
        quantity: axis title, with unit.

    Returns:
        One line per protocol over the times that all of them were followed.
    """
    shared = min(values.shape[1] for values in protocols.values())
    time = np.arange(1, shared + 1)
    traces: list[dict[str, Any]] = []
    table: dict[str, list[Any]] = {key: [] for key in ("runs", f"time ({unit}s)", "mean", "95 % from", "to")}
    late: dict[str, Estimate] = {}
    for position, (name, values) in enumerate(protocols.items()):
        colour, dash, _ = style(position)
        means = [mean_of(values[:, column]) for column in range(shared)]
        middle, low, high = (
            np.array([getattr(mean, end) for mean in means]) for end in ("value", "low", "high")
        )
        label = f"{name} ({len(values)} runs)"
        traces += band(time, low, high, f"{label}, 95 %", colour, legendgroup=str(position))
        traces[-1]["showlegend"] = False
        traces.append(line(time, middle, label, colour, dash, legendgroup=str(position)))
        columns: tuple[list[Any], ...] = (
            [name] * shared,
            *(part.tolist() for part in (time, middle, low, high)),
        )
        for key, column in zip(table, columns, strict=True):
            table[key] += column
        late[name] = mean_of(np.nanmean(values[:, shared // 2 : shared], axis=1))
    traces.append(line(time[[0, -1]], [target, target], f"target {target:g}", dash="dash"))
    span = f"Mean over {unit}s {shared // 2 + 1} to {shared}: "
    return Figure(
        stem="first_passage",
        name="mean_values",
        title=f"Mean value against time, {what}" if what else "Mean value against time",
        conclusion=span + which_is_larger(late) if len(late) > 1 else f"{span}{next(iter(late.values()))}.",
        traces=tuple(traces),
        layout=layout(
            f"time ({unit}s completed)", quantity, yaxis={"range": _height(protocols, shared, target)}
        ),
        table=table,
    )


def _height(protocols: Mapping[str, Array], shared: int, target: float) -> list[float]:
    """From below the lowest mean of the last nine tenths to above everything: the steep beginning would hide the rest."""
    means = [np.nanmean(values[:, :shared], axis=0)[shared // 10 :] for values in protocols.values()]
    low, high = min(target, *(m.min() for m in means)), max(target, *(m.max() for m in means))
    room = 0.08 * (high - low)
    return [float(low - room), float(high + room)]
