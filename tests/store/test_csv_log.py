"""Csv of every layout, damaged in every way: a table, or one sentence that names the file."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from thermograd.errors import ConfigError, ThermogradError
from thermograd.store.trajectories import load_trajectories

LAYOUTS = {
    "wide": [["epoch", "a", "b"], ["1", "10", "20"], ["2", "30", ""], ["3", "nan", "41.5"]],
    "long": [["run", "step", "loss", "acc"], ["x", "1", "0.5", "7"], ["y", "1", "", "8"], ["x", "2", "0.25", "9"]],
    "wandb": [["Step", "a - b - acc", "a - b - acc__MIN", "c - acc"], ["10", "1", "1", ""], ["20", "", "", "3"]],
    "tensorboard": [["Wall time", "Step", "Value"], ["1700000000.25", "10", "0.5"], ["1700000001", "20", "0.75"]],
    "one run": [["epoch", "step", "train_loss", "val_acc"], ["0", "29", "1.5", ""], ["0", "29", "", "0.25"]],
}  # fmt: skip
CELLS = st.one_of(
    st.sampled_from(
        ["", " ", "nan", "inf", "-inf", "1e999", "-0", "1_0", "٣", "1,5", "1;5", '"', "'", "\x00", "\ufeff", "0x10",
         "9" * 400, "1" * 5000, "-1", "9007199254740993", "step", "epoch", "run", "value", "a - b", "x__MIN",
         "Wall time", "\r", "\n", "=1+1", "\ud7ff", "True"]
    ),
    st.text(max_size=8),
    st.integers().map(str),
    st.floats().map(repr),
)  # fmt: skip


@st.composite
def mutated(draw):
    """A log of a known layout with cells and rows dropped, renamed, retyped, repeated or made extreme."""
    rows = [list(row) for row in LAYOUTS[draw(st.sampled_from(sorted(LAYOUTS)))]]
    for _ in range(draw(st.integers(1, 4))):
        row = draw(st.integers(0, len(rows) - 1))
        column = draw(st.integers(0, max(len(rows[row]) - 1, 0)))
        change = draw(
            st.sampled_from(
                ["set", "drop cell", "add cell", "drop row", "repeat row", "swap rows", "drop column"]
            )
        )
        if change == "set" and rows[row]:
            rows[row][column] = draw(CELLS)
        elif change == "drop cell" and rows[row]:
            del rows[row][column]
        elif change == "add cell":
            rows[row].insert(column, draw(CELLS))
        elif change == "drop row" and len(rows) > 1:
            del rows[row]
        elif change == "repeat row":
            rows.insert(row, list(rows[row]))
        elif change == "swap rows":
            rows[0], rows[row] = rows[row], rows[0]
        elif change == "drop column":
            rows = [entry[:column] + entry[column + 1 :] for entry in rows]
    separator = draw(st.sampled_from([",", ",", ",", ";", "\t"]))
    return draw(st.sampled_from(["\n", "\r\n"])).join(separator.join(row) for row in rows)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz") / "log.csv"


def outcome(source, metric):
    try:
        return load_trajectories(source, metric=metric)
    except ThermogradError as error:
        return str(error)


def check(file, metric):
    for source in (file, file.parent):
        read = outcome(source, metric)
        if isinstance(read, str):
            assert str(file.parent) in read
            assert len(read) < 2000
            assert read.isprintable()
            continue
        assert read.values.shape == (len(read.names), read.times.size)
        assert (np.diff(read.times) > 0).all()
        assert read.times[0] >= 0
        assert (~np.isnan(read.values)).any(axis=1).all()
        assert all(name.isprintable() for name in read.names)


@settings(max_examples=400, deadline=1000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mutated(), st.sampled_from([None, None, "acc", "val_acc", "a", ""]))
@example("Step,a - acc\n1" + "0" * 30 + ",1", None)
def test_a_damaged_log_is_a_table_or_one_sentence_with_its_path(file, text, metric):
    file.write_text(text, encoding="utf-8", newline="")
    check(file, metric)


@settings(max_examples=100, deadline=1000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60))
def test_bytes_that_are_no_text(file, content):
    file.write_bytes(content)
    check(file, None)


def written(folder, text):
    file = folder / "metrics.csv"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_metrics_of_one_run_are_not_runs(tmp_path):
    for header in ("epoch,loss,accuracy,val_loss", "epoch,step,val_acc,x", "step,train/loss,val/acc,lr"):
        file = written(tmp_path, f"{header}\n1,2,3,4\n")
        with pytest.raises(ConfigError, match=r"(?i)metrics\.csv: .*the metrics of one run"):
            load_trajectories(file)
    read = load_trajectories(written(tmp_path, "epoch,loss,accuracy\n1,2,3\n2,1,4\n"), metric="accuracy")
    assert (read.names, read.values.tolist()) == (("metrics",), [[3, 4]])
    runs = load_trajectories(written(tmp_path, "epoch,lr_0.1_acc,lr_1_acc\n1,2,3\n"))
    assert runs.names == ("lr_0.1_acc", "lr_1_acc")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch;a;b\n1;0,5;0,6\n", "separated by semicolons"),
        ("epoch\ta\n1\t0.5\n", "separated by tabs"),
        ("epoch,a\n99999999999999999999,1\n", "too large to be a number of steps"),
        ("epoch,a\n1,55%\n", "write it without the sign"),
        ("epoch,a\n\n\n1,x\n", "line 4, a: 'x' is not a number"),
    ],
)
def test_what_is_said_about_other_csv(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        load_trajectories(written(tmp_path, text))


def test_other_encodings(tmp_path):
    file = tmp_path / "log.csv"
    file.write_bytes("epoch,zürich\n1,2\n".encode("utf-16"))
    with pytest.raises(ConfigError, match=r"log\.csv is not a csv text file .* in UTF-8"):
        load_trajectories(file)
    file.write_bytes(b"\xef\xbb\xbfEpoch ,z\xc3\xbcrich\r\n1,2\r\n")
    assert load_trajectories(file).names == ("zürich",)


def test_a_row_of_one_column_a_run_that_was_cut_off_is_refused(tmp_path):
    (tmp_path / "log.csv").write_text("a,b\n0.5,0.4\n0.2\n")
    with pytest.raises(ConfigError, match=r"log.csv line 3: 1 cells, but the header has 2; was it cut off"):
        load_trajectories(tmp_path / "log.csv")


def test_cells_that_say_nan_are_told_of_and_blank_ones_are_not(tmp_path):
    (tmp_path / "log.csv").write_text("a,b\n0.5,0.6\n0.2,NaN\n0.1,nan\n")
    note, *_ = load_trajectories(tmp_path / "log.csv").notes
    assert "2 nans among the cells, taken as not evaluated; if training had diverged there, write inf" in note
    (tmp_path / "log.csv").write_text("a,b\n0.5,0.4\n0.2,0.3\n0.1,\n")
    assert not any("nan" in note for note in load_trajectories(tmp_path / "log.csv").notes)
