"""One safetensors file of arrays and facts, written atomically, with a checksum over both."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import DamagedDataError
from thermograd.store.atomic_file import write_atomically
from thermograd.store.checkpoint_file import safetensors_module
from thermograd.store.printable import excerpt

Array = npt.NDArray[Any]

_CHECKSUM, _ORDER = "checksum", "order"


def write_tensor_file(file: Path, arrays: Mapping[str, Array], facts: Mapping[str, str]) -> None:
    """Replace a file atomically by arrays in the safetensors format, with a SHA-256 of texts and arrays.

    Args:
        file: where.
        arrays: by name, of the types that safetensors has.
        facts: texts by name.

    Raises:
        MissingExtraError: safetensors is not installed.
        OSError: the disk refuses; an old file is untouched.
    """
    native = {name: _native(value) for name, value in arrays.items()}
    texts = {**facts, _ORDER: json.dumps(list(native))}
    texts[_CHECKSUM] = _checksum(texts, native)
    write_atomically(file, _module().numpy.save(native, metadata=texts))


def read_tensor_file(file: Path) -> tuple[dict[str, Array], dict[str, str]]:
    """Arrays and texts of a safetensors file, in the order in which they were written.

    Args:
        file: where.

    Returns:
        Arrays by name, and the texts, without the checksum.

    Raises:
        DamagedDataError: a ValueError: not a safetensors file, cut short, or changed since it was written.
        FileNotFoundError: there is no such file.
        MissingExtraError: safetensors is not installed.
    """
    safetensors, raw = _module(), file.read_bytes()
    try:
        arrays = safetensors.numpy.load(raw)
        header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise DamagedDataError(file, f"cut short or not a safetensors file ({excerpt(error)})") from error
    texts: dict[str, str] = header.get("__metadata__", {})
    checksum = texts.pop(_CHECKSUM, None)
    if checksum is not None and checksum != _checksum(texts, arrays):
        raise DamagedDataError(file, "its bytes are not those that were written")
    order = json.loads(texts.pop(_ORDER, "[]"))
    return {name: arrays[name] for name in [*order, *(set(arrays) - set(order))]}, texts


def _module() -> Any:
    return safetensors_module("A file of arrays")


def _native(value: Array) -> Array:
    """In the byte order of this machine, contiguous, with its axes kept."""
    plain = np.asarray(value)
    return np.ascontiguousarray(plain, plain.dtype.newbyteorder("=")).reshape(plain.shape)


def _checksum(texts: Mapping[str, str], arrays: Mapping[str, Array]) -> str:
    digest = hashlib.sha256(json.dumps(dict(sorted(texts.items()))).encode())
    for name in sorted(arrays):
        value = arrays[name]
        digest.update(f"\n{name} {value.dtype.newbyteorder('<').str} {value.shape}\n".encode())
        digest.update(value.astype(value.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()
