"""The mean-field solver: a pass forward against damped sweeps, a memory cut, and how the cost grows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from paired_seconds import paired_seconds

from effective_noise_parts.fixed_point import FixedPoint
from thermograd.theory import mean_field
from thermograd.theory.mean_field_mixture import Mixture
from thermograd.theory.mean_field_settings import SolverSettings

RATE, PATHS, HEARD = 0.2, 4000, 600
MIXTURE = Mixture(
    sample_ratio=2.0,
    cluster_variance=0.5,
    clusters=2,
    door_width=0.7,
    loss="logistic",
    margin=1.0,
    weight_decay=0.1,
    initial_norm_squared=1.0,
    initial_overlap=0.0,
)


FORGETFUL = replace(MIXTURE, sample_ratio=4.0, weight_decay=0.3)
"""Whose memory is short enough for a cut at 40 steps."""


def solve(steps: int, mixture: Mixture = MIXTURE, **settings: Any) -> mean_field.MeanField:
    options = {"learning_rate": RATE, "paths": PATHS, "response_paths": HEARD, "seeds": 1} | settings
    return mean_field.solve(mixture, steps=steps, **options)


def seconds(steps: int, **settings: Any) -> float:
    """Processor time, the fastest of five."""
    taken = []
    for _ in range(5):
        start = time.process_time()
        solve(steps, FORGETFUL, **settings)
        taken.append(time.process_time() - start)
    return min(taken)


def against_sweeps() -> Iterator[tuple[str, float, str, float]]:
    steps = 60
    peer = FixedPoint(MIXTURE, RATE, steps, PATHS, HEARD)
    exact = solve(steps).overlap[0]
    last = peer.damped(16, 0.55)[0]
    ours, theirs = paired_seconds(lambda: solve(steps), lambda: peer.damped(16, 0.55))
    yield "forward, T = 60, speed over 16 sweeps damped by 0.55", theirs / ours, ">=", 5.0
    yield "what these sweeps still lack of its overlap", float(np.abs(last - exact).max()), "", 0.0
    start = peer.start()
    ours, theirs = paired_seconds(lambda: solve(steps), lambda: peer.sweep(start))
    yield "forward, T = 60, time over one sweep", ours / theirs, "<=", 2.0


def memory_cut() -> Iterator[tuple[str, float, str, float]]:
    full, cut = paired_seconds(
        lambda: solve(300, FORGETFUL), lambda: solve(300, FORGETFUL, memory=40), repeats=3
    )
    yield "memory=40, T = 300, speed over full", full / cut, ">=", 3.0


def growth() -> Iterator[tuple[str, float, str, float]]:
    for steps in (50, 100, 200, 400):
        settings = SolverSettings(learning_rate=RATE, steps=steps, paths=PATHS, response_paths=1000, seeds=1)
        held = settings.bytes_needed()["responses"] / 1e6
        what = f"one seed, T = {steps}, 1000 response paths ({held:.0f} MB of responses), seconds"
        yield what, seconds(steps, response_paths=1000), "", 0.0
    for paths in (1000, 4000, 16_000):
        yield (
            f"one seed, T = 100, {paths} paths, {HEARD} response paths, seconds",
            seconds(100, paths=paths),
            "",
            0.0,
        )
    yield (
        "the defaults, T = 120, 4 seeds, seconds",
        seconds(120, paths=10_000, response_paths=800, seeds=4),
        "",
        0.0,
    )
    yield "one seed, T = 1000, memory=100, seconds", seconds(1000, memory=100), "", 0.0


def rows() -> Iterator[tuple[str, float, str, float]]:
    """What, measured, sense, bar."""
    yield from against_sweeps()
    yield from memory_cut()
    yield from growth()
