"""A problem as pure functions of the weights of one trajectory, at one dtype on one device."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from thermograd.errors import ConfigError
from thermograd.problems.redraw import default_float32, drawn_with_seed, seeded
from thermograd.problems.trial_pass import extreme_labels, tried

if TYPE_CHECKING:
    from thermograd.problems.problem import Data, Problem
    from thermograd.protocols import State, Weights

_PLAIN = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.LayerNorm, nn.Embedding)
_TORCH_DTYPES = {"float64": torch.float64, "float32": torch.float32, "mixed": torch.float64}


class FunctionalProblem:
    """`Problem` with its module taken apart: weights and buffers come in as arguments.

    `train` and `test` are `(inputs, targets)` on the device, floating parts in the run's dtype. The
    module's own mode (training unless the user set it otherwise) serves updates, evaluation mode serves
    records.

    Attributes:
        loss: `(outputs, targets) -> (m,)`.
        shapes: shape of every parameter by name, in `named_parameters()` order.
        parameters: number of parameters.
        module: the module that serves updates, None for a `forward` function.
        buffers: buffers of the trajectory at hand, changed in place by a training pass that updates them;
            `{}` = the module's own.
        gradients: the same problem in the type that gradients are computed in; itself unless the dtype is "mixed":
            weights, updates and records in float64, losses of updates and their gradients in float32.
    """

    def __init__(self, problem: Problem, dtype: str, device: str) -> None:
        if dtype not in _TORCH_DTYPES:
            message = f"dtype is {dtype!r}; use one of {', '.join(_TORCH_DTYPES)}"
            raise ValueError(message)
        self.problem = problem
        self.device = torch.device(device)
        self.dtype = _TORCH_DTYPES[dtype]
        self.loss = problem.loss
        self.train = self._cast_data(problem.train)
        self.test = None if problem.test is None else self._cast_data(problem.test)
        self.buffers: State = {}
        weights, buffers = self.draw_initial(0)
        if not weights:
            message = "the model has no trainable parameters; set requires_grad on those to be trained"
            raise ValueError(message)
        self.shapes = {name: tuple(value.shape) for name, value in weights.items()}
        self.parameters = sum(value.numel() for value in weights.values())
        self.module: nn.Module | None = None
        if problem.model is not None:
            template = copy.deepcopy(drawn_with_seed(0, self._model))
            self.module = template.to(device=self.device, dtype=self.dtype)
            self._evaluation = copy.deepcopy(self.module).eval()
            held = [
                *self.module.named_parameters(remove_duplicate=False),
                *self.module.named_buffers(remove_duplicate=False),
            ]
            self._tied = len({id(value) for _, value in held}) < len(held)
            both = (self._evaluation, self.module)
            self._slots = () if self._tied or not _is_plain(self.module) else tuple(map(_slots, both))
        self._check_loss(weights, buffers)
        self.gradients = FunctionalProblem(problem, "float32", device) if dtype == "mixed" else self

    @property
    def samples(self) -> int:
        """Training samples M."""
        return len(self.train[0])

    def draw_initial(self, torch_seed: int) -> tuple[Weights, State]:
        """Newly initialised weights and buffers: made in float32 under this seed, then cast.

        Global random state is left as it was.

        Raises:
            ValueError: a module cannot be drawn again, or `initial` does not fit.
        """
        if self.problem.initial is not None:
            generator = torch.Generator().manual_seed(torch_seed)
            with default_float32():
                weights = self.problem.initial(generator)
            return {name: self._cast(value) for name, value in weights.items()}, {}
        module = drawn_with_seed(torch_seed, self._model)
        weights = {
            name: self._cast(value.detach())
            for name, value in module.named_parameters()
            if value.requires_grad
        }
        return weights, {name: self._cast(value.detach().clone()) for name, value in module.named_buffers()}

    @property
    def _model(self) -> nn.Module | Callable[[], nn.Module]:
        assert self.problem.model is not None  # where there is none, `forward` and `initial` serve
        return self.problem.model

    def with_buffers(self, buffers: State) -> FunctionalProblem:
        """The same problem for a trajectory with these buffers."""
        bound = copy.copy(self)
        bound.buffers = buffers
        return bound

    def outputs(self, weights: Weights, inputs: Tensor, *, training: bool = False) -> Tensor:
        """The model's outputs, samples on axis 0; in evaluation mode unless `training`."""
        if self.problem.forward is not None:
            return self.problem.forward(weights, inputs)
        module = self.module if training else self._evaluation
        assert module is not None
        if not self.buffers and self._slots:
            return _called(module, self._slots[training], weights, inputs)
        result: Tensor = functional_call(
            module, {**weights, **self.buffers}, (inputs,), tie_weights=self._tied
        )
        return result

    def mean_loss(
        self,
        weights: Weights,
        data: Data,
        sample_weights: Tensor | None = None,
        *,
        training: bool = False,
    ) -> Tensor:
        """(1/m) Σ w_i l_i + R: minibatch loss with the regulariser."""
        inputs, targets = data
        losses = self.loss(self.outputs(weights, inputs, training=training), targets)
        if sample_weights is not None:
            losses = losses * sample_weights
        return losses.mean() + self.regularisation(weights)

    def training_loss(self, weights: Weights, data: Data, sample_weights: Tensor | None = None) -> Tensor:
        """The loss of an update, in the type of `gradients`, whose data these are; weights are rounded to it.

        Gradients come back in the type of the weights.
        """
        side = self.gradients
        if side is self:
            return self.mean_loss(weights, data, sample_weights, training=True)
        rounded = {name: value.to(side.dtype) for name, value in weights.items()}
        buffers = {name: side._cast(value.clone()) for name, value in self.buffers.items()}
        shares = None if sample_weights is None else sample_weights.to(side.dtype)
        loss = side.with_buffers(buffers).mean_loss(rounded, data, shares, training=True)
        for name, value in buffers.items():
            self.buffers[name].copy_(value)
        return loss

    def regularisation(self, weights: Weights) -> Tensor | float:
        """R(θ)."""
        regulariser = self.problem.regulariser
        if callable(regulariser):
            return regulariser(weights)
        if regulariser == 0:
            return 0.0
        return regulariser * torch.stack([value.square().sum() for value in weights.values()]).sum()

    def split(self, name: str) -> Data:
        """The data of a split.

        Raises:
            ValueError: unknown split, or the problem has no test data.
        """
        if name not in ("train", "test"):
            message = f"split is {name!r}; use 'train' or 'test'"
            raise ValueError(message)
        data = self.train if name == "train" else self.test
        if data is None:
            message = "split='test' was asked for, but the problem has no test data: make it with test=, or use split='train'"
            raise ValueError(message)
        return data

    def _cast(self, value: Tensor) -> Tensor:
        return value.to(self.device, self.dtype if value.is_floating_point() else value.dtype)

    def _cast_data(self, data: Data) -> Data:
        return self._cast(data[0]), self._cast(data[1])

    def _check_loss(self, weights: Weights, buffers: State) -> None:
        """One number per sample, and a gradient for every parameter."""
        count = min(2, self.samples)
        inputs, targets = (part[:count] for part in self.train)
        leaves = {name: value.clone().requires_grad_() for name, value in weights.items()}
        with seeded(0), torch.enable_grad():
            outputs, losses = tried(
                lambda batch: self.with_buffers(buffers).outputs(leaves, batch, training=True),
                self.loss,
                (inputs, targets),
                module=self.module,
            )
            if not isinstance(losses, Tensor) or tuple(losses.shape) != (count,):
                got = tuple(losses.shape) if isinstance(losses, Tensor) else type(losses).__name__
                message = (
                    f"the loss must return one number per sample, shape ({count},) here; got {got} from "
                    f"outputs {tuple(outputs.shape)} and targets {tuple(targets.shape)}. "
                    "Use reduction='none' (and sum over output dimensions)"
                )
                raise ValueError(message)
            total = losses.sum() + self.regularisation(leaves)
            slopes = torch.autograd.grad(total, list(leaves.values()), allow_unused=True)
        self._check_alone(outputs, targets, losses)
        unused = [name for name, slope in zip(leaves, slopes, strict=True) if slope is None]
        if unused:
            message = (
                f"the loss does not depend on parameter {', '.join(map(repr, unused))} (unused in forward); "
                "remove it, or set requires_grad=False"
            )
            raise ValueError(message)
        self._check_splits(weights, buffers)

    def _check_alone(self, outputs: Tensor, targets: Tensor, losses: Tensor) -> None:
        """The loss of a sample does not change with the others of its batch."""
        if not isinstance(outputs, Tensor) or len(outputs) != len(targets) or len(targets) < 2:
            return
        with seeded(0), torch.no_grad():
            alone = self.loss(outputs[:1], targets[:1])
        if alone.shape != (1,) or torch.allclose(alone[0], losses[0], rtol=1e-3, atol=1e-6, equal_nan=True):
            return
        message = (
            f"the loss of a sample changes with the other samples of its batch: {float(alone[0]):.6g} alone, "
            f"{losses[0].item():.6g} beside another. Do outputs {tuple(outputs.shape)} and targets {tuple(targets.shape)} have "
            "the same shape, (samples, 1) and not (samples,)?"
        )
        raise ConfigError(message)

    def _check_splits(self, weights: Weights, buffers: State) -> None:
        """Labels of both splits, and the shape of the test data."""
        bound = self.with_buffers(buffers)
        for split, data in (("train", self.train), ("test", self.test)):
            if data is None:
                continue
            extremes = extreme_labels(data[1])
            if extremes is None and split == "train":
                continue  # tried before
            rows = torch.arange(1) if extremes is None else extremes
            few = (data[0][rows.to(self.device)], data[1][rows.to(self.device)])
            with seeded(0), torch.no_grad():
                tried(
                    lambda batch: bound.outputs(weights, batch),
                    self._loss_on_cpu if self.device.type == "cuda" and extremes is not None else self.loss,
                    few,
                    split=split,
                    module=self.module,
                )

    def _loss_on_cpu(self, outputs: Tensor, targets: Tensor) -> Tensor | None:
        """There a label out of range is an error; on a GPU it would end the use of the device."""
        try:
            return self.loss(outputs.cpu(), targets.cpu())
        except IndexError:
            raise
        except Exception:  # a loss that holds tensors of the GPU
            return None

    @property
    def widest(self) -> int:
        """Most values any layer makes of one sample, or takes: what bounds the memory of a pass."""
        fan = max((math.prod(shape[1:]) for shape in self.shapes.values() if len(shape) > 1), default=1)
        wide = max((shape[0] for shape in self.shapes.values() if shape), default=1)
        return max(fan, wide, math.prod(self.train[0].shape[1:]))


_Slot = tuple[dict[str, Any], str, str]


def _is_plain(module: nn.Module) -> bool:
    """Whether all layers with parameters are such that read them where they are kept, at every call."""
    return all(
        type(layer) in _PLAIN
        for layer in module.modules()
        if next(layer.parameters(recurse=False), None) is not None
    )


def _slots(module: nn.Module) -> list[_Slot]:
    """Where each trainable parameter is kept: dict, key there, full name."""
    return [
        (layer._parameters, own, f"{path}.{own}" if path else own)
        for path, layer in module.named_modules()
        for own, value in layer.named_parameters(recurse=False)
        if value.requires_grad
    ]


def _called(module: nn.Module, slots: list[_Slot], weights: Weights, inputs: Tensor) -> Tensor:
    """`functional_call` of a module of plain layers, without its checks."""
    before = [held[own] for held, own, _ in slots]
    try:
        for held, own, name in slots:
            held[own] = weights[name]
        result: Tensor = module(inputs)
    finally:
        for (held, own, _), value in zip(slots, before, strict=True):
            held[own] = value
    return result
