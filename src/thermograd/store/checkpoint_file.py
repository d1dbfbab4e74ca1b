"""`checkpoint.safetensors`: the state of a block between two steps, with a checksum over all of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import DamagedRunError, MissingExtraError
from thermograd.store.atomic_file import write_atomically
from thermograd.store.layout import Checkpoint
from thermograd.store.printable import printable
from thermograd.store.run_file import read_run_file

FILE = "checkpoint.safetensors"
Array = npt.NDArray[Any]


def safetensors_module(purpose: str = "A checkpoint") -> Any:
    """The safetensors package, with `safetensors.numpy`.

    Args:
        purpose: what needs it, for the message.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import safetensors.numpy
    except ImportError as absent:
        raise MissingExtraError(package="safetensors", extra="lab", purpose=purpose) from absent
    return safetensors


def write_checkpoint(file: Path, checkpoint: Checkpoint, facts: Mapping[str, str]) -> None:
    """Replace a checkpoint atomically.

    Args:
        file: where.
        checkpoint: step and stacked arrays.
        facts: what else the header says: generation, identity, engine.

    Raises:
        MissingExtraError: safetensors is not installed.
        OSError: the disk refuses; the old checkpoint is untouched.
    """
    arrays = {name: np.ascontiguousarray(array) for name, array in checkpoint.arrays.items()}
    header = {**facts, "step": str(checkpoint.step), "order": json.dumps(list(arrays))}
    header["checksum"] = _state_checksum(arrays, header)
    write_atomically(file, safetensors_module().numpy.save(arrays, metadata=header))


def read_checkpoint(file: Path, identity: str) -> Checkpoint | None:
    """Read and verify a checkpoint.

    Args:
        file: where.
        identity: identity of the experiment it must belong to.

    Returns:
        The checkpoint, None if there is no file.

    Raises:
        DamagedRunError: a bit is wrong, or it belongs to another experiment.
        MissingExtraError: safetensors is not installed.
    """
    found = _verified(file)
    if found is None:
        return None
    header, checkpoint = found
    if header.get("identity") != identity:
        error = _damaged_checkpoint(file)
        raise error
    return checkpoint


def checkpoint_identity(file: Path) -> str | None:
    """Identity of the experiment a checkpoint belongs to, None if there is none that can be trusted.

    Raises:
        MissingExtraError: safetensors is not installed.
    """
    try:
        found = _verified(file)
    except DamagedRunError:
        return None
    return None if found is None else found[0].get("identity")


def _verified(file: Path) -> tuple[dict[str, str], Checkpoint] | None:
    """Header and state of a checkpoint whose checksum is right, None if there is no file."""
    safetensors = safetensors_module()
    try:
        raw = read_run_file(file.parents[2], file)
    except FileNotFoundError:
        return None
    except IsADirectoryError as error:
        raise _damaged_checkpoint(file) from error
    try:
        length = int.from_bytes(raw[:8], "little")
        header: dict[str, str] = json.loads(raw[8 : 8 + length])["__metadata__"]
        arrays = safetensors.numpy.load(raw)
        step = int(header["step"])
        arrays = {name: arrays[name] for name in json.loads(header["order"])} | arrays
        if header["checksum"] == _state_checksum(arrays, header):
            return header, Checkpoint(step, arrays)
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    raise _damaged_checkpoint(file)


def _state_checksum(arrays: Mapping[str, Array], header: Mapping[str, str]) -> str:
    digest = hashlib.sha256()
    for key in sorted(set(header) - {"checksum"}):
        digest.update(f"{key}={header[key]!r}\n".encode())
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype.str} {arrays[name].shape}\n".encode())
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()


def _damaged_checkpoint(file: Path) -> DamagedRunError:
    run = file.parents[2]
    shown = file.relative_to(run)
    message = f"{shown} is damaged. Recompute its block to the same bits with: thermograd resume {printable(run)} --repair"
    return DamagedRunError(message, (str(shown),))
