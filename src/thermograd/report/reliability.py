"""The reliability diagram: how often a prediction is right against how sure it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from thermograd.estimators.posterior_calibration import Calibration
from thermograd.report.figure import Figure
from thermograd.report.look import INK, error_bars, layout, line, points, style
from thermograd.report.share import share


def reliability(calibrations: Mapping[str, Calibration], *, what: str = "") -> Figure:
    """Accuracy against confidence in bins of the top probability, with exact 95 % intervals.

    Args:
        calibrations: name of the prediction -> its calibration.
        what: what is predicted, for the title.

    Returns:
        Markers joined by lines, and the diagonal on which predictions are as often right as they say.
    """
    traces: list[dict[str, Any]] = [
        line([0, 1], [0, 1], "perfectly calibrated", INK, "dot", hoverinfo="skip")
    ]
    table: dict[str, list[Any]] = {
        key: [] for key in ("prediction", "mean confidence", "accuracy", "95 % from", "to", "samples")
    }
    for place, (name, found) in enumerate(calibrations.items()):
        used = found.counts > 0
        counts = found.counts[used]
        confidence, accuracy = found.mean_confidence[used], found.mean_accuracy[used]
        shares = [
            share(round(part * count), int(count)) for part, count in zip(accuracy, counts, strict=True)
        ]
        low, high = np.array([[entry.low, entry.high] for entry in shares]).T
        mark = points(confidence, accuracy, name, place)
        mark |= {
            "mode": "lines+markers",
            "line": {"color": style(place).colour, "dash": style(place).dash, "width": 1},
        }
        mark["error_y"] = error_bars(accuracy, low, high)
        mark["marker"] |= {"size": 7}
        traces.append(mark)
        cells = (
            [name] * len(counts),
            confidence.tolist(),
            accuracy.tolist(),
            low.tolist(),
            high.tolist(),
            counts.tolist(),
        )
        for key, column in zip(table, cells, strict=True):
            table[key] += column
    said = ", ".join(
        f"{name} {found.expected_calibration_error.value:.3f} ({found.expected_calibration_error.low:.3f} to "
        f"{found.expected_calibration_error.high:.3f})"
        for name, found in calibrations.items()
    )
    return Figure(
        stem="posterior",
        name="reliability",
        title=f"Reliability{', ' * bool(what)}{what}",
        conclusion=f"Expected calibration error: {said}. Above the diagonal a prediction is too cautious.",
        traces=tuple(traces),
        layout=layout(
            "confidence (top probability)",
            "accuracy (share right)",
            hovermode="closest",
            xaxis={"range": [0, 1.02]},
            yaxis={"range": [0, 1.02]},
        ),
        table=table,
    )
