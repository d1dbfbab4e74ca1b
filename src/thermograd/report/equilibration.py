"""Has training equilibrated? The ratio against its band, what was concluded, and how far back the window reaches."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import numpy as np

from thermograd.report.figure import Figure, escaped
from thermograd.report.look import INK, band, banded, line, stacked, style
from thermograd.report.watched_training import WatchedTraining

RULES_OUT_DRIFT, SHOWS_RELAXATION = 3, 14
"""Relaxation times that the window must cover, for a cut and for sampling."""
_LOWEST, _HIGHEST = -1.0, 2.5
_MOST_COVERAGE = 1000.0
_GREY = "#7F7F7F"
_LANES = {
    "equilibrated": style(2).colour,
    "slow_directions_remain": style(5).colour,
    "approaching": style(0).colour,
    "drifting": style(1).colour,
    "undecided": style(3).colour,
}
"""Order and colours of the verdicts that are worth one; the others follow in grey."""


def equilibration(training: WatchedTraining) -> Figure:
    """The fluctuation-dissipation ratio with its interval, the verdicts, and the coverage, against steps.

    Args:
        training: what the watch recorded.

    Returns:
        Three panels over one axis; changes of the learning rate are vertical lines through all of them,
        labelled with the new rate.
    """
    lanes = _lanes(training)
    drawing = stacked(
        "time (optimiser steps)",
        [("FDR ratio", 230), ("", 30 * max(len(lanes), 2)), ("relaxation times", 150)],
        gap=0.045,
        height=560 + 30 * max(len(lanes), 2),
        hovermode="closest",
        **training.cut_lines(),
    )
    drawing["yaxis3"]["range"] = _ratio_range(training)
    drawing["yaxis2"] |= {
        "tickvals": list(range(len(lanes))),
        "ticktext": [_label(lane) for lane in lanes],
        "range": [len(lanes) - 0.5, -0.5],
    }
    drawing["yaxis"] |= {"type": "log", "range": _coverage_range(training), "dtick": 1}
    step, coverage = training.column("step"), training.column("coverage")
    return Figure(
        stem="fluctuation_dissipation",
        name="equilibration",
        title="Has training equilibrated?",
        conclusion=_conclusion(training),
        traces=(*_ratio(training), *_verdicts(training, lanes), *_coverage(training)),
        layout=drawing,
        table={
            "step": step.tolist(),
            "epoch": training.column("epoch").tolist(),
            "learning rate": training.column("learning_rate").tolist(),
            "FDR ratio": training.column("ratio").tolist(),
            "from": training.column("ratio_low").tolist(),
            "to": training.column("ratio_high").tolist(),
            "about the origin": training.column("ratio_origin").tolist(),
            "relaxation times covered": coverage.tolist(),
            "verdict": training.words("verdict"),
        },
    )


def _label(lane: str) -> str:
    """A verdict beside its lane; three words would push the panels aside."""
    *words, last = escaped(lane.replace("_", " ")).split(" ")
    return " ".join(words) + ("<br>" if len(words) > 1 else " ") + last if words else last


def _ratio(training: WatchedTraining) -> list[dict[str, Any]]:
    step, panel = training.column("step"), "y3"
    tolerance = training.column("tolerance")
    given = tolerance[np.isfinite(tolerance)]
    traces: list[dict[str, Any]] = []
    if given.size:
        ends, half = [0.0, float(step[-1])], np.full(2, given[-1])
        traces += band(ends, 1 - half, 1 + half, f"1 ± {given[-1]:g}, equilibrium", _GREY, yaxis=panel)
    for place, (name, label) in enumerate(
        (("ratio", "about where the weights were"), ("ratio_origin", "about the origin (can only object)"))
    ):
        value, low, high = (training.column(key) for key in (name, f"{name}_low", f"{name}_high"))
        if np.isfinite(value).any():
            traces += banded(step, value, low, high, label, place, yaxis=panel)
    return traces


def _lanes(training: WatchedTraining) -> list[str]:
    seen = dict.fromkeys(word for word in training.words("verdict") if word)
    return [*(lane for lane in _LANES if lane in seen), *(word for word in seen if word not in _LANES)]


def _verdicts(training: WatchedTraining, lanes: list[str]) -> list[dict[str, Any]]:
    """One thick bar from the start of the first block to the end of the last of each run of equal verdicts."""
    starts, ends = training.started, training.column("step")
    bars: dict[str, list[float]] = {lane: [] for lane in lanes}
    place = 0
    for word, run in groupby(training.words("verdict")):
        length = len(list(run))
        if word:
            bars[word] += [float(starts[place]), float(ends[place + length - 1]), float("nan")]
        place += length
    traces = []
    for row, lane in enumerate(lanes):
        label = lane.replace("_", " ")
        bar = line(bars[lane], [row] * len(bars[lane]), label, _LANES.get(lane, _GREY), yaxis="y2")
        bar |= {"showlegend": False, "hovertemplate": "step %{x}<extra>" + escaped(label) + "</extra>"}
        bar["line"]["width"] = 12
        traces.append(bar)
    return traces


def _coverage(training: WatchedTraining) -> list[dict[str, Any]]:
    step, coverage = training.column("step"), training.column("coverage")
    if not np.isfinite(coverage).any():
        return []
    ends = [0.0, float(step[-1])]
    return [
        line(
            step, np.minimum(coverage, _MOST_COVERAGE), "slowest visible direction", style(4).colour, "solid"
        ),
        line(ends, [RULES_OUT_DRIFT] * 2, f"{RULES_OUT_DRIFT}: drift ruled out", INK, "dash"),
        line(ends, [SHOWS_RELAXATION] * 2, f"{SHOWS_RELAXATION}: relaxed", INK, "dot"),
    ]


def _ratio_range(training: WatchedTraining) -> list[float]:
    """As far as the intervals reach, but the steep beginning would hide the band."""
    tolerance = np.nanmax([0.1, *training.column("tolerance")])
    names = ("ratio_low", "ratio", "ratio_high", "ratio_origin_low", "ratio_origin_high")
    ends = np.concatenate([training.column(name) for name in names])
    known = ends[np.isfinite(ends)]
    low, high = 1 - 2 * tolerance, 1 + 2 * tolerance
    if known.size:
        low = max(_LOWEST, min(low, float(known.min()) - 0.05))
        high = min(_HIGHEST, max(high, float(known.max()) + 0.05))
    return [low, high]


def _coverage_range(training: WatchedTraining) -> list[float]:
    coverage = training.column("coverage")
    known = coverage[np.isfinite(coverage) & (coverage > 0)]
    top = min(_MOST_COVERAGE, max([20.0, *known]))
    return [float(np.log10(min([1.0, *known]) / 1.2)), float(np.log10(1.5 * top))]


def _conclusion(training: WatchedTraining) -> str:
    if not training.blocks:
        return "Nothing was recorded yet."
    last = training.blocks[-1]
    word = str(last.get("verdict") or "nothing concluded").replace("_", " ")
    text = f"At step {last['step']}: {word}"
    ratio, low, high = (training.column(name) for name in ("ratio", "ratio_low", "ratio_high"))
    if np.isfinite(ratio[-1]):
        text += f", ratio {ratio[-1]:.2f} [{low[-1]:.2f}, {high[-1]:.2f}]"
    cuts = training.cuts
    if 0 < len(cuts) <= 4:
        text += "; the learning rate changed " + ", ".join(
            f"at step {step:g} from {before:.2g} to {after:.2g}" for step, before, after in cuts
        )
    elif cuts:
        (first, before, _), (_, _, after) = cuts[0], cuts[-1]
        text += f"; the learning rate changed {len(cuts)} times from step {first:g} on, from {before:.2g} to {after:.2g}"
    outside = int(np.sum((high < _LOWEST) | (low > _HIGHEST)))
    return f"{text}." + (f" {outside} early blocks lie outside the drawing." if outside else "")
