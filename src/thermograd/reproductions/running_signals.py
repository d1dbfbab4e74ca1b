"""SIGINT, SIGTERM, and SIGINT twice: a checkpoint, the right exit code, soon, and the same numbers in the end."""

from __future__ import annotations

import signal
from functools import partial
from pathlib import Path

import numpy as np

from thermograd.reproductions.running_counted import Counted
from thermograd.reproductions.running_harness import Harness
from thermograd.reproductions.running_numbers import untrue
from thermograd.reproductions.running_servers import Answer
from thermograd.reproductions.running_tiny_experiment import TinyExperiment
from thermograd.store.reader import open_run

SIGNALS = ((signal.SIGINT, 1, 130), (signal.SIGTERM, 1, 143), (signal.SIGINT, 2, 130))
WHAT = "SIGINT, SIGTERM, SIGINT twice, at a random update"
MUST_HOLD = "exit 130, 143, 130 within 5 s, with the command that goes on; resumed to equal bytes"
SECONDS = 5.0
_EXPERIMENT = TinyExperiment(steps=40)
_WORKERS = ("--executor", "process", "--workers", "2")
_PAUSE = 0.1


def rounds(harness: Harness, count: int | None, seed: int) -> Counted:
    """Each of the signals in turn; half of the rounds inline, half in two forked workers.

    Args:
        harness: where.
        count: how many rounds.
        seed: chooses the updates.

    Returns:
        What came of it.
    """
    found = harness.servers.each(partial(_signalled, harness, seed), range(count or 0))
    return Counted(WHAT, MUST_HOLD, len(found), tuple(filter(None, found)))


def _signalled(harness: Harness, seed: int, place: int) -> str:
    generator = np.random.default_rng([seed, place])
    number, times, code = SIGNALS[place % len(SIGNALS)]
    inline = place // len(SIGNALS) % 2 == 0
    run = harness.fresh()
    ambush = {
        "do": "signal",
        "number": int(number),
        "times": times,
        "file": str(run.parent / "sent"),
        "trajectory": int(generator.integers(2 * _EXPERIMENT.block_size)),
        # workers look twice a second: there is more to do than that
        "step": int(generator.integers(1, _EXPERIMENT.steps if inline else _EXPERIMENT.steps // 3)),
        "pause": 0.0 if inline else _PAUSE,
    }
    words, more = ((), {}) if inline else (_WORKERS, {"forked_workers": True})
    answer = harness.ambushed(run, _EXPERIMENT, ambush, *words, **more)
    wrong = _wrong(harness, run, answer, code, stopped_at_once=inline, kept=times == 1)
    if not wrong:
        answer = harness.command(run, "resume", run, *words, **more)
        wrong = harness.wrong_at_last(run, _EXPERIMENT, answer)
    harness.drop(run)
    how = f"{signal.Signals(number).name} x {times} {'inline' if inline else 'with workers'}, round {place}"
    return f"{how}: {wrong}" if wrong else ""


def _wrong(
    harness: Harness, run: Path, answer: Answer, code: int, *, stopped_at_once: bool, kept: bool
) -> str:
    if answer["code"] != code:
        return f"exit {answer['code']} instead of {code}: {answer['errors']}"
    sent, *later = (run.parent / "sent").read_text(encoding="ascii").splitlines()
    seconds = answer["ended"] - float(sent)
    if seconds > SECONDS:
        return f"took {seconds:.1f} s"
    # those up to the next record may be made in one call
    if stopped_at_once and len("".join(later)) >= _EXPERIMENT.every:
        return f"{len(later[0])} further updates"
    if "Traceback" in answer["errors"] + answer["out"] or f"thermograd resume {run}" not in answer["errors"]:
        return f"said: {answer['errors']}"
    found = open_run(run)
    if kept and found.state != "interrupted":
        return f"the run says it is {found.state}"
    return untrue(found, harness.truth(_EXPERIMENT))
