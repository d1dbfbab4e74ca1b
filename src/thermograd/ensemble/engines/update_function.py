"""One update of one trajectory as a function of named tensors: what the compiled and kernel engines are made from."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from thermograd.ensemble.block import Tensors, part, prefixed
from thermograd.ensemble.engines.accumulations import Accumulations
from thermograd.ensemble.engines.oracle import Demand, EagerOracle, InputNeededError
from thermograd.ensemble.engines.traced_step import TracedStep
from thermograd.minibatching.persistent import Persistent

if TYPE_CHECKING:
    from thermograd.ensemble.experiment import Experiment
    from thermograd.protocols import Accumulator

BATCH, NORMAL, START, STEP = "batch", "normal", "start", "step"
_SUPPLIED = ("batch", "normal", "start")


class CannotTraceError(Exception):
    """An update cannot be written as such a function; the message says what stands in the way."""


class UpdateFunction:
    """(state of one trajectory, batch, normals, numbers) -> the state after one update.

    Names of what goes in and out: `weights/<name>`, `optimizer/<key>`, `accumulators/<key>` (of those that add
    at every step), and only in: `hyperparameters/<name>` (0-d), `batch/inputs`, `batch/targets`, `batch/weights`,
    `normal/<draw>/<name>`, `start/<name>`, `step` (0-d float64). Only out: `gradient/<name>`, that of the
    minibatch at the weights before, where accumulators that add now and then need it.

    Args:
        experiment: what is trained.
        hyperparameters: fields of the dynamics that come in as tensors; the others are constants.

    Attributes:
        examples: a tensor for each input.
        draws: which draws of normals are asked for.

    Raises:
        CannotTraceError: says why there is no such function.
    """

    def __init__(self, experiment: Experiment, hyperparameters: tuple[str, ...] = ()) -> None:
        self._experiment = experiment
        self._problem = experiment.functional
        self._accumulations = Accumulations(experiment)
        rule = experiment.minibatching
        persistent = isinstance(rule, Persistent) and not rule.fixed_size
        self._full_batch = persistent or getattr(rule, "batch_size", 0) is None
        weights, _, dynamics = experiment.initial_state([0])
        one = {name: value[0] for name, value in weights.items()}
        state = experiment.dynamics.start(one) if dynamics is None else {k: v[0] for k, v in dynamics.items()}
        self.examples = prefixed(one, "weights") | prefixed(state, "optimizer")
        self.examples |= prefixed(self._accumulations.start_of_constant(one), "accumulators")
        for name in hyperparameters:
            self.examples[f"hyperparameters/{name}"] = self._number(getattr(experiment.dynamics, name))
        self.examples[STEP] = self._number(3.0)
        self._demands: set[Demand] = set()
        self._find_demands()
        # Tensors of their own: equal objects would be taken for one and the same input.
        self.examples = {name: value.clone() for name, value in self.examples.items()}

    @property
    def data(self) -> tuple[Tensor, Tensor]:
        """Training inputs and targets, as batches are taken from them."""
        return self._problem.gradients.train

    @property
    def gradient_dtype(self) -> torch.dtype:
        """The type gradients are computed in."""
        return self._problem.gradients.dtype

    @property
    def draws(self) -> tuple[int, ...]:
        """Numbers of the draws of normals."""
        return tuple(sorted(demand.number for demand in self._demands if demand.kind == NORMAL))

    def __call__(self, given: Mapping[str, Tensor]) -> Tensors:
        """The tensors after an update.

        Args:
            given: tensors by name, as in `examples`.
        """
        inputs = dict(given)
        weights, state = part(inputs, "weights"), part(inputs, "optimizer")
        dynamics = self._with(part(inputs, "hyperparameters"))
        supplied = {demand: self._supply(demand, inputs) for demand in self._demands}
        oracle = EagerOracle(
            self._problem,
            supplied,
            batch_size=self._batch_size,
            steps_per_epoch=self._experiment.steps_per_epoch,
            functional=True,
        )
        moved, after = dynamics.step(weights, state, oracle, TracedStep(inputs[STEP]))
        found = prefixed(moved, "weights") | prefixed(after, "optimizer")
        if self._accumulations:
            gradient = oracle.gradient_taken_at(weights) or oracle.gradient(weights)
            kept = part(inputs, "accumulators")
            found |= prefixed(self._accumulations.after_each(kept, weights, moved, gradient), "accumulators")
            if self._accumulations.spaced:
                found |= prefixed(gradient, "gradient")
        return found

    def accumulation(self, entry: Accumulator) -> tuple[Callable[[Mapping[str, Tensor]], Tensors], Tensors]:
        """What one accumulator that adds now and then does, and a tensor for each of its inputs.

        In: `sums/<key>`, `before/<name>`, `after/<name>`, `gradient/<name>`. Out: `sums/<key>`.
        """
        weights = part(self.examples, "weights")
        examples = prefixed(entry.start(weights), "sums")
        for role in ("before", "after", "gradient"):
            examples |= prefixed(weights, role)

        def add(given: Mapping[str, Tensor]) -> Tensors:
            inputs = dict(given)
            roles = (part(inputs, role) for role in ("sums", "before", "after", "gradient"))
            return prefixed(entry.accumulate(*roles), "sums")

        return add, {name: value.clone() for name, value in examples.items()}

    @property
    def _batch_size(self) -> int:
        rule, samples = self._experiment.minibatching, self._problem.samples
        start = rule.start(self._experiment.seed, (0,), samples)
        indices = rule.draw(start, self._experiment.seed, (0,), 0, samples)[0].indices
        return int(indices.shape[1])

    def _number(self, number: float) -> Tensor:
        return torch.tensor(number, dtype=torch.float64, device=self._problem.device)

    def _with(self, hyperparameters: Tensors) -> Any:
        bound = copy.copy(self._experiment.dynamics)
        for name, value in hyperparameters.items():
            object.__setattr__(bound, name, value)
        return bound

    def _find_demands(self) -> None:
        """Run until nothing is missing, as the reference engine does."""
        while True:
            try:
                self._check_form(self(self.examples))
            except InputNeededError as needed:
                if needed.demand.kind not in _SUPPLIED:
                    message = f"the update asks for oracle.{needed.demand.kind}"
                    raise CannotTraceError(message) from None
                self._demands.add(needed.demand)
                self.examples |= self._example(needed.demand)
            else:
                return

    def _check_form(self, found: Tensors) -> None:
        for name, value in found.items():
            if name.startswith("gradient/"):
                continue
            before = self.examples.get(name)
            if before is None or before.shape != value.shape or before.dtype != value.dtype:
                form = "nothing" if before is None else f"{before.dtype} {tuple(before.shape)}"
                message = f"the update makes {name} {value.dtype} {tuple(value.shape)} of {form}"
                raise CannotTraceError(message)
        lost = [n for n in self.examples if n.startswith(("optimizer/", "accumulators/")) and n not in found]
        if lost:
            message = f"the update drops {', '.join(lost)}"
            raise CannotTraceError(message)

    def _example(self, demand: Demand) -> Tensors:
        weights = part(self.examples, "weights")
        if demand.kind == NORMAL:
            return {f"{NORMAL}/{demand.number}/{n}": torch.full_like(v, 0.1) for n, v in weights.items()}
        if demand.kind == START:
            return prefixed(weights, START)
        rule, samples, seed = self._experiment.minibatching, self._problem.samples, self._experiment.seed
        (indices, shares), _ = rule.draw(rule.start(seed, (0,), samples), seed, (0,), 0, samples)
        inputs, targets = self.data
        rows = torch.from_numpy(np.array(indices[0]))
        found = {} if self._full_batch else {"batch/inputs": inputs[rows], "batch/targets": targets[rows]}
        if shares is not None:
            found["batch/weights"] = torch.from_numpy(shares[0]).to(
                inputs.device, self._problem.gradients.dtype
            )
        return found

    def _supply(self, demand: Demand, given: Tensors) -> Tensors:
        if demand.kind == BATCH and self._full_batch:
            inputs, targets = self.data
            return part(given, BATCH) | {"inputs": inputs, "targets": targets}
        prefix = f"{NORMAL}/{demand.number}" if demand.kind == NORMAL else demand.kind
        return part(given, prefix)


def updates(experiment: Experiment) -> list[Callable[[], UpdateFunction]]:
    """Ways to write the update, best first: with all hyperparameters as tensors, the learning rate only, none.

    With tensors a program serves all their values; but an update may branch on one, or mix types.
    """
    numbers = tuple(
        name
        for name, value in vars(experiment.dynamics).items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    )
    ways = [numbers, tuple(name for name in numbers if name == "learning_rate"), ()]
    return [partial(UpdateFunction, experiment, way) for way in dict.fromkeys(ways)]
