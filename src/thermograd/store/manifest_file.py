"""The file `manifest.json`: ours or not, of which format, whole or changed; upgraded in memory where it is an older one."""

from __future__ import annotations

import glob
import hashlib
import json
import shlex
from pathlib import Path
from typing import Any

from thermograd.errors import DamagedRunError, ForeignDirectoryError, NewerFormatError
from thermograd.store.migrations.chain import upgraded
from thermograd.store.printable import printable
from thermograd.store.run_file import read_run_file

FILE = "manifest.json"
FORMAT = "thermograd-run"
FORMAT_VERSION = 1
_EMPTY = "an empty folder"
_LARGEST_FILE = 16 * 2**20


def manifest_text(content: dict[str, Any]) -> str:
    """The text of the file, with a checksum over everything else."""
    whole = {"format": FORMAT, **content}
    whole["checksum"] = content_checksum(whole)
    return json.dumps(whole, indent=1, ensure_ascii=True) + "\n"


def content_checksum(content: dict[str, Any]) -> str:
    """SHA-256 of the canonical JSON of a manifest without its checksum: the same in every format, for ever.

    >>> content_checksum({"b": 1, "a": 2})[:12]
    'd3626ac30a87'
    """
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def read_content(folder: Path) -> dict[str, Any]:
    """What a manifest says, in the words of this format; `format_version` stays that of the files.

    Args:
        folder: the run directory.

    Returns:
        The fields, nothing in them checked but the checksum.

    Raises:
        ForeignDirectoryError: the folder is not a run; says what it looks like.
        NewerFormatError: written by a later format.
        DamagedRunError: the file cannot be read or was changed.
    """
    content = _json_content(folder)
    version = _known_version(folder, content)
    return {**upgraded(content, version, FORMAT_VERSION), "format_version": version}


def damaged_manifest(folder: Path, why: str) -> DamagedRunError:
    """The error for a manifest that cannot be used, with what to do."""
    message = (
        f"{printable(folder / FILE)} {why}. It can be rebuilt from experiment.toml and the arrays: "
        f"thermograd resume {printable(folder)} --repair"
    )
    return DamagedRunError(message, (FILE,))


def newer_format(folder: Path, version: int) -> NewerFormatError:
    """The error for a run of a later format, with both versions and what to do."""
    return NewerFormatError(
        f"{printable(folder)} has run format {version}, this thermograd reads up to {FORMAT_VERSION}; "
        "upgrade: pip install --upgrade 'thermograd[lab]'"
    )


def _json_content(folder: Path) -> Any:
    text = _file_text(folder)
    try:
        return json.loads(text)
    except ValueError as error:
        raise damaged_manifest(folder, f"is not JSON ({printable(error)})") from error
    except RecursionError as error:
        raise damaged_manifest(folder, "is nested too deeply") from error


def _known_version(folder: Path, content: Any) -> int:
    """The format of a manifest that is ours, whole, and not of a later one."""
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        _refuse_other(folder, content)
    if not _intact(content):
        raise damaged_manifest(folder, "was changed since it was written: its checksum differs")
    version = content.get("format_version")
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise damaged_manifest(folder, f"holds {printable(repr(version)[:60])} for 'format_version'")
    if version > FORMAT_VERSION:
        raise newer_format(folder, version)
    return version


def _refuse_other(folder: Path, content: Any) -> None:
    """Another tool's manifest, or ours with its first line damaged."""
    said = isinstance(content, dict) and "format" in content
    looks = "has another 'format'" if said else "has no 'format'"
    if isinstance(content, dict) and {"run_id", "identity", "checksum"} <= set(content):
        raise damaged_manifest(folder, f"{looks} than {FORMAT!r}")
    message = f"{printable(folder)} is not a run of thermograd: its manifest.json {looks} of ours"
    raise ForeignDirectoryError(message)


def _file_text(folder: Path) -> str:
    try:
        raw = read_run_file(folder, folder / FILE, _LARGEST_FILE)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise _foreign(folder) from error
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise damaged_manifest(folder, "is not UTF-8") from error


def _foreign(folder: Path) -> ForeignDirectoryError | DamagedRunError:
    shown = printable(folder)
    if not folder.exists() and glob.has_magic(str(folder)):
        return ForeignDirectoryError(
            f"{shown} is a pattern, and a page of a run needs a run directory of thermograd. Of recorded logs a page is "
            f"made by: thermograd advise {shlex.quote(str(folder))} --target VALUE --html page.html"
        )
    if not folder.exists():
        return ForeignDirectoryError(
            f"{shown} does not exist; a run directory is made by: thermograd run CONFIG"
        )
    if not folder.is_dir():
        return ForeignDirectoryError(
            f"{shown} is a file, not a run directory; recorded logs are read by "
            "thermograd advise (--html makes a page) and estimate, in Python by thermograd.store.load_trajectories"
        )
    if (folder / "experiment.toml").is_file() and (folder / "trajectories.zarr").is_dir():
        return damaged_manifest(folder, "is gone")
    looks = _looks(folder)
    if looks == _EMPTY:
        return ForeignDirectoryError(
            f"{shown} is not a run of thermograd but {looks}; one is made there by: thermograd run CONFIG --out {shown}"
        )
    return ForeignDirectoryError(
        f"{shown} is not a run of thermograd: it looks like {looks}. A new run needs another folder; recorded logs of "
        "other tools are read by thermograd advise and estimate, in Python by thermograd.store.load_trajectories"
    )


def _looks(folder: Path) -> str:
    names = sorted(entry.name for entry in folder.iterdir())
    zarr = any(name.endswith(".zarr") or name in {"zarr.json", ".zgroup", ".zarray"} for name in names)
    if zarr:
        return "a zarr store without a manifest"
    return f"a folder with {', '.join(map(printable, names[:5]))}" if names else _EMPTY


def _intact(content: dict[str, Any]) -> bool:
    rest = {key: value for key, value in content.items() if key != "checksum"}
    return bool(content.get("checksum") == content_checksum(rest))
