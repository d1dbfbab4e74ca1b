from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("zarr")
sys.path.append(str(Path(__file__).parent))
from growing_run import GrowingRun, LogisticMap, same_as_numpy

from thermograd.errors import DamagedRunError, ForeignDirectoryError
from thermograd.report import live_ledger, live_run
from thermograd.report.live_run import LiveRun
from thermograd.report.run_facts import go_on_command
from thermograd.store import reader
from thermograd.store.chunks import chunk_file
from thermograd.store.manifest import read_manifest, write_manifest
from thermograd.store.reader import open_run


@pytest.fixture
def growing(tmp_path):
    with GrowingRun(tmp_path / "run") as run:
        yield run


@pytest.fixture
def reads(monkeypatch):
    """How often each chunk of an observable was read, and how many rows of bookkeeping."""
    seen = Counter()
    chunk, rows = reader.read_chunk, live_ledger.read_rows

    def counted_chunk(run, array, name, index):
        seen[name, index] += 1
        return chunk(run, array, name, index)

    def counted_rows(*arguments, **more):
        seen["bookkeeping"] += 1
        return rows(*arguments, **more)

    monkeypatch.setattr(reader, "read_chunk", counted_chunk)
    monkeypatch.setattr(live_ledger, "read_rows", counted_rows)
    return seen


def looked(live, since=-1):
    live.refresh()
    return live.data(since)


def test_every_stage_of_a_run_equals_numpy(growing):
    live = LiveRun(growing.path)
    assert looked(live)["series"] == {}
    for block, until in ((0, 7), (1, 3), (0, None), (1, 12), (2, 20), (1, None)):
        growing.train(block, until)
        data = looked(live)
        for name in ("train_loss", "count"):
            same_as_numpy(data, growing.path, name)
    assert data["outcome"] == {"finished": 9, "diverged": 1, "failed": 0, "pending": 0}
    assert data["committed"] == [20, 20, 20]
    assert data["blocks"] == 3
    assert data["progress"] == pytest.approx(1.0)
    json.dumps(data, allow_nan=False)


def test_the_comparison_with_numpy_notices_a_trajectory_too_many(growing, monkeypatch):
    growing.train(0)
    monkeypatch.setattr(live_ledger.Ledger, "diverged", lambda self, block: np.zeros(4, bool))
    with pytest.raises(AssertionError):
        same_as_numpy(looked(LiveRun(growing.path)), growing.path)


def test_nothing_in_the_folder_is_touched(growing):
    growing.train(0)
    growing.train(1, 6)

    def everything():
        return {file: file.stat().st_mtime_ns for file in sorted(growing.path.rglob("*"))}

    before = everything()
    live = LiveRun(growing.path)
    looked(live)
    looked(live)
    assert everything() == before


def test_following_by_versions_ends_with_the_same_as_asking_for_everything(growing):
    live = LiveRun(growing.path)
    version, known = -1, {}
    for block, until in ((0, 7), (0, 9), (1, 13), (0, None), (1, None), (2, None)):
        growing.train(block, until)
        answer = looked(live, version)
        version = answer["version"]
        for name, points in answer["series"].items():
            for row in zip(*points.values(), strict=True):
                known.setdefault(name, {})[row[0]] = row
    whole = live.data()["series"]
    assert whole.keys() == known.keys()
    for name, points in whole.items():
        assert list(zip(*points.values(), strict=True)) == [known[name][step] for step in sorted(known[name])]


def test_nothing_new_is_a_small_answer_and_no_reading(growing, reads):
    growing.train(0)
    live = LiveRun(growing.path)
    version = looked(live)["version"]
    before = reads.copy()
    answer = looked(live, version)
    assert reads == before
    assert answer.keys() == {"version", "full", "state", "seconds_since_change", "time_left", "unread"}
    assert answer["version"] == version
    assert len(json.dumps(answer)) < 200


def test_only_new_points_are_told(growing):
    growing.train(0, 6)
    live = LiveRun(growing.path)
    version = looked(live)["version"]
    growing.train(0, 9)
    answer = looked(live, version)
    assert not answer["full"]
    assert "about" not in answer
    assert answer["series"]["train_loss"]["step"] == [7, 8, 9]


@pytest.mark.parametrize("version", [0, 10**18])
def test_an_unknown_version_is_told_everything(growing, version):
    growing.train(0)
    live = LiveRun(growing.path)
    answer = looked(live, version)
    assert answer["full"]
    assert answer["about"]["steps"] == 20
    later = LiveRun(growing.path)
    assert looked(later, version)["full"]


def of_block(reads, block):
    """Chunks of records; what a time is said to be is looked at with the bookkeeping."""
    records = {
        key: many for key, many in reads.items() if key != "bookkeeping" and not key[0].startswith("time")
    }
    return {key: many for key, many in records.items() if key[1][0] == block}


def test_a_full_chunk_is_read_once_and_a_finished_block_never_again(tmp_path, reads):
    map_ = LogisticMap(trajectories=10, steps=20, block_size=4, diverging=(), observables=1)
    with GrowingRun(tmp_path / "run", map_) as growing:
        live = LiveRun(growing.path)
        for until in (4, 5, 9, 14, 19, None):
            growing.train(0, until)
            looked(live)
        # chunks hold five records; the second one was read with one record in it, and again when it was full
        first = {("train_loss", (0, place)): 1 + (place == 1) for place in range(5)}
        assert of_block(reads, 0) == first
        growing.train(2)
        looked(live)
        assert of_block(reads, 2) == {("train_loss", (2, place)): 1 for place in range(5)}
        growing.train(1, 7)
        growing.set_state("interrupted")
        looked(live)
        growing.finish()
        looked(live)
        assert of_block(reads, 0) == first
        same_as_numpy(live.data(), growing.path)


def test_the_state_in_words(growing):
    live = LiveRun(growing.path)
    data = looked(live)
    assert (data["state"], data["text"]) == ("running", "Running: 0 of 3 blocks finished.")
    growing.train(0, 6)
    data = looked(live)
    assert data["working"] == [0]
    growing.finish()
    data = looked(live)
    assert data["state"] == "finished"
    assert data["text"] == "Finished: 9 trajectories reached the end, 1 diverged."
    assert data["working"] == []
    assert data["events"][-1][1] == "finished"


def test_a_run_without_an_owner_is_interrupted(tmp_path):
    with GrowingRun(tmp_path / "run") as growing:
        growing.train(0, 6)
    data = looked(LiveRun(growing.path))
    assert data["state"] == "interrupted"
    assert data["text"].endswith(f"Go on with: thermograd resume {growing.path}")


def test_page_and_report_propose_to_go_on_with_the_executor_it_had(tmp_path):
    with GrowingRun(tmp_path / "run") as growing:
        growing.train(0, 6)
        words = ("--executor", "dask", "--executor.address", "a b.json")
        write_manifest(growing.path, read_manifest(growing.path).replace(executor=words))
    command = f"thermograd resume {growing.path} --executor dask --executor.address 'a b.json'"
    assert looked(LiveRun(growing.path))["text"].endswith(f"Go on with: {command}")
    assert go_on_command(open_run(growing.path)) == command


def test_failed_blocks_are_told_and_may_come_back(growing):
    growing.train(0)
    growing.train(1, 6)
    growing.fail(1, "\x1b[31m<b>bad</b>")
    growing.set_state("failed")
    live = LiveRun(growing.path)
    data = looked(live)
    assert data["state"] == "failed"
    assert data["failed"] == [1]
    assert data["outcome"]["failed"] == 4
    assert data["failures"] == [
        "block 1, tried 2 times, committed to step 3: RuntimeError: \ufffd[31m<b>bad</b>"
    ]
    same_as_numpy(data, growing.path)
    growing.storage.retry(1)
    growing.set_state("running")
    growing.finish()
    data = looked(live)
    assert data["failed"] == data["failures"] == []
    same_as_numpy(data, growing.path)


def test_a_damaged_chunk_is_named_and_left_out(growing):
    growing.finish()
    file = chunk_file(growing.path, "train_loss", (1, 2))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    data = looked(LiveRun(growing.path))
    assert any("train_loss/c/1/2 is damaged" in note for note in data["notes"])
    points = data["series"]["train_loss"]
    assert [points["trajectories"][step] for step in (9, 10, 14, 15)] == [9, 5, 5, 9]


def test_damaged_bookkeeping_is_named(growing):
    growing.finish()
    chunk_file(growing.path, "committed", (1,)).unlink()
    data = looked(LiveRun(growing.path))
    assert any("committed/c/1 is lost" in note for note in data["notes"])
    assert data["committed"] == [20, -1, 20]


def test_a_manifest_that_cannot_be_read_any_more(growing):
    growing.train(0)
    live = LiveRun(growing.path)
    before = looked(live)
    manifest = growing.path / "manifest.json"
    text = manifest.read_text()
    manifest.write_text(text[:-40])
    data = looked(live, before["version"])
    assert data["state"] == "damaged"
    assert "--repair" in data["text"]
    assert looked(live, data["version"])["version"] == data["version"]
    manifest.write_text(text)
    assert looked(live)["state"] == "running"


def test_a_run_that_is_deleted_meanwhile(growing):
    growing.train(0)
    live = LiveRun(growing.path)
    before = looked(live)
    shutil.rmtree(growing.path)
    data = looked(live)
    assert data["state"] == "gone"
    assert data["text"] == f"The run directory {growing.path} is gone; what was read before is shown."
    assert data["series"] == before["series"]


def test_another_run_in_the_same_place_begins_anew(tmp_path):
    with GrowingRun(tmp_path / "run") as first:
        first.train(0)
        live = LiveRun(first.path)
        version = looked(live)["version"]
    shutil.rmtree(first.path)
    with GrowingRun(tmp_path / "run", LogisticMap(trajectories=6, steps=8, block_size=3)) as second:
        second.train(1)
        data = looked(live, version)
        assert data["full"]
        assert data["about"]["steps"] == 8
        same_as_numpy(data, second.path)


def test_a_block_that_is_reset_begins_anew(growing):
    growing.finish()
    live = LiveRun(growing.path)
    version = looked(live)["version"]
    growing.storage.reset(0)
    growing.set_state("running")
    write_manifest(growing.path, read_manifest(growing.path).replace(generation=1))
    data = looked(live, version)
    assert data["full"]
    assert data["committed"] == [-1, 20, 20]
    same_as_numpy(data, growing.path)


def test_what_is_no_run_is_refused(tmp_path, growing):
    with pytest.raises(ForeignDirectoryError):
        LiveRun(tmp_path)
    (growing.path / "manifest.json").write_text("{")
    with pytest.raises(DamagedRunError):
        LiveRun(growing.path)


def test_reading_stops_after_the_time_it_is_given(growing):
    growing.finish()
    live = LiveRun(growing.path)
    live.refresh(0.0)
    data = live.data()
    assert data["unread"] == 2
    assert set(data["series"]["train_loss"]["trajectories"]) <= {3, 4}
    live.refresh(0.0)
    live.refresh(0.0)
    assert live.data()["unread"] == 0
    same_as_numpy(live.data(), growing.path)


def test_very_many_blocks_get_fewer_points(growing, monkeypatch):
    monkeypatch.setattr(live_run, "_FEWEST_POINTS", 4)
    monkeypatch.setattr(live_run, "_KEPT_POINTS", 24)
    growing.finish()
    steps = looked(LiveRun(growing.path))["series"]["train_loss"]["step"]
    assert (len(steps), steps[0], steps[-1]) == (4, 0, 20)


def test_ten_thousand_trajectories_at_a_thousand_times_stay_light(tmp_path):
    map_ = LogisticMap(trajectories=10_000, steps=1000, block_size=2500, diverging=(), observables=1)
    with GrowingRun(tmp_path / "run", map_, time_chunk="auto") as growing:
        storage, rng = growing.storage, np.random.default_rng(0)
        for block in range(4):
            # a value per trajectory that lasts: what it costs is reading, not compressing
            rows = rng.normal(size=(2500, 1)) + np.zeros(1001)
            storage.arrays["train_loss"][2500 * block : 2500 * block + 2500] = rows
            storage.write_outcome(block, np.ones(2500, np.uint8))
            storage.write_committed(block, 1000)
        tracemalloc.start()
        data = looked(LiveRun(growing.path))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert data["series"]["train_loss"]["trajectories"] == [10_000] * 1001
    assert peak < 40e6  # the array is 80 MB, a chunk 4 MB
    assert len(json.dumps(data)) < 200_000


def test_torch_is_never_imported(growing):
    growing.train(0)
    script = (
        "import sys\n"
        "from thermograd.report.live import LiveServer\n"
        "from thermograd.report.live_run import LiveRun\n"
        "live = LiveRun(sys.argv[1])\n"
        "live.refresh()\n"
        "assert live.data()['series']\n"
        "LiveServer(live).server_close()\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, growing.path], capture_output=True, text=True, timeout=50
    )
    assert done.returncode == 0, done.stderr
