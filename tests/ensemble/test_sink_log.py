"""Means go to the caller's logger while a run goes on: the same numbers, each once, wherever blocks are trained."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from thermograd.ensemble import sink_log
from thermograd.ensemble.experiment import Experiment
from thermograd.ensemble.run import run
from thermograd.errors import ConfigError
from thermograd.numerics.log_times import Every
from thermograd.observables import Loss
from thermograd.problems import Quadratic


@pytest.fixture
def experiment() -> Experiment:
    return Experiment(
        Quadratic(),
        trajectories=5,
        block_size=2,
        steps=12,
        observe=[Loss(at=Every(4))],
        engine="eager",
    )


class Collected(list):
    def __call__(self, values, step):
        self.append((step, dict(values)))


@pytest.mark.parametrize("pause", [0.0, 1e9])
def test_the_same_numbers_in_memory_and_from_a_folder_that_went_on(experiment, tmp_path, monkeypatch, pause):
    """Whether it is told at every step or once at the end."""
    monkeypatch.setattr(sink_log, "SECONDS_BETWEEN", pause)
    memory, pieces = Collected(), Collected()
    whole = run(experiment, sink=memory)
    assert [step for step, _ in memory] == [0, 4, 8, 12]
    np.testing.assert_allclose([values["train_loss"] for _, values in memory], whole["train_loss"].mean(0))
    for until in (5, 9, None):
        run(experiment, store=tmp_path / "run", until=until, sink=pieces)
    assert pieces == memory
    resumed = Collected()
    stopped = run(experiment, until=5, sink=resumed)
    run(resume=stopped, sink=resumed)
    assert resumed == memory


def test_from_workers_elsewhere(experiment, tmp_path):
    memory = Collected()
    run(experiment, sink=memory)
    file = tmp_path / "log.jsonl"
    with ThreadPoolExecutor(1) as threads:
        run(experiment, store=tmp_path / "run", executor=threads, sink=file)
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert [line["train_loss"] for line in lines] == [values["train_loss"] for _, values in memory]


def test_a_single_block_in_memory_is_told_while_it_trains(experiment, monkeypatch):
    monkeypatch.setattr(sink_log, "SECONDS_BETWEEN", 0.0)
    seen: list[tuple[int, int]] = []
    at = [0]
    run(
        Experiment(Quadratic(), trajectories=2, steps=12, observe=[Loss(at=Every(4))], engine="eager"),
        sink=lambda values, step: seen.append((step, at[0])),
        progress=lambda block, step: at.__setitem__(0, step),
    )
    assert [step for step, _ in seen] == [0, 4, 8, 12]
    assert seen[1][1] < 12


def test_what_is_no_sink_is_refused_before_anything_is_made(experiment, tmp_path):
    with pytest.raises(ConfigError, match="cannot log to"):
        run(experiment, store=tmp_path / "run", sink=3)
    assert not (tmp_path / "run").exists()
