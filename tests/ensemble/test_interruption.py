from __future__ import annotations

import os
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch

import thermograd as tg
from thermograd.dynamics import SGD
from thermograd.errors import ExperimentMismatchError, InterruptedRunError
from thermograd.problems import Quadratic
from thermograd.report.run_facts import go_on_command

DATA = (torch.linspace(-1, 1, 64)[:, None], torch.zeros(64, 1))
OWN = tg.Problem(model=torch.nn.Linear(1, 1), loss=lambda out, y: (out - y).square().sum(1), train=DATA)


@pytest.mark.parametrize(
    ("problem", "go_on"),
    [
        (Quadratic(), "thermograd resume {}"),
        (OWN, "the same script again, or in Python: thermograd.resume({!r}, "),
    ],
)
def test_a_stopped_run_says_what_goes_on_with_it_and_that_does(problem, go_on, tmp_path):
    """The command line cannot make a network of Python again, so it is not proposed for one."""
    experiment = tg.Experiment(
        problem, dynamics=SGD(0.1), trajectories=4, block_size=1, steps=6, engine="eager"
    )
    store = tmp_path / "run"
    pressed = []

    def press(block, step):
        if not pressed:
            pressed.append((block, step))
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(InterruptedRunError) as stopped:
        tg.run(experiment, store=store, progress=press)
    assert f"Go on with: {go_on.format(str(store))}" in str(stopped.value)
    assert go_on_command(tg.open_run(store)).startswith(go_on.format(str(store)))
    again = tg.resume(store, experiment=None if problem is not OWN else experiment)
    assert again.complete
    np.testing.assert_array_equal(again["train_loss"], tg.run(experiment)["train_loss"])


def named(name):
    """The same network, made by a function of another module."""

    def make():
        return torch.nn.Linear(1, 1)

    make.__module__, make.__qualname__ = name, "make"
    return tg.Experiment(replace(OWN, model=make), dynamics=SGD(0.1), trajectories=2, steps=2, engine="eager")


def test_what_differs_is_named_by_its_cause(tmp_path):
    """Initial weights follow from seed and model; a script that is imported is not the script that was run."""
    tg.run(named("__main__"), store=tmp_path / "run")
    with pytest.raises(ExperimentMismatchError, match=r"seed: 0 in the run, 1 given\. Give") as refused:
        tg.run(replace(named("__main__"), seed=1), store=tmp_path / "run")
    assert "sha256" not in str(refused.value)
    with pytest.raises(ExperimentMismatchError, match="go on by the script itself"):
        tg.run(named("my_script"), store=tmp_path / "run")
