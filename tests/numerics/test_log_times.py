import numpy as np
import pytest

from thermograd.numerics.log_times import At, Epochs, Every, Logarithmic, Random


@pytest.mark.parametrize("times", [Every(7), Epochs(3), Logarithmic(per_decade=10)])
@pytest.mark.parametrize("total", [1, 10, 1000])
def test_recording_times_hold_both_ends_and_kicks_neither(times, total):
    steps = times.resolve(total, 5)
    assert steps.dtype == np.int64
    assert (steps[0], steps[-1]) == (0, total)
    assert (np.diff(steps) > 0).all()
    kicks = times.kicks(total, 5, seed=0, trajectory=0)
    assert kicks.tolist() == [step for step in steps.tolist() if 0 < step < total]


def test_logarithmic_is_the_rounded_powers():
    steps = Logarithmic(per_decade=10).resolve(5000, 1)
    expected = {0, 5000} | {round(10 ** (j / 10)) for j in range(37)}
    assert steps.tolist() == sorted(expected)


def test_at_keeps_only_what_was_given():
    assert At((5, 1, 5, 900)).resolve(100, 1).tolist() == [1, 5]
    assert At((0, 3, 10)).kicks(10, 1, 0, 0).tolist() == [3]


def test_random_kicks_are_independent_with_the_given_rate():
    rate, total, trajectories = 0.02, 5000, 400
    kicks = [Random(rate).kicks(total, 1, seed=3, trajectory=k) for k in range(trajectories)]
    counts = np.array([times.size for times in kicks])
    expected = rate * (total - 1)
    assert abs(counts.mean() - expected) < 4 * np.sqrt(expected * (1 - rate) / trajectories)
    waits = np.concatenate([np.diff(times) for times in kicks])
    assert waits.min() == 1
    assert abs((waits == 1).mean() - rate) < 4 * np.sqrt(rate / waits.size)
    assert not np.array_equal(kicks[0], kicks[1])
    assert np.array_equal(kicks[7], Random(rate).kicks(total, 1, seed=3, trajectory=7))
    assert Random(rate).kicks(100, 1, 3, 7).tolist() == [t for t in kicks[7].tolist() if t < 100]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Every(0), "Every.steps is 0"),
        (lambda: Epochs(1.5), "Epochs.n is 1.5"),
        (lambda: Logarithmic(per_decade=float("nan")), "per_decade is nan"),
        (lambda: At((1, -2)), "At.steps holds -2"),
        (lambda: Random(0), "Random.rate is 0"),
        (lambda: Random(1.5), "Random.rate is 1.5"),
    ],
)
def test_bad_values_are_named(make, says):
    with pytest.raises(ValueError, match=says):
        make()
