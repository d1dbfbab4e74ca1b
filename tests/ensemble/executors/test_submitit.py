"""Blocks as jobs of submitit: processes of this machine, the caller, and a queue of one machine."""

import gc
import os
import pickle
import shutil
import signal
import stat
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import chores
import pytest
from gate import held
from logistic_map import everything
from queue_of_one_machine import alive, gone, install

from thermograd.ensemble.executors.submitit import Submitit
from thermograd.ensemble.resume import resume
from thermograd.ensemble.run import run as run_experiment
from thermograd.ensemble.stop_file import LOOK_SECONDS
from thermograd.errors import ConfigError, MissingExtraError
from thermograd.store.block_log import overlapping, read_owners

submitit = pytest.importorskip("submitit")


@pytest.fixture
def run(directory, tmp_path):
    return shutil.copytree(directory, tmp_path / "run")


@pytest.fixture
def queue(tmp_path, monkeypatch, importable):
    """The commands of Slurm, for this machine."""
    folder = tmp_path / "queue"
    folder.mkdir()
    install(folder)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    monkeypatch.setenv("QUEUE_OF_ONE_MACHINE", str(folder))
    return folder


def test_jobs_of_this_machine(run, importable):
    kind = Submitit(cluster="local")
    with kind.open(run) as blocks:
        futures = [blocks.submit(chores.where, str(run), block, 1) for block in range(3)]
        died, refused = (
            blocks.submit(chores.die, str(run), 3, 1),
            blocks.submit(chores.refuse, str(run), 4, 1),
        )
        found = [future.result() for future in futures]
        assert [entry[:3] for entry in found] == [(str(run), block, 1) for block in range(3)]
        assert len({entry[3] for entry in found} | {os.getpid()}) == 4
        with pytest.raises(
            submitit.core.utils.UncompletedJobError, match=r"ended without a result; see .*_log.err"
        ) as lost:
            died.result()
        assert kind.lost(lost.value)
        with pytest.raises(RuntimeError, match="ArithmeticError: block 4 cannot be") as raised:
            refused.result()
        assert not kind.lost(raised.value)
    assert not kind.lost(submitit.core.utils.FailedJobError("no such module there"))
    folders = [run / "submitit", *(run / "submitit").iterdir()]
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in folders} == {0o700}


def test_leaving_ends_jobs_at_work(run, importable):
    with Submitit(workers=1, cluster="local").open(run) as blocks:
        at_work, waiting = (blocks.submit(chores.wait, str(run), block, 1) for block in range(2))
        assert not at_work.done()
        (pid,) = chores.begun(run, range(1))
        assert waiting.cancel()
        assert waiting.done()
        assert not at_work.cancel()
        assert alive(pid)
        os.kill(int(at_work.job.job_id), signal.SIGINT)  # as Ctrl-C does, to all of a terminal
        os.kill(pid, signal.SIGINT)
        assert not at_work.done()
    assert gone(pid)
    assert at_work.done()


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        pytest.param(signal.SIGUSR1, marks=pytest.mark.slow),
        pytest.param(
            signal.SIGUSR2, marks=pytest.mark.slow
        ),  # below, to a job of a queue and to one of a run
    ],
)
def test_a_signal_before_the_limit_is_notice(run, importable, number):
    with Submitit(cluster="local").open(run) as blocks:
        future = blocks.submit(chores.wait, str(run), 0, 1)
        assert not future.done()
        os.kill(chores.begun(run, range(1))[0], number)
        assert future.result() == "left"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # its own log file, left open
def test_in_the_caller(run):
    handler = signal.getsignal(signal.SIGTERM)
    with Submitit(cluster="debug").open(run) as blocks:
        assert blocks.submit(chores.where, str(run), 2, 1).result() == (str(run), 2, 1, os.getpid())
        with pytest.raises(RuntimeError, match="block 3 cannot be"):
            blocks.submit(chores.refuse, str(run), 3, 1).result()
    assert signal.getsignal(signal.SIGTERM) == handler
    gc.collect()


def test_blocks_of_a_queue_are_one_array(run, queue):
    parameters = {"timeout_min": 90, "slurm_partition": "long", "mem_gb": 2}
    with Submitit(workers=3, threads_per_worker=2, parameters=parameters).open(run) as blocks:
        futures = [blocks.submit(chores.where, str(run), block, 1) for block in range(2)]
        assert [future.result()[1] for future in futures] == [0, 1]
    (script,) = queue.glob("*.script")
    text = script.read_text()
    for line in (
        "--array=0-1%2",
        "--time=90",
        "--partition=long",
        "--mem=2GB",
        "--cpus-per-task=2",
        "--signal=USR2@90",
    ):
        assert f"#SBATCH {line}" in text, text


def test_a_job_of_a_queue_gets_notice_and_is_cancelled_when_left(run, queue):
    with Submitit(cluster="slurm").open(run) as blocks:
        futures = [blocks.submit(chores.wait, str(run), block, 1) for block in range(2)]
        assert not futures[0].done()
        pids = chores.begun(run, range(2))
        os.kill(pids[0], signal.SIGUSR2)
        assert futures[0].result() == "left"
    assert all(map(gone, pids))  # cancelling is told to the queue, which takes its time


def test_jobs_that_no_queue_takes_are_said_to_be_processes_here(monkeypatch):
    monkeypatch.setattr(shutil, "which", {"srun": None}.get)
    assert "processes of this machine, 3 at a time" in Submitit(workers=3).place
    assert Submitit(cluster="local").place == ""
    monkeypatch.setattr(shutil, "which", {"srun": "/bin/srun"}.get)
    assert Submitit().place == ""


def test_what_is_not_there(run, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ConfigError, match=r"executor\.cluster: 'slurm' is not there: .*srun"):
        Submitit(cluster="slurm").open(run).__enter__()
    with pytest.raises(ConfigError, match=r"executor\.cluster: 'lsf' is not there: .*lsf"):
        Submitit(cluster="lsf").open(run).__enter__()
    with pytest.raises(ConfigError, match=r"executor\.parameters: .*colour") as raised:
        Submitit(cluster="local", parameters={"slurm_colour": "red"}).open(run).__enter__()
    assert [path for path, _ in raised.value.problems] == ["executor.parameters"]
    assert "\n" not in str(raised.value)
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(MissingExtraError, match=r"submitit.*pip install 'thermograd\[slurm\]'"):
        Submitit().open(run).__enter__()


@pytest.mark.parametrize("options", [{"workers": -1}, {"workers": 1.5}, {"threads_per_worker": 0}])
def test_options_that_make_no_sense(options):
    with pytest.raises(ValueError, match=f"{next(iter(options))} is .*; it must be a whole number"):
        Submitit(**options)


@pytest.mark.slow  # the same with Dask is in every run
def test_a_run_has_the_bits_of_the_caller_through_a_killed_job_and_one_that_got_notice(
    gated, gate, tmp_path, importable
):
    experiment = replace(gated[0], trajectories=4)
    truth = everything(run_experiment(experiment))
    (gate / "once-0").touch()
    (gate / "hold-1").touch()

    def give_notice():
        try:
            os.kill(held(gate, 1), signal.SIGUSR2)
            time.sleep(2 * LOOK_SECONDS)  # a worker looks that often
        finally:
            (gate / "hold-1").unlink()

    with ThreadPoolExecutor(1) as threads:
        noticed = threads.submit(give_notice)
        found = run_experiment(experiment, store=tmp_path / "run", executor=Submitit(cluster="local"))
        noticed.result()
    assert (found.state, everything(found)) == ("finished", truth)
    assert [event["blocks"] for event in found.events() if event["event"] == "worker_lost"] == [[0]]
    owners = [read_owners(tmp_path / "run", block) for block in range(2)]
    assert [overlapping(lines) for lines in owners] == [[]] * 2
    begun = [[line.process for line in lines if line.event == "begins"] for lines in owners]
    assert [len(processes) for processes in begun] == [2, 2]
    assert not any(alive(process) for processes in begun for process in processes)


@pytest.mark.slow  # the bits of jobs are proved above, and what a queue is told by chores
def test_a_queue_has_the_bits_of_the_caller(gated, gate, tmp_path, queue):
    experiment, _, truth = gated
    found = run_experiment(experiment, store=tmp_path / "run", executor=Submitit(cluster="slurm"))
    assert (found.state, everything(found)) == ("finished", truth)
    assert "--array=0-5" in next(queue.glob("*.script")).read_text()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # its own log file, left open
def test_what_an_earlier_start_left_is_not_read(gated, gate, tmp_path, importable):
    experiment, _, truth = gated
    run_experiment(experiment, store=tmp_path / "run", until=7)
    trap = tmp_path / "trap"
    for folder in (tmp_path / "run" / "submitit", tmp_path / "run" / "submitit" / "start-old"):
        folder.mkdir()
        for name in ("1_0_result.pkl", "1_submitted.pkl"):
            (folder / name).write_bytes(b"cposix\nsystem\n(S'touch %s'\ntR." % str(trap).encode())
    found = resume(tmp_path / "run", executor={"kind": "submitit", "cluster": "debug"}, allow_import=True)
    gc.collect()
    assert everything(found) == truth
    assert not trap.exists()
    pickle.loads((tmp_path / "run/submitit/1_0_result.pkl").read_bytes())
    assert trap.exists()  # the trap works
