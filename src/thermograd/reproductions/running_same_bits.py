"""The same bits from every executor, and for every number of trajectories beside them."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import partial

from thermograd.ensemble.executors.choice import executor_kinds
from thermograd.reproductions.running_counted import Counted
from thermograd.reproductions.running_harness import Harness
from thermograd.reproductions.running_numbers import everything
from thermograd.reproductions.running_tiny_experiment import TinyExperiment
from thermograd.store.reader import open_run

WHAT = "inline beside process(1), process(2), Dask(2); the first 64 trajectories of 64 beside those of 200"
MUST_HOLD = "equal bytes"
_EXPERIMENT = TinyExperiment(steps=20)
_FIRST = 64
_BLOCK = TinyExperiment(_FIRST, _FIRST, 20, seconds=60.0, minibatching="with_replacement")
Play = Callable[[], str]


def rounds(harness: Harness, count: int | None, seed: int) -> Counted:
    """Compare each with the run inline, or with the smaller run.

    Args:
        harness: where.
        count: how many of the comparisons; None for all.
        seed: does not matter, nothing is random.

    Returns:
        What came of it.
    """
    del seed
    plays: list[Play] = [partial(_first_block, harness, engine) for engine in ("eager", "auto")]
    plays += [partial(_executed, harness, "process", workers) for workers in (2, 1)]
    dask = "dask" in executor_kinds() and importlib.util.find_spec("distributed") is not None
    if dask:
        plays.append(partial(_executed, harness, "dask", 2))
    played = plays[:count]
    found = harness.servers.each(lambda play: play(), played)
    missing = "" if dask else "Dask is not installed"
    exhaustive = len(played) == len(plays)
    return Counted(WHAT, MUST_HOLD, len(found), tuple(filter(None, found)), exhaustive, detail=missing)


def _executed(harness: Harness, kind: str, workers: int) -> str:
    run = harness.fresh()
    answer = harness.begin(run, _EXPERIMENT, "--executor", kind, "--workers", str(workers))
    if answer["code"]:
        return f"{kind}({workers}): exit {answer['code']}: {answer['errors']}"
    equal = everything(open_run(run)) == harness.truth(_EXPERIMENT)
    return "" if equal else f"{kind}({workers}): other numbers than inline"


def _first_block(harness: Harness, engine: str) -> str:
    runs = [harness.fresh(), harness.fresh()]
    for run, trajectories in zip(runs, (_FIRST, 200), strict=True):
        answer = harness.begin(run, _BLOCK, "--trajectories", str(trajectories), "--engine", engine)
        if answer["code"]:
            return f"{trajectories} trajectories: exit {answer['code']}: {answer['errors']}"
    few, many = map(open_run, runs)
    for name in few.names:
        if few[name].tobytes() != many[name][:_FIRST].tobytes():
            return f"{name} of the first {_FIRST} trajectories depends on how many there are ({few})"
    wide = many.weights()
    equal = all(value.tobytes() == wide[name][:_FIRST].tobytes() for name, value in few.weights().items())
    return "" if equal else f"the weights of the first {_FIRST} trajectories depend on how many there are"
