"""The orders in which the samples of an epoch may come: all of them where they are few, else random ones in reversed pairs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

MOST = 10_000  # orders that are taken one by one


def number_of_orders(batch_sizes: Sequence[int] | Array) -> int:
    """Ways to share the samples out among batches of these sizes, M!/Π m_t!.

    >>> number_of_orders([2, 2, 2])
    90
    """
    sizes = [int(size) for size in batch_sizes]
    left, ways = sum(sizes), 1
    for size in sizes:
        ways *= math.comb(left, size)
        left -= size
    return ways


def all_orders(batch_sizes: Sequence[int] | Array) -> Array:
    """Each way once, `(ways, M)`, batch after batch.

    >>> all_orders([1, 2]).tolist()
    [[0, 1, 2], [1, 0, 2], [2, 0, 1]]
    """
    sizes = [int(size) for size in batch_sizes]
    return np.array(list(_shared_out(tuple(range(sum(sizes))), sizes)), dtype=np.int64)


def random_orders(samples: int, count: int, generator: np.random.Generator) -> Array:
    """Random orders, each followed by its reverse, `(count, M)` with `count` rounded up to even.

    What is linear in the position of a sample has its exact mean over a pair.

    Args:
        samples: M.
        count: how many.
        generator: of random numbers.

    >>> orders = random_orders(5, 3, np.random.default_rng(0))
    >>> orders.shape, (orders[0] == orders[1][::-1]).all()
    ((4, 5), np.True_)
    """
    half = generator.permuted(np.tile(np.arange(samples), ((count + 1) // 2, 1)), axis=1)
    return np.stack([half, half[:, ::-1]], axis=1).reshape(-1, samples)


def disjoint_pairs(samples: int, batch_size: int, count: int, generator: np.random.Generator) -> Array:
    """Two batches without a common sample, `(pairs, 2, m)`: all pairs where they are few, else `count` random ones.

    Args:
        samples: M, at least 2m.
        batch_size: m.
        count: how many random ones.
        generator: of random numbers.

    >>> len(disjoint_pairs(4, 1, 100, np.random.default_rng(0)))  # 4 · 3 ordered pairs: all of them
    12
    """
    rest = samples - 2 * batch_size
    sizes = [batch_size, batch_size, rest]
    if number_of_orders(sizes) <= MOST:
        orders = all_orders(sizes)
    else:
        orders = generator.permuted(np.tile(np.arange(samples), (count, 1)), axis=1)
    return orders[:, : 2 * batch_size].reshape(-1, 2, batch_size)


def _shared_out(left: tuple[int, ...], sizes: list[int]) -> Iterator[tuple[int, ...]]:
    if not sizes:
        yield ()
        return
    for chosen in combinations(left, sizes[0]):
        taken = set(chosen)
        for others in _shared_out(tuple(each for each in left if each not in taken), sizes[1:]):
            yield chosen + others
