"""A log that is a file: whole lines only, each step once, through kills, resumes and full disks."""

from __future__ import annotations

import csv
import errno
import json
import math
import os

import numpy as np
import pytest

from thermograd.errors import ConfigError
from thermograd.store import line_file
from thermograd.store.sinks import sink_of
from thermograd.store.trajectories import load_trajectories

KINDS = ("log.csv", "log.jsonl")


def steps_in(file):
    if file.suffix == ".csv":
        with file.open(newline="", encoding="utf-8") as stream:
            return [int(row["step"]) for row in csv.DictReader(stream)]
    return [json.loads(line)["step"] for line in file.read_text().splitlines()]


def log(file, steps, **values):
    sink = sink_of(file)
    for step in steps:
        sink({"t/loss": 1 / step} | values, step)
    assert sink.failures == 0
    return sink


def test_json_lines(tmp_path):
    file = tmp_path / "log.jsonl"
    values = {"a": 0.1 + 0.2, "b": 3, "c": None, "d": math.nan, "e": "≥ 1\nline", "step": 99}
    sink_of(str(file))(values, 50)
    (line,) = file.read_text().splitlines()
    assert json.loads(line) == {"step": 50, "a": 0.1 + 0.2, "b": 3, "c": None, "d": None, "e": "≥ 1\nline"}


def test_csv(tmp_path):
    file = tmp_path / "log.csv"
    sink = sink_of(file)
    sink({"a": 0.1 + 0.2, "b": 3, "c": None, "d": math.nan, "e": "one, \n two", "f": "=1+1", "step": 99}, 50)
    sink({"e": '"', "a": -2.0}, 100)
    with file.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert rows[0] == {
        "step": "50", "a": repr(0.1 + 0.2), "b": "3", "c": "", "d": "nan", "e": "one, two", "f": "'=1+1",
    }  # fmt: skip
    assert rows[1] == {"step": "100", "a": "-2.0", "b": "", "c": "", "d": "", "e": '"', "f": ""}


def test_a_csv_log_is_read_by_our_own_reader(tmp_path):
    file = tmp_path / "log.csv"
    sink = sink_of(file)
    for step, ratio in ((50, None), (100, 0.5), (150, 0.75)):
        sink({"thermograd/ratio": ratio, "thermograd/kind": "approaching"}, step)
    read = load_trajectories(file, metric="thermograd/ratio")
    np.testing.assert_array_equal(np.asarray(read.values)[0], [0.5, 0.75])
    np.testing.assert_array_equal(read.times, [100, 150])  # 50 has no value


def test_a_later_name_adds_a_column_and_shifts_nothing(tmp_path):
    file = tmp_path / "log.csv"
    sink = log(file, (1, 2))
    sink({"t/new": 5, "t/loss": 0.25}, 4)
    sink({"t/loss": 0.125}, 8)
    assert file.read_text().splitlines() == ["step,t/loss,t/new", "1,1.0,", "2,0.5,", "4,0.25,5", "8,0.125,"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["log.csv"]


@pytest.mark.parametrize("name", KINDS)
def test_training_that_resumes_from_a_checkpoint_loses_and_repeats_nothing(name, tmp_path):
    whole, cut = tmp_path / f"whole.{name}", tmp_path / name
    log(whole, range(10, 110, 10))
    log(cut, range(10, 80, 10))
    log(cut, range(50, 110, 10))  # the checkpoint was at 40
    log(cut, ())
    assert cut.read_bytes() == whole.read_bytes()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted([whole.name, name])


@pytest.mark.parametrize("name", KINDS)
def test_the_same_within_one_process(name, tmp_path):
    whole, cut = tmp_path / f"whole.{name}", tmp_path / name
    log(whole, range(10, 110, 10))
    log(cut, [*range(10, 80, 10), *range(50, 110, 10)])
    assert cut.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("name", KINDS)
def test_a_kill_after_any_byte_leaves_no_partial_line(name, tmp_path):
    file = tmp_path / name
    log(file, (10, 20, 30), kind="a, b")
    content = file.read_bytes()
    for length in range(len(content)):
        file.write_bytes(content[:length])
        log(file, (40,), kind="a, b")
        expected = [step for step in (10, 20, 30) if steps_of_whole_lines(content[:length], name) >= step]
        assert steps_in(file) == [*expected, 40]
        assert file.read_bytes()[:length].startswith(content[: content[:length].rfind(b"\n") + 1])


def steps_of_whole_lines(content, name):
    return 10 * (content.count(b"\n") - (name == "log.csv"))


@pytest.mark.parametrize("name", KINDS)
def test_another_training_sets_the_old_log_aside(name, tmp_path):
    file = tmp_path / name
    contents = []
    for run in range(3):
        log(file, range(10 - run, 40, 10), run=run)
        contents.append(file.read_bytes())
    stem, suffix = name.split(".")
    names = [f"{stem}-1.{suffix}", f"{stem}-2.{suffix}", name]
    assert [(tmp_path / each).read_bytes() for each in names] == contents
    assert len(set(contents)) == len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("name", KINDS)
def test_several_rows_of_one_step_stay(name, tmp_path):
    log(tmp_path / name, (10, 20, 20, 30))
    assert steps_in(tmp_path / name) == [10, 20, 20, 30]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("log.csv", "epoch,loss\n1,0.5\n"),
        ("log.csv", "step,loss\n1,0.5\nsum,0.5\n"),
        ("log.csv", "notes"),
        ("log.csv", "steps,loss\n1,2\n"),
        ("log.jsonl", '{"loss": 0.5}\n'),
        ("log.jsonl", '{"step": 1}\n[2]\n'),
        ("log.jsonl", '{"step": 1}\n{"step": null}\n'),
        ("log.jsonl", "\x00\x00\n"),
    ],
)
def test_a_file_of_somebody_else_is_not_touched(name, content, tmp_path):
    file = tmp_path / name
    file.write_text(content)
    with pytest.raises(ConfigError, match=rf"{name} was not written by this logger.*Choose another name"):
        sink_of(file)
    assert file.read_text() == content


def test_a_csv_that_a_spreadsheet_saved_again_goes_on(tmp_path):
    file = tmp_path / "log.csv"
    file.write_bytes(b"\xef\xbb\xbfstep,t/loss\r\n1,1.0\r\n")
    log(file, (2,))
    assert file.read_bytes() == b"step,t/loss\n1,1.0\n2,0.5\n"


@pytest.mark.parametrize("name", KINDS)
def test_a_full_disk_tears_no_line_and_one_that_has_room_again_goes_on(name, tmp_path, monkeypatch):
    file = tmp_path / name
    sink = log(file, (10,))
    before = file.read_bytes()
    write = os.write
    monkeypatch.setattr(line_file.os, "write", lambda descriptor, content: write(descriptor, content[:5]))
    sink({"t/loss": 0.5}, 20)
    monkeypatch.undo()
    assert sink.failures == 1
    assert file.read_bytes() == before
    sink({"t/loss": 0.25}, 30)
    assert steps_in(file) == [10, 30]


def test_a_disk_that_refuses_a_new_column_leaves_the_rows(tmp_path, monkeypatch):
    file = tmp_path / "log.csv"
    sink = log(file, (10,))
    before = file.read_bytes()

    def refuse(*_arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(line_file, "write_atomically", refuse)
    sink({"t/new": 1}, 20)
    assert file.read_bytes() == before
    monkeypatch.undo()
    sink({"t/new": 2}, 30)
    assert file.read_text() == "step,t/loss,t/new\n10,0.1,\n30,,2\n"


def test_two_logs_in_one_file_are_noticed(tmp_path):
    file = tmp_path / "log.csv"
    first = log(file, (10,))
    log(file, (20,))
    first({"t/loss": 1}, 30)
    first({"t/loss": 1}, 40)
    with pytest.warns(UserWarning, match="something else writes to .*: give every log a file of its own"):
        first({"t/loss": 1}, 50)
    assert steps_in(file) == [10, 20]


def test_a_relative_path_stays_where_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    sink = sink_of("log.csv")
    monkeypatch.chdir(tmp_path / "elsewhere")
    sink({"a": 1}, 1)
    assert (tmp_path / "log.csv").exists()
