"""All eigenvalues of the Hessian by their rank, before and after training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.advisor.wording import number
from thermograd.estimators.landscape import spectrum_summary
from thermograd.report.arsinh_scale import scale_of
from thermograd.report.band_of_runs import BandOfRuns, band_of_runs
from thermograd.report.figure import Figure
from thermograd.report.look import INK, banded, layout, line

Array = npt.NDArray[Any]

_HEADINGS = ("when", "rank", "eigenvalue (mean over runs)", "a tenth of the runs below", "a tenth above")


def sorted_spectrum(spectra: Mapping[str, npt.ArrayLike], *, what: str = "") -> Figure:
    """Eigenvalues from the largest to the smallest, one curve for each time, with the band of 80 % of the trajectories.

    Args:
        spectra: when, as "step 0" -> all eigenvalues, `(P,)`, or `(trajectory, P)`, which are averaged rank by rank. A
            trajectory with a number that is not finite is left out.
        what: what was trained, for the title.

    Returns:
        Curves over the rank, on a vertical axis that is logarithmic in both signs and linear near 0.
    """
    runs = {name: _whole(values) for name, values in spectra.items()}
    found = {name: _ranked(values) for name, values in runs.items()}
    everything = np.concatenate(
        [np.zeros(0), *(np.concatenate([entry.low, entry.high]) for entry in found.values())]
    )
    scale = scale_of(everything)
    traces: list[dict[str, Any]] = []
    table: dict[str, list[Any]] = {heading: [] for heading in _HEADINGS}
    longest = max((entry.steps.size for entry in found.values()), default=0)
    if longest:
        traces.append(line([1, longest], [0, 0], "0", INK, "dot", hoverinfo="skip", showlegend=False))
    for position, (name, entry) in enumerate(found.items()):
        mean, low, high = (scale(column) for column in (entry.mean, entry.low, entry.high))
        curve = banded(entry.steps, mean, low, high, name, position)
        curve[-1] |= {
            "text": [
                f"{name}, rank {rank:.0f}: {value:.4g}"
                for rank, value in zip(entry.steps, entry.mean, strict=True)
            ]
        }
        curve[-1] |= {"hoverinfo": "text"}
        traces += curve if entry.steps.size else []
        cells = (
            [name] * entry.steps.size,
            *(column.tolist() for column in (entry.steps, entry.mean, entry.low, entry.high)),
        )
        for heading, column in zip(_HEADINGS, cells, strict=True):
            table[heading] += column
    return Figure(
        stem="landscape",
        name="sorted_spectrum",
        title=f"Sorted eigenvalues of the Hessian{', ' * bool(what)}{what}",
        conclusion=_conclusion(runs, found),
        traces=tuple(traces),
        layout=layout("rank", "eigenvalue", hovermode="closest", yaxis=scale.axis(everything)),
        table=table,
    )


def _whole(values: npt.ArrayLike) -> Array:
    given = np.atleast_2d(np.asarray(values, float))
    whole: Array = given[np.isfinite(given).all(axis=1)]
    return whole if given.shape[1] else whole[:0]


def _ranked(runs: Array) -> BandOfRuns:
    size = runs.shape[1] if len(runs) else 0
    return band_of_runs(np.arange(1, size + 1), -np.sort(-runs, axis=1) if size else np.zeros((1, 0)))


def _conclusion(runs: Mapping[str, Array], found: Mapping[str, BandOfRuns]) -> str:
    said = []
    for name, spectra in runs.items():
        if len(spectra):
            negative = float(np.mean([spectrum_summary(spectrum).negative_fraction for spectrum in spectra]))
            ends = (number(float(found[name].mean[place])) for place in (0, -1))
            said.append(f"{name}: {' to '.join(ends)}, {100 * negative:.3g} % of them negative")
    return (
        f"Eigenvalues from the largest to the smallest, {'; '.join(said)}."
        if said
        else "No spectrum was recorded."
    )
