"""Where the recorded data lie, and how many threads tests may take."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pytest

# Built kernels of tests, kept from run to run outside the user's own cache.
os.environ.setdefault("THERMOGRAD_CACHE", f"{tempfile.gettempdir()}/thermograd-test-kernels-{os.getuid()}")

# Generated data of tests, likewise.
os.environ.setdefault("XDG_CACHE_HOME", f"{tempfile.gettempdir()}/thermograd-test-cache-{os.getuid()}")

THREADS = 2 // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")) or 1


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of recorded data: THERMOGRAD_DATA, else `../shared/data` beside the repository."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("THERMOGRAD_DATA", beside))
    if not (folder / "firstpassage" / "dev").is_dir():
        pytest.skip(f"no recorded data: {folder}/firstpassage/dev is missing (set THERMOGRAD_DATA)")
    return folder


@pytest.fixture
def named_data(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same folder, which THERMOGRAD_DATA names for the test, with the image data sets in it."""
    for data_set in ("mnist", "cifar10"):
        if not (data_folder / data_set).is_dir():
            pytest.skip(f"{data_folder}/{data_set} is missing")
    monkeypatch.setenv("THERMOGRAD_DATA", str(data_folder))
    return data_folder


def pytest_runtest_setup(item: pytest.Item) -> None:
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() > THREADS:
        torch.set_num_threads(THREADS)
