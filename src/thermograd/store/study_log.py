"""What a study has finished so far, one line per trajectory, so that a killed one goes on where it was."""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

from thermograd.errors import ConfigError, DamagedRunError, DiskFullError, ExperimentMismatchError
from thermograd.store.atomic_file import write_atomically
from thermograd.store.disk_space import is_disk_error, refused_by_disk
from thermograd.store.printable import printable

_FORMAT, _VERSION = "thermograd study", 1


class StudyLog:
    """A file of finished pieces of a study, each with its checksum; made if it is not there.

    A last line that was cut off by a kill is dropped. Lists of numbers are kept exactly.

    Args:
        path: the file; its folder must exist.
        settings: what the pieces depend on; a file of other settings is refused.

    Raises:
        ConfigError: there is no such folder, or the file is something else.
        ExperimentMismatchError: it is of a study with other settings; names them.
        DamagedRunError: a line other than the last is damaged.
        DiskFullError: it cannot be written.
    """

    def __init__(self, path: str | Path, settings: Mapping[str, Any]) -> None:
        self.path = Path(path)
        if not self.path.parent.is_dir() or self.path.is_dir():
            message = f"resume={printable(self.path)}: it must be a file in a folder that exists"
            raise ConfigError(message)
        self._found: dict[str, Any] = {}
        header = {"format": _FORMAT, "version": _VERSION, "settings": dict(settings)}
        with _disk_errors():
            if self.path.exists() and self.path.stat().st_size:
                self._read(header)
            else:
                write_atomically(self.path, _line(header))

    def get(self, *key: str | int) -> Any | None:
        """The piece of this key, None if it is not finished."""
        return self._found.get(json.dumps(key))

    def put(self, *key: str | int, piece: Any) -> None:
        """Keep a finished piece; on disk when this returns.

        Raises:
            DiskFullError: the disk refused.
            OSError: the file has gone.
        """
        with _disk_errors(), self.path.open("r+b") as stream:
            end = stream.seek(0, os.SEEK_END)
            try:
                stream.write(_line({"key": list(key), "piece": piece}))
                stream.flush()
                os.fsync(stream.fileno())
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(stream.fileno(), end)
                raise
        self._found[json.dumps(key)] = piece

    def _read(self, header: Mapping[str, Any]) -> None:
        content = self.path.read_bytes()
        whole = content.rfind(b"\n") + 1
        lines = content[:whole].splitlines()
        first = _parsed(lines[0]) if lines else None
        if first is None or first.get("format") != _FORMAT or first.get("version") != _VERSION:
            message = f"{printable(self.path)} is not the file of a study; give resume= another name"
            raise ConfigError(message)
        self._check(first, header)
        for number, line in enumerate(lines[1:], start=2):
            entry = _parsed(line)
            if entry is None:
                message = (
                    f"{printable(self.path)} line {number} is damaged; delete that line, and its trajectory is "
                    "run again"
                )
                raise DamagedRunError(message)
            self._found[json.dumps(entry["key"])] = entry["piece"]
        if whole < len(content):
            os.truncate(self.path, whole)

    def _check(self, found: Mapping[str, Any], header: Mapping[str, Any]) -> None:
        # As it would come back from the file: tuples are lists there.
        there, here = found["settings"], json.loads(json.dumps(header["settings"]))
        different = [
            f"{name}: {there.get(name)} there, {here[name]} here"
            for name in here
            if there.get(name) != here[name]
        ]
        if different:
            message = f"{printable(self.path)} is of another study; {'; '.join(different)}"
            raise ExperimentMismatchError(message)


@contextlib.contextmanager
def _disk_errors() -> Generator[None]:
    try:
        yield
    except OSError as error:
        if not is_disk_error(error):
            raise
        raise DiskFullError(refused_by_disk(error)) from error


def _line(entry: Mapping[str, Any]) -> bytes:
    text = json.dumps(entry, sort_keys=True).encode()
    return f"{zlib.crc32(text):08x} ".encode() + text + b"\n"


def _parsed(line: bytes) -> dict[str, Any] | None:
    """The entry of a line, None if it is none of ours or damaged."""
    checksum, _, text = line.partition(b" ")
    if checksum != f"{zlib.crc32(text):08x}".encode():
        return None
    entry = json.loads(text)
    return entry if isinstance(entry, dict) else None
