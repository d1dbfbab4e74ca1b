"""The harness itself: what it sees, what it counts, and that nothing of it stays behind."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest

from thermograd.reproductions.running_harness import SMALL, TINY
from thermograd.reproductions.running_harness import harness as warm
from thermograd.reproductions.running_logistic_map import LogisticMap, LogisticTrainer
from thermograd.reproductions.running_numbers import everything, untrue
from thermograd.reproductions.running_tiny_experiment import TinyExperiment
from thermograd.store.reader import open_run


def true_records():
    """The map itself, iterated here."""
    x, rows = 0.1 + 0.013 * np.arange(2), []
    for _ in range(4):
        rows.append(x)
        x = 3.9 * x * (1 - x)
    return np.array(rows).T


def test_truth_is_the_map(harness):
    assert harness.truth(TINY)["train_loss"] == np.ascontiguousarray(true_records()).tobytes()
    assert LogisticTrainer(LogisticMap()).header().blocks == 3


def test_a_born_run_has_not_begun(harness):
    run = harness.born(TINY)
    assert (run / "manifest.json").exists()
    assert open_run(run).committed.tolist() == [-1]
    assert harness.train(run, TINY)["writes"] > 40
    assert everything(open_run(run)) == harness.truth(TINY)


def test_a_child_is_killed_at_the_write_that_was_chosen(harness):
    run = harness.fresh()
    killed = harness.train(run, TINY, at=5)
    assert (killed["killed"], killed["code"]) == (True, -signal.SIGKILL)
    assert not harness.train(harness.fresh(), TINY, at=10_000)["killed"]


@pytest.mark.parametrize(("fault", "name"), [("ENOSPC", "DiskFullError"), ("EROFS", "DiskFullError")])
def test_a_child_meets_a_disk_that_refuses(harness, fault, name):
    answer = harness.train(harness.fresh(), TINY, at=20, fault=fault)
    assert (answer["error"], answer["code"], answer["killed"]) == (name, 4, False)


def test_a_command_tells_what_it_wrote_and_its_exit_code(harness):
    run = harness.fresh()
    refused = harness.command(run, "resume", run)
    assert (refused["code"], refused["out"]) == (3, "")
    assert f"{run} does not exist" in refused["errors"]
    done = harness.begin(run, TinyExperiment(steps=2))
    assert (done["code"], done["out"]) == (0, f"{run}\n")


def test_a_fault_that_cannot_be_built_in_is_no_failed_round(harness):
    with pytest.raises(RuntimeError, match="nobody knows how to break 'no gravity'"):
        harness.train(harness.fresh(), TINY, controls=["no gravity"])


def test_a_child_that_hangs_is_no_failed_round(harness):
    with pytest.raises(RuntimeError, match="it did not end and was killed"):
        harness.train(harness.fresh(), TINY, pause=60, longest=0.1)


def test_a_run_that_is_not_what_it_promises_is_noticed(harness):
    """Negative control: truths that differ in one committed record, in one outcome."""
    truth = harness.truth(SMALL)
    run = open_run(harness.whole(SMALL, until=5))
    assert untrue(run, truth) == ""
    record, outcome = bytearray(truth["train_loss"]), bytearray(truth["outcome"])
    record[0] ^= 1
    assert untrue(run, {**truth, "train_loss": bytes(record)}).startswith("train_loss of block 0 is wrong")
    outcome[3] ^= 1  # the one that diverges, before step 5
    assert untrue(run, {**truth, "outcome": bytes(outcome)}) == "an outcome is wrong"


def test_nothing_stays_behind(tmp_path):
    """Not the servers, not a worker that had lost its coordinator, no file."""
    slow = TinyExperiment(steps=400)
    with warm(1) as own:
        run, folder = own.fresh(), own.folder
        ambush = {"do": "signal", "number": 9, "times": 1, "file": str(tmp_path / "sent")}
        ambush |= {"trajectory": 0, "step": 2, "pause": 0.05}
        words = ("--executor", "process", "--workers", "2")
        killed = own.ambushed(run, slow, ambush, *words, forked_workers=True, leave_workers=True)
        assert killed["workers"] >= 1
        assert killed["pids"]
        assert all(alive(pid) for pid in killed["pids"])
        server = own.servers.pids
    assert not any(alive(pid) for pid in [*killed["pids"], *server])
    assert not folder.exists()


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_what_dies_in_planning_leaves_no_run_directory(harness):
    """The first update of the first two trajectories is tried by the coordinator, before anything is made."""
    run = harness.fresh()
    dead = harness.ambushed(run, TinyExperiment(), {"do": "kill", "trajectory": 1, "step": 0})
    assert (dead["code"], run.exists()) == (-signal.SIGKILL, False)
