"""Trackers in ensembles: what they are shown, what of them is recorded, and that an interruption changes nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from thermograd.dynamics.sgd import SGD
from thermograd.ensemble.experiment import Experiment
from thermograd.ensemble.run import run
from thermograd.errors import MemoryLimitError
from thermograd.minibatching.without_replacement import WithoutReplacement
from thermograd.numerics.log_times import At, Every
from thermograd.observables.displacement import Displacement
from thermograd.observables.loss import Loss
from thermograd.problems.quadratic import Quadratic

POWERS = [1, 2, 4, 8, 16, 32, 64]


class Doubling:
    """Squared distance from the start at steps 1, 2, 4, ..., kept by a memory that lives on."""

    def __init__(self, parameters, trajectories):
        self.trajectories = trajectories
        self.beginning = {name: value.clone() for name, value in parameters.items()}
        self.due, self.steps, self.squares = 1, [], []

    @property
    def nbytes(self):
        return sum(value.nbytes for value in self.beginning.values())

    def record(self, step, parameters=None):
        if step < self.due:
            return
        moved = [
            (value - self.beginning[name]).flatten(1).square().sum(1) for name, value in parameters.items()
        ]
        self.steps.append(step)
        self.squares.append(torch.stack(moved).sum(0).double())
        self.due = 2 * step

    def table(self):
        return self.arrays()

    def arrays(self):
        members = len(self.trajectories)
        squares = torch.stack(self.squares, 1).numpy() if self.squares else np.zeros((members, 0))
        return {"steps": np.tile(np.array(self.steps, np.int64), (members, 1)), "squared": squares}

    def state_dict(self):
        return {"beginning": self.beginning, "due": self.due, "steps": self.steps, "squares": self.squares}

    def load_state_dict(self, state):
        self.beginning, self.due = state["beginning"], state["due"]
        self.steps, self.squares = list(state["steps"]), list(state["squares"])


@dataclass(frozen=True)
class Memory:
    """Makes a `Doubling`."""

    name: str = "memory"

    def start(self, parameters, trajectories=None):
        return Doubling(parameters, trajectories)


@dataclass(frozen=True)
class Stuck(Memory):
    """Asks for the same step for ever."""

    def start(self, parameters, trajectories=None):
        stuck = Doubling(parameters, trajectories)
        stuck.record = lambda step, parameters=None: None
        return stuck


class Vast(Doubling):
    """Says that it holds 1 TB for each trajectory."""

    nbytes = 10**12


@dataclass(frozen=True)
class Huge(Memory):
    """Makes a `Vast`."""

    def start(self, parameters, trajectories=None):
        return Vast(parameters, trajectories)


def experiment(**changes):
    settings = {
        "dynamics": SGD(0.05),
        "minibatching": WithoutReplacement(batch_size=5),
        "observe": [Loss(at=Every(50)), Memory(), Displacement(at=At(POWERS))],
        "trajectories": 5,
        "steps": 100,
        "seed": 3,
        "block_size": 2,
        "engine": "eager",
    }
    return Experiment(Quadratic(), **settings | changes)


def test_a_tracker_sees_every_step_it_asks_for_and_its_last_table_is_whole():
    result = run(experiment())
    assert result.times("memory/squared").tolist() == [1, 10, 100]
    assert result["memory/steps"][:, -1].tolist() == [POWERS] * 5
    parameters = sum(int(np.prod(value.shape[1:])) for value in result.weights().values())
    np.testing.assert_allclose(
        result["memory/squared"][:, -1], parameters * result["displacement"], rtol=1e-12
    )


def test_earlier_tables_hold_what_was_known_then():
    result = run(experiment())
    steps, squares = result["memory/steps"], result["memory/squared"]
    assert steps[0].tolist() == [[1] + [-1] * 6, [1, 2, 4, 8, -1, -1, -1], POWERS]
    np.testing.assert_array_equal(squares[:, 1, :4], squares[:, 2, :4])
    assert np.isnan(squares[:, 1, 4:]).all()


@pytest.mark.parametrize("engine", ["eager", "kernel"])
def test_the_numbers_hang_on_no_block_and_no_interruption(engine):
    whole = run(experiment(engine=engine, block_size=5))
    parts = run(experiment(engine=engine), until=37)
    assert not parts.complete
    assert np.isnan(parts["memory/squared"][:, -1]).all()
    resumed = run(resume=parts)
    np.testing.assert_array_equal(resumed["memory/squared"], whole["memory/squared"])
    np.testing.assert_array_equal(resumed["memory/steps"], whole["memory/steps"])


def test_a_run_directory_keeps_the_memory_over_an_interruption(tmp_path):
    pytest.importorskip("zarr")
    whole = run(experiment())
    first = run(experiment(), store=tmp_path / "run", until=37)
    assert first.names == whole.names
    resumed = run(experiment(), store=tmp_path / "run")
    for name in whole.names:
        np.testing.assert_array_equal(resumed[name], whole[name], err_msg=name)


def test_an_experiment_may_hold_nothing_but_trackers():
    result = run(experiment(observe=[Memory()]))
    assert result.names == ("memory/steps", "memory/squared")


def test_a_trajectory_that_diverges_leaves_the_others_alone():
    wild = run(experiment(dynamics=SGD(1e200), observe=[Memory()]))
    assert (wild.diverged_at >= 0).all()
    assert wild.complete
    assert np.isnan(wild["memory/squared"][:, -1, -1]).all()


def test_a_tracker_that_does_not_move_on_is_refused():
    with pytest.raises(ValueError, match="'memory' asks for step 1 after step 1 was recorded"):
        run(experiment(observe=[Stuck()]))


def test_memory_of_trackers_counts():
    with pytest.raises(MemoryLimitError, match=r"trackers of one block 2000\.00 GB"):
        run(experiment(observe=[Huge()]))
