"""How far the weights have moved."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from thermograd.numerics.log_times import Epochs
from thermograd.observables.two_time_displacement import TwoTimeDisplacement as TwoTimeDisplacement

if TYPE_CHECKING:
    from torch import Tensor

    from thermograd.problems.functional import FunctionalProblem
    from thermograd.protocols import Oracle, Times, Weights


@dataclass(frozen=True)
class Displacement:
    """Mean square displacement per parameter, (1/P) Σ (θ_p − centre_p)².

    Attributes:
        centre: "start", the trajectory's weights at time 0, or "zero".
        at: when.
        name: name of the record.

    Raises:
        ValueError: an unknown centre.

    >>> import thermograd as tg
    >>> from thermograd.problems import Quadratic
    >>> start = {"position": torch.tensor([3.0, 0.0, 4.0])}
    >>> both = [Displacement(), Displacement(centre="zero", name="squared_norm")]
    >>> settings = {"observe": both, "trajectories": 1, "epochs": 1, "engine": "eager"}
    >>> run = tg.run(tg.Experiment(Quadratic(), start=start, **settings))
    >>> run["displacement"][0, 0].tolist(), run["squared_norm"][0, 0].round(9).tolist()  # 25/3 at time 0
    (0.0, 8.333333333)
    """

    centre: str = "start"
    at: Times = field(default_factory=Epochs)
    name: str = "displacement"

    def __post_init__(self) -> None:
        check_centre(self.centre)

    def measure(self, weights: Weights, problem: FunctionalProblem, oracle: Oracle) -> Tensor:
        """The displacement of one trajectory, 0-d."""
        centre = oracle.start_weights() if self.centre == "start" else {}
        squares = [
            (value - centre[name] if centre else value).square().sum() for name, value in weights.items()
        ]
        return torch.stack(squares).sum() / problem.parameters


def check_centre(centre: str) -> None:
    """Refuse an unknown centre.

    Raises:
        ValueError: names what was got.
    """
    if centre not in ("start", "zero"):
        message = f"centre is {centre!r}; use 'start' or 'zero'"
        raise ValueError(message)
