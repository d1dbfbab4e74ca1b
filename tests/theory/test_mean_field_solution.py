"""What a solution holds and how it is read."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest

from thermograd.theory import mean_field


@pytest.fixture(scope="module")
def small(mixture):
    """A solution of 6 steps."""
    return mean_field.solve(mixture(), learning_rate=0.2, steps=6, paths=400, response_paths=40, seeds=3)


def test_shapes_and_what_is_zero(small):
    assert small.overlap.shape == small.generalization_error.shape == (3, 7)
    assert small.correlation.shape == (3, 7, 7)
    assert small.response.shape == (3, 7, 6)
    assert small.memory_kernel.shape == small.noise_kernel.shape == (3, 6, 6)
    assert small.train_loss.shape == small.train_error.shape == small.boundary_width.shape == (3, 6)
    assert small.jitter.shape == small.truncation_error.shape == (3,)
    assert (np.triu(small.response[0]) == 0).all()
    assert (np.triu(small.memory_kernel[0], 1) == 0).all()
    np.testing.assert_allclose(np.diagonal(small.response[0], -1), 0.2)
    np.testing.assert_allclose(small.correlation, small.correlation.swapaxes(1, 2), atol=1e-14)
    assert pickle.loads(pickle.dumps(small)).steps == 6
    assert repr(small).startswith("MeanField(3 solutions of 6 steps; at the end overlap ")


def test_a_prediction_is_the_mean_and_its_t_interval(mixture, small):
    found = small.prediction("norm_squared", 4)
    values = small.correlation[:, 4, 4]
    assert found.value == pytest.approx(values.mean())
    assert found.interval[1] - found.value == pytest.approx(
        4.3027 * values.std(ddof=1) / math.sqrt(3), rel=1e-4
    )
    assert "sgd batches, b = 0.3" in str(found)
    curve = small.prediction("train_loss")
    assert curve.value.shape == (6,)
    assert curve.at.tolist() == [0, 1, 2, 3, 4, 5]
    assert small.prediction("response", (3, 2)).value == pytest.approx(0.2)
    single = mean_field.solve(mixture(), learning_rate=0.2, steps=2, paths=40, response_paths=4, seeds=1)
    assert single.prediction("overlap", 2).interval == (-math.inf, math.inf)


@pytest.mark.parametrize(
    ("name", "time", "says"),
    [
        ("overlp", 1, "no quantity 'overlp'. Did you mean 'overlap'"),
        ("replica_distance", 1, "no quantity 'replica_distance'"),
        ("overlap", 7, "time is 7; overlap is known at 0 to 6"),
        ("overlap", (1, 1), r"time is \(1, 1\)"),
        ("correlation", 3, r"correlation is known at 0 to 6, 0 to 6 \(a pair of steps\)"),
    ],
)
def test_a_prediction_of_what_is_not_there_is_refused(small, name, time, says):
    with pytest.raises(ValueError, match=says):
        small.prediction(name, time)


def test_displacement_and_response_are_sums_over_the_kernels(small):
    displacement, response = small.displacement_and_response(1, period=2)
    assert displacement.shape == response.shape == (3, 4)
    lag, expected, answered = 3, 0.0, 0.0
    for start in (1, 2):
        kernel = small.correlation[:, [[start], [start + lag]], [[start, start + lag]]]
        expected += (kernel[:, 0, 0] + kernel[:, 1, 1] - 2 * kernel[:, 0, 1]) / 4
        answered += sum(small.response[:, start + lag, u] for u in range(start, start + lag)) / 2
    np.testing.assert_allclose(displacement[:, lag - 1], expected, atol=1e-12)
    np.testing.assert_allclose(response[:, lag - 1], answered, rtol=1e-12)
    with pytest.raises(ValueError, match="waiting_time is 5 and period 2"):
        small.displacement_and_response(5, period=2)
