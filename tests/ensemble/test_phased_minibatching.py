import numpy as np
import pytest

from thermograd.ensemble.phased_minibatching import PhasedMinibatching
from thermograd.minibatching import WithoutReplacement, WithReplacement


@pytest.mark.parametrize(
    "rule", [WithoutReplacement(6), WithoutReplacement(5, remainder="spread"), WithReplacement(4)]
)
def test_each_trajectory_is_ahead_by_its_phase(rule):
    phased, rows, state = PhasedMinibatching(rule, (0, 3, 1, 2)), (1, 3), None
    assert phased.steps_per_epoch(24) == rule.steps_per_epoch(24)
    assert phased.start(0, rows, 24) is None
    for step in range(12):
        batch, state = phased.draw(state, 7, rows, step, 24)
        for place, row in enumerate(rows):
            expected, _ = rule.draw(None, 7, (row,), step + (0, 3, 1, 2)[row], 24)
            assert np.array_equal(batch.indices[place], expected.indices[0])
            assert batch.weights is None or np.array_equal(batch.weights[place], expected.weights[0])
        again, _ = phased.draw(None, 7, rows, step, 24)
        assert np.array_equal(again.indices, batch.indices)
    fewer, _ = phased.draw(state, 7, (3,), 12, 24)
    whole, _ = phased.draw(state, 7, rows, 12, 24)
    assert np.array_equal(fewer.indices[0], whole.indices[1])
