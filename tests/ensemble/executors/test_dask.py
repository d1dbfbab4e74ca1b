"""Blocks on Dask: what a worker gets, what becomes of it when it dies, and that nothing is left."""

import gc
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import chores
import pytest
from gate import held
from logistic_map import everything
from queue_of_one_machine import alive, install

from thermograd.ensemble.executors import dask
from thermograd.ensemble.executors.dask import Dask
from thermograd.ensemble.executors.dask_blocks import _warn_of_threads, warn_of_nobody
from thermograd.ensemble.executors.dask_client import DaskClient
from thermograd.ensemble.resume import resume
from thermograd.ensemble.run import run as run_experiment
from thermograd.ensemble.stop_file import LOOK_SECONDS
from thermograd.errors import ConfigError, EngineUnavailableError, MissingExtraError
from thermograd.store.block_log import overlapping, read_owners
from thermograd.store.manifest import read_manifest, write_manifest
from thermograd.store.reader import open_run

distributed = pytest.importorskip("distributed")
BLOCKED = re.compile(r"^SigBlk:\t([0-9a-f]+)$", re.MULTILINE)


@pytest.fixture(scope="module")
def blocks(directory, importable):
    """Two workers of this machine."""
    with Dask().open(directory) as executor:
        yield executor


@pytest.fixture
def run(directory, tmp_path):
    return shutil.copytree(directory, tmp_path / "run")


def blocks_signal(pid, number):
    mask = int(BLOCKED.search(Path(f"/proc/{pid}/status").read_text())[1], 16)
    return bool(mask >> (number - 1) & 1)


def test_a_block_is_a_text_and_two_numbers_and_arrives(blocks, run):
    path, block, generation, pid = blocks.submit(chores.where, str(run), 3, 1).result()
    assert (path, block, generation) == (str(run), 3, 1)
    assert pid != os.getpid()


def test_equal_tasks_all_run(blocks, run):
    futures = [blocks.submit(chores.count, str(run), 0, 1) for _ in range(3)]
    assert sorted(future.result() for future in futures) == [1, 2, 3]


def test_an_exception_comes_back_and_is_no_loss(blocks, run):
    with pytest.raises(Exception, match="block 5 cannot be") as raised:
        blocks.submit(chores.refuse, str(run), 5, 1).result()
    assert not Dask().lost(raised.value)


def test_the_death_of_a_worker_is_known_at_once_and_concerns_its_block_only(blocks, run):
    other = blocks.submit(chores.wait, str(run), 1, 1)
    chores.begun(run, range(1, 2))
    with pytest.raises(distributed.KilledWorker) as raised:
        blocks.submit(chores.die, str(run), 2, 1).result()
    assert Dask().lost(raised.value)
    assert not Dask().lost(RuntimeError())
    assert not other.done()
    (run / "go").touch()
    assert other.result() == "went"
    assert blocks.submit(chores.where, str(run), 2, 1).result()[1] == 2


def test_a_worker_leaves_the_signals_of_a_terminal_to_the_coordinator(blocks, run):
    future = blocks.submit(chores.wait, str(run), 7, 1)
    (pid,) = chores.begun(run, range(7, 8))
    for number in (signal.SIGINT, signal.SIGHUP):
        assert blocks_signal(pid, number)
        assert not blocks_signal(os.getpid(), number)  # the reading of the mask can fail
        os.kill(pid, number)
    (run / "go").touch()
    assert future.result() == "went"


def test_what_is_taken_back_is_done_and_what_is_done_is_not_taken_back(blocks, run):
    at_work = [blocks.submit(chores.wait, str(run), block, 1) for block in range(2)]
    chores.begun(run, range(2))
    queued = blocks.submit(chores.count, str(run), 9, 1)
    assert queued.cancel()
    assert queued.done()
    (run / "go").touch()
    assert [future.result() for future in at_work] == ["went", "went"]
    assert not at_work[0].cancel()


def test_a_worker_that_sees_another_run_refuses(blocks, run):
    write_manifest(run, read_manifest(run).replace(run_id="f" * 32))
    report = blocks.submit(chores.count, str(run), 0, 1).result()
    assert (report.outcome, report.run_id) == ("failed", "f" * 32)
    assert not (run / "calls-0").exists()


@pytest.mark.slow
def test_a_run_has_the_bits_of_the_caller(blocks, gated, tmp_path):
    experiment, _, truth = gated
    kind = Dask(blocks._client.scheduler.address)
    stopped = run_experiment(experiment, store=tmp_path / "run", executor=kind, until=7)
    assert stopped.committed.tolist() == [7] * 6
    assert everything(resume(tmp_path / "run", executor=kind, allow_import=True)) == truth
    owners = [read_owners(tmp_path / "run", block) for block in range(6)]
    assert [overlapping(lines) for lines in owners] == [[]] * 6
    assert os.getpid() not in {line.process for lines in owners for line in lines}


def test_a_worker_killed_half_way_changes_no_bit(blocks, gated, gate, tmp_path):
    experiment, _, truth = gated
    (gate / "once-2").touch()
    kind = DaskClient(blocks._client)
    found = run_experiment(experiment, store=tmp_path / "run", executor=kind)
    assert not (gate / "once-2").exists()
    assert (found.state, everything(found)) == ("finished", truth)
    (lost,) = [event for event in found.events() if event["event"] == "worker_lost"]
    assert 2 in lost["blocks"]
    assert found.failures == ()


@pytest.mark.slow  # the same in processes, and who is tried again where, is proved in test_failure_policy and test_dispatch
def test_a_block_that_kills_its_workers_fails_and_the_others_finish(blocks, gated, gate, tmp_path):
    experiment, _, truth = gated
    (gate / "die-1").touch()
    kind = DaskClient(blocks._client)
    found = run_experiment(experiment, store=tmp_path / "run", executor=kind)
    assert found.state == "failed"
    assert [file.parent.name for file in (tmp_path / "run").glob("blocks/*/failure.json")] == ["00001"]
    assert [(failure.block, failure.kind) for failure in found.failures] == [(1, "WorkerLost")]
    assert found.outcome.tolist() == [1, 1, 3, 3] + [1] * 8
    (gate / "die-1").unlink()
    assert everything(resume(tmp_path / "run", executor=kind, allow_import=True)) == truth


def test_a_worker_that_is_retired_leaves_its_block_to_another(blocks, gated, gate, tmp_path):
    """Such as one whose job comes to its wall-clock limit and was started with `--lifetime`."""
    experiment, _, truth = gated
    (gate / "hold-0").touch()
    left = []

    def retire():
        try:
            left.append(held(gate, 0))
            workers = blocks._client.run(os.getpid)
            (address,) = [address for address, number in workers.items() if number == left[0]]
            blocks._client.retire_workers([address], close_workers=False, remove=False)
        finally:
            (gate / "hold-0").unlink()

    with ThreadPoolExecutor(1) as threads:
        retired = threads.submit(retire)
        found = run_experiment(experiment, store=tmp_path / "run", executor=DaskClient(blocks._client))
        retired.result()
    assert (found.state, everything(found)) == ("finished", truth)
    lines = read_owners(tmp_path / "run", 0)
    assert overlapping(lines) == []
    assert left[0] == lines[0].process


@pytest.mark.slow  # the same with processes is in test_signals; that workers here are deaf to it is above
def test_ctrl_c_in_a_terminal_checkpoints_and_leaves_nothing_behind(gated, gate, tmp_path, importable):
    experiment, _, truth = gated
    path = tmp_path / "run"
    run_experiment(experiment, store=path, until=0)
    (gate / "hold-0").touch()
    words = ["resume", str(path), "--executor", "dask", "--workers", "1", "--allow-import"]
    with subprocess.Popen(
        [sys.executable, "-m", "thermograd", *words],
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        worker = held(gate, 0)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
        wait_until_asked(path)
        (gate / "hold-0").unlink()
        _, said = process.communicate()
    assert process.returncode == 130, said
    assert f"thermograd resume {path}" in said
    assert "Traceback" not in said
    assert not alive(worker)
    stopped = open_run(path)
    assert stopped.state == "interrupted"
    assert 12 <= stopped.committed[0] < 20
    assert everything(resume(path, allow_import=True)) == truth


def wait_until_asked(path):
    deadline = time.monotonic() + 60
    while not (path / "stop").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(2 * LOOK_SECONDS)  # a worker looks that often


def test_an_address_and_a_client_are_used_as_they_are(blocks, run):
    address = blocks._client.scheduler.address
    log = logging.getLogger("distributed.client")
    before = log.level
    with Dask(address).open(run) as executor, Dask(address).alone(run) as alone:
        assert executor.submit(chores.where, str(run), 4, 1).result()[1] == 4
        assert alone.submit(chores.where, str(run), 6, 1).result()[1] == 6
        assert log.level == logging.CRITICAL
    assert log.level == before
    with distributed.Client(address, set_as_default=False) as client:
        kind = DaskClient(client)
        assert kind.workers == 2
        with kind.open(run) as executor, kind.alone(run):
            assert executor.submit(chores.where, str(run), 5, 1).result()[1] == 5
        assert client.status == "running"
        with pytest.raises(distributed.KilledWorker) as raised:
            executor.submit(chores.die, str(run), 2, 1).result()
        assert kind.lost(raised.value)
    assert blocks.submit(chores.where, str(run), 1, 1).result()[1] == 1


def test_leaving_ends_processes_at_work(run, importable):
    with Dask(workers=1).open(run) as executor:
        executor.submit(chores.wait, str(run), 0, 1)
        pids = chores.begun(run, range(1))
        (folder,) = {
            worker["local_directory"] for worker in executor._client.scheduler_info()["workers"].values()
        }
        assert alive(pids[0])
    assert not alive(pids[0])
    assert not Path(folder).exists()
    assert not folder.startswith(str(run))
    with pytest.raises(EngineUnavailableError, match=r"scheduler is gone.*thermograd resume"):
        executor.submit(chores.where, str(run), 0, 1)


def test_nobody_at_the_address(run, monkeypatch):
    with pytest.raises(
        EngineUnavailableError, match=r"there is no scheduler file .*/none\.json.*--scheduler-file"
    ):
        Dask(str(run / "none.json")).open(run).__enter__()
    monkeypatch.setattr(dask, "_CONNECT_SECONDS", 0.5)
    with pytest.raises(
        EngineUnavailableError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:1 .*dask scheduler"
    ):
        Dask("tcp://127.0.0.1:1").open(run).__enter__()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": -1}, "workers is -1; it must be a whole number from 0 to 4096"),
        ({"workers": True}, "workers is True"),
        ({"threads_per_worker": 0}, "threads_per_worker is 0; it must be a whole number from 1"),
        ({"address": "head"}, "address is 'head'; it must be what a scheduler prints"),
        ({"address": "tcp://head"}, r"such as tcp://head:8786, or the file that it writes, \*\.json"),
        ({"cluster": "lsf"}, "cluster is 'lsf'; known: slurm, pbs"),
        ({"cluster": "slurm", "address": "tcp://a:1"}, "give one of them"),
        ({"cluster_options": {"queue": "long"}}, "no cluster is named: slurm, pbs"),
    ],
)
def test_options_that_make_no_sense(options, message):
    with pytest.raises(ValueError, match=message):
        Dask(**options)


@pytest.mark.parametrize(("package", "extra"), [("distributed", "dask"), ("dask_jobqueue", "slurm")])
def test_a_missing_package_is_named_with_its_pip_line(run, monkeypatch, package, extra):
    monkeypatch.setitem(sys.modules, package, None)
    kind = Dask() if extra == "dask" else Dask(cluster="slurm", cluster_options={"memory": "1GB"})
    with pytest.raises(MissingExtraError, match=rf"{package}.*pip install 'thermograd\[{extra}\]'"):
        kind.open(run).__enter__()


def test_a_scheduler_without_workers_is_told_of():
    warn_of_nobody({"tcp://a": 1}, "s.json")
    with pytest.warns(
        RuntimeWarning, match=r"at s\.json has no workers yet.*--scheduler-file s\.json --nthreads 1"
    ):
        warn_of_nobody({}, "s.json")


def test_threads_that_will_idle_are_told_of():
    _warn_of_threads({"tcp://a": 1, "tcp://b": 1})
    with pytest.warns(
        RuntimeWarning, match=r"1 of 2 Dask workers have several threads \(tcp://b: 8\).*--nthreads 1"
    ):
        _warn_of_threads({"tcp://a": 1, "tcp://b": 8})


@pytest.mark.parametrize(
    ("cluster", "options", "lines"),
    [
        (
            "slurm",
            {"queue": "long", "account": "phys", "walltime": "02:00:00", "memory": "4GB"},
            ["-p long", "-A phys", "-t 02:00:00", "--mem=4G", "--cpus-per-task=3", "--nthreads 1"],
        ),
        (
            "pbs",
            {"queue": "long", "walltime": "02:00:00", "memory": "4GB", "resource_spec": "select=1:ncpus=3"},
            ["-q long", "walltime=02:00:00", "select=1:ncpus=3", "--nthreads 1"],
        ),
    ],
)
def test_the_job_script_holds_the_options(cluster, options, lines):
    pytest.importorskip("dask_jobqueue")
    script = Dask(cluster=cluster, cluster_options=options, threads_per_worker=3).job_script()
    for line in lines:
        assert line in script, script


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # of a cluster refused half-made
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"que": "long", "memory": "1GB"}, "unexpected keyword argument 'que'"),
        ({}, "how much cores and memory"),
    ],
)
def test_options_unknown_to_the_queue_system_are_errors_of_the_config(options, message):
    pytest.importorskip("dask_jobqueue")
    with pytest.raises(ConfigError, match=rf"executor\.cluster_options: .*{message}") as raised:
        Dask(cluster="slurm", cluster_options=options).job_script()
    assert [path for path, _ in raised.value.problems] == ["executor.cluster_options"]
    del raised
    gc.collect()


def test_a_job_script_needs_a_queue_system():
    with pytest.raises(ValueError, match="a job script belongs to a queue system"):
        Dask().job_script()


@pytest.mark.slow
def test_jobs_of_a_queue_system_work_and_are_replaced_and_cancelled(run, tmp_path, monkeypatch, importable):
    pytest.importorskip("dask_jobqueue")
    install(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("QUEUE_OF_ONE_MACHINE", str(tmp_path))
    options = {"memory": "1GB", "scheduler_options": {"host": "127.0.0.1"}, "local_directory": str(tmp_path)}
    with Dask(workers=1, cluster="slurm", cluster_options=options).open(run) as executor:
        future = executor.submit(chores.wait, str(run), 0, 1)
        chores.begun(run, range(1))
        (job,) = tmp_path.glob("*.pid")
        os.killpg(int(job.read_text()), signal.SIGKILL)
        with pytest.raises(distributed.KilledWorker):
            future.result()
        (run / "go").touch()
        assert executor.submit(chores.wait, str(run), 1, 1).result() == "went"
    assert not any(alive(int(file.read_text())) for file in tmp_path.glob("*.pid"))
