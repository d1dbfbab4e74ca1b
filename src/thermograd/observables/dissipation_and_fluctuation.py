"""Both sides of the fluctuation-dissipation relation, summed inside the step."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from thermograd.numerics.log_times import Epochs, Every
from thermograd.observables.displacement import check_centre

if TYPE_CHECKING:
    from torch import Tensor

    from thermograd.protocols import State, Times, Weights


@dataclass(frozen=True)
class DissipationAndFluctuation:
    """Σ (θ − c)·g and Σ |Δ|² over the steps so far: both sides of FDR1 and FDR1' (Yaida, arXiv 1810.00004).

    Records, each a float64 number per trajectory and time:

    - `<name>/count`: n, the number of terms;
    - `<name>/dissipation`: Σ O_L = Σ (θ_t − c)·g_t, g_t the gradient of the minibatch at θ_t;
    - `<name>/squared_displacement`: Σ |θ_{t+1} − θ_t|²; times (1 + μ)/(2(1 − ν)η) it is Σ O_R of SGD with learning
      rate η, momentum μ and dampening ν.

    In a stationary state ⟨O_L⟩ = ⟨O_R⟩. Windows are differences: `np.diff(run[...], axis=1)` gives sums between
    consecutive times of `at`, which `thermograd.estimators.fluctuation_dissipation.ratio` takes. Without
    replacement the two agree over whole epochs only, so `at` should be in epochs.

    Attributes:
        centre: c: "start", the trajectory's weights at time 0, or "zero", as in the paper.
        every: the points between which a term is added. With more than one step between them g belongs to the
            first of these steps and Δ spans them all: then Σ|Δ|²/(nP), of P parameters, is the mean square
            displacement at that lag, and O_R does not follow from it.
        at: when the sums are recorded.
        name: name of the records.

    Raises:
        ValueError: an unknown centre.

    For plain SGD the two differ by what |θ − c|² has lost, over 2η, in any state and for any loss:

    >>> import numpy as np, thermograd as tg
    >>> from thermograd.dynamics import SGD
    >>> from thermograd.observables import Displacement
    >>> from thermograd.problems import Quadratic
    >>> both = [DissipationAndFluctuation(centre="zero"), Displacement(centre="zero")]
    >>> settings = {"dynamics": SGD(0.1), "observe": both, "trajectories": 2, "epochs": 3, "engine": "eager"}
    >>> run = tg.run(tg.Experiment(Quadratic(), **settings))
    >>> dissipation = run["dissipation_and_fluctuation/dissipation"]
    >>> fluctuation = run["dissipation_and_fluctuation/squared_displacement"] / (2 * 0.1)
    >>> lost = 3 * (run["displacement"][:, :1] - run["displacement"])  # 3 parameters
    >>> np.allclose(dissipation - fluctuation, lost / (2 * 0.1))
    True
    """

    centre: str = "start"
    every: Times = field(default_factory=Every)
    at: Times = field(default_factory=Epochs)
    name: str = "dissipation_and_fluctuation"

    def __post_init__(self) -> None:
        check_centre(self.centre)

    def start(self, weights: Weights) -> State:
        """Sums of nothing, and the centre."""
        first = next(iter(weights.values()))
        nothing = torch.zeros((), dtype=torch.float64, device=first.device)
        sums = {"count": nothing, "dissipation": nothing, "squared_displacement": nothing}
        if self.centre == "zero":
            return sums
        return sums | {f"centre/{name}": value for name, value in weights.items()}

    def accumulate(self, state: State, before: Weights, after: Weights, gradient: Weights) -> State:
        """The sums with one term more."""
        dissipation, squares = [], []
        for name, value in before.items():
            place, centre = value.double(), state.get(f"centre/{name}")
            away = place if centre is None else place - centre.double()
            dissipation.append((away * gradient[name].double()).sum())
            squares.append((after[name].double() - place).square().sum())
        return state | {
            "count": state["count"] + 1,
            "dissipation": state["dissipation"] + torch.stack(dissipation).sum(),
            "squared_displacement": state["squared_displacement"] + torch.stack(squares).sum(),
        }

    def read(self, state: State) -> dict[str, Tensor]:
        """The sums by field."""
        return {name: state[name] for name in ("count", "dissipation", "squared_displacement")}
