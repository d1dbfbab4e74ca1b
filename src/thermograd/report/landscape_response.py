"""The stationary squared gradient against the learning rate: a line, and what a quadratic loss allows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.estimators.fluctuation_dissipation import LandscapeResponse
from thermograd.report.figure import Figure
from thermograd.report.look import band, error_bars, layout, line, logarithmic, points, style

Array = npt.NDArray[Any]
_GREY = "#7F7F7F"


def landscape_response(response: LandscapeResponse) -> Figure:
    """The squared gradient against the learning rate, with its line and the envelope of a quadratic loss.

    Args:
        response: of one sampler.

    Returns:
        A double logarithmic drawing.
    """
    return samplers_compared({"squared gradient": response})


def samplers_compared(responses: Mapping[str, LandscapeResponse]) -> Figure:
    """The same for several samplers side by side; the first gives the line and the envelope.

    Args:
        responses: name of the sampler -> what was found with it.

    Returns:
        A double logarithmic drawing with error bars of one standard error.
    """
    first = next(iter(responses.values()))
    traces: list[dict[str, Any]] = []
    if first.envelope is not None:
        low, high = first.envelope
        shown = np.isfinite(high)
        rates = first.learning_rates[shown]
        traces += band(rates, low[shown], high[shown], "a quadratic loss allows", _GREY)
    slope = first.slope.value * first.learning_rates
    traces.append(line(first.learning_rates, slope, "proportional to the rate", style(5).colour, "solid"))
    for place, (name, response) in enumerate(responses.items()):
        value, error = response.squared_gradients, response.standard_errors
        mark = points(response.learning_rates, value, name, place)
        mark["error_y"] = error_bars(value, value - error, value + error) | {"color": style(place).colour}
        traces.append(mark)
    everything = np.concatenate([entry.squared_gradients for entry in responses.values()])
    return Figure(
        stem="fluctuation_dissipation",
        name="landscape_response",
        title="Squared gradient of the whole training set against the learning rate",
        conclusion=" ".join(
            f"{name[0].upper()}{name[1:]}: {entry.verdict.text}" if len(responses) > 1 else entry.verdict.text
            for name, entry in responses.items()
        ),
        traces=tuple(traces),
        layout=layout(
            "learning rate",
            "squared gradient",
            xaxis=logarithmic(first.learning_rates, 1.3),
            yaxis=logarithmic(np.concatenate([everything, slope]), 1.8),
            hovermode="closest",
        ),
        table=_table(responses),
    )


def _table(responses: Mapping[str, LandscapeResponse]) -> dict[str, list[Any]]:
    table: dict[str, list[Any]] = {
        "batches": [],
        "learning rate": [],
        "squared gradient": [],
        "standard error": [],
    }
    for name, entry in responses.items():
        table["batches"] += [name] * len(entry.learning_rates)
        for column, values in zip(
            ("learning rate", "squared gradient", "standard error"),
            (entry.learning_rates, entry.squared_gradients, entry.standard_errors),
            strict=True,
        ):
            table[column] += values.tolist()
    return table
