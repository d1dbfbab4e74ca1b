"""What others see: xarray opens a run as it is, a damaged one is told in one line, and big ones fit by plan."""

from __future__ import annotations

import math
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from logistic_map import LogisticMap, LogisticTrainer

from thermograd.ensemble.config import parse_config
from thermograd.ensemble.directory_creation import created, new_manifest
from thermograd.ensemble.directory_run import Launch, train_in_directory
from thermograd.ensemble.identity import describe
from thermograd.ensemble.preparation import prepare_run
from thermograd.store.layout import ArraySpec, Checkpoint, Header
from thermograd.store.options import StoreOptions
from thermograd.store.reader import open_run
from thermograd.store.stored_array import stored_arrays
from thermograd.store.writer import DirectorySink, DirectoryStorage


@pytest.mark.parametrize("until", [None, 7])
def test_xarray_opens_it(tmp_path, until):
    """Finished or being written: coordinates by name, no metadata of its own, no warning."""
    xarray = pytest.importorskip("xarray")
    path = tmp_path / "run"
    launch = Launch(options=StoreOptions(time_chunk=4), until=until)
    run = train_in_directory(LogisticTrainer(LogisticMap()), path, launch)
    data = xarray.open_zarr(path / "trajectories.zarr", consolidated=False)
    assert data["train_loss"].dims == ("trajectory", "time")
    assert data["area.matrix"].dims == ("trajectory", "time_2", "area.matrix_0", "area.matrix_1")
    assert data["committed"].dims == ("block",)
    assert {"time", "time_2", "time_3", "trajectory"} <= set(data.coords)
    assert data["time_2"].to_numpy().tolist() == [0, 4, 12]
    np.testing.assert_array_equal(data["train_loss"].to_numpy(), run["train_loss"])
    one = data["train_loss"].sel(trajectory=1, time=slice(2, 5)).to_numpy()
    np.testing.assert_array_equal(one, run["train_loss"][1, 2:6])
    assert data.attrs == {
        "format_version": 1,
        "run_id": run.manifest["run_id"],
        "name": "logistic",
        "steps_per_epoch": 4,
    }


@pytest.mark.parametrize("place", ["train_loss/c/1/1", "committed/c/0", "outcome/c/7", "time/c/0"])
def test_damage_is_told_without_noise_at_the_exit(tmp_path, place):
    """A failed read of zarr leaves tasks behind, which complain when the process ends."""
    path = tmp_path / "run"
    map_ = LogisticMap(trajectories=16, steps=4, observables=1)
    train_in_directory(LogisticTrainer(map_), path, Launch(options=StoreOptions(time_chunk=2)))
    file = path / "trajectories.zarr" / place
    content = bytearray(file.read_bytes())
    content[3] ^= 1
    file.write_bytes(content)
    script = (
        "from thermograd import open_run\n"
        "from thermograd.errors import DamagedRunError\n"
        "try:\n"
        f"    run = open_run({str(path)!r})\n"
        "    print(run.outcome, run['train_loss'])\n"
        "except DamagedRunError as error:\n"
        "    print(error.damage)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert place in done.stdout


def test_so_does_a_command(run_path):
    file = run_path / "trajectories.zarr/train_loss/c/1/1"
    file.write_bytes(file.read_bytes()[:-1])
    words = [
        "estimate",
        str(run_path),
        "first_passage.restricted_mean",
        "--target",
        "0.5",
        "--metric",
        "train_loss",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "thermograd", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "train_loss/c/1/1 is damaged" in done.stderr


def config(steps: int) -> str:
    return f"""
problem = "quadratic"
steps = {steps}
trajectories = 4096
block_size = 1024
engine = "eager"
observe = [{{ kind = "loss", at = {{ kind = "every", steps = 1 }} }}]
"""


def test_the_memory_of_a_worker_is_planned_whatever_the_length(tmp_path):
    """Model state of one block, and one chunk of about 4 MiB of each array."""
    plans = [
        prepare_run(parse_config(config(steps)), "config", tmp_path / "run")
        for steps in (10**3, 10**4, 10**5)
    ]
    assert plans[1].memory == plans[2].memory
    assert plans[2].memory - plans[2].trainer.plan.block_bytes <= 2 * 4 * 2**20
    assert plans[2].bytes > 90 * plans[0].bytes
    assert [array.chunks[:2] for array in plans[2].arrays] == [(1024, 512), (1024, 1)]
    assert plans[2].files < 4 * (100_000 // 512 + 1) + 50


def test_a_million_trajectories_of_ten_thousand_records():
    """10⁶ × 10⁴ float32: 977 blocks, 9770 files of 4 MiB, 40 GB."""
    spec = ArraySpec("train_loss", (), "float32", np.arange(10**4))
    header = Header("", 0, 10**6, 10**4, 10, 1024, "eager", "", (spec,))
    (array,) = stored_arrays(header)
    assert (header.blocks, array.files, array.chunks) == (977, 9770, (1024, 1024))
    assert np.prod(array.chunks) * 4 == 4 * 2**20
    assert math.prod(array.shape) * 4 == 40 * 10**9


def peak(folder: Path, records: int) -> int:
    """Bytes a block of 256 trajectories takes at most while it is written, in chunks of 64 records."""
    spec = ArraySpec("train_loss", (), "float64", np.arange(records))
    header = Header("x", 0, 256, records - 1, 1, 256, "eager", "", (spec,))
    options = StoreOptions(time_chunk=64)
    manifest = new_manifest(header, describe(LogisticMap()), options, ())
    with created(folder, header, manifest):
        sink = DirectorySink(DirectoryStorage(folder, manifest, header), 0, stopping=lambda: False)
        tracemalloc.start()
        for step in range(records):
            sink.record("train_loss", step, np.full(256, step / 7))
            if sink.due() or step == records - 1:
                state = {"weights/x": np.ones((256, 3)), "diverged_at": np.full(256, -1)}
                sink.commit(Checkpoint(step, state), np.zeros(256, np.uint8))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return found


def test_the_memory_of_a_writer_is_that_of_a_chunk(tmp_path):
    """Ten times the records, 13 MB of them, in the same few hundred kilobytes."""
    short, long = peak(tmp_path / "short", 640), peak(tmp_path / "long", 6400)
    assert long < short + 300_000 < 2_000_000
    whole = open_run(tmp_path / "long")
    np.testing.assert_array_equal(whole["train_loss"], np.tile(np.arange(6400) / 7, (256, 1)))
