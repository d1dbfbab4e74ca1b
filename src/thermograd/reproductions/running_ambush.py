"""A minibatching in which something happens to the process at a chosen update of a chosen trajectory."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thermograd.minibatching.with_replacement import WithReplacement
from thermograd.protocols import Batch

VARIABLE = "THERMOGRAD_AMBUSH"
COORDINATOR = "THERMOGRAD_AMBUSH_COORDINATOR"


@dataclass(frozen=True)
class Ambush:
    """`WithReplacement`, in a process that may be about to end.

    The environment variable `THERMOGRAD_AMBUSH` holds a JSON object: `trajectory` and `step` of the update before
    which it happens; `do` is "exit" without a word, "segfault", "kill" as the kernel does when memory runs out, or
    "signal" with the `number` of a signal, how many `times` it is sent, and a `file`: it gets the time at which
    it was sent, and a byte for every later update of that trajectory; `pause` is in seconds, at every update.
    Without the variable it draws, and that is all.

    Attributes:
        batch_size: samples per update.
    """

    batch_size: int = 10

    def steps_per_epoch(self, samples: int) -> int:
        """As `WithReplacement`."""
        return WithReplacement(self.batch_size).steps_per_epoch(samples)

    def start(self, seed: int, trajectories: Sequence[int], samples: int) -> None:
        """No state."""

    def draw(
        self, state: Any, seed: int, trajectories: Sequence[int], step: int, samples: int
    ) -> tuple[Batch, Any]:
        """The batch, if the process survives."""
        if VARIABLE in os.environ:
            _meet(json.loads(os.environ[VARIABLE]), trajectories, step)
        return WithReplacement(self.batch_size).draw(state, seed, trajectories, step, samples)


def _meet(ambush: dict[str, Any], trajectories: Sequence[int], step: int) -> None:
    time.sleep(ambush.get("pause", 0.0))
    since = step - ambush.get("step", step + 1)
    if ambush.get("trajectory") not in trajectories or since < 0:
        return
    if ambush["do"] == "signal":
        _signalled(ambush, since)
    elif since == 0:
        _ENDINGS[ambush["do"]]()


def _signalled(ambush: dict[str, Any], since: int) -> None:
    file = Path(ambush["file"])
    if since == 0:
        file.write_text(f"{time.monotonic()}\n", encoding="ascii")
        for _ in range(ambush["times"]):
            os.kill(int(os.environ.get(COORDINATOR, os.getpid())), ambush["number"])
    elif file.exists():
        with file.open("ab") as stream:
            stream.write(b".")


def _segfault() -> None:
    ctypes.string_at(0)


def _exit() -> None:
    os._exit(9)


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


_ENDINGS: dict[str, Callable[[], None]] = {
    "exit": _exit,
    "segfault": _segfault,
    "kill": _kill,
}
