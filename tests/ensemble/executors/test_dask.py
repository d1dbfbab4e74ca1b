"""Blocks on Dask: what a worker gets, what becomes of it when it dies, and that nothing is left."""

import gc
import os
import re
import shutil
import signal
import sys
from pathlib import Path

import chores
import pytest
from queue_of_one_machine import alive, install

from thermograd.ensemble.executors import dask
from thermograd.ensemble.executors.dask import Dask
from thermograd.ensemble.executors.dask_blocks import _warn_of_threads
from thermograd.ensemble.executors.dask_client import DaskClient
from thermograd.errors import ConfigError, EngineUnavailableError, MissingExtraError
from thermograd.store.manifest import read_manifest, write_manifest

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


def test_what_has_not_begun_can_be_taken_back(blocks, run):
    at_work = [blocks.submit(chores.wait, str(run), block, 1) for block in range(2)]
    chores.begun(run, range(2))
    queued = blocks.submit(chores.count, str(run), 9, 1)
    assert queued.cancel()
    assert queued.done()
    (run / "go").touch()
    assert [future.result() for future in at_work] == ["went", "went"]
    assert not at_work[0].cancel()
    assert not (run / "calls-9").exists()


def test_a_worker_that_sees_another_run_refuses(blocks, run):
    write_manifest(run, read_manifest(run).replace(run_id="f" * 32))
    report = blocks.submit(chores.count, str(run), 0, 1).result()
    assert (report.outcome, report.run_id) == ("failed", "f" * 32)
    assert not (run / "calls-0").exists()


def test_an_address_and_a_client_are_used_as_they_are(blocks, run):
    address = blocks._client.scheduler.address
    with Dask(address).open(run) as executor, Dask(address).alone(run) as alone:
        assert executor.submit(chores.where, str(run), 4, 1).result()[1] == 4
        assert alone.submit(chores.where, str(run), 6, 1).result()[1] == 6
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
        (folder,) = {worker["local_directory"] for worker in executor._client.scheduler_info()["workers"].values()}
        assert alive(pids[0])
    assert not alive(pids[0])
    assert not Path(folder).exists()
    assert not folder.startswith(str(run))
    with pytest.raises(EngineUnavailableError, match=r"scheduler is gone.*thermograd resume"):
        executor.submit(chores.where, str(run), 0, 1)


def test_nobody_at_the_address(run, monkeypatch):
    monkeypatch.setattr(dask, "_CONNECT_SECONDS", 0.5)
    with pytest.raises(EngineUnavailableError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:1 .*dask scheduler"):
        Dask("tcp://127.0.0.1:1").open(run).__enter__()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": -1}, "workers is -1; it must be a whole number from 0 to 4096"),
        ({"workers": True}, "workers is True"),
        ({"threads_per_worker": 0}, "threads_per_worker is 0; it must be a whole number from 1"),
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


def test_threads_that_will_idle_are_told_of():
    _warn_of_threads({"tcp://a": 1, "tcp://b": 1})
    with pytest.warns(RuntimeWarning, match=r"1 of 2 Dask workers have several threads \(tcp://b: 8\).*--nthreads 1"):
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


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of a cluster refused half-made
@pytest.mark.parametrize(
    ("options", "message"),
    [({"que": "long", "memory": "1GB"}, "unexpected keyword argument 'que'"), ({}, "how much cores and memory")],
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
