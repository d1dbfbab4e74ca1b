"""First-passage times as notebooks show them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from thermograd.estimators.kaplan_meier import kaplan_meier
from thermograd.quantity_html import escaped, facts_table
from thermograd.quantity_sketch import curve_sketch

if TYPE_CHECKING:
    from thermograd.estimators.first_passage_times import FirstPassageTimes


def passages_html(passages: FirstPassageTimes) -> str:
    """How many arrived, and the share still under way against time with its 95 % band.

    Args:
        passages: of any number of trajectories.

    Returns:
        Well-formed HTML without script.
    """
    total, arrived = len(passages), int(passages.reached.sum())
    facts = facts_table(
        {
            "trajectories": f"{total}: {arrived} arrived, {total - arrived} had not when last seen",
            "seen up to": f"{passages.unit} {passages.horizon}",
        }
    )
    if not total:
        return f"<p><b>First-passage times</b></p>{facts}"
    survival = kaplan_meier(*passages.outcomes())
    # constant between the knots: each begins where the last one ends
    times = np.unique(np.append(survival.knots.clip(max=passages.horizon), passages.horizon))
    corners = np.repeat(times, 2)[1:]
    before = np.repeat(times, 2)[:-1]
    band = survival.band(before, 0.95)
    drawing = curve_sketch(corners, survival.at(before), band)
    return f"<p><b>First-passage times</b></p>{facts}<p>Share under way against {escaped(passages.unit)}s:</p>{drawing}"
