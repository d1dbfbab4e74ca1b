import numpy as np
from scipy import stats

from thermograd.minibatching import WithReplacement
from thermograd.numerics import philox


def test_distinct_batches_equal_the_reference():
    rule, state = WithReplacement(6), None
    for step in range(5):
        batch, state = rule.draw(state, 4, (0, 11), step, 40)
        for row, trajectory in enumerate((0, 11)):
            words = philox.words(4, 1, [trajectory], step, 6)[0]
            permutation = list(range(40))
            for i in range(6):
                q = i + (int(words[i]) * (40 - i) >> 32)
                permutation[i], permutation[q] = permutation[q], permutation[i]
            assert batch.indices[row].tolist() == permutation[:6]


def test_repeats_are_multiply_high_of_the_words():
    batch, _ = WithReplacement(8, distinct=False).draw(None, 4, (5,), 2, 30)
    words = philox.words(4, 1, [5], 2, 8)[0]
    assert batch.indices[0].tolist() == [int(word) * 30 >> 32 for word in words]


def test_noise_ratio_of_repeats_to_distinct():
    """Var of the batch mean: (M - 1)/(M - m) larger with repeats. 4 sigma; M = 20, m = 10."""
    rows, values = tuple(range(20_000)), np.arange(20.0)
    variances = {}
    for distinct in (True, False):
        indices = WithReplacement(10, distinct=distinct).draw(None, 0, rows, 0, 20)[0].indices
        variances[distinct] = values[indices].mean(axis=1).var(ddof=1)
    ratio = variances[False] / variances[True]
    error = ratio * np.sqrt(4 / len(rows))
    assert abs(ratio - 19 / 10) < 4 * error
    assert abs(ratio - 1) > 4 * error


def test_samples_are_uniform():
    indices = WithReplacement(3).draw(None, 0, tuple(range(4000)), 9, 10)[0].indices
    assert all(len(set(row)) == 3 for row in indices[:50].tolist())
    assert 1e-4 < stats.chisquare(np.bincount(indices.ravel(), minlength=10)).pvalue < 1 - 1e-4
