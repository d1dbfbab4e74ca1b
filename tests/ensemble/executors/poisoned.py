"""A plug-in minibatching that makes chosen trajectories fail at a chosen step, in a way that the environment names.

POISON="HOW TRAJECTORY STEP[; HOW TRAJECTORY STEP ...]", HOW one of exit, crash, raise, memory, full. Without it: batches with replacement.
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from thermograd.minibatching import WithReplacement
from thermograd.protocols import Batch


@dataclass(frozen=True)
class Poisoned:
    batch_size: int = 10

    def steps_per_epoch(self, samples: int) -> int:
        return WithReplacement(self.batch_size).steps_per_epoch(samples)

    def start(self, seed: int, trajectories: Sequence[int], samples: int) -> Any:
        return WithReplacement(self.batch_size).start(seed, trajectories, samples)

    def draw(
        self, state: Any, seed: int, trajectories: Sequence[int], step: int, samples: int
    ) -> tuple[Batch, Any]:
        for dose in filter(None, os.environ.get("POISON", "").split(";")):
            how, trajectory, when = dose.split()
            if int(trajectory) in trajectories and step == int(when):
                _act(how)
        return WithReplacement(self.batch_size).draw(state, seed, trajectories, step, samples)


def _act(how: str) -> None:
    match how:
        case "exit":
            os._exit(3)
        case "crash":
            signal.signal(signal.SIGSEGV, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGSEGV)
        case "raise":
            message = "poison"
            raise ArithmeticError(message)
        case "memory":
            raise MemoryError
        case "full":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
