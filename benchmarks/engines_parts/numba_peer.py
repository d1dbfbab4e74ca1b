"""Numba: the 1-2-1 network by hand, one trajectory after another, float64, its own xorshift and Fisher-Yates."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from engines_parts.peer import AbsentError, Form, Weights
from engines_parts.workloads import Workload

# numba asks for a package coverage, and would find the file coverage.py beside this folder
sys.path[:] = [folder for folder in sys.path if folder != str(Path(__file__).parents[1])]
try:
    import numba
except ImportError:
    numba = None

ORDER = ("0.weight", "0.bias", "2.weight", "2.bias")


def flat(weights: Weights) -> np.ndarray:
    """Weights as (trajectory, 7)."""
    return np.concatenate([weights[name].reshape(len(weights[name]), -1) for name in ORDER], axis=1)


def by_name(values: np.ndarray) -> Weights:
    """The inverse of `flat`."""
    rows = len(values)
    parts = np.split(values, (2, 4, 6), axis=1)
    shapes = ((rows, 2, 1), (rows, 2), (rows, 1, 2), (rows, 1))
    return {name: part.reshape(shape) for name, part, shape in zip(ORDER, parts, shapes, strict=True)}


def _draw(state, order, first, size):
    """Fisher-Yates from position `first` on a carried permutation; the new state of the generator."""
    samples = len(order)
    for position in range(first, first + size):
        state ^= (state << np.uint64(13)) & np.uint64(0xFFFFFFFFFFFFFFFF)
        state ^= state >> np.uint64(7)
        state ^= (state << np.uint64(17)) & np.uint64(0xFFFFFFFFFFFFFFFF)
        other = position + np.int64(
            ((state >> np.uint64(32)) * np.uint64(samples - position)) >> np.uint64(32)
        )
        order[position], order[other] = order[other], order[position]
    return state


def _step(w, x, y, batch, rate, scale, decay):
    """One update of one trajectory in place."""
    g0 = g1 = g2 = g3 = g4 = g5 = g6 = 0.0
    for sample in batch:
        a, b = np.tanh(w[0] * x[sample] + w[2]), np.tanh(w[1] * x[sample] + w[3])
        error = w[4] * a + w[5] * b + w[6] - y[sample]
        back_a, back_b = error * w[4] * (1 - a * a), error * w[5] * (1 - b * b)
        g0 += back_a * x[sample]
        g1 += back_b * x[sample]
        g2 += back_a
        g3 += back_b
        g4 += error * a
        g5 += error * b
        g6 += error
    factor, shrink = rate * 2 * scale / len(batch), 1 - 2 * rate * decay
    w[0] = shrink * w[0] - factor * g0
    w[1] = shrink * w[1] - factor * g1
    w[2] = shrink * w[2] - factor * g2
    w[3] = shrink * w[3] - factor * g3
    w[4] = shrink * w[4] - factor * g4
    w[5] = shrink * w[5] - factor * g5
    w[6] = shrink * w[6] - factor * g6


def _compiled() -> tuple[Callable[..., object], ...]:
    options = {"fastmath": True, "error_model": "numpy"}
    draw, step = (numba.njit(**options)(function) for function in (_draw, _step))

    @numba.njit(**options)
    def train(weights, states, orders, x, y, start, steps, size, reshuffled, rate, scale, decay):
        a_round = orders.shape[1] // size
        for k in range(len(weights)):
            for t in range(start, start + steps):
                first = (t % a_round) * size if reshuffled else 0
                states[k] = draw(states[k], orders[k], first, size)
                step(weights[k], x, y, orders[k, first : first + size], rate, scale, decay)

    return draw, step, train


def forms(workload: Workload, sampler: str) -> dict[str, Callable[[], Form]]:
    """The one form.

    Raises:
        AbsentError: no numba here.
    """
    if numba is None:
        message = "numba is not installed"
        raise AbsentError(message)
    return {"scalar": lambda: _form(workload, sampler)}


def _form(workload: Workload, sampler: str) -> Form:
    draw, step, train = _compiled()
    x, y = (part[:, 0].astype(np.float64) for part in workload.data())
    constants = (workload.squares, workload.regulariser)
    rows, samples, size = workload.trajectories, workload.samples, workload.batch
    states = np.random.default_rng(0).integers(1, 2**63, rows).astype(np.uint64)
    orders = np.tile(np.arange(samples), (rows, 1))
    weights = flat(workload.initial_weights).astype(np.float64)
    done = [0]

    def one_step(start: Weights, indices: np.ndarray, rate: float) -> Weights:
        after = flat(start).astype(np.float64)
        for row, batch in zip(after, indices, strict=True):
            step(row, x, y, batch, rate, *constants)
        return by_name(after)

    def advance(steps: int) -> None:
        rate, begun = workload.learning_rate, done[0]
        train(weights, states, orders, x, y, begun, steps, size, sampler == "wor", rate, *constants)
        done[0] += steps

    def draws(steps: int) -> np.ndarray:
        seen = np.empty((steps, rows, size), np.int64)
        for k in range(rows):
            order, state = np.arange(samples), states[k]
            for t in range(steps):
                first = (t % (samples // size)) * size if sampler == "wor" else 0
                state = np.uint64(draw(state, order, first, size))
                seen[t, k] = order[first : first + size]
        return seen

    return Form(one_step, advance, draws=draws)
