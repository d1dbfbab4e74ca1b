from __future__ import annotations

import builtins

import numpy as np
import pytest
from logistic_map import LogisticMap, LogisticTrainer

from thermograd.ensemble.directory_run import Launch, train_in_directory
from thermograd.errors import DamagedRunError, MissingExtraError
from thermograd.store.memory import MemoryStorage
from thermograd.store.options import StoreOptions
from thermograd.store.reader import open_run
from thermograd.store.run import Run


@pytest.fixture(params=["folder", "memory"])
def run(request, made):
    if request.param == "folder":
        return open_run(made)
    trainer = LogisticTrainer(LogisticMap())
    storage = MemoryStorage(trainer.header("logistic"), trainer)
    for block in range(storage.header.blocks):
        trainer.train(block, storage.sink(block))
    return Run(storage)


@pytest.fixture
def xarray():
    return pytest.importorskip("xarray")


def test_names_dimensions_coordinates_and_attributes(xarray, run):
    data = run.to_xarray()
    assert set(data.data_vars) == {"train_loss", "count", "area.matrix"}
    assert data["area.matrix"].dims == ("trajectory", "time_2", "area.matrix_0", "area.matrix_1")
    assert data["train_loss"].dims == ("trajectory", "time")
    assert data["time_2"].values.tolist() == [0, 4, 12]
    assert set(data.coords) == {"trajectory", "time", "time_2", "outcome", "diverged_at"}
    assert data["outcome"].values.tolist() == [1, 1, 1, 2, 1]
    assert (data.attrs["name"], data.attrs["seed"], data.attrs["steps_per_epoch"]) == ("logistic", 7, 4)


@pytest.mark.parametrize("name", ["train_loss", "count", "area/matrix"])
def test_numbers_are_those_of_the_run(xarray, run, name):
    found = run.to_xarray()[name.replace("/", ".")]
    np.testing.assert_array_equal(found.values, run[name])
    assert found.dtype == run[name].dtype
    np.testing.assert_array_equal(found[::-2, 1:].values, run[name][::-2, 1:])
    np.testing.assert_array_equal(found[[3, 0, 3], -1].values, run[name][[3, 0, 3], -1])
    np.testing.assert_array_equal(found[2:2].values, run[name][2:2])


def test_the_mean_over_trajectories(xarray, run):
    finished = run.outcome == 1
    data = run.to_xarray()
    mean = data["train_loss"].where(data.outcome == 1).mean("trajectory")
    np.testing.assert_allclose(mean.values, run["train_loss"][finished].mean(axis=0))
    assert data["train_loss"].sel(time=4, trajectory=1).item() == run["train_loss"][1, 4]


def test_nothing_is_read_before_it_is_asked_for(xarray, made, monkeypatch):
    run, asked = open_run(made), []
    read = run.source.read
    monkeypatch.setattr(
        run.source, "read", lambda name, *part: asked.append((name, *part)) or read(name, *part)
    )
    part = run.to_xarray()["train_loss"].isel(time=slice(4, 6), trajectory=3)
    repr(part)
    assert asked == []
    _ = part.values
    assert asked == [("train_loss", slice(3, 4), slice(4, 6))]


def test_a_dataset_follows_a_run_that_goes_on(xarray, tmp_path):
    path, trainer = tmp_path / "run", LogisticTrainer(LogisticMap())
    options = StoreOptions(time_chunk=5)
    train_in_directory(trainer, path, Launch(options=options, until=4))
    data = open_run(path).to_xarray()
    plain = xarray.open_zarr(path / "trajectories.zarr", consolidated=False, chunks=None)
    for opened in (data, plain):
        values = opened["train_loss"].values
        assert np.isfinite(values[:, :5]).all()
        assert np.isnan(values[:, 5:]).all()
    assert data.attrs["state"] == "interrupted"
    train_in_directory(trainer, path, Launch(options=options))
    for opened in (data, xarray.open_zarr(path / "trajectories.zarr", consolidated=False, chunks=None)):
        np.testing.assert_array_equal(opened["train_loss"].values, open_run(path)["train_loss"])


def test_plain_xarray_sees_the_same_dataset(xarray, made):
    plain = xarray.open_zarr(made / "trajectories.zarr", consolidated=False)
    data = open_run(made).to_xarray()
    for name in data.data_vars:
        assert plain[name].dims == data[name].dims
        np.testing.assert_array_equal(plain[name].values, data[name].values)
    assert plain["time_2"].equals(data["time_2"])


def test_damage_is_refused_when_it_is_read(xarray, run_path):
    (run_path / "trajectories.zarr/train_loss/c/0/0").unlink()
    data = open_run(run_path).to_xarray()
    assert np.isfinite(data["train_loss"][4:].values).all()
    with pytest.raises(DamagedRunError):
        _ = data["train_loss"].values


def test_without_xarray_the_extra_is_named(made, monkeypatch):
    plain = builtins.__import__

    def without(name, *arguments, **named):
        if name.split(".")[0] == "xarray":
            raise ImportError(name)
        return plain(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"thermograd\[xarray\]"):
        open_run(made).to_xarray()
