from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from logistic_map import LogisticMap, LogisticTrainer

from thermograd.errors import DamagedRunError, ForeignDirectoryError, MemoryLimitError, NewerFormatError
from thermograd.store.manifest import read_manifest, write_manifest
from thermograd.store.manifest_file import content_checksum
from thermograd.store.reader import open_run
from thermograd.store.run import Run


class Collected:
    """A sink that keeps every row: what the loop recorded, without any file."""

    def __init__(self, trainer: LogisticTrainer) -> None:
        header = trainer.header()
        self.arrays = {spec.name: spec.filled(header.trajectories) for spec in header.arrays}
        for block in range(header.blocks):
            self.members = header.block(block)
            trainer.train(block, self)

    def load(self):
        return None

    def record(self, name, row, values):
        self.arrays[name][self.members.start : self.members.stop, row] = values

    def due(self):
        return False

    stopping = due

    def commit(self, checkpoint, outcome):
        pass


@pytest.fixture(scope="module")
def recorded() -> dict[str, np.ndarray]:
    return Collected(LogisticTrainer(LogisticMap())).arrays


def rewrite(path: Path, **changes) -> None:
    """A forged manifest whose checksum is right."""
    content = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    content |= changes
    content["checksum"] = content_checksum(
        {key: value for key, value in content.items() if key != "checksum"}
    )
    (path / "manifest.json").write_text(json.dumps(content), encoding="utf-8")


def test_what_was_recorded_is_read(made, recorded):
    run = open_run(made)
    assert isinstance(run, Run)
    assert run.names == ("train_loss", "count", "area/matrix")
    for name in run.names:
        np.testing.assert_array_equal(run[name], recorded[name])
        assert run[name].dtype == recorded[name].dtype
    np.testing.assert_array_equal(run.weights()["0.bias"], recorded["weights/0.bias"][:, 0])
    assert run.diverged_at.tolist() == [-1, -1, -1, 6, -1]
    assert run.outcome.tolist() == [1, 1, 1, 2, 1]
    assert run.committed.tolist() == [12, 12, 12]
    assert run.complete
    assert (run.state, run.path, run.name, run.seed, run.steps, run.steps_per_epoch) == (
        "finished",
        made,
        "logistic",
        7,
        12,
        4,
    )
    assert run.notes == ("one sample sits out", "1 of 5 trajectories diverged by step 6")
    assert run.manifest["identity"] == read_manifest(made).identity
    assert [event["event"] for event in run.events()][:3] == ["created", "started", "block_started"]
    assert run.times("train_loss").tolist() == list(range(13))
    assert run.times("count", unit="epoch").tolist() == [0, 1, 3]
    assert "train_loss" in run._repr_html_()


@pytest.mark.parametrize("rows", [slice(0, 5), slice(1, 4), slice(4, 5), slice(2, 2)])
@pytest.mark.parametrize("columns", [slice(0, 13), slice(4, 6), slice(11, 13), slice(3, 3)])
def test_parts(made, recorded, rows, columns):
    np.testing.assert_array_equal(
        open_run(made).array("train_loss", rows, columns), recorded["train_loss"][rows, columns]
    )


def test_blocks_and_the_memory_limit(made, recorded):
    run = open_run(made)
    blocks = list(run.blocks("train_loss"))
    assert [block.trajectories for block in blocks] == [range(2), range(2, 4), range(4, 5)]
    np.testing.assert_array_equal(np.concatenate([block.values for block in blocks]), recorded["train_loss"])
    with pytest.raises(MemoryLimitError, match=r"run\.blocks\('train_loss'\)"):
        run.array("train_loss", memory_limit=5 * 13 * 8 - 1)
    with pytest.raises(MemoryError):
        run.array("train_loss", memory_limit=1)


def test_reading_needs_no_torch(made):
    script = f"import sys; from thermograd import open_run; run = open_run({str(made)!r}); run['train_loss']; assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_layout_is_plain_zarr(made, recorded):
    """Another reader of zarr v3 sees the same, with names for every dimension."""
    import zarr

    group = zarr.open_group(made / "trajectories.zarr", mode="r", zarr_format=3)
    np.testing.assert_array_equal(group["train_loss"][...], recorded["train_loss"])
    np.testing.assert_array_equal(group["weights/0.bias"][...], recorded["weights/0.bias"])
    assert group["train_loss"].metadata.dimension_names == ("trajectory", "time")
    assert group["area.matrix"].metadata.dimension_names == (
        "trajectory",
        "time_2",
        "area.matrix_0",
        "area.matrix_1",
    )
    assert group["time_2"][...].tolist() == [0, 4, 12]
    assert group["trajectory"][...].tolist() == list(range(5))
    assert dict(group.attrs) == {
        "format_version": 1,
        "run_id": read_manifest(made).run_id,
        "name": "logistic",
        "steps_per_epoch": 4,
    }
    stored = json.loads((made / "trajectories.zarr/train_loss/zarr.json").read_text(encoding="utf-8"))
    assert [codec["name"] for codec in stored["codecs"]] == ["bytes", "zstd", "crc32c"]
    assert stored["codecs"][1]["configuration"]["level"] == 3
    assert "consolidated_metadata" not in json.loads(
        (made / "trajectories.zarr/zarr.json").read_text(encoding="utf-8")
    )
    # the third trajectory is all NaN from step 6, and its chunk is there all the same
    assert (made / "trajectories.zarr/train_loss/c/1/2").exists()


def test_a_lost_chunk_is_named_and_the_rest_can_be_salvaged(run_path, recorded):
    (run_path / "trajectories.zarr/train_loss/c/1/2").unlink()
    run = open_run(run_path)
    np.testing.assert_array_equal(run.array("train_loss", slice(0, 2)), recorded["train_loss"][:2])
    with pytest.raises(DamagedRunError, match="train_loss/c/1/2 is lost") as caught:
        run["train_loss"]
    assert caught.value.damage == ("trajectories.zarr/train_loss/c/1/2",)
    assert "block 1; 88.9 % of what was asked for is intact" in str(caught.value)
    salvaged = open_run(run_path, salvage=True)["train_loss"]
    expected = recorded["train_loss"].copy()
    expected[2:4, 10:] = np.nan
    np.testing.assert_array_equal(salvaged, expected)


@pytest.mark.parametrize("cut", [True, False])
def test_what_an_array_without_its_description_holds_is_not_known_and_the_rest_is(run_path, recorded, cut):
    described = run_path / "trajectories.zarr/train_loss/zarr.json"
    described.write_bytes(described.read_bytes()[:50]) if cut else described.unlink()
    with pytest.raises(DamagedRunError, match=r"train_loss/zarr.json (cannot be read|is gone)"):
        open_run(run_path)["train_loss"]
    salvaged = open_run(run_path, salvage=True)
    assert np.isnan(salvaged["train_loss"]).all()
    assert salvaged.source.damage == ("trajectories.zarr/train_loss/zarr.json",)
    np.testing.assert_array_equal(salvaged["count"], recorded["count"])


def test_without_the_description_of_what_is_committed_nothing_is_trusted(run_path):
    (run_path / "trajectories.zarr/committed/zarr.json").unlink()
    salvaged = open_run(run_path, salvage=True)
    assert (salvaged.committed == -1).all()
    assert (salvaged.outcome == 0).all()
    assert np.isnan(salvaged["train_loss"]).all()
    assert salvaged.source.damage == ("trajectories.zarr/committed/zarr.json",)


@pytest.mark.parametrize("salvage", [True, False])
def test_a_lost_time_is_said_to_be_one_and_how_to_get_it_back(run_path, salvage):
    (run_path / "trajectories.zarr/time/c/0").unlink()
    with pytest.raises(DamagedRunError, match=r"time/c/0 is lost, and .*--repair$") as caught:
        open_run(run_path, salvage=salvage)
    assert caught.value.damage == ("trajectories.zarr/time/c/0",)


def test_only_committed_records_are_shown(run_path, recorded):
    import zarr

    with zarr.config.set({"array.write_empty_chunks": True}):
        committed = zarr.open_array(run_path / "trajectories.zarr/committed", mode="r+")
    committed[1] = 5
    run = open_run(run_path)
    expected = recorded["train_loss"].copy()
    expected[2:4, 6:] = np.nan
    np.testing.assert_array_equal(run["train_loss"], expected)
    assert run["count"][2:4].tolist()[0][2] == -1
    assert run.outcome.tolist() == [1, 1, 0, 0, 1]
    assert run.diverged_at.tolist() == [-1, -1, -1, -1, -1]
    committed[...] = -1
    assert np.isnan(open_run(run_path)["train_loss"]).all()
    assert (open_run(run_path)["count"] == -1).all()


def test_a_newer_format_is_refused(run_path):
    rewrite(run_path, format_version=2)
    with pytest.raises(
        NewerFormatError, match="format 2, this thermograd reads up to 1; upgrade: pip install"
    ):
        open_run(run_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"trajectories": 10**15},
        {"blocks": 10**9},
        {"trajectories": -1},
        {"steps": -5},
        {"state": "asleep"},
        {"seed": True},
        {
            "arrays": {
                "../../etc/passwd": {"shape": [5, 13], "dtype": "float64", "chunks": [2, 5], "time": "time"}
            }
        },
        {"arrays": {"weights/a/b": {"shape": [5, 13], "dtype": "float64", "chunks": [2, 5], "time": "time"}}},
        {
            "arrays": {
                "train_loss": {"shape": [5, 10**14], "dtype": "float64", "chunks": [2, 5], "time": "time"}
            }
        },
        {"arrays": {"train_loss": {"shape": [5, 14], "dtype": "float64", "chunks": [2, 5], "time": "time"}}},
        {"arrays": {"train_loss": {"shape": [5, 13], "dtype": "object", "chunks": [2, 5], "time": "time"}}},
        {"arrays": {"train_loss": {"shape": [5, 13], "dtype": "float32", "chunks": [2, 5], "time": "time"}}},
        {"arrays": {"train_loss": {"shape": [5, 13], "dtype": "float64", "chunks": [2, 0], "time": "time"}}},
        {
            "arrays": {
                "train_loss": {"shape": [5, 13], "dtype": "float64", "chunks": [2, 5], "time": "../time"}
            }
        },
        {"arrays": [1]},
        {"name": "another"},
    ],
)
def test_a_forged_manifest_is_refused_before_anything_is_allocated(run_path, changes):
    rewrite(run_path, **changes)
    with pytest.raises((DamagedRunError, MemoryLimitError)):
        open_run(run_path)["train_loss"]


def test_links_that_leave_the_run_are_not_followed(run_path, made, tmp_path):
    chunk = run_path / "trajectories.zarr/train_loss/c/0/0"
    outside = tmp_path / "outside"
    chunk.rename(outside)
    chunk.symlink_to(outside)
    with pytest.raises(DamagedRunError, match="symbolic link that leaves the run"):
        open_run(run_path)["train_loss"]
    group = run_path / "trajectories.zarr"
    os.rename(group, tmp_path / "elsewhere")
    group.symlink_to(made / "trajectories.zarr")
    with pytest.raises(DamagedRunError, match="symbolic link that leaves the run"):
        open_run(run_path)


def test_not_a_run(tmp_path):
    with pytest.raises(ForeignDirectoryError, match="does not exist"):
        open_run(tmp_path / "nothing")
    with pytest.raises(ForeignDirectoryError, match="an empty folder"):
        open_run(tmp_path)
    (tmp_path / "manifest.json").write_text('{"format": "something else"}', encoding="utf-8")
    with pytest.raises(ForeignDirectoryError, match="another 'format'"):
        open_run(tmp_path)
    (tmp_path / "x\x1b[31m.txt").write_text("", encoding="utf-8")
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(ForeignDirectoryError) as caught:
        open_run(tmp_path)
    assert "\x1b" not in str(caught.value)


def test_a_running_state_without_a_living_owner_is_an_interruption(run_path):
    write_manifest(run_path, read_manifest(run_path).replace(state="running"))
    assert open_run(run_path).state == "interrupted"


def test_without_zarr_there_is_one_line():
    script = (
        "import sys; sys.modules['zarr'] = None\n"
        "from thermograd.errors import MissingExtraError\n"
        "from thermograd import open_run\n"
        f"try: open_run({str(Path(__file__).parent)!r})\n"
        "except Exception as error: print(type(error).__name__)\n"
        "from thermograd.store.zarr_group import zarr_module\n"
        "try: zarr_module()\n"
        "except MissingExtraError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == [
        "ForeignDirectoryError",
        "A run directory needs the package 'zarr', which is not installed: pip install 'thermograd[lab]'",
    ]
