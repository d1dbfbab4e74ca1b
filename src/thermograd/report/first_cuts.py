"""When rules first cut the learning rate, relative to when training had really equilibrated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from thermograd.report.figure import Figure, escaped
from thermograd.report.look import band, layout, line, points


@dataclass(frozen=True, eq=False)
class FirstCuts:
    """First cuts on one task whose equilibration is known.

    Attributes:
        truth: step at which it has equilibrated.
        steps: rule -> step of the first cut of each seed, infinite if there was none.
        horizon: steps trained.
    """

    truth: float
    steps: Mapping[str, tuple[float, ...]]
    horizon: int


def first_cuts(found: FirstCuts) -> Figure:
    """First cut over truth, a row a rule and a dot a seed; open triangles at the horizon never cut.

    Args:
        found: the first cuts.

    Returns:
        Dots on one axis, 1 being the truth.
    """
    traces = [
        *band([0.97, 1.7], [-0.5] * 2, [len(found.steps) - 0.5] * 2, "1.0 to 1.7 times the truth", "#7F7F7F"),
        line([1, 1], [-0.5, len(found.steps) - 0.5], "equilibrated", dash="dash"),
    ]
    end = found.horizon / found.truth
    ratios = {rule: np.array(steps, float) / found.truth for rule, steps in found.steps.items()}
    for place, (rule, values) in enumerate(ratios.items()):
        cut = np.isfinite(values)
        mark = points(np.where(cut, values, end), [place] * len(values), rule, place, showlegend=False)
        mark["marker"]["symbol"] = ["circle" if entry else "triangle-right-open" for entry in cut.tolist()]
        traces.append(mark)
    shown = np.concatenate([*ratios.values(), [end]])
    return Figure(
        stem="fluctuation_dissipation",
        name="first_cuts",
        title="First cut of the learning rate over the step at which training had equilibrated",
        conclusion="; ".join(f"{rule}: {_words(values)}" for rule, values in ratios.items()) + ".",
        traces=tuple(traces),
        layout=layout(
            "first cut / truth",
            "",
            xaxis={"range": [0.0, 1.06 * float(shown[np.isfinite(shown)].max())]},
            yaxis={
                "tickvals": list(range(len(ratios))),
                "ticktext": [escaped(rule).replace(", ", ",<br>") for rule in ratios],
                "range": [len(ratios) - 0.5, -0.5],
            },
            hovermode="closest",
        ),
        table={
            "rule": [rule for rule, steps in found.steps.items() for _ in steps],
            "first cut (step)": [step for steps in found.steps.values() for step in steps],
            "first cut / truth": [float(value) for values in ratios.values() for value in values],
        },
    )


def _words(ratios: np.ndarray) -> str:
    cut = ratios[np.isfinite(ratios)]
    never = len(ratios) - len(cut)
    if not len(cut):
        return f"never in {never} of {never} seeds"
    text = f"{cut.min():.2f} to {cut.max():.2f} in {len(cut)} seeds"
    return f"{text}, never in {never}" if never else text
