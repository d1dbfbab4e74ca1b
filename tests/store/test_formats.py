"""Every format ever released is read, with the numbers it had; a run of today's format goes on to the same bits."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from logistic_map import everything

from thermograd.ensemble.environment import differences, environment
from thermograd.ensemble.resume import resume
from thermograd.errors import NewerFormatError, OlderFormatError
from thermograd.store import manifest_file
from thermograd.store.layout import FINISHED
from thermograd.store.manifest import Manifest, read_manifest, write_manifest
from thermograd.store.migrations import chain
from thermograd.store.migrations.chain import upgraded
from thermograd.store.reader import open_run

ROOT = Path(__file__).parents[2]
RUNS = ROOT / "tests/data/runs"
FORMATS = range(1, manifest_file.FORMAT_VERSION + 1)
KNOWN = {1: "6037c15415d23a0a7106c7677a0af4eac8d2859cf6607a966a9d54c82be4699e"}
"""SHA-256 of all numbers of the finished run of each format."""


@pytest.fixture
def copied(tmp_path):
    def copy(number: int, state: str) -> Path:
        return Path(shutil.copytree(RUNS / f"format-{number}" / state, tmp_path / state))

    return copy


def digest(numbers: dict[str, bytes]) -> str:
    return hashlib.sha256(b"".join(name.encode() + numbers[name] for name in sorted(numbers))).hexdigest()


def files(folder: Path) -> dict[str, bytes]:
    found = {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    return {name: content for name, content in found.items() if name != "lock"}


@pytest.mark.parametrize("number", FORMATS)
def test_the_numbers_of_every_format_are_those_it_was_written_with(number):
    run = open_run(RUNS / f"format-{number}/finished")
    assert digest(everything(run)) == KNOWN[number]
    assert run.manifest["format_version"] == number
    assert (run.name, run.state, run.complete) == ("kept", "finished", True)
    assert run.times("train_loss").tolist() == [0, 3, 6, 9, 12, 15, 18, 20]
    assert run.weight_times().tolist() == [0, 10, 20]
    assert (run.outcome == FINISHED).all()
    loss = run["train_loss"]
    assert loss.shape == (5, 8)
    np.testing.assert_allclose(loss[0, [0, -1]], [0.9084188362313536, 0.581997206313541], rtol=1e-12)


@pytest.mark.parametrize("number", FORMATS)
def test_what_was_interrupted_is_read_as_far_as_it_was_committed(number):
    run = open_run(RUNS / f"format-{number}/interrupted")
    assert run.state == "interrupted"
    assert run.committed.tolist() == [7, 7, 7]
    whole = open_run(RUNS / f"format-{number}/finished")["train_loss"]
    np.testing.assert_array_equal(run["train_loss"][:, :3], whole[:, :3])
    assert np.isnan(run["train_loss"][:, 3:]).all()


def test_a_run_of_this_format_goes_on_to_the_same_bits(copied):
    """On the machine it was made on; on another, whose sums may differ in the last place, to the same numbers."""
    path = copied(FORMATS[-1], "interrupted")
    whole = open_run(RUNS / f"format-{FORMATS[-1]}/finished")
    finished = resume(path)
    if differences(whole.manifest["environment"], environment()):
        for name in whole.names:
            np.testing.assert_allclose(finished[name], whole[name], rtol=1e-12)
        assert any("bits may differ in the last place" in note for note in finished.notes)
    else:
        assert everything(finished) == everything(whole)
    assert read_manifest(path).run_id == read_manifest(RUNS / f"format-{FORMATS[-1]}/interrupted").run_id


def test_every_format_is_kept_small_tracked_by_git_and_not_shipped():
    kept = {folder.name for folder in RUNS.iterdir() if folder.is_dir() and folder.name.startswith("format-")}
    assert kept == {f"format-{number}" for number in FORMATS}
    for number in FORMATS:
        for state in ("finished", "interrupted"):
            content = files(RUNS / f"format-{number}" / state)
            assert sum(map(len, content.values())) < 50_000
            assert "reserve" not in content
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["packages"] == ["src/thermograd"]
    ignored = subprocess.run(
        ["git", "check-ignore", *(str(path) for path in RUNS.rglob("*") if "__pycache__" not in path.parts)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ignored.stdout == ""


def test_there_is_a_step_from_every_earlier_format():
    steps = {file.stem for file in Path(chain.__file__).parent.glob("from_*.py")}
    assert steps == {f"from_{number}" for number in FORMATS[:-1]}


# a format that never was: what `steps` is today was called `updates`, and there was no `seed`


def older(path: Path, **changes) -> None:
    content = json.loads((path / "manifest.json").read_bytes())
    content.pop("checksum")
    content["updates"] = content.pop("steps")
    content.pop("seed")
    content |= changes
    content["checksum"] = manifest_file.content_checksum(content)
    (path / "manifest.json").write_text(json.dumps(content))


@pytest.fixture
def later(monkeypatch):
    """This thermograd, some formats on, with the steps that lead there."""

    def first(content):
        return {
            "steps": content["updates"],
            **{key: value for key, value in content.items() if key != "updates"},
        }

    def second(content):
        return {**content, "seed": 3}

    monkeypatch.setattr(manifest_file, "FORMAT_VERSION", 3)
    for number, step in ((1, first), (2, second)):
        module = ModuleType(f"thermograd.store.migrations.from_{number}")
        module.upgraded = step
        monkeypatch.setitem(sys.modules, module.__name__, module)


def test_an_earlier_format_is_upgraded_in_memory_and_left_as_it_is(copied, later):
    path = copied(1, "finished")
    older(path)
    before = files(path)
    run = open_run(path)
    assert digest(everything(run)) == KNOWN[1]
    assert (run.steps, run.seed, run.manifest["format_version"]) == (20, 3, 1)
    assert files(path) == before


def test_without_the_steps_it_would_not_be_read(copied):
    """Negative control."""
    from thermograd.errors import DamagedRunError

    path = copied(1, "finished")
    older(path)
    with pytest.raises(DamagedRunError, match=r"has no field '(seed|steps)'"):
        open_run(path)


@pytest.mark.parametrize("state", ["finished", "interrupted"])
@pytest.mark.parametrize("repair", [False, True])
def test_an_earlier_format_is_not_gone_on_with(copied, later, state, repair):
    path = copied(1, state)
    older(path)
    before = files(path)
    with pytest.raises(OlderFormatError) as caught:
        resume(path, repair=repair)
    text = str(caught.value)
    assert "has run format 1, this thermograd writes 3" in text
    assert "pip install 'thermograd[lab]==0.1.0'" in text
    assert f"thermograd run {path}/experiment.toml" in text
    assert caught.value.exit_code == 3
    assert files(path) == before


def test_an_earlier_format_without_its_manifest_is_not_repaired_into_this_one(copied, later):
    path = copied(1, "interrupted")
    (path / "manifest.json").unlink()
    before = files(path)
    with pytest.raises(OlderFormatError, match="run format 1, this thermograd writes 3"):
        resume(path, repair=True)
    assert files(path) == before


def test_nothing_is_written_in_another_format(tmp_path, later):
    manifest = Manifest(
        "i", "n", "created", "x", {}, 0, 1, 1, 1, 1, 1, (), "eager", "", "float64", "0", format_version=1
    )
    with pytest.raises(ValueError, match="run format 1, which is read but never written"):
        write_manifest(tmp_path, manifest)
    assert list(tmp_path.iterdir()) == []


def test_a_later_format_says_both_versions_and_how_to_upgrade(copied):
    path = copied(1, "finished")
    content = json.loads((path / "manifest.json").read_bytes())
    content.pop("checksum")
    content |= {"format_version": 7, "trajectories": "many"}
    content["checksum"] = manifest_file.content_checksum(content)
    (path / "manifest.json").write_text(json.dumps(content))
    before = files(path)
    for attempt in (open_run, resume, lambda run: resume(run, repair=True)):
        with pytest.raises(NewerFormatError) as caught:
            attempt(path)
        assert str(caught.value) == (
            f"{path} has run format 7, this thermograd reads up to 1; "
            "upgrade: pip install --upgrade 'thermograd[lab]'"
        )
    assert files(path) == before


def test_a_field_more_or_one_with_a_default_less_changes_no_format(copied):
    """Such a run is read by the thermograd before and after: the number of the format stays."""
    path = copied(1, "finished")
    content = json.loads((path / "manifest.json").read_bytes())
    content.pop("checksum")
    content |= {"colour": "blue"}
    del content["imports"]
    content["checksum"] = manifest_file.content_checksum(content)
    (path / "manifest.json").write_text(json.dumps(content))
    assert digest(everything(open_run(path))) == KNOWN[1]
    assert read_manifest(path).imports == ()


def test_a_chain_goes_step_by_step(later):
    given = {"updates": 5}
    assert upgraded(given, 1, 3) == {"steps": 5, "seed": 3}
    assert upgraded(given, 1, 2) == {"steps": 5}
    assert given == {"updates": 5}
    assert {entry.name for entry in dataclasses.fields(Manifest)} >= {"steps", "seed"}
