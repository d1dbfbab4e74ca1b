"""A run from a stranger: nothing outside it is read, nothing is allocated on its word, nothing it says drives a terminal."""

from __future__ import annotations

import json
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import zarr

from thermograd.errors import DamagedRunError, ForeignDirectoryError, MemoryLimitError
from thermograd.store.failures import read_failures
from thermograd.store.manifest import read_manifest
from thermograd.store.manifest_file import content_checksum
from thermograd.store.reader import open_run
from thermograd.store.run_file import read_run_file, refuse_links_out

MIB = 2**20


def rewrite(path: Path, **changes) -> None:
    """A forged manifest whose checksum is right."""
    content = json.loads((path / "manifest.json").read_text(encoding="utf-8")) | changes
    content.pop("checksum")
    content["checksum"] = content_checksum(content)
    (path / "manifest.json").write_text(json.dumps(content), encoding="utf-8")


def forged(path: Path, name: str, **changes) -> None:
    """Metadata of an array that agree with a forged manifest."""
    file = path / "trajectories.zarr" / name / "zarr.json"
    content = json.loads(file.read_bytes())
    chunks = changes.pop("chunks", None)
    if chunks is not None:
        content["chunk_grid"]["configuration"]["chunk_shape"] = chunks
    file.write_text(json.dumps(content | changes), encoding="utf-8")


def described(path: Path, name: str) -> dict:
    return json.loads((path / "manifest.json").read_bytes())["arrays"][name]


LINKED = {
    "manifest.json": "manifest.json is a symbolic link that leaves the run",
    "events.jsonl": "events.jsonl is a symbolic link that leaves the run",
    "trajectories.zarr": "trajectories.zarr is a symbolic link",
    "trajectories.zarr/zarr.json": "trajectories.zarr/zarr.json is a symbolic link",
    "trajectories.zarr/train_loss": "trajectories.zarr/train_loss is a symbolic link",
    "trajectories.zarr/train_loss/zarr.json": "train_loss/zarr.json is a symbolic link",
    "trajectories.zarr/train_loss/c": "train_loss/c/0/0 is a symbolic link",
    "trajectories.zarr/train_loss/c/0/0": "train_loss/c/0/0 is a symbolic link",
    "trajectories.zarr/committed/c/0": "committed/c/0 is a symbolic link",
    "trajectories.zarr/time/c/0": "time/c/0 is a symbolic link",
    "blocks/00000/checkpoint.safetensors": "checkpoint.safetensors is a symbolic link",
    "blocks": "checkpoint.safetensors is a symbolic link",
}


def read_everything(path: Path) -> None:
    run = open_run(path)
    run.events()
    for name in run.names:
        run[name]
    run.checkpoint(0)


@pytest.mark.parametrize("place", LINKED)
@pytest.mark.parametrize("target", ["outside", "circle"])
def test_a_link_out_of_the_run_is_named_and_not_followed(run_path, tmp_path, place, target):
    outside = tmp_path / "outside"
    (run_path / place).rename(outside)
    (run_path / place).symlink_to(outside if target == "outside" else run_path / place)
    with pytest.raises(DamagedRunError, match=LINKED[place]):
        read_everything(run_path)


def test_a_link_inside_the_run_is_followed(run_path):
    (run_path / "manifest.json").rename(run_path / "blocks/m.json")
    (run_path / "manifest.json").symlink_to("blocks/m.json")
    read_everything(run_path)
    refuse_links_out(run_path)


@pytest.mark.parametrize("place", ["blocks/00000", "logs", "trajectories.zarr/count/c", "x.tmp"])
@pytest.mark.parametrize("repair", [False, True])
def test_a_run_with_a_link_out_of_it_is_not_gone_on_with(run_path, tmp_path, place, repair):
    """What would be written, or removed, lies elsewhere."""
    from logistic_map import LogisticMap, LogisticTrainer

    from thermograd.ensemble.directory_run import Launch, train_in_directory

    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "mine.tmp").write_text("mine")
    if (run_path / place).exists():
        (run_path / place).rename(tmp_path / "moved")
    (run_path / place).symlink_to(outside)
    with pytest.raises(DamagedRunError, match=f"{place} is a symbolic link that leaves the run"):
        train_in_directory(LogisticTrainer(LogisticMap()), run_path, Launch(repair=repair))
    assert [entry.name for entry in outside.iterdir()] == ["mine.tmp"]


@pytest.mark.parametrize("place", ["manifest.json", "events.jsonl", "trajectories.zarr/train_loss/zarr.json"])
def test_nobody_waits_for_the_other_end_of_a_pipe(run_path, place):
    (run_path / place).unlink()
    os.mkfifo(run_path / place)
    with pytest.raises(DamagedRunError, match="is no plain file"):
        read_everything(run_path)


@pytest.mark.parametrize("place", ["manifest.json", "trajectories.zarr/zarr.json"])
def test_what_is_far_too_long_is_not_read(run_path, place):
    os.truncate(run_path / place, 2**36)  # a hole: it takes no room
    tracemalloc.start()
    with pytest.raises(DamagedRunError, match=r"is larger than 16? MiB"):
        open_run(run_path)
    assert tracemalloc.get_traced_memory()[1] < 64 * MIB
    tracemalloc.stop()


def test_read_run_file(tmp_path):
    (tmp_path / "a").write_bytes(b"12345")
    assert read_run_file(tmp_path, tmp_path / "a", 5) == b"12345"
    with pytest.raises(DamagedRunError, match="larger than"):
        read_run_file(tmp_path, tmp_path / "a", 4)
    with pytest.raises(FileNotFoundError):
        read_run_file(tmp_path, tmp_path / "b")


ABSURD = {
    "10^15 records": {"shape": [5, 10**15], "chunks": [2, 5]},
    "10^15 values a record": {"shape": [5, 13, 10**15], "chunks": [2, 5, 10**15]},
    "more than 64 bits count": {"shape": [5, 13, 2**40, 2**40], "chunks": [2, 5, 2**40, 2**40]},
    "a chunk of 10^15": {"shape": [5, 10**15], "chunks": [2, 10**15]},
    "a chunk longer than the array": {"shape": [5, 13], "chunks": [2, 10**15]},
}


@pytest.mark.parametrize("kind", ABSURD)
def test_an_absurd_shape_is_refused_before_anything_is_allocated(run_path, kind):
    """Manifest and zarr agree: nothing but the size is wrong."""
    arrays = json.loads((run_path / "manifest.json").read_bytes())["arrays"]
    arrays["train_loss"] |= ABSURD[kind]
    rewrite(run_path, arrays=arrays)
    shape, chunks = ABSURD[kind]["shape"], ABSURD[kind]["chunks"]
    names = ["trajectory", "time", *(f"train_loss_{axis}" for axis in range(len(shape) - 2))]
    forged(run_path, "train_loss", shape=shape, chunks=chunks, dimension_names=names)
    if shape[1] != 13:
        forged(run_path, "time", shape=[shape[1]], chunks=[shape[1]])
    tracemalloc.start()
    with pytest.raises((DamagedRunError, MemoryLimitError)):
        open_run(run_path)["train_loss"]
    assert tracemalloc.get_traced_memory()[1] < 16 * MIB
    tracemalloc.stop()


@pytest.mark.parametrize("block_size", [1, 10**12])
def test_a_trillion_trajectories_are_refused_before_anything_is_allocated(run_path, block_size):
    many = 10**12
    arrays = json.loads((run_path / "manifest.json").read_bytes())["arrays"]
    for name, entry in arrays.items():
        entry["shape"][0], entry["chunks"][0] = many, block_size
        forged(
            run_path,
            name.replace("/", ".") if "weights" not in name else name,
            shape=entry["shape"],
            chunks=entry["chunks"],
        )
    for name, size, chunk in (
        ("trajectory", many, many),
        ("outcome", many, block_size),
        ("diverged_at", many, block_size),
        ("committed", many // block_size, 1),
    ):
        forged(run_path, name, shape=[size], chunks=[chunk])
    rewrite(run_path, trajectories=many, block_size=block_size, blocks=many // block_size, arrays=arrays)
    tracemalloc.start()
    with pytest.raises(MemoryLimitError, match="the record times and outcomes alone would take"):
        _ = open_run(run_path).outcome
    assert tracemalloc.get_traced_memory()[1] < 16 * MIB
    tracemalloc.stop()


NO_NAMES = ["Loss", "loss!", "../x", "a b", "1a", "", "a\nb", "time", "committed"]
NO_WEIGHTS = ["..", "a/b", "a\\b", "\ud800", "ä" * 150, "zarr.json", "", "."]


@pytest.mark.parametrize("name", [*NO_NAMES, *(f"weights/{leaf}" for leaf in NO_WEIGHTS)])
def test_a_name_that_is_no_file_of_ours_is_refused(run_path, name):
    rewrite(run_path, arrays={name: described(run_path, "train_loss")})
    with pytest.raises(DamagedRunError, match=r"is refused: the (array|weight) name"):
        open_run(run_path)


@pytest.mark.parametrize("time", ["2", "time_", "time_02", "time_٣", "../time", "time_1.5"])
def test_a_time_that_is_no_coordinate_is_refused(run_path, time):
    rewrite(run_path, arrays={"train_loss": described(run_path, "train_loss") | {"time": time}})
    with pytest.raises(DamagedRunError, match="impossible shape, dtype or time"):
        open_run(run_path)


def test_two_names_of_one_file_are_refused(run_path):
    entry = described(run_path, "area/matrix")
    rewrite(run_path, arrays={"area/matrix": entry, "area.matrix": entry})
    with pytest.raises(DamagedRunError, match="would be the same file"):
        open_run(run_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"checkpoint_seconds": float("nan")},
        {"checkpoint_seconds": float("inf")},
        {"checkpoint_seconds": -1},
        {"checkpoint_seconds": "60"},
        {"time_chunk": 0},
        {"time_chunk": -5},
        {"time_chunk": True},
        {"generation": -1},
        {"generation": 2**64},
        {"generation": 1.5},
        {"seed": 10**30},
        {"steps": 10**30},
        {"threads_per_worker": 0},
        {"fsync": 1},
        {"environment": {"torch": ["2.0"]}},
        {"environment": []},
        {"experiment": "sgd"},
        {"notes": [1]},
        {"notes": "one"},
        {"imports": {"os": "system"}},
        {"name": None},
        {"format_version": 0},
        {"format_version": True},
        {"format_version": "1"},
        {"format_version": None},
    ],
)
def test_a_field_of_another_type_or_range_is_refused(run_path, changes):
    rewrite(run_path, **changes)
    with pytest.raises(DamagedRunError, match=r"manifest\.json holds"):
        open_run(run_path)


def test_control_characters_are_replaced_wherever_text_is_shown(run_path):
    evil = "a\x1b[31m\x9b\u202eb"
    rewrite(run_path, name=evil, notes=[evil], engine=evil, reason=evil)
    group = run_path / "trajectories.zarr/zarr.json"
    content = json.loads(group.read_bytes())
    content["attributes"]["name"] = evil
    group.write_text(json.dumps(content))
    folder = run_path / "blocks/00000"
    folder.mkdir(exist_ok=True)
    failure = {
        "kind": evil,
        "message": evil,
        "traceback": f"one\n{evil}",
        "step": 1,
        "attempts": 1,
        "host": evil,
    }
    (folder / "failure.json").write_text(json.dumps(failure))
    run = open_run(run_path)
    (failed,) = run.failures
    shown = "".join(
        (
            str(run),
            repr(run),
            run._repr_html_(),
            *run.notes,
            failed.kind,
            failed.message,
            failed.host,
            run.engine,
            run.reason,
        )
    )
    assert not {"\x1b", "\x9b", "\u202e"} & set(shown)
    assert failed.traceback == "one\na\ufffd[31m\ufffd\ufffdb"
    forged(run_path, "train_loss", data_type=evil)
    with pytest.raises(DamagedRunError) as caught:
        open_run(run_path)["train_loss"]
    assert not {"\x1b", "\x9b", "\u202e"} & set(str(caught.value))


@pytest.mark.parametrize("content", [b"[" * 10**5, b'{"step": 1e999}', b"\xff", b"3"])
def test_a_failure_that_cannot_be_read_is_listed(run_path, content):
    (run_path / "blocks/00001").mkdir(exist_ok=True)
    (run_path / "blocks/00001/failure.json").write_bytes(content)
    (failed,) = read_failures(run_path)
    assert (failed.block, failed.kind) == (1, "unreadable")


def test_events_that_no_run_writes_are_left_out(run_path):
    known = open_run(run_path).events()
    with (run_path / "events.jsonl").open("ab") as stream:
        stream.write(b"[" * 10**6 + b"\n" + b'{"event": "finished", "x": "' + b"y" * 5000 + b'"}\n[1]\n')
    assert open_run(run_path).events() == known


def test_a_zarr_without_a_manifest_is_told_what_to_call(run_path, tmp_path):
    for name in ("manifest.json", "experiment.toml"):
        (run_path / name).unlink()
    (run_path / "aaaaaaaa").mkdir()
    for number in range(9):
        (run_path / f"a{number}").touch()
    with pytest.raises(
        ForeignDirectoryError, match=r"a zarr store without a manifest.*thermograd\.store\.load_trajectories"
    ):
        open_run(run_path)
    import thermograd.store

    assert callable(thermograd.store.load_trajectories)
    old = tmp_path / "old"
    old.mkdir()
    (old / ".zgroup").touch()
    with pytest.raises(ForeignDirectoryError, match="a zarr store"):
        open_run(old)


def test_the_manifest_of_a_true_run_passes(made):
    manifest = read_manifest(made)
    assert manifest.format_version == 1
    assert np.isfinite(manifest.checkpoint_seconds)


def test_a_list_of_runs_shows_the_others_beside_a_stranger_s(run_path, capsys):
    from thermograd.cli import main

    rewrite(run_path, name="a\x1b[31mb")
    other = run_path.parent / "other"
    other.mkdir()
    (other / "manifest.json").symlink_to("/etc/hostname")
    assert main(["list", "runs", str(run_path.parent)]) == 0
    output = capsys.readouterr()
    assert output.out == f"{run_path}  finished  a\ufffd[31mb: 5 × 12\n"
    assert output.err.startswith(
        f"{other}: manifest.json is a symbolic link that leaves the run and not followed. Remove"
    )


@pytest.mark.parametrize(
    "place",
    ["trajectories.zarr", "trajectories.zarr/train_loss", "trajectories.zarr/time", "blocks", "events.jsonl"],
)
def test_what_the_message_says_to_do_works(run_path, made, tmp_path, place):
    """Remove the link, repair: the same bits."""
    from logistic_map import LogisticMap, LogisticTrainer, everything

    from thermograd.ensemble.directory_run import Launch, train_in_directory

    (run_path / place).rename(tmp_path / "elsewhere")
    (run_path / place).symlink_to(tmp_path / "elsewhere")
    trainer = LogisticTrainer(LogisticMap())
    with pytest.raises(
        DamagedRunError,
        match=r"Remove it, and what it held is computed again with: thermograd resume .* --repair",
    ):
        train_in_directory(trainer, run_path, Launch(repair=True))
    (run_path / place).unlink()
    assert everything(train_in_directory(trainer, run_path, Launch(repair=True))) == everything(
        open_run(made)
    )


@pytest.mark.parametrize("place", ["train_loss/c/0/0", "committed/c/1"])
def test_a_chunk_that_would_swell_is_refused_before_it_does(run_path, place):
    """64 MB of zeros in 2 kB, with the right checksum: zarr makes room for them all before it finds them too many."""
    codecs, crc = pytest.importorskip("numcodecs"), pytest.importorskip("google_crc32c")
    packed = codecs.Zstd(3).encode(bytes(64 * MIB))
    (run_path / "trajectories.zarr" / place).write_bytes(packed + crc.value(packed).to_bytes(4, "little"))
    array = zarr.open_array(run_path / "trajectories.zarr" / place.split("/c/")[0], mode="r")
    for read, error, most in (
        (lambda: array[...], ValueError, np.inf),
        (lambda: (open_run(run_path).committed, open_run(run_path)["train_loss"]), DamagedRunError, 16 * MIB),
    ):
        tracemalloc.start()
        with pytest.raises(error):
            read()
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert found < most
        assert error is DamagedRunError or found > 60 * MIB  # negative control: zarr alone


@pytest.mark.parametrize("size", [0, 1, 200, 255, 256, 300, 65_791, 65_792, 70_000, 5 * MIB])
def test_the_size_that_a_frame_says(size):
    codecs = pytest.importorskip("numcodecs")
    from thermograd.store.zstd_frame import HEAD_BYTES, frame_size

    frame = bytes(codecs.Zstd(3).encode(bytes(size))) if size else b"\x28\xb5\x2f\xfd\x20\x00"
    assert frame_size(frame[:HEAD_BYTES]) == size


@pytest.mark.parametrize("head", [b"", b"\x28\xb5\x2f\xfd", b"other bytes", b"\x28\xb5\x2f\xfd\xc0\x00"])
def test_what_is_no_frame_says_no_size(head):
    from thermograd.store.zstd_frame import frame_size

    assert frame_size(head) is None
