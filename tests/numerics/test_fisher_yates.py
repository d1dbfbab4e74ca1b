import numpy as np

from thermograd.numerics import fisher_yates


def reference(words, samples, first, permutation):
    for offset, word in enumerate(words):
        i = first + offset
        q = i + (int(word) * (samples - i) >> 32)
        permutation[i], permutation[q] = permutation[q], permutation[i]
    return permutation[first : first + len(words)]


def test_shuffle_in_pieces_equals_the_textbook_loop():
    words = np.random.default_rng(0).integers(0, 2**32, (3, 23), dtype=np.uint64)
    permutations = fisher_yates.identity(23, 3)
    pieces = [fisher_yates.shuffle(permutations, words[:, a:b], a) for a, b in ((0, 5), (5, 6), (6, 23))]
    filled = np.concatenate(pieces, axis=1)
    for row in range(3):
        assert filled[row].tolist() == reference(words[row], 23, 0, list(range(23)))
        assert sorted(filled[row].tolist()) == list(range(23))


def test_restore_brings_back_the_identity():
    words = np.random.default_rng(1).integers(0, 2**32, (4, 6), dtype=np.uint64)
    permutations = fisher_yates.identity(50, 4)
    fisher_yates.shuffle(permutations, words, 0)
    assert not np.array_equal(permutations, fisher_yates.identity(50, 4))
    fisher_yates.restore(permutations, words)
    assert np.array_equal(permutations, fisher_yates.identity(50, 4))
