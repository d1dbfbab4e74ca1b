"""A perturbation in one's own training loop, at regular or random times."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from thermograd.numerics.log_times import Random
from thermograd.numerics.whole_number import check_whole_number
from thermograd.perturbations.context import Moment, PerturbationContext
from thermograd.perturbations.description import check_use, described
from thermograd.perturbations.hidden_layers import HiddenLayers
from thermograd.perturbations.in_place import apply_in_place
from thermograd.perturbations.initial_law import check_initial_law, initial_deviations
from thermograd.perturbations.live_state import LiveState
from thermograd.training.same_settings import check_same_settings

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

    from thermograd.protocols import State, Weights


class Perturber:
    """Perturbs a model and its optimizer in place, every so many steps or at random.

    Make it before training, call `step()` after each `optimizer.step()`. The same tensors get other values, so
    the optimizer, compiled code and captured graphs go on undisturbed; gradients, mode flags and global random
    state are not touched. Within a step the order is: the metric of the present weights is noted, then they are
    perturbed if due. All draws depend on (`seed`, step) alone and are those of trajectory 0 of a `tg.Experiment`
    with that seed.

    Args:
        model: the untrained module.
        optimizer: over its parameters.
        perturbation: from `thermograd.perturbations`, or a function of the same signature.
        every: perturb at steps every, 2 every, ...; or
        rate: after each step with this probability, independently. Exactly one of the two.
        seed: 0 to 2⁶⁴ − 1.
        initialize: a function that returns a newly initialised model. Without it fresh values come from a copy
            of the model whose parts run `reset_parameters()`; that this is the law of the model as given is
            checked.

    Raises:
        ValueError: both or neither of `every` and `rate`, values that are not allowed, an optimizer or model
            that cannot be handled, or fresh values of another law than the model's.

    >>> from thermograd.perturbations import ShrinkAndPerturb
    >>> model = torch.nn.Linear(3, 1)
    >>> perturber = Perturber(model, torch.optim.SGD(model.parameters()), ShrinkAndPerturb(), every=2)
    >>> [perturber.step() for _ in range(4)]
    [False, True, False, True]
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        perturbation: Any,
        *,
        every: int | None = None,
        rate: float | None = None,
        seed: int = 0,
        initialize: Callable[[], nn.Module] | None = None,
    ) -> None:
        _check(perturbation, every, rate, seed)
        self._live = LiveState(model, optimizer, initialize)
        self._perturbation, self._seed = perturbation, seed
        self._every, self._rate = every, rate
        self._times = _times(every, rate, seed)
        self._next = next(self._times)
        self._steps = 0
        self._metric: float | None = None
        self._memory: State = {}
        self._best: tuple[Weights, State] | None = None
        self._best_metric = math.nan
        self._every_step = bool(getattr(perturbation, "every_step", False))
        self._needs_best = bool(getattr(perturbation, "needs_best", False))
        self._hidden: HiddenLayers | None = None
        self._law_checked = False
        self._deviations = initial_deviations(self._live)
        if getattr(perturbation, "draws_fresh", False):
            self._check_law()
        if getattr(perturbation, "needs_activations", False):
            self._hidden = HiddenLayers(self._live.model)
        elif self._every_step:
            self._apply(due=False)  # what holds from step 0 on, such as a learning rate

    def step(self, metric: float | Tensor | None = None) -> bool:
        """Count one optimiser step, note the metric, and perturb if due.

        Args:
            metric: of the present weights, where it was evaluated; for perturbations that go back to the best.

        Returns:
            Whether the model was perturbed.
        """
        self._steps += 1
        self._note(metric)
        due = self._steps == self._next
        if due or self._every_step:
            if due and self._needs_best and self._best is None:
                message = f"step {self._steps}: no finite metric was given to step() yet, so there is no best state to go back to"
                warnings.warn(message, stacklevel=2)
            self._apply(due=due)
        if due:
            self._next = next(self._times)
        return due

    def state_dict(self) -> dict[str, Any]:
        """What a resumed perturber needs, loadable by `torch.load(weights_only=True)`."""
        best = None
        if self._best is not None:
            weights, state = self._best
            best = {"metric": self._best_metric, "weights": dict(weights), "state": dict(state)}
        return {
            "settings": self._settings(),
            "steps": self._steps,
            "metric": self._metric,
            "memory": dict(self._memory),
            "best": best,
            "hyperparameters": self._live.hyperparameters() if self._every_step else {},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where another perturber of the same settings was; model and optimizer are loaded by you.

        Args:
            state: from `state_dict`.

        Raises:
            ValueError: it is of a perturber with other settings; names them.
        """
        check_same_settings(state["settings"], self._settings(), "perturber")
        device = self._live.device
        self._steps, self._metric = int(state["steps"]), state["metric"]
        self._memory = {name: value.to(device) for name, value in state["memory"].items()}
        self._best, self._best_metric = None, math.nan
        if state["best"] is not None:
            best = state["best"]
            self._best_metric = float(best["metric"])
            self._best = (_on(best["weights"], device), _on(best["state"], device))
        self._live.set_hyperparameters(state["hyperparameters"])
        self._times = _times(self._every, self._rate, self._seed)
        self._next = next(time for time in self._times if time > self._steps)

    def _note(self, metric: float | Tensor | None) -> None:
        if metric is None:
            return
        try:
            self._metric = value = float(metric.detach() if isinstance(metric, Tensor) else metric)
        except (TypeError, ValueError) as cause:
            message = f"metric is {metric!r}; step(metric) takes one number, or nothing"
            raise ValueError(message) from cause
        if not self._needs_best or not math.isfinite(value):
            return
        up = self._perturbation.direction == "up"
        if math.isnan(self._best_metric) or (value > self._best_metric if up else value < self._best_metric):
            self._best_metric = value
            state = {
                name: entry.clone()
                for name, entry in self._live.state().items()
                if not name.startswith("hyperparameters/")
            }
            self._best = ({name: entry.clone() for name, entry in self._live.weights().items()}, state)

    def _apply(self, *, due: bool) -> None:
        moment = Moment(self._metric, due, self._best, None if self._hidden is None else self._hidden.last)
        context = PerturbationContext(self, self._seed, 0, self._steps, moment)
        self._memory = apply_in_place(self._live, self._perturbation, self._memory, context)

    def _settings(self) -> dict[str, Any]:
        return {
            "perturbation": described(self._perturbation),
            "every": self._every,
            "rate": self._rate,
            "seed": self._seed,
        }

    def _check_law(self) -> None:
        if not self._law_checked:
            check_initial_law(self._live, self._deviations, self._seed)
            self._law_checked = True

    # Where a context draws fresh values: from the live model, once their law is known to be right.
    @property
    def dtype(self) -> torch.dtype:
        """Of the model's weights."""
        return self._live.dtype

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self._live.device

    def draw_initial(self, torch_seed: int) -> tuple[Weights, State]:
        """Newly initialised weights and buffers of the model.

        Raises:
            ValueError: they would be of another law than the model's.
        """
        self._check_law()
        return self._live.draw_initial(torch_seed)


def _times(every: int | None, rate: float | None, seed: int) -> Iterator[int]:
    if rate is not None:
        return Random(rate).times(seed, 0)
    assert every is not None
    return iter(range(every, 2**63, every))


def _on(tensors: dict[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    return {name: value.to(device) for name, value in tensors.items()}


def _check(perturbation: Any, every: int | None, rate: float | None, seed: int) -> None:
    if (every is None) == (rate is None):
        got = "neither" if every is None else f"every={every} and rate={rate}"
        message = f"give exactly one of every (steps) and rate (probability per step); got {got}"
        raise ValueError(message)
    if every is not None:
        check_whole_number("every", every, 1, 2**63 - 1, of="steps")
    check_use(perturbation, seed)
