"""Blocks as jobs of a queue system, through submitit."""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import tempfile
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from thermograd.ensemble.executors.submitit_blocks import SubmititBlocks
from thermograd.errors import ConfigError, MissingExtraError
from thermograd.numerics.whole_number import check_whole_number
from thermograd.store.manifest import read_manifest

FOLDER = "submitit"
_HERE_WORKERS = 2
_MINUTES = {"local": 7 * 24 * 60}
_QUEUE_MINUTES = 60
_LOGGING = "SUBMITIT_LOG_LEVEL"


@dataclass(frozen=True)
class Submitit:
    """Jobs of Slurm, through submitit: one for each block; those handed out together are a job array.

    Before its wall-clock limit, and when it is preempted, a job gets a signal: it commits its block at the next step
    boundary and ends, and the block is submitted again. The folder `submitit` of the run, which only you can read, holds
    scripts, logs and what is sent to the jobs; nothing in it is read by a later start.

    Attributes:
        workers: jobs at a time; 0 = as many as the queue system lets run, 2 on this machine.
        threads_per_worker: threads inside one operation, and the cores of a job.
        cluster: "slurm", "local" (processes of this machine) or "debug" (in the caller); "" = "slurm" where there is
            one, else "local".
        parameters: of submitit, such as `timeout_min`, `mem_gb`, `slurm_partition`, `slurm_account`.

    Raises:
        ValueError: a number below what it may be.

    >>> Submitit(cluster="local", parameters={"timeout_min": 30}).workers
    0
    """

    workers: int = 0
    threads_per_worker: int = 1
    cluster: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)

    remote: ClassVar[bool] = True
    survives_loss: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for name, least in (("workers", 0), ("threads_per_worker", 1)):
            check_whole_number(name, getattr(self, name), least, 4096)

    def check(self) -> None:
        """Make what submits jobs, in a folder that is thrown away, and submit none.

        Raises:
            ConfigError: there is no such cluster here, or a parameter that submitit does not know.
            MissingExtraError: submitit is not installed.
        """
        with tempfile.TemporaryDirectory(prefix="thermograd-submitit-") as folder:
            self._submitter(folder)

    @contextlib.contextmanager
    def open(self, run: Path) -> Generator[SubmititBlocks]:
        """Submit to a queue; jobs that are left over are cancelled.

        Args:
            run: the run directory.

        Yields:
            The executor.

        Raises:
            MissingExtraError: submitit is not installed.
            ConfigError: there is no such cluster here, or a parameter that submitit does not know.
        """
        submitit = _submitit()
        folder = run / FOLDER
        folder.mkdir(mode=0o700, exist_ok=True)
        # a fresh one each time: jobs of this machine are named by process numbers, which come again
        fresh = tempfile.mkdtemp(prefix="start-", dir=folder)
        executor = self._submitter(fresh)
        here = executor.cluster in {"local", "debug"}
        width = (self.workers or _HERE_WORKERS) if here else 0
        blocks = SubmititBlocks(
            executor, read_manifest(run).run_id, width, submitit.core.utils.UncompletedJobError
        )
        with contextlib.closing(blocks):
            yield blocks

    @property
    def place(self) -> str:
        """Where the jobs run, if nobody chose it and there is no queue; else ""."""
        if self.cluster or shutil.which("srun"):  # as submitit chooses
            return ""
        return (
            f"no Slurm here (no srun on the PATH): the jobs are processes of this machine, {self.workers or _HERE_WORKERS} "
            "at a time; cluster = 'slurm' refuses that"
        )

    def alone(self, run: Path) -> contextlib.AbstractContextManager[SubmititBlocks]:
        """One job at a time."""
        return replace(self, workers=1).open(run)

    def lost(self, error: BaseException) -> bool:
        """Whether a job ended without a result."""
        if not type(error).__module__.startswith("submitit."):
            return False
        utils = _submitit().core.utils
        return isinstance(error, utils.UncompletedJobError) and not isinstance(error, utils.FailedJobError)

    def _submitter(self, folder: str) -> Any:
        try:
            executor = _submitit().AutoExecutor(folder=folder, cluster=self.cluster or None)
        except (RuntimeError, ValueError) as error:
            message = f"{self.cluster!r} is not there: {error}"
            problems = (("executor.cluster", message),)
            raise ConfigError("executor.cluster: " + message, problems) from error
        self._configure(executor)
        return executor

    def _configure(self, executor: Any) -> None:
        parameters = {
            "name": "thermograd",
            "timeout_min": _MINUTES.get(executor.cluster, _QUEUE_MINUTES),
            "cpus_per_task": self.threads_per_worker,
            **({"slurm_array_parallelism": self.workers} if self.workers else {}),
            **self.parameters,
        }
        try:
            executor.update_parameters(**parameters)
        except (NameError, ValueError, AssertionError, TypeError) as refused:
            message = " ".join(str(refused).split())  # it has lines
            problems = (("executor.parameters", message),)
            raise ConfigError("executor.parameters: " + message, problems) from refused


def _submitit() -> Any:
    chosen = os.environ.get(_LOGGING)
    os.environ[_LOGGING] = chosen or "NOCONFIG"  # it would write to stdout, which is for results
    try:
        return importlib.import_module("submitit")
    except ImportError as absent:
        raise MissingExtraError(
            package="submitit", extra="slurm", purpose="executor.kind = 'submitit'"
        ) from absent
    finally:
        if chosen is None:
            del os.environ[_LOGGING]
