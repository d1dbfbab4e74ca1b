"""What can change the last bits is said, in the manifest and in the report, or refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from thermograd.cli import main
from thermograd.ensemble.environment import changed_data, differences, environment
from thermograd.store.manifest import read_manifest, write_manifest

INTERRUPTED = Path(__file__).parents[1] / "data/runs/format-1/interrupted"


@pytest.fixture
def run(tmp_path) -> Path:
    """An interrupted run that was begun here."""
    path = tmp_path / "run"
    shutil.copytree(INTERRUPTED, path)
    write_manifest(path, read_manifest(path).replace(environment=environment()))
    return path


def elsewhere(path: Path, **changes: str) -> None:
    """It was begun in another environment."""
    write_manifest(path, read_manifest(path).replace(environment=environment() | changes))


def test_the_same_environment_is_not_spoken_of(run, capsys):
    assert main(["resume", str(run), "--strict"]) == 0
    assert "bits" not in capsys.readouterr().err
    assert read_manifest(run).notes == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("torch", "2.1.0"),
        ("numpy", "2.0.0"),
        ("cpu", "NEON"),
        ("machine", "aarch64"),
        ("threads", "8"),
        ("thermograd", "0.0.1"),
    ],
)
def test_a_changed_one_is_refused_with_strict_and_noted_without(run, capsys, name, value):
    elsewhere(run, **{name: value})
    before = {file: file.read_bytes() for file in run.rglob("*") if file.is_file() and file.name != "lock"}
    assert main(["resume", str(run), "--strict"]) == 3
    said = f"{name} {value} → {environment()[name]}"
    assert (
        f"the environment changed ({said}); without --strict the run goes on with a note"
        in capsys.readouterr().err
    )
    assert {
        file: file.read_bytes() for file in run.rglob("*") if file.is_file() and file.name != "lock"
    } == before
    assert main(["resume", str(run)]) == 0
    note = f"bits may differ in the last place: {said}"
    assert note in capsys.readouterr().err
    assert read_manifest(run).notes == (note,)
    assert main(["report", str(run)]) == 0
    assert note in (run / "report.html").read_text("utf-8")


def test_what_cannot_change_a_bit_is_not_compared(run):
    elsewhere(run, python="3.99", zarr="4.0", safetensors="9", compiler="another")
    assert main(["resume", str(run), "--strict"]) == 0


def test_the_compiler_counts_where_something_is_compiled():
    before, now = {"compiler": "c++ 12"}, {"compiler": "c++ 14"}
    assert differences(before, now) == ()
    assert differences(before, now, compiled=True) == ("compiler c++ 12 → c++ 14",)


def test_a_note_is_kept_once(run):
    elsewhere(run, torch="2.1.0")
    assert main(["resume", str(run)]) == 0
    first = read_manifest(run)
    write_manifest(run, first.replace(state="interrupted"))
    assert main(["resume", str(run)]) == 0
    assert read_manifest(run).notes == first.notes
    assert (
        json.loads((run / "manifest.json").read_text())["environment"]["torch"] == "2.1.0"
    )  # of the first start


def test_unknown_data_are_not_changed_data():
    assert changed_data([], ["data: a"]) == ""
    assert changed_data(["data: a"], ["data: a", "another note"]) == ""
