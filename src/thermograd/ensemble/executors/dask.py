"""Blocks on Dask: on this machine, with a scheduler that is there, or in jobs of a queue system."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import re
import shutil
import signal
import tempfile
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from thermograd.ensemble.executors.dask_blocks import DaskBlocks, warn_of_nobody, worker_died
from thermograd.ensemble.executors.terminal_signals import unheard_by_children
from thermograd.errors import ConfigError, EngineUnavailableError, MissingExtraError
from thermograd.numerics.whole_number import check_whole_number

_OWN_WORKERS = 2
_CONNECT_SECONDS = 10
_QUEUES = {"slurm": "SLURMCluster", "pbs": "PBSCluster"}
_ADDRESS = re.compile(r".+\.json|inproc://.+|([a-z]+://)?[^/\s]+:\d+")
_COMMANDS = {"slurm": "sbatch", "pbs": "qsub"}
_SCHEDULER = {"allowed_failures": 0, "dashboard": False}
_QUIET = logging.CRITICAL  # lost workers are told of by the run


@dataclass(frozen=True)
class Dask:
    """Dask workers: of a scheduler that is there, as jobs of Slurm or PBS, or processes of this machine.

    Each has one block at a time; all of them must see the run directory under the same path. Without `address` and
    `cluster`, worker processes of this machine that only it can reach. A worker that dies is replaced, and the others
    go on.

    Attributes:
        address: of a scheduler that is there, such as "tcp://host:8786", or its scheduler file (`*.json`).
        workers: number of workers, or of jobs of the queue; 0 = 2 of them. With `address`, the blocks given out at a
            time; 0 = all, which the scheduler then keeps in its own queue.
        threads_per_worker: threads inside one operation.
        cluster: "slurm" or "pbs": start workers as jobs, through dask-jobqueue.
        cluster_options: arguments of its `SLURMCluster` or `PBSCluster`, such as `memory`, `walltime`, `queue`.

    Raises:
        ValueError: options that contradict each other, or a number below what it may be.

    >>> Dask(workers=4)
    Dask(address='', workers=4, threads_per_worker=1, cluster='', cluster_options={})
    """

    address: str = ""
    workers: int = 0
    threads_per_worker: int = 1
    cluster: Literal["", "slurm", "pbs"] = ""
    cluster_options: Mapping[str, Any] = field(default_factory=dict)

    remote: ClassVar[bool] = True
    survives_loss: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for name, least in (("workers", 0), ("threads_per_worker", 1)):
            check_whole_number(name, getattr(self, name), least, 4096)
        if self.cluster not in {"", *_QUEUES}:
            message = f"cluster is {self.cluster!r}; known: {', '.join(_QUEUES)}"
            raise ValueError(message)
        if self.address and not _ADDRESS.fullmatch(self.address):  # Dask would look for it for a minute
            message = (
                f"address is {self.address!r}; it must be what a scheduler prints, such as tcp://head:8786, or the file "
                "that it writes, *.json"
            )
            raise ValueError(message)
        if self.address and self.cluster:
            message = f"cluster is {self.cluster!r} and address is {self.address!r}; give one of them"
            raise ValueError(message)
        if self.cluster_options and not self.cluster:
            message = f"cluster_options are {dict(self.cluster_options)!r}, but no cluster is named: {', '.join(_QUEUES)}"
            raise ValueError(message)

    def check(self) -> None:
        """Connect to the scheduler at `address`, or make a cluster without a job, and let go of it.

        Raises:
            ConfigError: no scheduler answers, the commands of the queue system are not on this machine, or an option
                that dask-jobqueue does not know.
            MissingExtraError: a package is not installed.
        """
        _module("distributed", "dask")
        if self.cluster:
            with self._jobs():
                self._check_commands()
        if self.address:
            try:
                with _connected(self.address):
                    pass
            except EngineUnavailableError as absent:
                error = _refused("address", absent)
                raise error from absent

    @contextlib.contextmanager
    def open(self, run: Path) -> Generator[DaskBlocks]:
        """Connect, starting workers unless there is an address; what was started is ended.

        Args:
            run: the run directory.

        Yields:
            The executor.

        Raises:
            MissingExtraError: a package is not installed.
            EngineUnavailableError: there is no scheduler at the address, or the queue system refuses.
            ConfigError: an option that dask-jobqueue does not know.
        """
        with contextlib.ExitStack() as ended:
            place = self.address or ended.enter_context(self._started())
            client = ended.enter_context(_connected(place))
            if self.address:
                warn_of_nobody(client.nthreads(), self.address)
            yield DaskBlocks(client, run)

    def alone(self, run: Path) -> contextlib.AbstractContextManager[DaskBlocks]:
        """The same with one worker of its own; at an address, whichever worker its scheduler takes."""
        return replace(self, workers=1).open(run)

    def lost(self, error: BaseException) -> bool:
        """Whether workers died each time they had the block."""
        return worker_died(error)

    def job_script(self) -> str:
        """What would be submitted to the queue system for one job, to be read before anything is.

        Raises:
            ValueError: no cluster is named.

        The other errors are those of `open`.
        """
        if not self.cluster:
            message = "cluster is ''; a job script belongs to a queue system: slurm, pbs"
            raise ValueError(message)
        with self._jobs() as cluster:
            return str(cluster.job_script())

    @contextlib.contextmanager
    def _started(self) -> Generator[Any]:
        """Workers of our own."""
        workers = self.workers or _OWN_WORKERS
        if self.cluster:
            with self._jobs() as cluster:
                cluster.adapt(minimum_jobs=workers, maximum_jobs=workers)
                yield cluster
            return
        distributed = _module("distributed", "dask")
        with tempfile.TemporaryDirectory(prefix="thermograd-dask-", ignore_cleanup_errors=True) as folder:
            with _one_block_a_worker(), unheard_by_children():
                cluster = distributed.LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    host="127.0.0.1",
                    local_directory=folder,
                    silence_logs=_QUIET,
                    scheduler_kwargs={**_SCHEDULER, "dashboard_address": "127.0.0.1:0"},
                )
            with cluster:
                try:
                    yield cluster
                finally:
                    _end_workers(cluster)

    def _check_commands(self) -> None:
        command = _COMMANDS[self.cluster]
        if shutil.which(command) is None:
            error = _refused(
                "cluster",
                f"{self.cluster!r} needs the command {command}, which is not on the PATH of this machine; start the run "
                "on a node from which jobs are submitted",
            )
            raise error

    @contextlib.contextmanager
    def _jobs(self) -> Generator[Any]:
        """A cluster of dask-jobqueue that has no job yet."""
        cluster_type = getattr(_module("dask_jobqueue", "slurm"), _QUEUES[self.cluster])
        options = {"cores": 1, "processes": 1, **self.cluster_options}
        if self.cluster == "slurm":
            options = {"job_cpu": self.threads_per_worker * int(options["processes"]), **options}
        scheduler = {**_SCHEDULER, "dashboard_address": ":0", **options.pop("scheduler_options", {})}
        try:
            with _one_block_a_worker(), unheard_by_children():
                cluster = cluster_type(scheduler_options=scheduler, **options)
        except (TypeError, ValueError) as refused:
            error = _refused("cluster_options", refused)
            raise error from refused
        with cluster:
            yield cluster


@contextlib.contextmanager
def _connected(place: Any) -> Generator[Any]:
    """A client of a scheduler: an address, a scheduler file, or a cluster."""
    distributed = _module("distributed", "dask")
    file = isinstance(place, str) and place.endswith(".json")
    if file and not Path(place).is_file():  # it would be waited for without end
        message = f"there is no scheduler file {place}; `dask scheduler --scheduler-file {place}` writes it"
        raise EngineUnavailableError(message)
    where = {"scheduler_file": place} if file else {"address": place}
    with _unlogged():
        try:
            client = distributed.Client(**where, set_as_default=False, timeout=_CONNECT_SECONDS)
        except (OSError, ValueError) as error:
            message = (
                f"no Dask scheduler answers at {place} ({error}); start one there with `dask scheduler`, or give its "
                "address as it prints it"
            )
            raise EngineUnavailableError(message) from error
        with client:
            yield client


@contextlib.contextmanager
def _unlogged() -> Generator[None]:
    """A scheduler that is lost is told of by the run, in a sentence; the client would log tracebacks."""
    log = logging.getLogger("distributed.client")
    before = log.level
    log.setLevel(_QUIET)
    try:
        yield
    finally:
        log.setLevel(before)


def _refused(option: str, why: object) -> ConfigError:
    return ConfigError(f"executor.{option}: {why}", ((f"executor.{option}", str(why)),))


def _end_workers(cluster: Any) -> None:
    """At once: Dask would wait for a step that is under way, and what is not committed is computed again anyway."""
    for nanny in cluster.workers.values():
        nanny.auto_restart = False
        if nanny.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(nanny.pid, signal.SIGKILL)


def _one_block_a_worker() -> Any:
    """No block waits at a worker that has one, so that the death of a worker concerns one block."""
    return _module("dask", "dask").config.set({"distributed.scheduler.worker-saturation": 1.0})


def _module(name: str, extra: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as absent:
        raise MissingExtraError(package=name, extra=extra, purpose=f"executor.kind = {'dask'!r}") from absent
