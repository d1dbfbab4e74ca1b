"""A zarr store on the local disk each of whose files is on the disk, whole, before it takes its name."""

from __future__ import annotations

import asyncio
from functools import cache
from pathlib import Path
from typing import Any

from thermograd.store.atomic_file import make_folder, write_atomically


def flushed_store(root: Path, *, read_only: bool = False) -> Any:
    """A `zarr.storage.LocalStore` that survives a power cut.

    Zarr replaces a file by renaming a new one over it, but a rename may reach the disk before the content does: a cut
    between the two would leave neither the old chunk nor the new one.

    Args:
        root: folder of the zarr hierarchy.
        read_only: whether writing is refused.
    """
    return _store_class()(root, read_only=read_only)


@cache
def _store_class() -> Any:
    from zarr.storage import LocalStore

    class FlushedStore(LocalStore):
        def _write(self, key: str, value: Any) -> None:
            self._check_writable()
            make_folder((self.root / key).parent)
            write_atomically(self.root / key, value.to_bytes())

        async def set(self, key: str, value: Any) -> None:
            await asyncio.to_thread(self._write, key, value)

        async def set_if_not_exists(self, key: str, value: Any) -> None:
            if not (self.root / key).exists():
                await self.set(key, value)

        def set_sync(self, key: str, value: Any) -> None:
            self._write(key, value)

    return FlushedStore
