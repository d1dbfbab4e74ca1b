"""Where the recorded data lie, how a benchmark is loaded, and how many threads tests may take."""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import numpy.typing as npt
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


@pytest.fixture(scope="session")
def cifar10_accuracy(data_folder: Path) -> npt.NDArray[np.float64]:
    """Test accuracy in percent of the recorded trainings that nothing perturbed, (run, epoch)."""
    folder = data_folder / "firstpassage" / "dev"
    files = (f"cifar10_resnet18_unperturbed_seeds{seeds}.npz" for seeds in ("0-499", "500-999"))
    return np.concatenate([np.load(folder / file)["test_acc_x100"] for file in files]) / 100


@pytest.fixture(scope="session")
def recorded_regression(data_folder: Path) -> tuple[npt.NDArray[np.float64], ...]:
    """Inputs and targets of the 7-parameter network, and the minimum of its loss."""
    folder = data_folder / "nonlinear_regression"
    if not folder.is_dir():
        pytest.skip(f"{folder} is missing")
    return tuple(np.loadtxt(folder / f"{name}.txt") for name in ("x_train", "y_train", "wmin"))


@pytest.fixture(scope="module")
def benchmark_script() -> Iterator[Callable[[str], ModuleType]]:
    """`benchmarks/NAME.py` by its name, under another one: another package may have a top-level module `coverage`."""
    folder = Path(__file__).resolve().parents[1] / "benchmarks"
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)

        def load(name: str) -> ModuleType:
            spec = importlib.util.spec_from_file_location(f"benchmark_{name}", folder / f"{name}.py")
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            patch.setitem(sys.modules, spec.name, module)
            spec.loader.exec_module(module)
            return module

        yield load


def pytest_runtest_setup(item: pytest.Item) -> None:
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() > THREADS:
        torch.set_num_threads(THREADS)
