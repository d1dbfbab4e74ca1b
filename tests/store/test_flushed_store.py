"""`fsync = true`: every file of a run is on the disk before it takes its name, and so is every name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from logistic_map import LogisticMap, LogisticTrainer, everything

from thermograd.ensemble.directory_run import Launch, train_in_directory
from thermograd.store.options import StoreOptions

NOT_PROMISED = {"lock", "events.jsonl", "reserve", "log.txt"}
Flushed = list[tuple[str, int, str]]


@pytest.fixture
def flushed(monkeypatch) -> Flushed:
    """What happened, in order: ("flush", number of the file or folder, its path then), ("make", ...), ("name", ...)."""
    seen: Flushed = []
    fsync, mkdir, replace = os.fsync, os.mkdir, os.replace

    def watched_fsync(descriptor: int) -> None:
        fsync(descriptor)
        seen.append(("flush", os.fstat(descriptor).st_ino, os.readlink(f"/proc/self/fd/{descriptor}")))

    def watched_mkdir(path, *rest, **more) -> None:
        mkdir(path, *rest, **more)
        seen.append(("make", os.stat(path).st_ino, str(path)))

    def watched_replace(source, target, **more) -> None:
        replace(source, target, **more)
        seen.append(("name", os.stat(target).st_ino, str(target)))

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "mkdir", watched_mkdir)
    monkeypatch.setattr(os, "replace", watched_replace)
    return seen


def trained(path: Path, *, fsync: bool, until: int | None = None):
    options = StoreOptions(time_chunk=3, checkpoint_seconds=0.0, fsync=fsync)
    return train_in_directory(LogisticTrainer(LogisticMap()), path, Launch(options=options, until=until))


def unsafe(path: Path, seen: Flushed) -> set[str]:
    """Files whose content, and names whose folder, a power cut at the end could lose."""
    lost = set()
    for file in path.rglob("*"):
        shown, number = str(file.relative_to(path)), file.stat().st_ino
        if file.name in NOT_PROMISED:
            continue
        content = [place for place, entry in enumerate(seen) if entry[:2] == ("flush", number)]
        made = [place for place, entry in enumerate(seen) if entry[0] != "flush" and entry[1] == number]
        names = [
            place for place, entry in enumerate(seen) if entry[:2] == ("flush", file.parent.stat().st_ino)
        ]
        if file.is_file() and not (content and made and content[-1] < made[-1]):
            lost.add(shown)
        if not made or not names or names[-1] < made[-1]:
            lost.add(shown)
    return lost


def test_a_power_cut_after_the_end_loses_nothing(tmp_path, flushed):
    path = tmp_path / "new" / "run"
    run = trained(path, fsync=True)
    assert unsafe(path, flushed) == set()
    flushes = [entry[1] for entry in flushed if entry[0] == "flush"]
    assert path.parent.stat().st_ino in flushes
    assert tmp_path.stat().st_ino in flushes
    assert everything(run) == everything(trained(tmp_path / "other", fsync=False))


def test_nor_does_one_after_a_resumed_start(tmp_path, flushed):
    path = tmp_path / "run"
    trained(path, fsync=True, until=7)
    assert trained(path, fsync=False).complete  # an existing run keeps its own options
    assert unsafe(path, flushed) == set()


def test_without_it_only_what_says_where_to_go_on_is_flushed(tmp_path, flushed):
    """Negative control of the harness; checkpoints and manifest are always flushed."""
    path = tmp_path / "run"
    trained(path, fsync=False)
    lost = unsafe(path, flushed)
    assert "trajectories.zarr/train_loss/c/0/0" in lost
    assert (
        not {"manifest.json", "experiment.toml", "blocks/00000", "blocks/00000/checkpoint.safetensors"} & lost
    )


def test_what_is_promised_is_on_the_disk_before_the_promise(tmp_path, flushed):
    """Records, then the checkpoint, then the step up to which they may be trusted."""
    path = tmp_path / "run"
    trained(path, fsync=True)
    order = []
    for kind, _, name in flushed:
        if kind != "name" or ("/blocks/" not in name and "/c/" not in name):
            continue
        part = "checkpoint" if "/blocks/" in name else name.split("trajectories.zarr/")[1].split("/c/")[0]
        order.append({"checkpoint": "c", "committed": "p"}.get(part, "r"))
    commits = "".join(order).split("p")
    assert len(commits) > 12
    begun = commits[len(LogisticTrainer(LogisticMap()).header().arrays) - 1 :]
    assert all(set(commit[:-1]) == {"r"} and commit[-1] == "c" for commit in begun[:-1])
    assert begun[-1] == ""


def test_a_flushed_store_is_a_zarr_store(tmp_path):
    import zarr

    from thermograd.store.flushed_store import flushed_store

    group = zarr.create_group(flushed_store(tmp_path / "a.zarr"), attributes={"x": 1})
    array = group.create_array("v", shape=(4,), chunks=(2,), dtype="int64")
    array[...] = [1, 2, 3, 4]
    array[1] = 7
    again = zarr.open_group(tmp_path / "a.zarr", mode="r")
    assert again["v"][...].tolist() == [1, 7, 3, 4]
    assert dict(again.attrs) == {"x": 1}
    assert not [file for file in tmp_path.rglob("*") if file.suffix in {".tmp", ".partial"}]
    with pytest.raises(ValueError, match="read-only"):
        zarr.open_group(flushed_store(tmp_path / "a.zarr", read_only=True), mode="r")["v"][0] = 1
