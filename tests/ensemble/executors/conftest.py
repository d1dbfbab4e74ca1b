"""Small experiments that workers can make again from text, and the numbers they must have."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.append(str(Path(__file__).parent))

import pytest
from gate import Gate
from logistic_map import everything

from thermograd.ensemble.experiment import Experiment
from thermograd.ensemble.run import run
from thermograd.minibatching import WithReplacement
from thermograd.numerics.log_times import Every
from thermograd.observables import Displacement, Loss
from thermograd.problems import Quadratic

Make = Callable[..., Experiment]


@pytest.fixture(scope="session")
def made() -> Make:
    def make(**changes: object) -> Experiment:
        fields: dict[str, object] = {
            "problem": Quadratic(),
            "minibatching": WithReplacement(10),
            "observe": [Loss(at=Every(3)), Displacement()],
            "save_weights": Every(5),
            "trajectories": 9,
            "block_size": 2,
            "steps": 20,
            "engine": "eager",
        }
        return Experiment(**{**fields, **changes})

    return make


@pytest.fixture(scope="session")
def truth(made: Make) -> dict[str, bytes]:
    """The numbers of one uninterrupted run in this process."""
    return everything(run(made()))


@pytest.fixture(scope="session")
def directory(made: Make, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run directory whose numbers do not matter."""
    path = tmp_path_factory.mktemp("directory") / "run"
    run(made(trajectories=2, steps=2, save_weights=None), store=path)
    return path


@pytest.fixture(scope="module")
def importable() -> Iterator[None]:
    """Processes that are started find the modules beside these tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=":")
        yield


@pytest.fixture(scope="session")
def gated(made: Make, tmp_path_factory: pytest.TempPathFactory) -> tuple[Experiment, Path, dict[str, bytes]]:
    """An experiment of six blocks with a gate at step 12, the folder that opens it, and the numbers it must have."""
    folder = tmp_path_factory.mktemp("gate")
    experiment = made(trajectories=12, observe=[Loss(at=Every(3)), Displacement(), Gate(str(folder))])
    return experiment, folder, everything(run(experiment))


@pytest.fixture
def gate(gated: tuple[Experiment, Path, dict[str, bytes]]) -> Iterator[Path]:
    """The folder of the gate, empty before and after."""
    yield gated[1]
    for file in gated[1].iterdir():
        file.unlink()
