"""Signals while workers are at work: one checkpoints, two end at once, and the run goes on to the same bits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from coordinate import experiment
from logistic_map import everything
from waiting import gone, until

from thermograd.ensemble.directory_run import run_in_directory
from thermograd.ensemble.launch import Launch
from thermograd.ensemble.resume import resume
from thermograd.ensemble.run import run
from thermograd.ensemble.stop_file import LOOK_SECONDS
from thermograd.store.block_progress import read_progress
from thermograd.store.reader import open_run

RECORD = 12
STEPS = 30
Begin = Callable[[str], tuple[subprocess.Popen[str], Path, int]]


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    """Goes on with the run through one worker process, as the command does, until that waits at its gate."""
    started: list[subprocess.Popen[str]] = []

    def resumed(name: str) -> tuple[subprocess.Popen[str], Path, int]:
        gate = tmp_path / name
        gate.mkdir()
        path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
        words = ("resume", tmp_path / "run", "--executor", "process", "--workers", "1", "--allow-import")
        process = subprocess.Popen(
            [sys.executable, "-m", "thermograd", *map(str, words)],
            env={**os.environ, "GATE": f"{gate} {RECORD}", "PYTHONPATH": path.strip(os.pathsep)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        until(lambda: any(gate.iterdir()) or process.poll() is not None)
        assert process.poll() is None, process.communicate()
        (worker,) = [int(file.name) for file in gate.iterdir()]
        return process, gate, worker

    yield resumed
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.slow  # in every run the reliability plan sends signals
def test_signals_to_all_processes_of_a_terminal(begin, tmp_path):
    truth = everything(run(experiment()))
    path = tmp_path / "run"
    run(experiment(), store=path, until=0)

    # two at once: the worker hangs at its gate for ever, and is killed
    process, _, worker = begin("twice")
    os.killpg(process.pid, signal.SIGINT)
    until((path / "stop").exists)
    assert not gone(worker)
    os.killpg(process.pid, signal.SIGINT)
    out, errors = process.communicate()
    assert (process.returncode, out) == (130, ""), errors
    assert gone(worker)
    assert f"1 of 1 blocks are given out; to look at them: thermograd watch {path}\n" in errors
    assert f"thermograd resume {path} --executor process --workers 1\n" in errors
    assert "Traceback" not in errors
    assert (open_run(path).state, open_run(path).committed.tolist()) == ("interrupted", [0])

    # one: the worker is deaf to it, sees the file at its next step, checkpoints and returns
    process, gate, worker = begin("once")
    generation = open_run(path).manifest["generation"]
    os.killpg(process.pid, signal.SIGTERM)
    until((path / "stop").exists)
    assert read_progress(path, 0, generation) is not None
    time.sleep(1.2 * LOOK_SECONDS)  # it looks again at the next step only after so long
    (gate / "open").touch()
    out, errors = process.communicate()
    assert (process.returncode, out) == (143, ""), errors
    assert gone(worker)
    assert f"thermograd resume {path}" in errors
    assert "Traceback" not in errors
    assert open_run(path).state == "interrupted"
    assert 0 < open_run(path).committed[0] < STEPS
    assert not (path / "stop").exists()
    assert not list(path.glob("blocks/*/progress.json"))

    assert everything(resume(path, allow_import=True)) == truth


def test_progress_of_workers_elsewhere_ends_with_everything(made, tmp_path):
    told: list = []
    steps: list[tuple[int, int]] = []
    with ThreadPoolExecutor(1) as threads:
        launch = Launch(executor=threads, show=told.append)
        found = run_in_directory(
            made(), tmp_path / "run", launch=launch, progress=lambda *step: steps.append(step)
        )
    done = [progress.steps_done for progress in told]
    assert done == sorted(done)
    assert (done[-1], told[-1].steps_total, told[-1].blocks_done) == (180, 180, 5)
    assert told[-1].observable == "train_loss"
    assert told[-1].mean == pytest.approx(found["train_loss"][8, -1])  # of the last block
    assert steps == [(block, 20) for block in range(5)]
