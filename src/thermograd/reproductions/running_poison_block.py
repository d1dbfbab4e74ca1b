"""A block that kills whoever trains it: the others are finished, it is named, and can be tried again."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from thermograd.reproductions.running_counted import Counted
from thermograd.reproductions.running_harness import Harness
from thermograd.reproductions.running_numbers import everything
from thermograd.reproductions.running_tiny_experiment import TinyExperiment
from thermograd.store.layout import FAILED
from thermograd.store.reader import open_run

WAYS = ("exit", "segfault", "kill")
BLOCKS = 20
WHAT = (
    "a block ends its worker by os._exit, a segfault, or SIGKILL as when memory runs out, after the first step, "
    "which planning tries; 20 blocks"
)
MUST_HOLD = "19 blocks finished with equal bytes, 1 failure.json, exit 1; tried again, all bytes equal"
_EXPERIMENT = TinyExperiment(trajectories=BLOCKS, block_size=1, steps=4, every=1, seconds=60.0)
_WORKERS = ("--executor", "process", "--workers", "2")


def rounds(harness: Harness, count: int | None, seed: int) -> Counted:
    """Poison a random block, in each of the ways in turn.

    Args:
        harness: where.
        count: how many rounds.
        seed: chooses block and step.

    Returns:
        What came of it.
    """
    found = harness.servers.each(partial(_poisoned, harness, seed), range(count or 0))
    return Counted(WHAT, MUST_HOLD, len(found), tuple(filter(None, found)))


def _poisoned(harness: Harness, seed: int, place: int) -> str:
    generator = np.random.default_rng([seed, place])
    block, way = int(generator.integers(BLOCKS)), WAYS[place % len(WAYS)]
    step = int(
        generator.integers(1, _EXPERIMENT.steps)
    )  # the coordinator itself tries the first when it plans
    ambush = {"do": way, "trajectory": block, "step": step}
    run = harness.fresh()
    answer = harness.ambushed(run, _EXPERIMENT, ambush, *_WORKERS, forked_workers=True)
    wrong = (
        f"exit {answer['code']}: {answer['errors']}" if answer["code"] != 1 else _wrong(harness, run, block)
    )
    if not wrong:
        again = harness.command(run, "resume", run, *_WORKERS, forked_workers=True)
        equal = not again["code"] and everything(open_run(run)) == harness.truth(_EXPERIMENT)
        wrong = "" if equal else f"tried again, it ended with exit {again['code']}: {again['errors']}"
    harness.drop(run)
    return f"{way} in block {block}: {wrong}" if wrong else ""


def _wrong(harness: Harness, path: Path, block: int) -> str:
    run = open_run(path)
    failed = [entry.block for entry in run.failures]
    if failed != [block] or (run.outcome == FAILED).nonzero()[0].tolist() != [block]:
        return f"failed are blocks {failed}, outcomes {run.outcome.tolist()}"
    loss = run["train_loss"]
    true = np.frombuffer(harness.truth(_EXPERIMENT)["train_loss"], loss.dtype).reshape(loss.shape)
    others = np.arange(BLOCKS) != block
    return "" if loss[others].tobytes() == true[others].tobytes() else "a block beside it has other numbers"
