from __future__ import annotations

import dataclasses
import tracemalloc

import numpy as np
import pytest

from thermograd.advisor.perturbation_interval import advise
from thermograd.ensemble.experiment import Experiment
from thermograd.ensemble.run import run as train
from thermograd.errors import ConfigError, DamagedRunError, ForeignDirectoryError
from thermograd.problems import Quadratic
from thermograd.report.page import STUDY, report_run, write_page
from thermograd.store.perturbation_record import PerturbationRecord
from thermograd.store.run import Run

pytest.importorskip("plotly")


def values(seed=0):
    return np.random.default_rng(seed).normal(size=(20, 9)).cumsum(axis=1)


def small_record():
    quick = np.where(np.arange(1, 21) == np.arange(1, 31)[:, None] % 25 + 1, 1.0, 0.2)
    reached = quick.max(axis=1) >= 1
    survivor = np.flatnonzero(~reached)
    return PerturbationRecord(
        quick, {"kick": np.tile([0.3, 0.4, 1.0], (survivor.size, 1))}, survivor,
        target=1.0, direction="up", interval=20, horizon=3,
    )  # fmt: skip


def in_folder(run, folder):
    run.source.path = folder
    return run


def test_a_run_in_its_folder_gets_its_page_there(run_of, tmp_path):
    (tmp_path / "experiment.toml").write_text('name = "x"\n')
    run = in_folder(run_of({"loss": values()}, name="My run"), tmp_path)
    assert report_run(run) == tmp_path / "report.html"
    text = (tmp_path / "report.html").read_text("utf-8")
    assert "<h1>My run</h1>" in text
    assert "name = &quot;x&quot;" in text
    assert "thermograd run" in text
    assert list(tmp_path.glob("*.tmp")) == []


def test_a_run_in_memory_needs_a_file_name(run_of, tmp_path):
    with pytest.raises(ConfigError, match=r"pass out="):
        report_run(run_of({"loss": values()}))
    assert report_run(run_of({"loss": values()}), tmp_path / "page.html").is_file()


def test_nothing_committed_shows_no_empty_chart(run_of, tmp_path):
    text = report_run(run_of({"loss": values()}, committed=False), tmp_path / "p.html").read_text("utf-8")
    assert "Nothing is committed yet" in text
    assert 'class="plot"' not in text


def test_an_unfinished_run_says_how_to_go_on(run_of, tmp_path):
    run = in_folder(run_of({"loss": values()}), tmp_path)
    run.source._outcome[:] = 0
    text = report_run(run).read_text("utf-8")
    assert text.count(f"thermograd resume {tmp_path}") == 2  # in the verdict, and among the commands


def test_a_damaged_run_is_refused_and_what_can_be_salvaged_is_shown_and_said(tmp_path):
    pytest.importorskip("zarr")
    path = tmp_path / "run"
    train(Experiment(Quadratic(), trajectories=4, steps=8, seed=1, block_size=2), store=path)
    (path / "trajectories.zarr/train_loss/c/1/0").unlink()
    with pytest.raises(DamagedRunError, match="salvage=True"):
        report_run(path)
    assert not (path / "report.html").exists()
    text = report_run(path, salvage=True).read_text("utf-8")
    assert "1 file of the run is lost or damaged" in text
    assert "trajectories.zarr/train_loss/c/1/0" in text
    assert f"thermograd resume {path} --repair" in text
    assert "over 2 trajectories" in text


def test_a_study_in_the_folder_brings_advice_and_its_figures(run_of, tmp_path):
    small_record().save(tmp_path / STUDY)
    run = in_folder(run_of({"test_accuracy": values()}), tmp_path)
    text = report_run(run).read_text("utf-8")
    assert "Speed-up against the interval" in text
    assert f"<p class='recommendation'>{advise(small_record()).recommendation}</p>" in text
    assert "target 1" in text


def test_several_runs_are_compared(run_of, tmp_path):
    runs = [run_of({"loss": values(0)}, name="same"), run_of({"loss": values(1)}, name="same")]
    text = report_run(runs, tmp_path / "p.html").read_text("utf-8")
    assert "2 runs compared" in text
    assert "same (2)" in text
    assert "runs compared" in text


def test_too_many_scalars_are_said(run_of, tmp_path):
    run = run_of({f"area_{number}": values() for number in range(30)})
    assert "Only the first 24 of 30" in report_run(run, tmp_path / "p.html").read_text("utf-8")


def test_a_large_run_is_read_in_bounded_memory(run_of, tmp_path):
    run = run_of({"loss": np.zeros((4, 1001))}, block_size=1000)
    header = dataclasses.replace(run.source.header, trajectories=10_000)

    class Large:
        """10 000 x 1001 numbers of which only what is asked for exists."""

        path, manifest, state, failures = None, {}, "finished", ()

        def __init__(self):
            self.header = header

        def events(self):
            return []

        def notes(self):
            return ()

        def committed(self):
            return np.full(10, header.steps)

        def outcome(self):
            return np.full(10_000, 1, np.uint8)

        def diverged_at(self):
            return np.full(10_000, -1)

        def read(self, name, trajectories, times):
            shape = [len(range(*trajectories.indices(10_000))), len(range(*times.indices(1001)))]
            return np.random.default_rng(trajectories.start or 0).normal(size=shape)

    tracemalloc.start()
    report_run(Run(Large()), tmp_path / "p.html")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 80e6  # the array alone would be 80 MB; the page and plotly take about 30


def test_bad_places_are_refused_before_anything_is_written(run_of, tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        report_run(run_of({"loss": values()}), tmp_path / "no" / "p.html")
    with pytest.raises(ForeignDirectoryError):
        report_run(tmp_path)
    with pytest.raises(ConfigError, match="no run"):
        report_run([])
    assert list(tmp_path.iterdir()) == []


def test_advice_on_logs_is_a_page_with_ranking(tmp_path):
    record = small_record()
    page = write_page(tmp_path / "p.html", title="Logs", advice=advise(record), record=record)
    text = page.read_text("utf-8")
    assert "class='ranking'" in text
    assert "predicted mean (epochs)" in text
