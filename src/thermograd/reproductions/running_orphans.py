"""The coordinator is killed, its workers live on, and somebody resumes at once."""

from __future__ import annotations

import signal
from functools import partial
from pathlib import Path

import numpy as np

from thermograd.reproductions.running_counted import NOTICED, Counted
from thermograd.reproductions.running_harness import Harness
from thermograd.reproductions.running_numbers import everything
from thermograd.reproductions.running_servers import Answer
from thermograd.reproductions.running_tiny_experiment import TinyExperiment
from thermograd.store.block_log import overlapping, read_owners
from thermograd.store.reader import open_run

WHAT = "the coordinator is killed, its workers live on, the run is resumed at once"
MUST_HOLD = "equal bytes once the orphans have left too; no two owners of a block at once in its log"
_EXPERIMENT = TinyExperiment(steps=30)
_WORKERS = ("--executor", "process", "--workers", "2")
_PAUSES = (0.03, 0.2, 1.0)
"""Seconds at every update; longer where the machine is so busy that workers had left before anybody looked."""


def rounds(harness: Harness, count: int | None, seed: int, controls: tuple[str, ...] = ()) -> Counted:
    """A worker kills its coordinator at a random update of a random block, and works on.

    Args:
        harness: where.
        count: how many rounds.
        seed: chooses the updates.
        controls: what to break on purpose in every process of the run; played until that is noticed.

    Returns:
        What came of it.
    """
    play = partial(_orphaned, harness, seed, controls)
    if controls:
        found = harness.until_noticed(play, list(range(count or 20)), seed)
        what = f"negative control, {', '.join(controls)}: {WHAT}"
        return Counted(what, NOTICED, len(found), tuple(filter(None, found)), control=True)
    found = harness.servers.each(play, range(count or 0))
    return Counted(WHAT, MUST_HOLD, len(found), tuple(filter(None, found)))


def _orphaned(harness: Harness, seed: int, controls: tuple[str, ...], place: int) -> str:
    generator = np.random.default_rng([seed, place])
    # the first two blocks begin together; in the second half of theirs nobody would be left to live on
    trajectory = int(generator.integers(2 * _EXPERIMENT.block_size))
    step = int(generator.integers(1, _EXPERIMENT.steps // 2))
    more = {"forked_workers": True, "controls": controls, "leave_workers": True}
    for pause in _PAUSES:
        run = harness.fresh()
        ambush = {
            "do": "signal",
            "number": int(signal.SIGKILL),
            "times": 1,
            "file": str(run.parent / "sent"),
            "trajectory": trajectory,
            "step": step,
            "pause": pause,
        }
        killed = harness.ambushed(run, _EXPERIMENT, ambush, *_WORKERS, **more)
        if killed["workers"]:
            break
    else:
        return f"round {place}: no worker outlived its coordinator: {killed['errors']}"
    resumed = harness.command(run, "resume", run, *_WORKERS, **more)
    harness.servers.ask({"do": "wait for workers"})
    wrong = _wrong(harness, run, resumed)
    harness.drop(run)
    return f"round {place}: {wrong}" if wrong else ""


def _wrong(harness: Harness, run: Path, resumed: Answer) -> str:
    for block in range(-(-_EXPERIMENT.trajectories // _EXPERIMENT.block_size)):
        twice = overlapping(read_owners(run, block))
        if twice:
            return f"block {block} had two owners: {twice[0]}"
    if resumed["code"]:
        return f"exit {resumed['code']}: {resumed['errors']}"
    return "" if everything(open_run(run)) == harness.truth(_EXPERIMENT) else "other numbers"
