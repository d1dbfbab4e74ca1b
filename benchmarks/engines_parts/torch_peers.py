"""PyTorch by hand: one trajectory after another, `vmap(grad)`, and `torch.compile` of it. Indices are given."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import grad, vmap
from torch.nn import functional

from engines_parts.peer import Form, Weights
from engines_parts.workloads import Workload

STEPS_GIVEN = 64
UNROLLED = 8
Tensors = dict[str, Tensor]


def _outputs(workload: Workload, weights: Tensors, inputs: Tensor) -> Tensor:
    activation = torch.tanh if workload.activation == "tanh" else torch.relu
    values = list(weights.values())
    for position in range(0, len(values), 2):
        weight, bias = values[position : position + 2]
        if weight.ndim == 4:
            inputs = functional.conv2d(inputs, weight, bias, padding=2)
            inputs = functional.max_pool2d(torch.relu(inputs), 2)
        else:
            inputs = functional.linear(inputs.flatten(1), weight, bias)
            inputs = activation(inputs) if position + 2 < len(values) else inputs
    return inputs


def _mean_loss(workload: Workload, outputs: Tensor, targets: Tensor, values: list[Tensor]) -> Tensor:
    if not workload.squares:
        return functional.cross_entropy(outputs, targets)
    decay = sum(value.square().sum() for value in values)
    return workload.squares * (outputs - targets).square().sum(-1).mean() + workload.regulariser * decay


class _Loop:
    """One trajectory after another, each for all the steps; weights are leaf tensors."""

    def __init__(self, workload: Workload, weights: Weights, rate: float) -> None:
        self.workload, self.rate = workload, rate
        self.inputs, self.targets = (torch.from_numpy(part) for part in workload.data())
        self.names = list(weights)
        self.models = [
            self._model({name: torch.from_numpy(value[k].copy()) for name, value in weights.items()})
            for k in range(workload.trajectories)
        ]

    def train(self, batches: Tensor) -> None:
        """Train on batches (step, trajectory, sample)."""
        for k, model in enumerate(self.models):
            for batch in batches[:, k].unbind():
                self._step(model, self.inputs[batch], self.targets[batch])

    def weights(self) -> Weights:
        values = [self._values(model) for model in self.models]
        return {
            name: np.stack([entry[i].detach().numpy() for entry in values])
            for i, name in enumerate(self.names)
        }


class _FunctionalLoop(_Loop):
    """`torch.autograd.grad` of the functional form."""

    def _model(self, weights: Tensors) -> Tensors:
        return {name: value.requires_grad_() for name, value in weights.items()}

    def _values(self, model: Tensors) -> list[Tensor]:
        return list(model.values())

    def _step(self, model: Tensors, inputs: Tensor, targets: Tensor) -> None:
        values = list(model.values())
        loss = _mean_loss(self.workload, _outputs(self.workload, model, inputs), targets, values)
        slopes = torch.autograd.grad(loss, values)
        with torch.no_grad():
            torch._foreach_add_(values, slopes, alpha=-self.rate)


class _ModuleLoop(_Loop):
    """A module for each trajectory, `backward` and an update of every parameter."""

    def _model(self, weights: Tensors) -> nn.Module:
        made = self.workload.problem.model()
        made.load_state_dict(weights)
        return made

    def _values(self, model: nn.Module) -> list[Tensor]:
        return list(model.parameters())

    def _step(self, model: nn.Module, inputs: Tensor, targets: Tensor) -> None:
        values = list(model.parameters())
        _mean_loss(self.workload, model(inputs), targets, values).backward()
        with torch.no_grad():
            for value in values:
                value.sub_(value.grad, alpha=self.rate)
                value.grad = None


def loop_forms(workload: Workload) -> dict[str, Callable[[], Form]]:
    """The two loops."""

    def form(kind: type[_Loop]) -> Form:
        def one_step(weights: Weights, indices: np.ndarray, rate: float) -> Weights:
            single = kind(workload, weights, rate)
            single.train(torch.from_numpy(indices)[None])
            return single.weights()

        batches = torch.from_numpy(workload.given_indices(STEPS_GIVEN))
        endless = kind(workload, workload.initial_weights, workload.learning_rate)

        def advance(steps: int) -> None:
            for _ in range(steps // STEPS_GIVEN):
                endless.train(batches)
            endless.train(batches[: steps % STEPS_GIVEN])

        return Form(one_step, advance)

    return {"functional": lambda: form(_FunctionalLoop), "module": lambda: form(_ModuleLoop)}


Step = Callable[[Tensors, Tensor, Tensor, Tensor, float], Tensors]


def _batched_step(workload: Workload, gather_inside: bool, steps: int = 1) -> Step:
    """The update of all trajectories, `indices` (step, trajectory, sample)."""

    def loss(weights: Tensors, inputs: Tensor, targets: Tensor) -> Tensor:
        return _mean_loss(workload, _outputs(workload, weights, inputs), targets, list(weights.values()))

    def loss_of_batch(weights: Tensors, batch: Tensor, inputs: Tensor, targets: Tensor) -> Tensor:
        return loss(weights, inputs[batch], targets[batch])

    def update(weights: Tensors, indices: Tensor, inputs: Tensor, targets: Tensor, rate: float) -> Tensors:
        for batch in indices.unbind()[:steps]:
            if gather_inside:
                slopes = vmap(grad(loss_of_batch), in_dims=(0, 0, None, None))(
                    weights, batch, inputs, targets
                )
            else:
                slopes = vmap(grad(loss))(weights, inputs[batch], targets[batch])
            weights = {name: value - rate * slopes[name] for name, value in weights.items()}
        return weights

    return update


def _batched_form(workload: Workload, step: Step, unit: int) -> Form:
    inputs, targets = (torch.from_numpy(part) for part in workload.data())

    def stacked(weights: Weights) -> Tensors:
        return {name: torch.from_numpy(value.copy()) for name, value in weights.items()}

    plain = _batched_step(workload, gather_inside=False, steps=unit)
    batches = torch.from_numpy(workload.given_indices(STEPS_GIVEN)).split(unit)

    def one_step(weights: Weights, indices: np.ndarray, rate: float) -> Weights:
        first, alone = stacked(weights), step
        if unit > 1:  # the several steps are compared with as many plain ones, then the plain one serves
            both = [f(first, batches[0], inputs, targets, workload.learning_rate) for f in (step, plain)]
            for name, value in both[0].items():
                torch.testing.assert_close(value, both[1][name], rtol=1e-4, atol=1e-5)
            alone = plain
        after = alone(first, torch.from_numpy(indices)[None], inputs, targets, rate)
        return {name: value.numpy() for name, value in after.items()}

    held = [stacked(workload.initial_weights)]

    def advance(steps: int) -> None:
        weights = held[0]
        for turn in range(steps // unit):
            batch = batches[turn % len(batches)]
            weights = step(weights, batch, inputs, targets, workload.learning_rate)
        held[0] = weights

    return Form(one_step, advance, unit)


def vmap_forms(workload: Workload) -> dict[str, Callable[[], Form]]:
    """`vmap(grad)` with the samples picked before, or under it."""

    def form(gather_inside: bool) -> Form:
        return _batched_form(workload, _batched_step(workload, gather_inside), 1)

    return {"picked before": lambda: form(False), "picked inside": lambda: form(True)}


def compile_forms(workload: Workload) -> dict[str, Callable[[], Form]]:
    """`torch.compile` of one step, and of several unrolled."""

    def form(steps: int) -> Form:
        step = torch.compile(_batched_step(workload, False, steps), dynamic=False)
        return _batched_form(workload, step, steps)

    return {"1 step": lambda: form(1), f"{UNROLLED} steps": lambda: form(UNROLLED)}
