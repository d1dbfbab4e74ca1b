"""A run without its manifest: rebuilt where what is left is of its experiment, refused or computed anew where not."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from pathlib import Path

import pytest
from logistic_map import LogisticMap, LogisticTrainer, everything

from thermograd.ensemble.directory_run import Launch, train_in_directory
from thermograd.ensemble.resume import resume
from thermograd.errors import (
    DamagedRunError,
    ExperimentMismatchError,
    ForeignDirectoryError,
    NewerFormatError,
)
from thermograd.store.manifest import read_manifest
from thermograd.store.options import StoreOptions
from thermograd.store.reader import open_run

OTHER = dataclasses.replace(LogisticMap(), rate=3.8)


def trained(path: Path, map_: LogisticMap | None = None, *, repair: bool = False, until: int | None = None):
    launch = Launch(options=StoreOptions(time_chunk=5), repair=repair, until=until)
    return train_in_directory(LogisticTrainer(map_ or LogisticMap()), path, launch)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("made")
    trained(folder / "finished")
    trained(folder / "interrupted", until=7)
    return {"finished": folder / "finished", "interrupted": folder / "interrupted"}


@pytest.fixture(scope="module")
def truth(made) -> dict[str, bytes]:
    return everything(open_run(made["finished"]))


@pytest.fixture(params=["finished", "interrupted"])
def lost(request, made, tmp_path) -> Path:
    """A run whose manifest is gone."""
    path = tmp_path / "run"
    shutil.copytree(made[request.param], path)
    (path / "manifest.json").unlink()
    return path


def contents(path: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in path.rglob("*") if file.is_file() and file.name != "lock"}


def test_it_is_rebuilt_with_its_own_name_number_and_options(lost, truth):
    attributes = json.loads((lost / "trajectories.zarr/zarr.json").read_bytes())["attributes"]
    assert everything(trained(lost, repair=True)) == truth
    manifest = read_manifest(lost)
    assert (manifest.run_id, manifest.name, manifest.time_chunk) == (attributes["run_id"], "logistic", 5)


def test_the_record_of_another_experiment_makes_no_wrong_numbers(lost):
    """Whoever edits `experiment.toml`, or gives another experiment, does not get these numbers for it."""
    text = (lost / "experiment.toml").read_text()
    (lost / "experiment.toml").write_text(text.replace("3.9", "3.8"))
    before = contents(lost)
    with pytest.raises(ExperimentMismatchError, match=r"Was experiment\.toml changed\?"):
        trained(lost, OTHER, repair=True)
    assert contents(lost) == before


def test_so_do_checkpoints_alone(lost, truth):
    (lost / "experiment.toml").unlink()
    with pytest.raises((ExperimentMismatchError, ForeignDirectoryError)):
        trained(lost, OTHER, repair=True)
    (lost / "experiment.toml").write_text("unreadable [")
    with pytest.raises(ExperimentMismatchError, match="what is left was written for experiment"):
        trained(lost, OTHER, repair=True)
    assert everything(trained(lost, repair=True)) == truth


def test_where_nothing_tells_everything_is_computed_anew(lost, truth):
    (lost / "experiment.toml").write_text("# nobody knows\n")
    for checkpoint in lost.glob("blocks/*/checkpoint.safetensors"):
        checkpoint.write_bytes(b"x")
    assert everything(trained(lost, repair=True)) == truth
    (repaired,) = [event for event in open_run(lost).events() if event["event"] == "repaired"]
    assert {f"block {block} is computed anew" for block in range(3)} <= set(repaired["what"])


def test_the_record_of_another_run_of_the_experiment_proves_nothing_about_these_arrays(lost, truth):
    text = (lost / "experiment.toml").read_text()
    (lost / "experiment.toml").write_text(re.sub(r"run_id = [0-9a-f]{8}", "run_id = 01234567", text))
    for checkpoint in lost.glob("blocks/*/checkpoint.safetensors"):
        checkpoint.unlink()
    assert everything(trained(lost, repair=True)) == truth
    (repaired,) = [event for event in open_run(lost).events() if event["event"] == "repaired"]
    assert "block 0 is computed anew" in repaired["what"]


def test_arrays_of_a_later_format_are_not_repaired_into_this_one(lost):
    file = lost / "trajectories.zarr/zarr.json"
    content = json.loads(file.read_bytes())
    content["attributes"]["format_version"] = 2
    file.write_text(json.dumps(content))
    before = contents(lost)
    with pytest.raises(NewerFormatError, match="format 2, this thermograd reads up to 1"):
        trained(lost, repair=True)
    assert contents(lost) == before


def test_a_huge_experiment_is_not_read(lost):
    with (lost / "experiment.toml").open("ab") as stream:
        stream.truncate(2**34)  # a hole: it takes no room
    with pytest.raises(DamagedRunError, match="is larger than 16 MiB"):
        resume(lost, repair=True)


def test_a_stranger_s_folder_is_not_touched_by_repair(tmp_path):
    from thermograd.ensemble.experiment import Experiment
    from thermograd.problems import Quadratic

    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ForeignDirectoryError, match=r"a folder with notes\.txt"):
        resume(tmp_path, repair=True, experiment=Experiment(Quadratic(), steps=1))
    assert [entry.name for entry in tmp_path.iterdir()] == ["notes.txt"]
