"""A plug-in observable through which a real command meets a signal at a chosen record, whatever the clock says.

SIGNALLING="NUMBER RECORD TIMES FILE": at its RECORD-th measurement the process sends itself the signal NUMBER,
TIMES times; every later measurement adds a byte to FILE. Without the variable it measures, and that is all.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from thermograd.numerics.log_times import Every

if TYPE_CHECKING:
    from torch import Tensor

    from thermograd.problems.functional import FunctionalProblem
    from thermograd.protocols import Oracle, Times, Weights

_MEASUREMENTS = count(1)


@dataclass(frozen=True)
class Signalling:
    """The training loss, measured in a process that may be about to be stopped."""

    at: Times = field(default_factory=lambda: Every(5))
    name: str = "signalling"

    def measure(self, weights: Weights, problem: FunctionalProblem, oracle: Oracle) -> Tensor:
        del oracle
        if "SIGNALLING" in os.environ:
            number, record, times, later = os.environ["SIGNALLING"].split(maxsplit=3)
            _met(next(_MEASUREMENTS) - int(record), int(number), int(times), Path(later))
        return problem.mean_loss(weights, problem.split("train"))


def _met(since: int, number: int, times: int, later: Path) -> None:
    if since > 0:
        with later.open("ab") as stream:
            stream.write(b".")
    for _ in range(times if since == 0 else 0):
        os.kill(os.getpid(), number)
