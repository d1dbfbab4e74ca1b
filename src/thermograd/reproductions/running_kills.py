"""SIGKILL at any time, of the coordinator or of a worker, again and again."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from thermograd.reproductions.running_counted import Counted
from thermograd.reproductions.running_harness import Harness
from thermograd.reproductions.running_numbers import untrue
from thermograd.reproductions.running_servers import Answer
from thermograd.reproductions.running_tiny_experiment import TinyExperiment
from thermograd.store.reader import open_run

WHAT = "SIGKILL of the coordinator or a random worker at a uniform random time, three starts of each run"
MUST_HOLD = "the run opens; committed rows right at once; final bytes equal"
STARTS = 3
SPAWNED_EVERY = 50
_EXPERIMENT = TinyExperiment()
_WORKERS = ("--executor", "process", "--workers", "2")
_KINDS: tuple[tuple[tuple[str, ...], Mapping[str, Any]], ...] = (
    ((), {}),
    (_WORKERS, {"forked_workers": True}),
)
_SPAWNED: tuple[tuple[str, ...], Mapping[str, Any]] = (_WORKERS, {})


@dataclass(frozen=True)
class _Way:
    """How the blocks of a round are run, and how long that takes when nothing happens."""

    words: tuple[str, ...]
    more: Mapping[str, Any]
    seconds: float


def rounds(harness: Harness, count: int | None, seed: int) -> Counted:
    """Begin a run, kill something, look, begin again; then let it end.

    Half of the rounds run inline, half in two forked workers, every 50th in two spawned ones.

    Args:
        harness: where.
        count: how many runs.
        seed: of the times, and of who is killed.

    Returns:
        What came of it.
    """
    ways = [_way(harness, *kind) for kind in _KINDS[: min(count or 0, len(_KINDS))]]
    spawned = [_way(harness, *_SPAWNED)] if (count or 0) >= SPAWNED_EVERY else []
    chosen = [
        spawned[0] if spawned and place % SPAWNED_EVERY == 0 else ways[place % len(ways)]
        for place in range(count or 0)
    ]
    found = harness.servers.each(partial(_killed, harness, seed), list(enumerate(chosen)))
    kills = sum(number for number, _ in found)
    failures = tuple(wrong for _, wrong in found if wrong)
    return Counted(WHAT, MUST_HOLD, len(found), failures, detail=f"{kills} processes killed")


def _way(harness: Harness, words: tuple[str, ...], more: Mapping[str, Any]) -> _Way:
    seconds = harness.begin(harness.fresh(), _EXPERIMENT, *words, **more)["seconds"]
    return _Way(words, more, seconds)


def _killed(harness: Harness, seed: int, case: tuple[int, _Way]) -> tuple[int, str]:
    """How many processes of a run were killed, and what went wrong."""
    place, way = case
    generator = np.random.default_rng([seed, place])
    run = harness.fresh()
    kills = 0
    for _ in range(STARTS):
        whom = (
            "coordinator" if not way.words or generator.random() < 0.5 else f"worker {generator.integers(2)}"
        )
        hit = (generator.uniform(0, way.seconds), signal.SIGKILL, whom)
        answer = harness.begin(run, _EXPERIMENT, *way.words, **way.more, hits=[hit], leave_workers=True)
        kills += len(answer["hits"])
        wrong = _wrong_after(harness, run, answer)
        if wrong:
            return kills, f"run {place}, {whom} killed: {wrong}"
    answer = harness.begin(run, _EXPERIMENT, *way.words, **way.more)
    wrong = harness.wrong_at_last(run, _EXPERIMENT, answer)
    harness.drop(run)
    return kills, f"run {place}: {wrong}" if wrong else ""


def _wrong_after(harness: Harness, run: Path, answer: Answer) -> str:
    # 1: a block that lost its worker twice; the next start tries it again
    if answer["code"] not in {-signal.SIGKILL, 0, 1}:
        return f"exit {answer['code']}: {answer['errors']}"
    return untrue(open_run(run), harness.truth(_EXPERIMENT)) if run.exists() else ""
