"""A run directory that grows when a test says so, owned by the process of the test."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "reliability"))

from logistic_map import LogisticMap, LogisticTrainer

from thermograd.ensemble.directory_creation import created, new_manifest
from thermograd.ensemble.identity import describe
from thermograd.store.events import append_event
from thermograd.store.failures import Failure, write_failure
from thermograd.store.manifest import read_manifest, write_manifest
from thermograd.store.options import StoreOptions
from thermograd.store.reader import open_run
from thermograd.store.writer import DirectorySink, DirectoryStorage


class GrowingRun:
    """Trajectories of the logistic map in blocks, each trained as far as asked; a context, which holds the lock."""

    def __init__(self, path, map_=None, *, name="", time_chunk=5, notes=()):
        self.path = path
        self.trainer = LogisticTrainer(map_ or LogisticMap(trajectories=10, steps=20, block_size=4))
        self.header = self.trainer.header(name)
        options = StoreOptions(time_chunk=time_chunk)
        self._manifest = new_manifest(self.header, describe(self.trainer.experiment), options, tuple(notes))
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        self._stack.enter_context(created(self.path, self.header, self._manifest))
        self.set_state("running")
        append_event(self.path, "started", generation=0)
        return self

    def __exit__(self, *_):
        self._stack.close()

    @property
    def storage(self):
        return DirectoryStorage(self.path, read_manifest(self.path), self.header)

    def set_state(self, state):
        write_manifest(self.path, read_manifest(self.path).replace(state=state))

    def train(self, block, until=None):
        storage = self.storage

        def told(block, checkpoint):
            append_event(self.path, "checkpoint", block=block, step=checkpoint.step)

        append_event(self.path, "block_started", block=block)
        sink = DirectorySink(storage, block, stopping=lambda: False, on_commit=told)
        self.trainer.train(block, sink, until=until)
        if storage.finished(block):
            append_event(self.path, "block_finished", block=block)

    def fail(self, block, message="no luck"):
        self.storage.mark_failed(block)
        write_failure(self.path, Failure(block, "RuntimeError", message, "", 3, 2, "n1"))
        append_event(self.path, "block_failed", block=block)

    def finish(self):
        for block in self.storage.unfinished():
            self.train(block)
        self.set_state("finished")
        append_event(self.path, "finished", failed=[])


def averaged(path, name):
    """Count, mean and standard deviation by numpy, over what is committed and did not diverge."""
    run = open_run(path)
    values = run[name].astype(float)
    steps = run.times(name)
    committed = np.repeat(run.committed, run.source.header.block_size)[: run.trajectories]
    values[steps > committed[:, None]] = np.nan
    values[run.diverged_at >= 0] = np.nan
    known = np.isfinite(values).any(axis=0)
    values, steps = values[:, known], steps[known]
    count = np.isfinite(values).sum(axis=0)
    mean = np.nanmean(values, axis=0)
    deviation = np.full(count.size, np.nan)
    if (count > 1).any():
        deviation[count > 1] = np.nanstd(values[:, count > 1], axis=0, ddof=1)
    return steps, count, mean, deviation


def same_as_numpy(data, path, name="train_loss"):
    """Whether what the page is told are those averages."""
    steps, count, mean, deviation = averaged(path, name)
    points = data["series"][name]
    assert points["step"] == steps.tolist()
    assert points["trajectories"] == count.tolist()
    told = {key: np.array(points[key], float) for key in ("mean", "low", "high")}
    scale = np.abs(mean).max() + 1
    np.testing.assert_allclose(told["mean"], mean, rtol=1e-6, atol=1e-6 * scale)
    np.testing.assert_allclose(told["low"], mean - deviation, rtol=1e-6, atol=1e-6 * scale)
    np.testing.assert_allclose(told["high"], mean + deviation, rtol=1e-6, atol=1e-6 * scale)
