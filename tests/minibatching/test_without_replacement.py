import numpy as np
import pytest
from scipy import stats

from thermograd.minibatching import WithoutReplacement
from thermograd.numerics import philox


def reference_indices(seed, trajectory, step, samples, size):
    """Ten lines from the definition."""
    epoch, position = divmod(step, samples // size)
    words = philox.words(seed, 1, [trajectory], epoch, samples)[0]
    permutation = list(range(samples))
    for i in range(samples):
        q = i + (int(words[i]) * (samples - i) >> 32)
        permutation[i], permutation[q] = permutation[q], permutation[i]
    return permutation[position * size : (position + 1) * size]


def drawn(rule, seed, rows, steps, samples):
    state, batches = rule.start(seed, rows, samples), []
    for step in range(steps):
        batch, state = rule.draw(state, seed, rows, step, samples)
        batches.append(batch)
    return batches


def test_indices_equal_the_reference_in_sequence_and_at_random():
    rule, rows = WithoutReplacement(7), (0, 3, 9)
    batches = drawn(rule, 5, rows, 30, 50)
    for step in (*range(30), 3, 29, 11):
        again, _ = rule.draw(None, 5, rows, step, 50)
        for row, trajectory in enumerate(rows):
            expected = reference_indices(5, trajectory, step, 50, 7)
            assert batches[step].indices[row].tolist() == expected
            assert again.indices[row].tolist() == expected


def test_drawing_the_same_step_twice_from_one_state_gives_the_same_batch():
    rule = WithoutReplacement(4)
    _, state = rule.draw(None, 0, (1, 2), 0, 20)
    first, _ = rule.draw(state, 0, (1, 2), 1, 20)
    second, _ = rule.draw(state, 0, (1, 2), 1, 20)
    assert np.array_equal(first.indices, second.indices)


def test_each_epoch_is_a_permutation_and_the_remainder_sits_out():
    batches = drawn(WithoutReplacement(6), 1, (0,), 16, 26)
    assert WithoutReplacement(6).steps_per_epoch(26) == 4
    for epoch in range(4):
        used = np.concatenate([batch.indices[0] for batch in batches[4 * epoch : 4 * epoch + 4]])
        assert len(set(used.tolist())) == 24


def test_spread_remainder_counts_every_sample_once_an_epoch():
    rule = WithoutReplacement(6, remainder="spread")
    count = rule.steps_per_epoch(26)
    assert count == 5
    totals = np.zeros(26)
    for batch in drawn(rule, 1, (0,), count, 26):
        assert batch.indices.shape == batch.weights.shape == (1, 6)
        np.add.at(totals, batch.indices[0], batch.weights[0] / 6)
    assert np.allclose(totals, count / 26, rtol=1e-14)


@pytest.mark.parametrize(("samples", "size"), [(22, 4), (7, 3), (26, 6), (100, 7)])
def test_spread_batches_read_the_same_from_both_ends(samples, size):
    """M even or n odd."""
    rule = WithoutReplacement(size, remainder="spread")
    count = rule.steps_per_epoch(samples)
    sizes = [int((batch.weights[0] > 0).sum()) for batch in drawn(rule, 1, (0,), count, samples)]
    assert sizes == sizes[::-1]
    assert max(sizes) - min(sizes) == 1
    assert max(sizes) <= size
    assert sum(sizes) == samples


def test_positions_are_uniform_and_trajectories_differ():
    """Chi-squared at fixed seed; the negative control shares one permutation between trajectories."""
    rows = tuple(range(4000))
    first = WithoutReplacement(1).draw(None, 0, rows, 0, 10)[0].indices[:, 0]
    second = WithoutReplacement(1).draw(None, 0, rows, 1, 10)[0].indices[:, 0]
    assert 1e-4 < stats.chisquare(np.bincount(first, minlength=10)).pvalue < 1 - 1e-4
    pairs = np.bincount(10 * first + second, minlength=100).reshape(10, 10)
    assert (np.diag(pairs) == 0).all()
    assert 1e-4 < stats.chisquare(pairs[~np.eye(10, dtype=bool)]).pvalue < 1 - 1e-4
    shared = np.full(4000, first[0])
    assert stats.chisquare(np.bincount(shared, minlength=10)).pvalue < 1e-4


def test_full_batch_is_all_samples_in_order():
    rule = WithoutReplacement(None)
    assert rule.steps_per_epoch(5) == 1
    assert rule.draw(None, 0, (0, 1), 3, 5)[0].indices.tolist() == [[0, 1, 2, 3, 4]] * 2


@pytest.mark.parametrize("size", [0, -3, 2.5, True])
def test_bad_batch_sizes_are_named(size):
    with pytest.raises(ValueError, match="batch_size is"):
        WithoutReplacement(size)


def test_batch_larger_than_the_data():
    with pytest.raises(ValueError, match="batch_size is 32 but the training set has 20 samples"):
        WithoutReplacement(32).steps_per_epoch(20)


def test_unknown_remainder():
    with pytest.raises(ValueError, match="use 'drop' or 'spread'"):
        WithoutReplacement(4, remainder="pad")
