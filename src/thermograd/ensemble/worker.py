"""`train_block`: the one task that is ever handed to an executor."""

from __future__ import annotations

import dataclasses
import math
import os
import signal
import threading
import time
from dataclasses import replace
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from thermograd import ensemble  # its lazy door: the core works without what a config needs
from thermograd.ensemble.block_report import FAILED, LEFT, STALE, STOPPED, BlockReport
from thermograd.ensemble.block_work import BlockTask, BlockTrainer, Workplace, work_on
from thermograd.ensemble.environment import differences, environment
from thermograd.ensemble.executors.process_worker import die_with
from thermograd.ensemble.identity import describe
from thermograd.ensemble.stop_file import StopWatch
from thermograd.ensemble.training_loop import Trainer
from thermograd.errors import EngineUnavailableError, ExperimentMismatchError, RunInUseError, ThermogradError
from thermograd.store import lock
from thermograd.store.block_progress import BlockProgress, clear_progress, write_progress
from thermograd.store.layout import Checkpoint
from thermograd.store.manifest import Manifest, read_manifest
from thermograd.store.writer import DirectoryStorage

_SECONDS_BETWEEN = 1.0


def train_block(run: str, block: int, generation: int) -> BlockReport:
    """Train one block of a run directory, from what the directory says about itself.

    Args:
        run: path of the run directory, as this machine sees it.
        block: which block.
        generation: the start of the run that asks for it; a later one makes this one leave without a trace.

    Returns:
        What came of it; nothing foreseen is raised.
    """
    path = Path(run)
    report = BlockReport(block, FAILED)
    try:
        manifest = read_manifest(path)
        report = replace(report, run_id=manifest.run_id)
        if manifest.generation != generation or manifest.state != "running":
            return replace(report, outcome=STALE, message=f"start number {generation} is over")
        _belong_to(path)
        watch = StopWatch(path, generation)
        if watch.stopping():
            return replace(report, outcome=LEFT if watch.noticed else STOPPED)
        workplace = partial(_workplace, path, manifest.run_id, generation, threading.get_ident())
        _prepare(workplace)
    except RunInUseError as error:
        return replace(report, outcome=STALE, message=str(error))
    except (ThermogradError, OSError) as error:
        return report.with_error(error)
    task = BlockTask(path, block, generation, watch.until)
    onlooker = _Onlooker(path, generation, watch)
    done = work_on(task, workplace, onlooker)
    outcome = LEFT if done.outcome == STOPPED and watch.noticed else done.outcome
    changed = differences(manifest.environment, _environment(), compiled=manifest.engine != "eager")
    return replace(
        done,
        outcome=outcome,
        run_id=manifest.run_id,
        changed=", ".join(changed),
        diverged=onlooker.progress.diverged,
        mean=onlooker.progress.mean,
    )


_environment = cache(environment)


def _prepare(workplace: Workplace) -> None:
    """Make what trains before the block is owned: importing, reading and planning take seconds, with no step among them.

    An owner that did it would let a later start wait all that time. What else is wrong is raised again by the owner.

    Raises:
        RunInUseError: a later start owns the run.
    """
    try:
        workplace()
    except RunInUseError:
        raise
    except Exception:
        return


class _Onlooker:
    """Keeps `progress.json` up to date, at most once a second."""

    def __init__(self, run: Path, generation: int, watch: StopWatch) -> None:
        self.progress = BlockProgress(generation)
        self._run = run
        self._watch = watch
        self._written = -_SECONDS_BETWEEN
        self._observable = ""

    def stopping(self) -> bool:
        return self._watch.stopping()

    def begun(self, block: int) -> None:
        self._tell(block, now=True)

    def advanced(self, block: int, step: int) -> None:
        self.progress = replace(self.progress, step=step)
        self._tell(block)

    def recorded(self, block: int, step: int, values: dict[str, npt.NDArray[Any]]) -> None:
        del block, step
        name = next(iter(values))
        self._observable = self._observable or name  # the first one that is recorded is the first observable
        if name == self._observable:
            self.progress = replace(self.progress, mean=_mean(values[name]))

    def committed(self, block: int, checkpoint: Checkpoint) -> None:
        diverged = int((checkpoint.arrays["diverged_at"] >= 0).sum())
        self.progress = replace(
            self.progress, step=checkpoint.step, committed=checkpoint.step, diverged=diverged
        )
        self._tell(block)

    def raised(self, block: int, error: Exception) -> None:
        del block, error

    def ended(self, block: int) -> None:
        clear_progress(self._run, block)

    def _tell(self, block: int, *, now: bool = False) -> None:
        if now or time.monotonic() - self._written >= _SECONDS_BETWEEN:
            self._written = time.monotonic()
            write_progress(self._run, block, self.progress)


def _mean(values: npt.NDArray[Any]) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else math.nan


@lru_cache(maxsize=8)
def _workplace(run: Path, run_id: str, generation: int, thread: int) -> tuple[DirectoryStorage, BlockTrainer]:
    """The open run and its trainer, kept from block to block by each thread for itself."""
    del run_id, thread
    manifest = read_manifest(run)
    if manifest.generation != generation:
        message = f"start number {manifest.generation} owns the run now, this is number {generation}"
        raise RunInUseError(message)
    if not _in_coordinator(run):
        torch.set_num_threads(manifest.threads_per_worker)
    trainer = _trainer(run, manifest)
    return DirectoryStorage(run, manifest, trainer.header(manifest.name)), trainer


def _trainer(run: Path, manifest: Manifest) -> Trainer:
    """The trainer of what the manifest describes, with the engine that the run began with where it is there.

    Raises:
        ExperimentMismatchError: the description does not give the experiment back.
    """
    # whoever started this generation was allowed to import what it names, or it would not have started
    experiment = ensemble.built_experiment(manifest.experiment, str(run), allow_import=True)
    if describe(experiment).identity != manifest.identity:
        message = f"{run}: the experiment in the manifest is another one here than where the run was made"
        raise ExperimentMismatchError(message)
    trainer = Trainer(experiment)
    if trainer.plan.engine == manifest.engine:
        return trainer
    try:
        return Trainer(dataclasses.replace(experiment, engine=manifest.engine))
    except EngineUnavailableError:
        return trainer


def _belong_to(run: Path) -> None:
    """In a process of the coordinator's own pool: leave Ctrl-C to it, and die with it."""
    holder = lock.read_holder(run)
    if holder is None or not holder.here or holder.pid != os.getppid():
        return
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with(holder.pid)


def _in_coordinator(run: Path) -> bool:
    holder = lock.read_holder(run)
    return holder is not None and holder.here and holder.pid == os.getpid()
