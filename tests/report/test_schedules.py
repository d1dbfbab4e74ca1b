from __future__ import annotations

import numpy as np

from thermograd.report.schedules import ScheduledTraining, schedules


def test_cuts_are_marked_and_the_lowest_loss_is_named_first(trace, writable):
    rate = np.repeat([[0.1, 0.01]], 10, axis=1)
    good = ScheduledTraining(rate, np.full((1, 20), 0.2), np.full((1, 20), 0.9), np.full((1, 20), 0.8))
    bad = ScheduledTraining(rate[:, :1].repeat(20, 1), np.full((1, 20), 0.5), *[np.full((1, 20), 0.5)] * 2)
    figure = schedules({"bad": bad, "good": good})
    assert trace(figure, "cut, good")[0]["x"] == [11]
    assert not trace(figure, "cut, bad")
    assert figure.conclusion.endswith("good 0.2, bad 0.5.")
    assert sum(entry.get("showlegend", True) for entry in figure.traces) == 2
    writable(figure)
