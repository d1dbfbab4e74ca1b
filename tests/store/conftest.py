"""A small finished run directory, made by the tiny loop of the reliability tests."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

import pytest

_PLACE = Path(__file__).parents[1] / "reliability" / "logistic_map.py"
if "logistic_map" not in sys.modules:
    _spec = importlib.util.spec_from_file_location("logistic_map", _PLACE)
    assert _spec is not None
    assert _spec.loader is not None
    sys.modules["logistic_map"] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules["logistic_map"])


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
