"""The Fisher-Yates loop, a few positions at a time, for many permutations side by side."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Permutations = npt.NDArray[np.int32]


def identity(samples: int, rows: int) -> Permutations:
    """Unshuffled permutations, (samples, rows): each column is one permutation.

    >>> identity(3, 2).T.tolist()
    [[0, 1, 2], [0, 1, 2]]
    """
    return np.tile(np.arange(samples, dtype=np.int32)[:, None], (1, rows))


def shuffle(
    permutations: Permutations, words: npt.NDArray[np.unsignedinteger[Any]], first: int
) -> npt.NDArray[np.int64]:
    """Fill the next positions of each permutation and return them.

    For i = first, first + 1, ...: q = i + ⌊w (M − i)/2³²⌋, swap p_i and p_q. Entries before `first` are
    never needed again, so only p_q is written; `permutations` is changed in place.

    Args:
        permutations: (M, rows).
        words: (rows, count) 32-bit words, column j for position first + j.
        first: first position to fill.

    Returns:
        (rows, count): the samples at positions first ... first + count − 1.

    >>> shuffle(identity(4, 1), np.array([[0, 2**31, 0, 0]], np.uint64), 0).tolist()
    [[0, 2, 1, 3]]
    """
    samples, rows = permutations.shape
    chosen = choices(words, samples, first)
    flat = permutations.reshape(-1)
    places = chosen * rows + np.arange(rows)
    output = np.empty(chosen.shape, np.int64)
    for offset, place in enumerate(places):
        output[offset] = flat.take(place)
        flat[place] = permutations[first + offset]
    return output.T


def restore(permutations: Permutations, words: npt.NDArray[np.unsignedinteger[Any]], first: int = 0) -> None:
    """Undo `shuffle` from the identity in O(count), in place."""
    samples, rows = permutations.shape
    chosen = choices(words, samples, first)
    permutations.reshape(-1)[chosen * rows + np.arange(rows)] = chosen


def choices(words: npt.NDArray[np.unsignedinteger[Any]], samples: int, first: int) -> npt.NDArray[np.int64]:
    """The positions q = i + ⌊w (M − i)/2³²⌋ swapped with, (count, rows)."""
    positions = np.arange(first, first + words.shape[1], dtype=np.uint64)
    spans = np.uint64(samples) - positions
    chosen = positions + ((words.astype(np.uint64) * spans) >> np.uint64(32))
    return np.ascontiguousarray(chosen.T).astype(np.int64)
