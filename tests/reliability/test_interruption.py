"""Signals at a chosen update, in the `thermograd` command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from thermograd.reproductions.running_ambush import VARIABLE
from thermograd.reproductions.running_numbers import everything, untrue
from thermograd.reproductions.running_tiny_experiment import TinyExperiment
from thermograd.store.reader import open_run

LONG = TinyExperiment()
SECOND_BLOCK = LONG.block_size


def signalled(run, number, *, trajectory=SECOND_BLOCK, step=21, times=1):
    return {
        "do": "signal",
        "number": int(number),
        "times": times,
        "file": str(run.parent / "sent"),
        "trajectory": trajectory,
        "step": step,
    }


def later_updates(run):
    _, *later = (run.parent / "sent").read_text().splitlines()
    return len("".join(later))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_checkpoints_at_the_next_step_and_the_run_goes_on_to_the_same_bits(harness, number, code):
    run = harness.fresh()
    found = harness.ambushed(run, LONG, signalled(run, number))
    assert found["code"] == code, found["errors"]
    assert later_updates(run) == 0
    assert open_run(run).committed.tolist() == [LONG.steps, 22, -1]
    assert f"thermograd resume {run}" in found["errors"]
    assert "Traceback" not in found["errors"] + found["out"]
    assert (open_run(run).state, open_run(run).complete) == ("interrupted", False)
    assert harness.command(run, "resume", run)["code"] == 0
    assert everything(open_run(run)) == harness.truth(LONG)


def test_updates_after_a_signal_would_be_noticed(harness):
    """Negative control: a signal that stops nothing (SIGCONT) is followed by all other updates."""
    run = harness.fresh()
    assert harness.ambushed(run, LONG, signalled(run, signal.SIGCONT))["code"] == 0
    assert later_updates(run) == LONG.steps - 22
    assert everything(open_run(run)) == harness.truth(LONG)


def test_a_second_signal_ends_at_once_and_the_run_stays_resumable(harness):
    """In the middle of an update, which is then not kept."""
    run = harness.fresh()
    found = harness.ambushed(run, LONG, signalled(run, signal.SIGINT, times=2))
    assert found["code"] == 130, found["errors"]
    assert later_updates(run) == 0
    assert open_run(run).committed[1] < 21
    assert harness.command(run, "resume", run)["code"] == 0
    assert everything(open_run(run)) == harness.truth(LONG)


@pytest.mark.parametrize("way", ["exit", "kill"])
def test_a_lost_worker_is_replaced_and_told(harness, way):
    """One that dies once only: its block is tried alone, and works."""
    run = harness.fresh()
    words = ("--executor", "process", "--workers", "2")
    hits = [(0.0, signal.SIGKILL, "worker 0")]
    ambush = {"do": way, "trajectory": SECOND_BLOCK, "step": 5}
    first = harness.ambushed(run, LONG, ambush, *words, forked_workers=True)
    assert first["code"] == 1, first["errors"]
    assert [entry.block for entry in open_run(run).failures] == [1]
    assert "worker_lost" in {event["event"] for event in open_run(run).events()}
    again = harness.command(run, "resume", run, *words, forked_workers=True, hits=hits)
    assert again["code"] == 0, again["errors"]
    assert everything(open_run(run)) == harness.truth(LONG)


def test_the_command_as_a_person_starts_it(harness):
    """No warm server, no fork: ended by a signal, finished."""
    run = harness.fresh()
    config = run.parent / "config.toml"
    config.write_text(LONG.toml)

    def start(**ambush):
        environment = {**os.environ, "OMP_NUM_THREADS": "1"} | (
            {VARIABLE: json.dumps(ambush)} if ambush else {}
        )
        command = [sys.executable, "-m", "thermograd", "run", config, "--out", run, "--allow-import"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    stopped = start(**signalled(run, signal.SIGTERM))
    assert stopped.returncode == 143, stopped.stderr
    assert untrue(open_run(run), harness.truth(LONG)) == ""
    finished = start()
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.splitlines()[-1] == str(run)
    assert everything(open_run(run)) == harness.truth(LONG)
    assert np.isfinite(open_run(run)["train_loss"]).all()
