"""Faults built in on purpose: a harness that does not notice them proves nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from zarr.codecs import Crc32cCodec

from thermograd.ensemble import block_work
from thermograd.ensemble.stop_file import StopWatch
from thermograd.store import lock
from thermograd.store.failures import block_folder
from thermograd.store.writer import DirectorySink, DirectoryStorage


class UnknownFaultError(Exception):
    """What was to be broken is not there: the package has changed, and the control proves nothing."""


def break_on_purpose(name: str) -> None:
    """Build a fault into this process, for the rest of its life.

    Args:
        name: one of `CONTROLS`.

    Raises:
        UnknownFaultError: what it would replace is not there.
    """
    if name not in CONTROLS:
        message = f"nobody knows how to break {name!r}; known: {', '.join(CONTROLS)}"
        raise UnknownFaultError(message)
    CONTROLS[name]()


def _commit_order_swapped() -> None:
    """The promise before what it promises."""
    first, second = DirectorySink._write_checkpoint, DirectorySink._write_committed
    _replace(DirectorySink, _write_checkpoint=second, _write_committed=first)


def _no_checksums() -> None:
    """Checksums are read over, whatever they are."""

    def read_over(_: Crc32cCodec, chunk_bytes: Any, chunk_spec: Any) -> Any:
        return chunk_spec.prototype.buffer.from_array_like(chunk_bytes.as_numpy_array()[:-4])

    async def read_over_later(  # ruff: ignore[unused-async] - zarr awaits it
        codec: Crc32cCodec, chunk_bytes: Any, chunk_spec: Any
    ) -> Any:
        return read_over(codec, chunk_bytes, chunk_spec)

    _replace(Crc32cCodec, _decode_single=read_over_later)
    if hasattr(Crc32cCodec, "_decode_sync"):  # not in the first zarr 3.1
        _replace(Crc32cCodec, _decode_sync=read_over)


def _no_fence() -> None:
    """Whoever holds a block does not keep another one out, and a start that is over does not leave."""

    @contextlib.contextmanager
    def hold_nothing(run: Path, block: int, **_: Any) -> Generator[bool]:
        block_folder(run, block).mkdir(parents=True, exist_ok=True)
        yield True

    _replace(block_work, hold_block=hold_nothing)
    _replace(DirectoryStorage, check_generation=lambda _: None)
    _replace(StopWatch, _going_on=lambda _: True)


def _no_lock() -> None:
    """Nobody is kept out of a run, whoever holds it."""

    @contextlib.contextmanager
    def hold_nothing(*_: Any) -> Generator[None]:
        yield None

    _replace(lock, hold=hold_nothing, hold_briefly=hold_nothing)


def _replace(owner: Any, **replacements: Any) -> None:
    for name, replacement in replacements.items():
        if not hasattr(owner, name):
            message = f"{owner} has no {name} any more, so it cannot be broken on purpose"
            raise UnknownFaultError(message)
        setattr(owner, name, replacement)


CONTROLS: dict[str, Callable[[], None]] = {
    "commit order swapped": _commit_order_swapped,
    "no checksums": _no_checksums,
    "no fence": _no_fence,
    "no lock": _no_lock,
}
"""What can be broken, by name."""
