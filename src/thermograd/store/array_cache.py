"""Arrays that are dear to make, kept in the user's cache folder."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.store.atomic_file import write_atomically

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class ArrayCache:
    """One file for one recipe: `$XDG_CACHE_HOME/thermograd/<kind>/<key>.npz.sha256`, `~/.cache` without the variable.

    The file is the SHA-256 of the key and of what follows, in hexadecimal, a newline, and an npz. A file that does not agree
    with its hash counts as absent. Where nothing can be read or written, everything is made anew each time and nothing
    else happens.

    Attributes:
        kind: of arrays; the name of the subfolder.
        recipe: what the arrays depend on, in plain values; its hash is the key.
    """

    kind: str
    recipe: Mapping[str, Any]

    def read(self) -> Arrays:
        """The arrays by name; `{}` if there are none, or none that are whole."""
        path = self.path
        if path is None:
            return {}
        try:
            digest, _, content = path.read_bytes().partition(b"\n")
        except OSError:
            return {}
        if digest != self._digest(content):
            return {}
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays}

    def write(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Keep arrays, if that is possible; a reader meets the old file or the new one."""
        path = self.path
        if path is None:
            return
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **dict(arrays))
        content = buffer.getvalue()
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, self._digest(content) + b"\n" + content)

    @property
    def path(self) -> Path | None:
        """Where the file is or would be; None if this user has no such folder."""
        base = os.environ.get("XDG_CACHE_HOME")
        try:
            home = Path(base) if base else Path("~/.cache").expanduser()
        except RuntimeError:
            return None
        return home / "thermograd" / self.kind / f"{self._key}.npz.sha256"

    @property
    def _key(self) -> str:
        text = json.dumps(dict(self.recipe), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def _digest(self, content: bytes) -> bytes:
        return hashlib.sha256(self._key.encode() + content).hexdigest().encode()


def content_hash(*arrays: npt.NDArray[Any]) -> str:
    """SHA-256 of types, shapes and values, in hexadecimal: the same for the same numbers on every machine.

    >>> content_hash(np.arange(3, dtype=np.int64))[:16]
    '129d7c8430eea69d'
    """
    digest = hashlib.sha256()
    for array in arrays:
        plain = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<")))
        digest.update(f"{plain.dtype.str}{plain.shape}".encode())
        digest.update(plain.tobytes())
    return digest.hexdigest()
