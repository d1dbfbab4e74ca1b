from __future__ import annotations

import json

import numpy as np
import pytest

from thermograd.errors import DamagedRunError, ForeignDirectoryError, RunInUseError
from thermograd.store.layout import DIVERGED, FAILED, FINISHED, PENDING, ArraySpec, Checkpoint, Header
from thermograd.store.manifest import Manifest, read_manifest, write_manifest
from thermograd.store.reader import open_run
from thermograd.store.stored_array import stored_arrays
from thermograd.store.writer import DirectorySink, DirectoryStorage
from thermograd.store.zarr_group import create_group

TIMES = np.arange(8)


@pytest.fixture
def storage(tmp_path) -> DirectoryStorage:
    arrays = (ArraySpec("loss", (), "float64", TIMES), ArraySpec("count", (2,), "int64", TIMES[::7]))
    header = Header("x", 0, 5, 7, 1, 3, "eager", "", arrays)
    manifest = Manifest(
        run_id="id", name="x", state="running", identity="i", experiment={}, seed=0, trajectories=5, steps=7,
        steps_per_epoch=1, block_size=3, blocks=2, arrays=stored_arrays(header, 3), engine="eager", reason="",
        dtype="float64", thermograd_version="0", checkpoint_seconds=10.0, fsync=True,
    )  # fmt: skip
    create_group(tmp_path, header, manifest)
    write_manifest(tmp_path, manifest)
    return DirectoryStorage(tmp_path, manifest, header)


def sink(storage: DirectoryStorage, block: int = 1, clock=lambda: 0.0) -> DirectorySink:
    return DirectorySink(storage, block, stopping=lambda: False, clock=clock)


def state(step: int, *diverged_at: int) -> Checkpoint:
    return Checkpoint(
        step,
        {
            "weights/z": np.ones((2, 1)),
            "weights/a": np.zeros(2),
            "diverged_at": np.array(diverged_at or (-1, -1)),
        },
    )


def record(writer: DirectorySink, *steps: int) -> None:
    for step in steps:
        writer.record("loss", step, np.array([step, step + 0.5]))
        if step % 7 == 0:
            writer.record("count", step // 7, np.full((2, 2), step))


def outcome(code: int):
    return np.array([code, code], np.uint8)


def test_a_full_chunk_is_due_and_so_is_a_long_time(storage):
    now = [0.0]
    writer = sink(storage, clock=lambda: now[0])
    record(writer, 0, 1)
    assert not writer.due()
    record(writer, 2)
    assert writer.due()
    writer.commit(state(2), outcome(PENDING))
    assert not writer.due()
    now[0] = 9.9
    assert not writer.due()
    now[0] = 10.0
    assert writer.due()


def test_what_is_committed_is_read_and_the_rest_is_not(storage):
    writer = sink(storage)
    record(writer, 0, 1, 2, 3)
    assert np.isnan(open_run(storage.path)["loss"]).all()
    writer.commit(state(3), outcome(PENDING))
    record(writer, 4)
    found = open_run(storage.path)["loss"]
    np.testing.assert_array_equal(found[3:, :4], [[0, 1, 2, 3], [0.5, 1.5, 2.5, 3.5]])
    assert np.isnan(found[:3]).all()
    assert np.isnan(found[:, 4:]).all()
    assert open_run(storage.path)["count"].tolist()[3:] == [[[0, 0], [-1, -1]]] * 2


@pytest.mark.parametrize("stop", range(7))
def test_a_resumed_block_reads_its_open_chunk_back(storage, stop):
    writer = sink(storage)
    record(writer, *range(stop + 1))
    writer.commit(state(stop), outcome(PENDING))
    again = sink(storage)
    checkpoint = again.load()
    assert checkpoint is not None
    assert checkpoint.step == stop
    assert list(checkpoint.arrays) == [
        "weights/z",
        "weights/a",
        "diverged_at",
    ]  # their order decides that of weights
    record(again, *range(stop + 1, 8))
    again.commit(state(7), outcome(FINISHED))
    run = open_run(storage.path)
    np.testing.assert_array_equal(run["loss"][3:], [TIMES, TIMES + 0.5])
    assert run.outcome.tolist() == [0, 0, 0, 1, 1]
    assert storage.finished(1)
    assert not storage.finished(0)


def test_records_nobody_made_are_written_as_missing(storage):
    """All diverged: the block ends early, and its later chunks must not look lost."""
    writer = sink(storage)
    record(writer, 0, 1)
    writer.commit(state(7, 1, 2), outcome(DIVERGED))
    found = open_run(storage.path)["loss"][3:]
    assert np.isnan(found[:, 2:]).all()
    assert open_run(storage.path).diverged_at.tolist() == [-1, -1, -1, 1, 2]


def test_the_promise_is_repaired_after_a_kill_before_it(storage, monkeypatch):
    writer = sink(storage)
    record(writer, 0, 1)
    monkeypatch.setattr(DirectorySink, "_write_committed", lambda *_: None)
    writer.commit(state(1), outcome(PENDING))
    assert storage.committed(1) == -1
    monkeypatch.undo()
    assert sink(storage).load() is not None
    assert storage.committed(1) == 1


def test_a_checkpoint_older_than_the_promise_is_damage(storage):
    writer = sink(storage)
    record(writer, 0, 1)
    writer.commit(state(1), outcome(PENDING))
    storage.write_committed(1, 4)
    with pytest.raises(DamagedRunError, match="is at step 1, but step 4 was committed"):
        sink(storage).load()
    storage.checkpoint_file(1).unlink()
    with pytest.raises(DamagedRunError, match="is gone, but step 4"):
        sink(storage).load()


@pytest.mark.parametrize("place", [9, 40, 150, -30, -1])
def test_a_checkpoint_with_one_wrong_bit_is_damage(storage, place):
    writer = sink(storage)
    record(writer, 0)
    writer.commit(state(0), outcome(PENDING))
    file = storage.checkpoint_file(1)
    content = bytearray(file.read_bytes())
    content[place] ^= 2
    file.write_bytes(content)
    with pytest.raises(DamagedRunError, match=r"blocks/00001/checkpoint\.safetensors is damaged"):
        sink(storage).load()


def test_a_later_start_fences_off_this_one(storage):
    writer = sink(storage)
    record(writer, 0, 1)
    writer.commit(state(1), outcome(PENDING))
    before = {file: file.read_bytes() for file in storage.path.rglob("*") if file.is_file()}
    write_manifest(storage.path, read_manifest(storage.path).replace(generation=1))
    before[storage.path / "manifest.json"] = (storage.path / "manifest.json").read_bytes()
    record(writer, 2)
    with pytest.raises(RunInUseError, match="taken over by start number 1"):
        writer.commit(state(2), outcome(PENDING))
    assert {file: file.read_bytes() for file in storage.path.rglob("*") if file.is_file()} == before


def test_a_failed_block_keeps_what_ended_and_can_be_tried_again(storage):
    writer = sink(storage)
    record(writer, 0, 1, 2)
    writer.commit(state(2, 1, -1), np.array([DIVERGED, PENDING], np.uint8))
    storage.mark_failed(1)
    assert open_run(storage.path).outcome.tolist()[3:] == [DIVERGED, FAILED]
    assert not storage.finished(1)
    storage.retry(1)
    assert open_run(storage.path).outcome.tolist()[3:] == [DIVERGED, PENDING]


def test_reset_forgets_everything(storage):
    writer = sink(storage)
    record(writer, *range(8))
    writer.commit(state(7), outcome(FINISHED))
    storage.reset(1)
    assert np.isnan(open_run(storage.path)["loss"]).all()
    assert sink(storage).load() is None
    assert not storage.finished(1)


def test_the_manifest_survives_its_own_round_trip(storage):
    manifest = read_manifest(storage.path)
    assert manifest == storage.manifest
    content = json.loads(manifest.to_json())
    assert (content["format"], content["format_version"]) == ("thermograd-run", 1)
    assert content["arrays"]["loss"] == {
        "shape": [5, 8],
        "dtype": "float64",
        "chunks": [3, 3],
        "time": "time",
    }


def test_a_later_start_is_noticed_though_the_manifest_was_checked_before(storage):
    """What was read once is not checked again, unless a byte of it changes."""
    storage.check_generation()
    storage.check_generation()
    write_manifest(storage.path, storage.manifest.replace(notes=("a note",)))
    storage.check_generation()
    write_manifest(storage.path, storage.manifest.replace(generation=1))
    with pytest.raises(RunInUseError, match="start number 1"):
        storage.check_generation()
    (storage.path / "manifest.json").unlink()
    with pytest.raises(ForeignDirectoryError, match="is not a run"):
        storage.check_generation()


def test_outcomes_are_written_when_they_change(storage, monkeypatch):
    written = []
    original = DirectoryStorage._write

    def counted(self, name, rows, values):
        written.append(name)
        original(self, name, rows, values)

    monkeypatch.setattr(DirectoryStorage, "_write", counted)
    writer = sink(storage)
    for step, code, diverged_at in ((0, PENDING, -1), (1, PENDING, -1), (2, DIVERGED, 2), (3, DIVERGED, 2)):
        record(writer, step)
        writer.commit(state(step, -1, diverged_at), np.array([PENDING, code], np.uint8))
    assert written.count("committed") == 4
    assert written.count("outcome") == written.count("diverged_at") == 2
    assert open_run(storage.path).outcome.tolist() == [0, 0, 0, 0, DIVERGED]
