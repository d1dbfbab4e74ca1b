"""One safetensors file of arrays and facts, written atomically and read with numpy alone."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import DamagedDataError
from thermograd.store.atomic_file import write_atomically
from thermograd.store.printable import excerpt

Array = npt.NDArray[Any]

_NAMES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "int64": "I64",
    "int32": "I32",
    "bool": "BOOL",
}
_TYPES = {name: np.dtype(numpy_name).newbyteorder("<") for numpy_name, name in _NAMES.items()}
_LARGEST_HEADER = 100_000_000
_CHECKSUM = "checksum"


def write_tensor_file(file: Path, arrays: Mapping[str, Array], facts: Mapping[str, str]) -> None:
    """Replace a file atomically by arrays in the safetensors format.

    The format is the length of a JSON header as 8 bytes, the header (type, shape and place of every array, and texts
    under `__metadata__`), and the bytes of the arrays one after another. A SHA-256 of texts and arrays is added.

    Args:
        file: where.
        arrays: by name, of float64, float32, float16, int64, int32 or bool.
        facts: texts by name.

    Raises:
        KeyError: an array of another type.
        OSError: the disk refuses; an old file is untouched.
    """
    texts = dict(facts)
    little = {name: np.asarray(value, value.dtype.newbyteorder("<")) for name, value in arrays.items()}
    header: dict[str, Any] = {"__metadata__": texts}
    end = 0
    for name, value in little.items():
        begin, end = end, end + value.nbytes
        kind = _NAMES[value.dtype.newbyteorder("=").name]
        header[name] = {"dtype": kind, "shape": list(value.shape), "data_offsets": [begin, end]}
    texts[_CHECKSUM] = _checksum(texts, little)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    content = [len(text).to_bytes(8, "little"), text, *(value.tobytes() for value in little.values())]
    write_atomically(file, b"".join(content))


def read_tensor_file(file: Path) -> tuple[dict[str, Array], dict[str, str]]:
    """Arrays and texts of a safetensors file, in the order in which they were written.

    Args:
        file: where.

    Returns:
        Arrays by name, and the texts, without the checksum.

    Raises:
        DamagedDataError: a ValueError: not a safetensors file, cut short, or changed since it was written.
        FileNotFoundError: there is no such file.
    """
    raw = file.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    if len(raw) < 8 or length > min(len(raw) - 8, _LARGEST_HEADER):
        raise DamagedDataError(file, f"{len(raw)} bytes, cut short or not a safetensors file")
    try:
        header = json.loads(raw[8 : 8 + length])
        texts = {str(name): str(text) for name, text in header.pop("__metadata__", {}).items()}
        arrays = {name: _array(raw, 8 + length, entry) for name, entry in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedDataError(file, f"cut short or not a safetensors file ({excerpt(error)})") from error
    checksum = texts.pop(_CHECKSUM, None)
    if checksum is not None and checksum != _checksum(texts, arrays):
        raise DamagedDataError(file, "its bytes are not those that were written")
    return arrays, texts


def _array(raw: bytes, first: int, entry: Mapping[str, Any]) -> Array:
    kind, shape = _TYPES[entry["dtype"]], tuple(int(length) for length in entry["shape"])
    begin, end = (int(place) for place in entry["data_offsets"])
    if not 0 <= begin <= end <= len(raw) - first or end - begin != math.prod(shape) * kind.itemsize:
        message = f"bytes {begin} to {end} do not hold {shape}"
        raise ValueError(message)
    found = np.frombuffer(raw, kind, math.prod(shape), first + begin) if end > begin else np.zeros(0, kind)
    return found.reshape(shape).astype(kind.newbyteorder("="))


def _checksum(texts: Mapping[str, str], arrays: Mapping[str, Array]) -> str:
    digest = hashlib.sha256(
        json.dumps({name: texts[name] for name in sorted(set(texts) - {_CHECKSUM})}).encode()
    )
    for name, value in arrays.items():
        kind = value.dtype.newbyteorder("<")
        digest.update(f"\n{name} {kind.str} {value.shape}\n".encode())
        digest.update(np.asarray(value, kind).tobytes())
    return digest.hexdigest()
