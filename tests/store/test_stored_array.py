from __future__ import annotations

import numpy as np
import pytest

from thermograd.errors import ConfigError
from thermograd.store.layout import ArraySpec, Header
from thermograd.store.stored_array import check_name, coordinates, planned_files, stored_arrays


def header(*arrays: ArraySpec, trajectories: int = 10, block_size: int = 4) -> Header:
    return Header("", 0, trajectories, 100, 10, block_size, "eager", "", arrays)


def spec(
    name: str = "train_loss", times: int = 100, shape: tuple[int, ...] = (), dtype: str = "float64"
) -> ArraySpec:
    return ArraySpec(name, shape, dtype, np.arange(times))


@pytest.mark.parametrize(
    ("block_size", "times", "shape", "chunk"),
    [
        (1024, 10_000, (), 512),
        (1024, 100, (), 100),
        (256, 10_000, (64,), 32),
        (1, 10**6, (), 524_288),
        (4, 50, (200, 200), 3),
    ],
)
def test_a_time_chunk_is_about_four_mebibytes(block_size, times, shape, chunk):
    """⌊4 MiB / (B · bytes per record)⌋, at least 1, at most T."""
    (array,) = stored_arrays(
        header(spec(times=times, shape=shape), trajectories=block_size, block_size=block_size)
    )
    assert array.chunks == (block_size, chunk, *shape)
    assert array.shape == (block_size, times, *shape)


def test_growth_of_a_million_trajectories():
    """10⁶ × 10⁴ float32 with blocks of 1024: 977 blocks, 9770 files."""
    (array,) = stored_arrays(header(spec(times=10_000, dtype="float32"), trajectories=10**6, block_size=1024))
    assert array.chunks == (1024, 1024)
    assert array.files == 977 * 10


def test_coordinates_are_named_in_order_of_appearance():
    first, second = np.arange(5), np.array([0, 4])
    arrays = (
        ArraySpec("a", (), "float64", first),
        ArraySpec("b", (), "float64", second),
        ArraySpec("c", (), "float64", first.copy()),
    )
    assert {name: times.tolist() for name, times in coordinates(header(*arrays)).items()} == {
        "time": [0, 1, 2, 3, 4],
        "time_2": [0, 4],
    }
    assert [array.time for array in stored_arrays(header(*arrays))] == ["time", "time_2", "time"]


@pytest.mark.parametrize(
    "name",
    [
        "Loss",
        "loss!",
        "../x",
        "",
        "time",
        "time_7",
        "outcome",
        "committed",
        "weights",
        "0x",
        "a\nb",
        "a" * 300,
    ],
)
def test_names_that_cannot_be_files(name):
    assert check_name(name) is not None
    with pytest.raises(ConfigError):
        stored_arrays(header(spec(name)))


@pytest.mark.parametrize(
    "name",
    [
        "weights/..",
        "weights/a/b",
        "weights/",
        "weights/zarr.json",
        "weights/a\\b",
        "weights/__x",
        "weights/a\x00b",
    ],
)
def test_weight_names_that_cannot_be_files(name):
    assert check_name(name) is not None


def test_two_names_that_would_be_one_file():
    with pytest.raises(ConfigError, match="same file on disk"):
        stored_arrays(header(spec("area/count"), spec("area.count")))


def test_a_record_that_is_too_large_says_what_fits():
    big = spec(shape=(2**20,), times=2)
    with pytest.raises(ConfigError, match=r"takes 512 MiB, at most 256.*block_size = 32 fits"):
        stored_arrays(header(big, trajectories=64, block_size=64))
    assert stored_arrays(header(big, trajectories=64, block_size=32))


def test_too_many_files_say_what_fits():
    with pytest.raises(ConfigError) as caught:
        stored_arrays(header(spec(times=3), trajectories=10**7, block_size=10), free=10**9)
    assert "1 GB free" in str(caught.value)
    fits = int(str(caught.value).split("block_size = ")[1].split(",")[0])
    fitting = header(spec(times=3), trajectories=10**7, block_size=fits)
    assert planned_files(fitting, stored_arrays(fitting)) <= 200_000
