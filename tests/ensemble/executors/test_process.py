"""Worker processes give the bits of the caller, and none is left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest
from logistic_map import everything

from thermograd.ensemble.executors.choice import executor_of
from thermograd.ensemble.executors.process import Process, _how_they_ended
from thermograd.ensemble.resume import resume
from thermograd.ensemble.run import run
from thermograd.store.block_log import overlapping, read_owners


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
def test_two_processes_and_then_one_give_the_bits_of_the_caller(made, truth, tmp_path):
    path = tmp_path / "run"
    stopped = run(made(), store=path, executor=Process(2), until=7)
    assert stopped.state == "interrupted"
    assert set(stopped.committed.tolist()) == {7}
    assert not (path / "stop").exists()
    assert stopped.manifest["executor"][:2] == ["--executor", "process"]
    finished = resume(path, executor={"kind": "process", "workers": 1})
    assert everything(finished) == truth
    owners = [read_owners(path, block) for block in range(5)]
    assert [[line.event for line in lines] for lines in owners] == [["begins", "ends"] * 2] * 5
    assert [overlapping(lines) for lines in owners] == [[]] * 5
    processes = {line.process for lines in owners for line in lines}
    assert os.getpid() not in processes
    assert not any(map(alive, processes))
    kinds = [event["event"] for event in finished.events()]
    assert (kinds.count("block_started"), kinds.count("block_finished")) == (10, 5)
    assert not list(path.glob("blocks/*/progress.json"))


def test_any_object_with_submit_runs_blocks(made, truth, tmp_path):
    with ThreadPoolExecutor(1) as threads:
        found = run(made(), store=tmp_path / "run", executor=threads)
        assert everything(found) == truth
        assert threads.submit(int, "3").result() == 3  # left open
    assert {line.process for line in read_owners(tmp_path / "run", 0)} == {os.getpid()}


def test_a_script_without_a_guard_may_use_processes(tmp_path):
    """Nor is the main module imported in the workers."""
    script = tmp_path / "script.py"
    script.write_text(
        "import thermograd as tg\n"
        "from concurrent.futures import ProcessPoolExecutor\n"
        "from thermograd.problems import Quadratic\n"
        "print('imported')\n"
        "experiment = tg.Experiment(Quadratic(), trajectories=4, block_size=2, steps=3, engine='eager')\n"
        "run = tg.run(experiment, store='run', executor=ProcessPoolExecutor(1))\n"
        "print(run.state)\n",
        encoding="utf-8",
    )
    found = subprocess.run(
        [sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (found.stdout, found.stderr) == ("imported\nfinished\n", "")


def test_a_pool_ends_with_its_context_whatever_it_is_doing(tmp_path):
    with Process(1).open(tmp_path) as pool:
        number = pool.submit(os.getpid).result()
        assert alive(number)
        pool.submit(_for_ever)
    assert not alive(number)
    assert multiprocessing.active_children() == []


def _for_ever() -> None:
    while True:
        pass


def test_how_a_process_ended_is_waited_for():
    """A pool knows by a closed pipe that a process is gone, before the system knows how."""

    class Ending:
        pid, looks = 1, 0

        @property
        def exitcode(self):
            self.looks += 1
            return -signal.SIGSEGV if self.looks > 2 else None

    assert _how_they_ended([Ending()]) == "SIGSEGV"


def test_a_pool_given_stands_for_as_many_processes():
    with ProcessPoolExecutor(3) as given:
        assert executor_of(given) == Process(3)


@pytest.mark.parametrize("number", [0, True, 1.5, 5000])
def test_impossible_numbers(number):
    with pytest.raises(ValueError, match=r"workers is .* whole number from 1 to 4096"):
        Process(number)
