"""Philox4x32-10: counter-based random numbers, so that any draw is a pure function of where it is used.

Key = seed; counter = (block, step, trajectory, stream + 256·draw), 32 bits each. Word j of a stream is
output j mod 4 of block j div 4. Salmon, Moraes, Dror, Shaw, *Parallel random numbers: as easy as 1, 2, 3*
(SC 2011).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

INITIAL_WEIGHTS, MINIBATCH, DYNAMICS, PERTURBATION, OBSERVABLE, SAMPLER_START, FORWARD = range(7)
"""Streams: what a number is drawn for."""

_ROUNDS = 10
_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (0x9E3779B9, 0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)

Words = npt.NDArray[np.uint32]


def philox4x32(counter: npt.NDArray[np.unsignedinteger[Any]], key: tuple[int, int]) -> Words:
    """Ten rounds of Philox4x32.

    Args:
        counter: (4, ...) unsigned integers below 2³².
        key: two 32-bit numbers.

    Returns:
        (4, ...) uint32.

    >>> [hex(word) for word in philox4x32(np.zeros(4, np.uint64), (0, 0))]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    a, b, c, d = counter.astype(np.uint64)
    low, high = key
    for _ in range(_ROUNDS):
        first, second = a * _MULTIPLIERS[0], c * _MULTIPLIERS[1]
        a = (second >> _HALF) ^ b ^ np.uint64(low)
        b = second & _LOW
        c = (first >> _HALF) ^ d ^ np.uint64(high)
        d = first & _LOW
        low, high = (low + _WEYL[0]) & 0xFFFFFFFF, (high + _WEYL[1]) & 0xFFFFFFFF
    return np.stack([a, b, c, d]).astype(np.uint32)


def words(
    seed: int,
    stream: int,
    trajectories: Sequence[int] | npt.NDArray[np.integer[Any]],
    step: int | npt.NDArray[np.integer[Any]],
    count: int,
    draw: int = 0,
    *,
    first: int = 0,
) -> Words:
    """Random 32-bit words of several trajectories.

    Args:
        seed: 0 ≤ seed < 2⁶⁴.
        stream: what they are drawn for, 0 to 255.
        trajectories: (B,) trajectory numbers below 2³².
        step: 0 ≤ step < 2³², one for all or (B,), one for each row.
        count: words per trajectory.
        draw: 0 ≤ draw < 2²⁴, to draw more than once for one purpose at one step.
        first: position in the stream of the first word returned.

    Returns:
        uint32 (B, count).

    >>> words(0, 0, [0], 0, 5)[0, :4] == philox4x32(np.zeros(4, np.uint64), (0, 0))
    array([ True,  True,  True,  True])
    """
    start, stop = first // 4, -(-(first + count) // 4)
    rows = np.asarray(trajectories, np.uint64)
    counter = np.empty((4, rows.size, stop - start), np.uint64)
    counter[0] = np.arange(start, stop, dtype=np.uint64)
    counter[1] = np.asarray(step, np.uint64).reshape(-1, 1)
    counter[2] = rows[:, None]
    counter[3] = stream + 256 * draw
    output = philox4x32(counter, (seed & 0xFFFFFFFF, seed >> 32))
    shift = first - 4 * start
    return np.ascontiguousarray(output.transpose(1, 2, 0).reshape(rows.size, -1)[:, shift : shift + count])


def uniform(
    seed: int,
    stream: int,
    trajectories: Sequence[int] | npt.NDArray[np.integer[Any]],
    step: int,
    count: int,
    draw: int = 0,
) -> npt.NDArray[np.float64]:
    """Uniform numbers in [0, 1), (B, count), 53 bits each: ((a·2³² + b) >> 11)·2⁻⁵³ from words a, b.

    >>> bool((uniform(1, 3, range(4), 7, 5) < 1).all())
    True
    """
    return _mantissas(words(seed, stream, trajectories, step, 2 * count, draw)) * 2.0**-53


def normal(
    seed: int,
    stream: int,
    trajectories: Sequence[int] | npt.NDArray[np.integer[Any]],
    step: int,
    count: int,
    draw: int = 0,
) -> npt.NDArray[np.float64]:
    """Standard normal numbers, (B, count), by Box and Muller, two from each block (a, b, c, d).

    u = (((a·2³² + b) >> 11) + ½)·2⁻⁵³, v likewise from (c, d), r = √(−2 ln u); the two numbers are
    r cos 2πv and r sin 2πv. Always float64.

    >>> normal(0, 2, [5], 3, 3).shape
    (1, 3)
    """
    pairs = -(-count // 2)
    fractions = (_mantissas(words(seed, stream, trajectories, step, 4 * pairs, draw)) + 0.5) * 2.0**-53
    radius = np.sqrt(-2 * np.log(fractions[:, 0::2]))
    angle = 2 * np.pi * fractions[:, 1::2]
    both = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)
    return both.reshape(len(both), -1)[:, :count]


def torch_seeds(
    seed: int,
    trajectories: Sequence[int] | npt.NDArray[np.integer[Any]],
    *,
    stream: int = INITIAL_WEIGHTS,
    step: int = 0,
    call: int = 0,
) -> list[int]:
    """Seeds for torch's generator: (w₀ + 2³² w₁) mod 2⁶³ with words of one stream.

    Args:
        seed: seed of the experiment.
        trajectories: (B,) trajectory numbers.
        stream: initial weights, or perturbation for fresh ones.
        step: step at which they are drawn.
        call: how many were drawn there before; call c uses words 2c and 2c + 1.

    Returns:
        B seeds below 2⁶³.

    >>> hex(torch_seeds(0, [0])[0])  # 6627e8d5 and e169c58d are the first words of an all-zero counter
    '0x6169c58d6627e8d5'
    """
    pairs = words(seed, stream, trajectories, step, 2, first=2 * call).astype(np.uint64)
    return [int(low + (high << np.uint64(32))) % 2**63 for low, high in pairs]


def _mantissas(drawn: Words) -> npt.NDArray[np.float64]:
    wide = drawn.astype(np.uint64)
    return (((wide[:, 0::2] << _HALF) | wide[:, 1::2]) >> np.uint64(11)).astype(np.float64)
