"""How many times sooner training arrives when it is perturbed, against the interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.advisor.perturbation_evidence import PerturbationEvidence
from thermograd.advisor.speed_up import speed_up_of
from thermograd.advisor.wording import listed
from thermograd.estimators.first_passage import restricted_mean
from thermograd.estimators.first_passage_times import FirstPassageTimes
from thermograd.quantities import Estimate, Prediction
from thermograd.report.figure import Figure
from thermograd.report.look import STANDOFF, band, error_bars, layout, line, points, round_numbers, style
from thermograd.report.ranking import number_text

Array = npt.NDArray[Any]


BruteForce = Mapping[str, Mapping[int, FirstPassageTimes]]
"""Alternative -> interval -> first-passage times of runs that were really perturbed that often."""


@dataclass(frozen=True, eq=False)
class _Alternative:
    """What is drawn of one alternative: speed-ups at the intervals into which its residual time fits.

    None are predicted where the residual time is a lower bound only: the mean over a bound bounds nothing.
    """

    at: Array
    at_least: Estimate
    extrapolated: Estimate
    valid: npt.NDArray[np.bool_]
    bound_only: bool
    tried: Mapping[int, Estimate]

    def best(self) -> int | None:
        """Position of the largest speed-up covered by the theory; None if there is none."""
        sizes = np.where(self.valid, self.at_least.value, -np.inf)
        return int(np.argmax(sizes)) if self.valid.any() else None


def speed_up(evidence: PerturbationEvidence, brute_force: BruteForce | None = None) -> Figure:
    """How many times sooner training arrives, against the interval of the perturbation.

    Args:
        evidence: what the recorded runs say.
        brute_force: what was measured by really perturbing that often.

    Returns:
        Band; solid where the prediction is valid, dashed where only the residual time fits into the
        interval; markers where it was tried. Nothing is predicted where some perturbed runs never arrived,
        and the conclusion says so. Left scale against the restricted mean, right scale against
        the extrapolated one; the share of runs that never arrived is in the title.
    """
    shown = {
        name: _shown(evidence, name, prediction, (brute_force or {}).get(name, {}))
        for name, prediction in evidence.curves.items()
    }
    passages, factor = evidence.passages, float(evidence.extrapolated.value / evidence.restricted.value)
    traces: list[dict[str, Any]] = []
    for position, (name, entry) in enumerate(shown.items()):
        traces += _traces(position, name, entry)
    drawing, more = _scales(shown, factor, passages)
    reach = [place for entry in shown.values() for place in (*entry.at, *entry.tried)]
    if reach:
        traces.append(line([min(reach), max(reach)], [1, 1], "left alone", dash="dot"))
    unit = passages.unit
    return Figure(
        stem="first_passage",
        name="speed_up",
        title=f"Speed-up against the interval; {100 * passages.censored_fraction:.3g} % of unperturbed runs never arrived",
        conclusion=_conclusion(shown, passages),
        traces=tuple(traces + more),
        layout=layout(
            f"interval of the perturbation ({unit}s)",
            f"speed-up, at least (of {passages.horizon} {unit}s)",
            **drawing,
        ),
        table=_numbers(shown, unit),
    )


def _shown(
    evidence: PerturbationEvidence, name: str, prediction: Prediction, tried: Mapping[int, FirstPassageTimes]
) -> _Alternative:
    measured = evidence.measured.get(name)
    at, mean = np.asarray(prediction.at), np.asarray(prediction.value)
    bound_only = measured is not None and measured.optimistic
    reached = (
        np.ones(at.size, bool) if measured is None else np.asarray(prediction.valid) | measured.usable(at)
    )
    usable = np.isfinite(mean) & reached & (not bound_only)
    found = speed_up_of(evidence.passages, evidence.restricted, evidence.extrapolated, prediction)
    return _Alternative(
        at[usable],
        _part(found.at_least, usable),
        _part(found.extrapolated, usable),
        np.asarray(prediction.valid, bool)[usable],
        bound_only,
        {interval: _tried(evidence, times) for interval, times in sorted(tried.items())},
    )


def _tried(evidence: PerturbationEvidence, passages: FirstPassageTimes) -> Estimate:
    """The measured speed-up; if some perturbed run never arrived it is no lower bound, and its note says so."""
    mean = restricted_mean(passages)
    found = speed_up_of(evidence.passages, evidence.restricted, evidence.extrapolated, mean).at_least
    missing = int((~passages.reached).sum())
    if not missing:
        return found
    kind = "no bound" if evidence.passages.censored_fraction else "an upper bound"
    return replace(found, note=f"{kind}, as {missing} of {len(passages)} runs never arrived")


def _part(curve: Estimate, positions: Any) -> Estimate:
    """Some points of a curve, or one."""
    value, low, high = (np.asarray(entry)[positions] for entry in (curve.value, curve.low, curve.high))
    return Estimate(value, (low, high), curve.level)


def _traces(position: int, name: str, shown: _Alternative) -> list[dict[str, Any]]:
    """Band and line: solid where valid, dashed where only usable; markers where it was tried.

    Intervals without a neighbour, measured below the range or at a refuted plateau, are points: nothing is
    known between them.
    """
    colour, _, marker = style(position)
    group = {"legendgroup": str(position)}
    traces: list[dict[str, Any]] = []
    runs = np.split(np.arange(shown.at.size), np.flatnonzero(np.diff(shown.at) > 1) + 1)
    for run in runs:
        if run.size > 1:
            traces += _stretch(position, name, shown, run)
    alone = np.array([run[0] for run in runs if run.size == 1], int)
    for part, what in (
        (shown.valid[alone], name),
        (~shown.valid[alone], f"{name}, not covered by the theory"),
    ):
        if part.any():
            found = _part(shown.at_least, alone[part])
            mark = points(shown.at[alone[part]], found.value, what, position, **group)
            mark["error_y"] = {**error_bars(found.value, found.low, found.high), "color": colour}
            mark["marker"]["symbol"] = marker if what == name else f"{marker}-open"
            traces.append(mark)
    if shown.tried:
        value, low, high = (
            [getattr(entry, end) for entry in shown.tried.values()] for end in ("value", "low", "high")
        )
        mark = points(list(shown.tried), value, f"{name}, tried", position, **group)
        mark["error_y"] = {**error_bars(value, low, high), "color": colour}
        mark["marker"]["symbol"] = [
            marker + ("-open" if entry.note else "") for entry in shown.tried.values()
        ]
        traces.append(mark)
    return traces


def _stretch(
    position: int, name: str, shown: _Alternative, run: npt.NDArray[np.int64]
) -> list[dict[str, Any]]:
    """Band and line over consecutive intervals."""
    colour, _, marker = style(position)
    group = {"legendgroup": str(position)}
    at, curve, valid = shown.at[run], _part(shown.at_least, run), shown.valid[run]
    traces = band(at, curve.low, curve.high, f"{name}, 95 %", colour, **group)
    traces[-1]["showlegend"] = False
    symbol = {"color": colour, "symbol": marker, "size": 7, "maxdisplayed": 8}
    solid, dashed = (np.where(part, curve.value, np.nan) for part in (valid, _beside(valid)))
    traces.append(line(at, solid, name, colour, mode="lines+markers", marker=symbol, **group))
    if np.isfinite(dashed).any():
        traces.append(line(at, dashed, f"{name}, not covered by the theory", colour, "dash", **group))
    return traces


def _beside(valid: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Points that are not valid, and their valid neighbours, so that the two lines touch."""
    outside = ~valid
    wider = outside.copy()
    wider[1:] |= outside[:-1]
    wider[:-1] |= outside[1:]
    return wider


def _scales(
    shown: Mapping[str, _Alternative], factor: float, passages: FirstPassageTimes
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Both vertical scales: against the restricted mean, and `factor` times that if the tail is exponential."""
    highest = [np.max(entry.at_least.high, initial=1.0) for entry in shown.values()]
    highest += [estimate.high for entry in shown.values() for estimate in entry.tried.values()]
    top = 1.06 * max([1.0, *map(float, highest)])
    ticks = round_numbers(passages.horizon)
    drawing: dict[str, Any] = {
        "xaxis": {"type": "log", "tickvals": ticks, "ticktext": [f"{tick:g}" for tick in ticks]},
        "yaxis": {"range": [0, top], "fixedrange": True},
        "hovermode": "closest",
        "margin": {"t": 56, "r": 16, "l": 56, "b": 56},
    }
    if not np.isfinite(factor) or not passages.censored_fraction:
        return drawing, []
    drawing["yaxis2"] = {
        "title": {"text": "if the tail is exponential", "standoff": STANDOFF},
        "overlaying": "y",
        "side": "right",
        "range": [0, top * factor],
        "showgrid": False,
        "zeroline": False,
        "fixedrange": True,
        "automargin": True,
        "tickmode": "auto",
        "nticks": 6,
    }
    # A second axis is drawn only if some trace lies on it.
    empty = line([1], [0], "", yaxis="y2", showlegend=False, hoverinfo="skip", opacity=0)
    return drawing, [empty]


def _conclusion(shown: Mapping[str, _Alternative], passages: FirstPassageTimes) -> str:
    known = {name: (entry, place) for name, entry in shown.items() if (place := entry.best()) is not None}
    if not known:
        text = (
            "No interval is covered by the theory, so whether a perturbation helps, these data cannot decide."
        )
        return text + _left_out(shown)
    name = max(known, key=lambda key: known[key][0].at_least.value[known[key][1]])
    entry, place = known[name]
    best, tail = _part(entry.at_least, place), _part(entry.extrapolated, place)
    which, size = f"{name} every {entry.at[place]:g} {passages.unit}s", number_text(best)
    least = "at least " if passages.censored_fraction else ""
    if best.low > 1 and least:
        text = (
            f"Best covered by the theory: {which}, which arrives at least {size} times as soon, and "
            + (number_text(tail) if np.isfinite(tail.value) else f"at least {number_text(tail.low)}")
            + " times if the tail is exponential"
        )
    elif best.low > 1:
        text = f"Best covered by the theory: {which}, which arrives {size} times as soon"
    elif best.high < 1 and not least:
        text = f"Nothing here helps: the best, {which}, arrives {size} times as soon"
    else:
        text = f"Whether anything helps, the data cannot decide: the best, {which}, arrives {least}{size} times as soon"
    return f"{text}.{_checked(int(entry.at[place]), entry.tried)}{_left_out(shown)}"


def _left_out(shown: Mapping[str, _Alternative]) -> str:
    names = [name for name, entry in shown.items() if entry.bound_only]
    if not names:
        return ""
    return f" Some runs perturbed with {listed(names)} never arrived, so no speed-up can be predicted for {'it' if len(names) == 1 else 'them'}."


def _checked(at: int, tried: Mapping[int, Estimate]) -> str:
    """What brute force says at the recommended interval, or at the nearest one that was tried."""
    if not tried:
        return ""
    nearest = min(tried, key=lambda interval: abs(np.log(interval / at)))
    measured = tried[nearest]
    note = f", {measured.note}" if measured.note else ""
    if nearest != at:
        return f" The nearest interval tried, {nearest}, gave {number_text(measured)}{note}."
    return f" Really trying it gave {number_text(measured)}{note}."


def _numbers(shown: Mapping[str, _Alternative], unit: str) -> dict[str, list[Any]]:
    rows: list[tuple[Any, ...]] = []
    for name, entry in shown.items():
        curve = entry.at_least
        for at, valid, *sizes in zip(entry.at, entry.valid, curve.value, curve.low, curve.high, strict=True):
            rows.append(
                (name, "predicted" if valid else "predicted, not covered by the theory", float(at), *sizes)
            )
        for interval, measured in entry.tried.items():
            kind = "tried: " + measured.note if measured.note else "tried"
            rows.append((name, kind, float(interval), measured.value, measured.low, measured.high))
    names = ("alternative", "what", f"interval ({unit}s)", "speed-up, at least", "95 % from", "to")
    return {heading: [row[column] for row in rows] for column, heading in enumerate(names)}
