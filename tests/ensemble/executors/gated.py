"""A plug-in observable that stops the process that measures it at a chosen record, until a gate is opened.

GATE="FOLDER RECORD": at its RECORD-th measurement the process makes FOLDER/<process id> and waits for FOLDER/open.
Without the variable it measures the training loss, and that is all.
"""

from __future__ import annotations

import os
import time
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
class Gated:
    """The training loss, measured where somebody may be waiting at a gate."""

    at: Times = field(default_factory=lambda: Every(1))
    name: str = "gated"

    def measure(self, weights: Weights, problem: FunctionalProblem, oracle: Oracle) -> Tensor:
        del oracle
        if "GATE" in os.environ:
            folder, record = os.environ["GATE"].rsplit(maxsplit=1)
            if next(_MEASUREMENTS) == int(record):
                (Path(folder) / str(os.getpid())).touch()
                while not (Path(folder) / "open").exists():
                    time.sleep(0.01)
        return problem.mean_loss(weights, problem.split("train"))
