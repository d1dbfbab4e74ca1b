"""Every kind of logger gets what it takes, in the signature of the real one; none of them stops training."""

from __future__ import annotations

import logging
import math
import types

import numpy as np
import pytest

from thermograd.errors import ConfigError
from thermograd.store.sinks import sink_of

VALUES = {"t/ratio": 0.98, "t/blocks": 64, "t/kind": "drifting", "t/none": None, "t/limit": math.inf}
SCALARS = {"t/ratio": 0.98, "t/blocks": 64}


class Calls:
    def __init__(self):
        self.calls = []


class WandbRun(Calls):
    """wandb 0.31 Run.log; that of trackio 0.43 has no commit."""

    def log(self, data, step=None, commit=None):
        self.calls.append((data, step))


class SummaryWriter(Calls):
    """torch.utils.tensorboard of torch 2.13."""

    def add_scalar(
        self, tag, scalar_value, global_step=None, walltime=None, new_style=False, double_precision=False
    ):
        self.calls.append((tag, scalar_value, global_step))


class LightningLogger(Calls):
    """lightning 2.6 Logger."""

    def log_metrics(self, metrics, step=None):
        self.calls.append((metrics, step))


def mlflow(calls):
    """The module mlflow 3.17: functions, not methods."""

    def log_metrics(
        metrics, step=None, synchronous=None, run_id=None, timestamp=None, model_id=None, dataset=None
    ):
        calls.append((metrics, step))

    module = types.ModuleType("mlflow")
    module.log_metrics = log_metrics
    return module


def test_what_each_logger_gets():
    wandb, writer, lightning, own = WandbRun(), SummaryWriter(), LightningLogger(), Calls()
    module = mlflow(own.calls)
    for target in (wandb, writer, lightning, module):
        sink_of(target)(VALUES, 50)
    assert wandb.calls == [({name: value for name, value in VALUES.items() if value is not None}, 50)]
    assert writer.calls == [("t/ratio", 0.98, 50), ("t/blocks", 64, 50)]
    assert lightning.calls == own.calls == [(SCALARS, 50)]


def test_a_function_gets_everything():
    calls = []
    sink_of(lambda values, step: calls.append((values, step)))(VALUES, 7)
    assert calls == [(VALUES, 7)]


def test_the_module_wandb_before_and_after_init():
    """Before init, wandb.log is a function that raises and says that it wraps the unbound Run.log."""

    def before(*_args, **_kwargs):
        message = "You must call wandb.init() before wandb.log()"
        raise RuntimeError(message)

    before.__wrapped__ = WandbRun.log
    wandb, run = types.ModuleType("wandb"), WandbRun()
    wandb.log = before
    sink = sink_of(wandb)
    sink(SCALARS, 50)
    wandb.log = run.log
    sink(SCALARS, 100)
    assert run.calls == [(SCALARS, 100)]
    assert sink.failures == 1


def test_numbers_of_numpy_become_plain():
    calls = []
    sink = sink_of(lambda values, step: calls.append((values, step)))
    sink(
        {"a": np.float32(0.5), "b": np.int64(3), "c": np.bool_(1), "d": np.array(2.5), "e": True}, np.int64(9)
    )
    ((values, step),) = calls
    assert [(type(value), value) for value in (*values.values(), step)] == [
        (float, 0.5),
        (int, 3),
        (float, 1.0),
        (float, 2.5),
        (int, 1),
        (int, 9),
    ]


def test_a_failing_sink_is_given_up_with_one_warning():
    calls = []

    def failing(_values, step):
        calls.append(step)
        message = "connection refused"
        raise ConnectionError(message)

    sink = sink_of(failing)
    sink(SCALARS, 1)
    sink(SCALARS, 2)
    with pytest.warns(
        UserWarning, match=r"failing failed 3 times and is given up, .* step 3: ConnectionError: connection"
    ) as warned:
        sink(SCALARS, 3)
    for step in range(4, 9):
        sink(SCALARS, step)
    assert len(warned) == 1
    assert calls == [1, 2, 3]


def test_what_a_sink_cannot_take_does_not_stop_training_either():
    sink = sink_of(lambda _values, _step: None)
    sink({"list": [1, 2]}, 50)
    assert sink.failures == 1


def test_an_interrupt_is_not_swallowed():
    def interrupted(_values, _step):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sink_of(interrupted)(SCALARS, 1)


class LightningModule:
    """Its log takes a name and a value, so it is not a sink."""

    def log(self, name, value, prog_bar=False, logger=None, on_step=None, on_epoch=None):
        raise AssertionError


@pytest.mark.parametrize(
    ("target", "named"),
    [
        (None, r"None \(wandb\.run is None before wandb\.init\(\)\)"),
        (WandbRun, r"WandbRun \(a class; give an object made from it\)"),
        (LightningModule(), "an object of type LightningModule"),
        (logging.getLogger("x"), "an object of type Logger"),
        (3, "an object of type int"),
        (lambda: None, "<lambda>"),
    ],
)
def test_what_is_no_sink(target, named):
    with pytest.raises(ConfigError, match=f"cannot log to .*{named}: a sink is an object with log"):
        sink_of(target)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("log.txt", r"log\.txt: its name must end in \.jsonl or \.csv"),
        ("log", r"must end in \.jsonl or \.csv"),
        ("nowhere/log.csv", r"no folder .*nowhere for the log log\.csv: make it first"),
        ("folder.jsonl", r"folder\.jsonl is not a file"),
    ],
)
def test_paths_that_cannot_be_written(path, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(ConfigError, match=message):
        sink_of(path)
