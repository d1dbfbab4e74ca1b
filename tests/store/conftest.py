"""A small finished run directory, made by the tiny loop of the reliability tests."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "reliability"))


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from logistic_map import LogisticMap, LogisticTrainer

    from thermograd.ensemble.directory_run import Launch, train_in_directory
    from thermograd.store.options import StoreOptions

    path = tmp_path_factory.mktemp("made") / "run"
    train_in_directory(LogisticTrainer(LogisticMap()), path, Launch(options=StoreOptions(time_chunk=5)))
    return path


@pytest.fixture
def run_path(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may harm."""
    path = tmp_path / "run"
    shutil.copytree(made, path)
    return path
