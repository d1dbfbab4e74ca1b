"""Tasks of the shape of a block, for workers that import them by name."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

from thermograd.ensemble.notice import under_notice


def where(run: str, block: int, generation: int) -> tuple[str, int, int, int]:
    """What arrived, and the process it arrived in."""
    return run, block, generation, os.getpid()


def die(run: str, block: int, generation: int) -> None:
    """End the worker as the kernel does when memory is short."""
    del run, block, generation
    os.kill(os.getpid(), signal.SIGKILL)


def refuse(run: str, block: int, generation: int) -> None:
    """Raise what cannot be pickled."""
    del run, generation
    message = f"block {block} cannot be"
    error = ArithmeticError(message)
    error.lock = threading.Lock()
    raise error


def wait(run: str, block: int, generation: int) -> str:
    """Say that it began, and wait for the file `go`, or for notice to leave."""
    del generation
    begun = Path(run) / f"begun-{block}"
    begun.with_suffix(".tmp").write_text(str(os.getpid()))
    begun.with_suffix(".tmp").rename(begun)
    while not (Path(run) / "go").exists():
        if under_notice():
            return "left"
        time.sleep(0.02)
    return "went"


def count(run: str, block: int, generation: int) -> int:
    """How often it was called."""
    del generation
    with (Path(run) / f"calls-{block}").open("a") as stream:
        stream.write(".")
        return stream.tell()


def begun(run: Path, blocks: range, seconds: float = 60.0) -> list[int]:
    """The processes in which `wait` has begun, once it has in all."""
    deadline = time.monotonic() + seconds
    files = [run / f"begun-{block}" for block in blocks]
    while not all(file.exists() for file in files):
        assert time.monotonic() < deadline, "the workers have not begun"
        time.sleep(0.02)
    return [int(file.read_text()) for file in files]
