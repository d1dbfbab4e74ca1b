from __future__ import annotations

import dataclasses
import tracemalloc
from xml.etree import ElementTree

import numpy as np
import pytest
from logistic_map import LogisticMap, LogisticTrainer

from thermograd.ensemble.directory_run import Launch, train_in_directory
from thermograd.store.layout import ArraySpec, Header
from thermograd.store.memory import MemoryStorage
from thermograd.store.reader import open_run
from thermograd.store.run import Run
from thermograd.store.run_html import MOST_BYTES, run_html

SVG = "{http://www.w3.org/2000/svg}"


def read(run):
    return ElementTree.fromstring(f"<div>{run._repr_html_()}</div>")


def rows(tree):
    """Name of a row -> its cells."""
    return {
        "".join(row.find("th").itertext()): ["".join(cell.itertext()) for cell in row.findall("td")]
        for row in tree.iter("tr")
    }


def test_what_was_run_and_every_scalar_with_its_drawing(made):
    run = open_run(made)
    tree = read(run)
    found = rows(tree)
    assert found["trajectories"] == ["5: 4 finished, 1 diverged"]
    assert found["length"] == ["12 optimiser steps = 3 epochs"]
    assert found["area/matrix"][0].startswith("5 trajectories at 3 times, each ")
    values = run["train_loss"][run.outcome == 1, -1]
    assert found["train_loss"][0] == f"{values.mean():.3g} ± {values.std(ddof=1):.3g} at step 12"
    bar, *curves = tree.iter(f"{SVG}svg")
    assert [f"{float(part.attrib['width']):g}" for part in bar.iter(f"{SVG}rect")] == ["256", "64"]
    assert bar.attrib["aria-label"] == "4 finished, 1 diverged"
    assert len(curves) == 2  # train_loss and count


def test_nothing_committed_is_said(made, run_path):
    trainer = LogisticTrainer(LogisticMap())
    run = Run(MemoryStorage(trainer.header("a <b> run"), trainer))
    tree = read(run)
    assert rows(tree)["train_loss"] == ["nothing is committed", ""]
    assert rows(tree)["trajectories"] == ["5: 5 pending"]
    assert "a <b> run" in "".join(tree.itertext())


def test_of_an_interrupted_run_the_last_known_time_is_shown(tmp_path):
    train_in_directory(LogisticTrainer(LogisticMap()), tmp_path / "run", Launch(until=4))
    found = rows(read(open_run(tmp_path / "run")))
    assert found["train_loss"][0].endswith("at step 4")
    assert found["state"] == ["interrupted"]


def test_damage_is_said_and_does_not_raise(run_path):
    (run_path / "trajectories.zarr/train_loss/c/0/0").unlink()
    found = rows(read(open_run(run_path)))
    assert "train_loss/c/0/0 is lost" in found["train_loss"][0]
    assert found["count"][0]


class Large:
    """10 000 trajectories x 10 000 times of which only what is asked for exists."""

    path, manifest, state, failures = None, {}, "finished", ()

    def __init__(self, trajectories=10_000, block=1000):
        times = np.arange(10_000)
        specs = (ArraySpec("loss", (), "float64", times),)
        self.header = Header("large", 0, trajectories, 9999, 1, block, "eager", "", specs)
        self.most = 0

    def committed(self):
        found = np.full(self.header.blocks, 9999)
        found[0] = -1
        return found

    def outcome(self):
        return np.ones(self.header.trajectories, np.uint8)

    def diverged_at(self):
        return np.full(self.header.trajectories, -1)

    def read(self, name, trajectories, times):
        rows = np.arange(self.header.trajectories)[trajectories, None]
        found = rows + np.zeros(len(range(*times.indices(10_000))))
        self.most = max(self.most, found.nbytes)
        return found


def test_a_large_run_is_shown_in_little_memory_and_says_what_was_left_out():
    source = Large()
    tracemalloc.start()
    text = run_html(Run(source))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert source.most <= MOST_BYTES
    assert peak < 4 * MOST_BYTES  # the array is 800 MB
    assert "1500 ± 289 at step 9999, of trajectories 1000 to 1999" in text  # the first block with anything


def test_one_wide_block_is_cut_too():
    header = dataclasses.replace(Large().header, trajectories=10**6, block_size=10**6)
    source = Large()
    source.header = header
    source.committed = lambda: np.array([9999])
    assert "of trajectories 0 to 17475" in run_html(Run(source))
    assert source.most <= MOST_BYTES


def test_one_trajectory_has_no_deviation(run_of_one):
    assert rows(read(run_of_one))["loss"][0] == "2 at step 1"


@pytest.fixture
def run_of_one():
    header = Header("one", 0, 1, 1, 1, 1, "eager", "", (ArraySpec("loss", (), "float64", np.arange(2)),))
    storage = MemoryStorage(header, None)
    sink = storage.sink(0)
    sink.record("loss", 0, np.array([1.0]))
    sink.record("loss", 1, np.array([2.0]))
    return Run(storage)
