"""Runs jobs in forked children of one warm process, so that each may be killed or meet a failing disk.

A line of JSON in, a line of JSON out. What a child does to the file system is seen through an audit hook,
whatever library does it: nothing in the package knows of it.
"""

from __future__ import annotations

import errno
import gc
import importlib
import json
import os
import signal
import sys
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import logistic_map

from thermograd.ensemble.directory_run import Launch, train_in_directory
from thermograd.store.options import StoreOptions
from thermograd.store.reader import open_run

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link"}


class Disk:
    """Counts what changes files under a folder; at a chosen count it kills the process or starts to refuse."""

    def __init__(self, folder: str, at: int | None, fault: str) -> None:
        self.folder, self.at, self.fault = folder, at, fault
        self.count = 0
        self.names: dict[int, str] = {}
        sys.addaudithook(self)

    def __call__(self, event: str, arguments: tuple) -> None:
        if not self._changes(event, arguments):
            return
        self.count += 1
        if self.at is None or self.count < self.at:
            return
        if self.fault == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.fault == "ENOSPC" and (event in {"os.remove", "os.rmdir"} or self._reserve_given_up()):
            return
        number = getattr(errno, self.fault)
        raise OSError(number, os.strerror(number))

    def _reserve_given_up(self) -> bool:
        # the room of the reserve is there again once it is deleted
        return (
            self.at is not None
            and Path(self.folder).is_dir()
            and not (Path(self.folder) / "reserve").exists()
        )

    def _changes(self, event: str, arguments: tuple) -> bool:
        if event == "open":
            path, _, flags = arguments
            return isinstance(path, str | os.PathLike) and bool(flags & WRITING) and self._inside(path)
        return event in CHANGES and (isinstance(arguments[0], int) or self._inside(arguments[0]))

    def _inside(self, path: object) -> bool:
        text = os.fspath(path)
        folder = Path(self.folder)
        return isinstance(text, str) and (
            text.startswith(self.folder) or f"/.{folder.name}.creating-" in text
        )


def perform(job: dict) -> dict:
    """Train, as a command would, and tell what came of it."""
    disk = Disk(job["run"], job.get("at"), job.get("fault", "kill"))
    for patch in job.get("patches", ()):
        PATCHES[patch]()
    fields = {name: tuple(value) if isinstance(value, list) else value for name, value in job["map"].items()}
    map_ = logistic_map.LogisticMap(**fields)
    options = StoreOptions(time_chunk=job.get("time_chunk", 2), checkpoint_seconds=job.get("seconds", 60.0))
    trainer = logistic_map.LogisticTrainer(map_, pause=job.get("pause", 0.0))
    launch = Launch(options=options, until=job.get("until"), repair=job.get("repair", False))
    try:
        train_in_directory(trainer, job["run"], launch)
    except BaseException as error:
        text = traceback.format_exc()
        code = getattr(error, "exit_code", 70)
        return {
            "error": type(error).__name__,
            "message": str(error),
            "code": code,
            "traceback": text,
            "writes": disk.count,
        }
    return {"error": "", "code": 0, "writes": disk.count, "blocks": trainer.calls}


def _commit_order_swapped() -> None:
    """Negative control: the promise before what it promises."""
    from thermograd.store.writer import DirectorySink

    first, second = DirectorySink._write_checkpoint, DirectorySink._write_committed
    DirectorySink._write_checkpoint, DirectorySink._write_committed = second, first


def _no_checksums() -> None:
    """Negative control: arrays without CRC."""
    from zarr.codecs import ZstdCodec

    from thermograd.store import stored_array, zarr_group

    original = stored_array.array_metadata

    def described(*arguments):
        return {**original(*arguments), "codecs": ["bytes", "zstd"]}

    def create(root, name, entry):
        fill = entry["fill_value"]
        return root.create_array(
            name,
            shape=tuple(entry["shape"]),
            chunks=tuple(entry["chunk_grid"]["configuration"]["chunk_shape"]),
            dtype=entry["data_type"],
            fill_value=float("nan") if fill == "NaN" else fill,
            dimension_names=tuple(entry["dimension_names"]),
            compressors=[ZstdCodec(level=3)],
            config={"write_empty_chunks": True},
        )

    stored_array.array_metadata = zarr_group.array_metadata = described
    zarr_group.create_array = create


PATCHES = {"commit order swapped": _commit_order_swapped, "no checksums": _no_checksums}


def main() -> None:
    """Serve until stdin ends."""
    # what a run imports, once for all children; but no thread is started: they must find a fork-safe process
    for name in ("zarr.codecs", "safetensors.numpy", "numpy.ma"):
        importlib.import_module(name)
    gc.freeze()
    for line in sys.stdin:
        job = json.loads(line)
        children = [_forked(job) for _ in range(job.get("at_once", 1))]
        answers = [_answer(*child) for child in children]
        sys.stdout.write(json.dumps(answers if "at_once" in job else answers[0]) + "\n")
        sys.stdout.flush()


def _forked(job: dict) -> tuple[int, int]:
    """A child that performs the job, and the pipe it will answer on."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.write(writing, json.dumps(perform(job)).encode())
        os._exit(0)
    os.close(writing)
    return child, reading


def _answer(child: int, reading: int) -> dict:
    with os.fdopen(reading, "rb") as stream:
        said = stream.read()
    _, status = os.waitpid(child, 0)
    return {**(json.loads(said) if said else {}), "killed": os.WIFSIGNALED(status)}


if __name__ == "__main__":
    assert callable(open_run)
    main()
