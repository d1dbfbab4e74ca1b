"""Parquet in the long form: types that programs write, columns that do not fit, and no pyarrow."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal

import numpy as np
import pytest

from thermograd.errors import ConfigError, DamagedRunError, MissingExtraError, ThermogradError
from thermograd.store.trajectories import load_trajectories


@pytest.fixture
def write(tmp_path):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")

    def written(columns, name="log.parquet"):
        parquet.write_table(arrow.table(columns), tmp_path / name)
        return tmp_path / name

    return written


@pytest.mark.parametrize("values", [[1.5, None, 2.5, 3], [Decimal("1.5"), None, Decimal("2.5"), Decimal(3)]])
@pytest.mark.parametrize("runs", [[3, 3, 4, 4], ["3", "3", "4", "4"], [3.0, 3.0, 4.0, 4.0]])
@pytest.mark.parametrize("steps", [[10, 20, 10, 20], [10.0, 20.0, 10.0, 20.0]])
def test_what_programs_write(write, values, runs, steps):
    read = load_trajectories(write({"seed": runs, "step": steps, "acc": values}))
    assert read.names == ("3", "4")
    assert (read.times.tolist(), read.unit) == ([10, 20], "step")
    assert np.array_equal(read.values, [[1.5, np.nan], [2.5, 3]], equal_nan=True)


def test_categories_booleans_and_single_precision(write):
    import pyarrow as arrow

    names = arrow.array(["x", "y"]).dictionary_encode()
    read = load_trajectories(write({"run": names, "epoch": [1, 1], "arrived": [True, False]}))
    assert (read.names, read.values.tolist()) == (("x", "y"), [[1], [0]])
    single = arrow.array([0.1, 0.2], arrow.float32())
    assert load_trajectories(write({"run": names, "epoch": [1, 1], "acc": single})).values.dtype == np.float64


def test_a_repeated_step_counts_once_the_later_value(write):
    read = load_trajectories(write({"run": ["x", "x"], "epoch": [1, 1], "value": [0.1, 0.2]}))
    assert read.values.tolist() == [[0.2]]
    assert "1 repeated epochs" in read.notes[0]


def test_metric(write):
    file = write({"run": ["x"], "epoch": [1], "loss": [0.1], "acc": [0.2], "_timestamp": [5]})
    assert load_trajectories(file, metric="acc").values.tolist() == [[0.2]]
    with pytest.raises(ConfigError, match=r"log\.parquet: which column is the value\? .*: loss, acc"):
        load_trajectories(file)
    with pytest.raises(ConfigError, match=r"no value column 'los'. Did you mean 'loss'"):
        load_trajectories(file, metric="los")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"run": ["x"], "acc": [1.0]}, "needs columns that name a run .* it has: run, acc"),
        ({"epoch": [1], "acc": [1.0]}, "needs columns that name a run"),
        ({"run": ["x"], "epoch": [1], "acc": ["high"]}, "'acc' must hold numbers, it holds string"),
        ({"run": ["x"], "epoch": ["1"], "acc": [1.0]}, "'epoch' must hold numbers"),
        (
            {"run": ["x", "x"], "epoch": [1, None], "acc": [1.0, 2.0]},
            "row 2: epoch nan is not a whole number",
        ),
        ({"run": ["x"], "epoch": [1.5], "acc": [1.0]}, r"row 1: epoch 1\.5 is not a whole number"),
        ({"run": ["x"], "epoch": [2**60], "acc": [1.0]}, "is not a whole number"),
        ({"run": ["x", None], "epoch": [1, 1], "acc": [1.0, 2.0]}, "a row has no run"),
        ({"run": ["x"], "epoch": [1], "acc": [[1.0]]}, "must hold numbers, it holds list"),
        ({"run": ["x"], "epoch": [1]}, "no column of values, only: run, epoch"),
    ],
)
def test_columns_that_do_not_fit(write, columns, message):
    with pytest.raises(ConfigError, match=message) as caught:
        load_trajectories(write(columns))
    assert "log.parquet" in str(caught.value)


def test_no_rows(write):
    with pytest.raises(ConfigError, match="has a header but no values"):
        load_trajectories(write({"run": [], "epoch": [], "acc": []}))


def test_a_file_that_is_cut_short(write, tmp_path):
    values = np.random.default_rng(0).normal(size=4000)
    file = write({"run": ["x"] * 4000, "epoch": np.arange(4000), "acc": values})
    whole = file.read_bytes()
    for place in range(0, len(whole), 997):
        file.write_bytes(whole[:place])
        with pytest.raises((ConfigError, DamagedRunError), match=r"log\.parquet"):
            load_trajectories(file)


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch):
    (tmp_path / "log.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'thermograd\[parquet\]'"):
        load_trajectories(tmp_path / "log.parquet")


def test_reading_csv_imports_neither_pyarrow_nor_zarr():
    script = (
        "import sys, pathlib, tempfile\n"
        "from thermograd.store import load_trajectories\n"
        "file = pathlib.Path(tempfile.mkdtemp()) / 'log.csv'\n"
        "_ = file.write_text('epoch,a,b\\n1,2,3\\n')\n"
        "load_trajectories(file)\n"
        "assert not {'pyarrow', 'zarr', 'torch', 'scipy'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_flipped_bit_is_found_by_the_checksums(tmp_path):
    """Where the writer left checksums; without them no reader can know."""
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    file = tmp_path / "log.parquet"
    values = np.random.default_rng(0).normal(size=300)
    table = arrow.table({"run": ["x", "y"] * 150, "epoch": np.arange(300) // 2, "acc": values})
    parquet.write_table(table, file, write_page_checksum=True)
    whole, truth = file.read_bytes(), load_trajectories(file).values
    data = len(whole) - int.from_bytes(whole[-8:-4], "little") - 8  # before the footer
    refused = 0
    for place in range(4, data, 31):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place % 8
        file.write_bytes(flipped)
        try:
            assert (load_trajectories(file).values == truth).all()
        except ThermogradError:
            refused += 1
    assert refused > data // 31 / 2
