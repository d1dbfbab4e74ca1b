"""First passages of a chain of three states and absorption, and of restarts: sums over exact laws against drawn runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from agreement_cases.comparison import Comparison
from thermograd.theory.first_passage import perturbed_mean, restart_mean

Array = npt.NDArray[Any]

STAY = np.array([[0.90, 0.10, 0.0], [0.02, 0.96, 0.02], [0.0, 0.05, 0.35]])
KICK = np.array([[0.8, 0.2, 0.0], [0.0, 0.05, 0.95], [0.0, 0.0, 1.0]])
ABSORBED, RUNS = 3, 20_000
KICKED, RESTARTED = np.array([50, 60, 70, 80, 90]), np.array([10, 20, 40, 60, 80, 90])


def survival(times: int) -> Array:
    """Share not yet absorbed after 0, 1, ... steps from the first state."""
    law, share = np.array([1.0, 0, 0]), [1.0]
    for _ in range(times):
        law = law @ STAY
        share.append(float(law.sum()))
    return np.array(share)


def residual_after_kick() -> float:
    """Mean steps to absorption after a kick of survivors that have relaxed."""
    values, vectors = np.linalg.eig(STAY.T)
    law = np.abs(vectors[:, np.argmax(values.real)].real)
    return float(law / law.sum() @ KICK @ np.linalg.solve(np.eye(3) - STAY, np.ones(3)))


def with_absorption(transitions: Array) -> Array:
    inside = np.column_stack([transitions, 1 - transitions.sum(axis=1)])
    return np.vstack([inside, [0, 0, 0, 1.0]])


def times(generator: np.random.Generator, *, kicked: int = 0, restarted: int = 0) -> Array:
    """Steps to absorption of runs kicked once, or begun anew every so many steps."""
    state, found = np.zeros(RUNS, int), np.zeros(RUNS, int)
    step = 0
    while (state != ABSORBED).any():
        step += 1
        state = moved(generator, state, with_absorption(STAY))
        found[(state == ABSORBED) & (found == 0)] = step
        if step == kicked:
            state = moved(generator, state, with_absorption(KICK))
        if restarted and step % restarted == 0:
            state = np.where(state == ABSORBED, ABSORBED, 0)
    return found


def moved(generator: np.random.Generator, state: Array, step: Array) -> Array:
    found: Array = (generator.random(state.size)[:, None] > np.cumsum(step, axis=1)[state][:, :3]).sum(axis=1)
    return found


def score(drawn: Array, expected: float) -> float:
    return float((drawn.mean() - expected) / (drawn.std(ddof=1) / np.sqrt(drawn.size)))


def kicks() -> Array:
    predicted = perturbed_mean(survival(int(KICKED[-1])), residual_after_kick(), KICKED)
    generator = np.random.default_rng(1)
    return np.array(
        [score(times(generator, kicked=at), value) for at, value in zip(KICKED, predicted.value, strict=True)]
    )


def restarts() -> Array:
    predicted = restart_mean(survival(int(RESTARTED[-1])), RESTARTED)
    generator = np.random.default_rng(2)
    return np.array(
        [
            score(times(generator, restarted=at), value)
            for at, value in zip(RESTARTED, predicted.value, strict=True)
        ]
    )


COMPARISONS = [
    Comparison(
        "Eq. 9, `perturbed_mean`: exact survival of a Markov chain, residual time of its quasi-stationary law",
        f"{RUNS} runs of the chain kicked once, at {KICKED[0]} to {KICKED[-1]} steps",
        kicks,
    ),
    Comparison(
        "Eq. 5, `restart_mean`: exact survival of the same chain",
        f"{RUNS} runs begun anew every {RESTARTED[0]} to {RESTARTED[-1]} steps",
        restarts,
    ),
]
