"""Products of the Hessian of a live loss with vectors, by differentiating its gradient once more."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from thermograd.errors import ConfigError
from thermograd.observables.once_differentiable import once_differentiable_operation
from thermograd.observables.undisturbed import undisturbed, without_hooks

_ALIKE = 1e-3  # relative distance within which two products of one vector are the same
_TOGETHER = ((2**18, 64), (2**22, 16))  # parameters times samples, and how many products one call then makes
_GPU = 2**8  # times more parameters times samples there


class NotFiniteError(ConfigError):
    """The loss or a derivative of it is NaN or infinite."""


@dataclass(frozen=True, eq=False)
class _Graph:
    """The gradient of one batch, ready to be differentiated.

    Attributes:
        slopes: the parts of the gradient that depend on parameters.
        places: which parameters they belong to.
        state: of the model when it was made.
    """

    slopes: tuple[Tensor, ...]
    places: tuple[int, ...]
    state: tuple[Any, ...]


class HessianProducts:
    """H v = Σ_b w_b ∇(∇L_b · v) over batches b, by `torch.autograd.grad` alone.

    Args:
        loss: `(batch) -> scalar`, or `() -> scalar` if there are no batches.
        batches: or None.
        shares: w_b.
        parameters: by name, leaves.
        module: that the loss calls, as far as known.
        keep_graphs: whether graphs are kept between products.
        seed: of the generators in forward passes.
    """

    def __init__(
        self,
        loss: Callable[..., Tensor],
        batches: Sequence[Any] | None,
        shares: Sequence[float],
        parameters: Mapping[str, Tensor],
        *,
        module: nn.Module | None,
        keep_graphs: bool,
        seed: int,
    ) -> None:
        self._loss, self._batches, self._shares = loss, batches, tuple(shares)
        self._module, self.keeps_graphs, self._seed = module, keep_graphs, seed
        self.parameters = dict(parameters)
        self._reset()

    def _reset(self) -> None:
        self._leaves = list(self.parameters.values())
        self._sizes = [value.numel() for value in self._leaves]
        self.size = sum(self._sizes)
        first = self._leaves[0]
        self.device, self.dtype = first.device, torch.float32
        for value in self._leaves:
            self.dtype = torch.promote_types(self.dtype, value.dtype)
        self._uniform = all(
            value.device == self.device and value.dtype == self.dtype for value in self._leaves
        )
        self._graphs: dict[int, _Graph] = {}
        self._checked = self._one_by_one = False

    def of(self, parameters: Mapping[str, Tensor]) -> HessianProducts:
        """The diagonal block of some of the parameters.

        Args:
            parameters: by name.
        """
        block = copy.copy(self)
        block.parameters = dict(parameters)
        checked = self._checked
        block._reset()
        block._checked = checked
        return block

    def close(self) -> None:
        """Forget the graphs."""
        self._graphs.clear()

    @property
    def together(self) -> int:
        """How many products are best made in one call."""
        work = self.size * _samples(None if self._batches is None else self._batches[0])
        limit = _GPU if self.device.type == "cuda" else 1
        if self._one_by_one:
            return 1
        return next((rows for most, rows in _TOGETHER if work <= most * limit), 1)

    def rows(self, vectors: Tensor) -> Tensor:
        """H v of every row, `(n, P)`; each graph that is not kept is made once for all rows.

        Args:
            vectors: `(n, P)`.

        Raises:
            ConfigError: the loss cannot be differentiated twice.
        """
        if not self._checked:
            self._check()
        total: Tensor | None = None
        for place, share in enumerate(self._shares):
            found = self._of_graph(self._graph(place), vectors)
            if share != 1:
                found *= share
            total = found if total is None else total.add_(found)
        assert total is not None  # there is a batch
        return total

    def _graph(self, place: int) -> _Graph:
        """The graph of a batch, made anew where the model has changed since."""
        state = self._state()
        known = self._graphs.get(place)
        if known is None or known.state != state:
            self._graphs.pop(place, None)
            known = self._differentiated(place, state)
            if self.keeps_graphs:
                self._graphs[place] = known
        return known

    def _state(self) -> tuple[Any, ...]:
        """Which values parameters and buffers have, and in which mode the layers are."""
        layers = () if self._module is None else tuple(self._module.modules())
        tensors = [*self._leaves, *(b for layer in layers for b in layer._buffers.values() if b is not None)]
        versions = [(value.data_ptr(), value._version) for value in tensors]
        return tuple(versions), tuple(layer.training for layer in layers)

    def _differentiated(self, place: int, state: tuple[Any, ...]) -> _Graph:
        devices = {value.device for value in self._leaves}
        with undisturbed(self._module, devices, self._seed), without_hooks(self._leaves):
            value = self._loss() if self._batches is None else self._loss(self._batches[place])
            self._check_loss(value, place)
            if not self._checked:
                _check_operations(value)
            try:
                slopes = torch.autograd.grad(value, self._leaves, create_graph=True, allow_unused=True)
            except RuntimeError as failure:
                raise _explained(failure) from failure
        known = {place: slope for place, slope in enumerate(slopes) if slope is not None}
        for index, slope in known.items():
            if not slope.detach().isfinite().all():
                message = (
                    f"the gradient of the loss is NaN or infinite in {self._name(index)}{self._which(place)}"
                )
                raise NotFiniteError(message)
        active = {index: slope for index, slope in known.items() if slope.requires_grad}
        return _Graph(tuple(active.values()), tuple(active), state)

    def _of_graph(self, graph: _Graph, vectors: Tensor) -> Tensor:
        """H v of one batch."""
        if not graph.slopes:
            return vectors.new_zeros(vectors.shape)
        if torch.is_inference_mode_enabled():
            with torch.inference_mode(mode=False):
                return self._of_graph(graph, vectors)
        with (
            without_hooks(self._leaves) if any(one._backward_hooks for one in self._leaves) else nullcontext()
        ):
            if len(vectors) == 1:
                return self._single(graph, vectors[0])
            parts = []
            for some in torch.split(vectors, self.together):
                found = self._batched(graph, some) if len(some) > 1 else None
                parts += [self._single(graph, row) for row in some] if found is None else [found]
        return torch.cat(parts) if len(parts) > 1 else parts[0]

    def _batched(self, graph: _Graph, rows: Tensor) -> Tensor | None:
        """∇(∇L · v) of several rows in one call, `(n, P)`; None where an operation cannot be batched."""
        if self._one_by_one:
            return None
        count = len(rows)
        parts = [
            part.reshape(count, *value.shape).to(value.device, value.dtype)
            for part, value in zip(torch.split(rows, self._sizes, dim=1), self._leaves, strict=True)
        ]
        try:
            found = self._pulled(graph, parts, batched=True)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError:  # one by one its own error shows, if there is one
            self._one_by_one = True
            return None
        flat = [
            rows.new_zeros(count, size) if part is None else part.reshape(count, size)
            for part, size in zip(found, self._sizes, strict=True)
        ]
        return self._joined(flat, dim=1)

    def _single(self, graph: _Graph, row: Tensor) -> Tensor:
        """∇(∇L · v) of a row, `(1, P)`."""
        split = torch.split(row, self._sizes)
        parts = [part.view(value.shape) for part, value in zip(split, self._leaves, strict=True)]
        if not self._uniform:
            parts = [
                part.to(value.device, value.dtype) for part, value in zip(parts, self._leaves, strict=True)
            ]
        try:
            found = self._pulled(graph, parts, batched=False)
        except RuntimeError as failure:
            raise _explained(failure) from failure
        flat = [
            row.new_zeros(size) if part is None else part.reshape(-1)
            for part, size in zip(found, self._sizes, strict=True)
        ]
        return self._joined(flat, dim=0)[None]

    def _pulled(self, graph: _Graph, parts: list[Tensor], *, batched: bool) -> tuple[Tensor | None, ...]:
        return torch.autograd.grad(
            graph.slopes,
            self._leaves,
            grad_outputs=[parts[place] for place in graph.places],
            retain_graph=True,
            allow_unused=True,
            is_grads_batched=batched,
        )

    def _joined(self, parts: list[Tensor], dim: int) -> Tensor:
        if not self._uniform:
            parts = [part.to(self.device, self.dtype) for part in parts]
        return torch.cat(parts, dim)

    def _check(self) -> None:
        """A product, made twice from two graphs, is finite and the same."""
        generator = torch.Generator().manual_seed(self._seed)
        vector = torch.randn(1, self.size, generator=generator).to(self.device, self.dtype)
        once = self._of_graph(self._differentiated(0, self._state()), vector)
        twice = self._of_graph(self._graph(0), vector)
        self._checked = True
        if not once.isfinite().all():
            index = int(torch.nonzero(~once[0].isfinite())[0])
            message = (
                f"the second derivative of the loss is NaN or infinite in {self._at(index)}{self._which(0)}; a square root or a "
                "norm at 0 has none"
            )
            raise NotFiniteError(message)
        apart, size = float((once - twice).norm()), float(once.norm())
        if apart > _ALIKE * size:
            message = (
                f"the loss is not deterministic: two products of one vector are {apart / size:.2g} of their size apart, although "
                "torch's generators were seeded. Curvatures are those of its mean, with noise; fix what is random in it (numpy, "
                "workers, augmentation)"
            )
            warnings.warn(message, RuntimeWarning, stacklevel=4)

    def _check_loss(self, value: Any, place: int) -> None:
        if not isinstance(value, Tensor) or value.numel() != 1:
            got = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
            message = f"the loss gave {got}{self._which(place)}; it must be a scalar, the mean over the batch (reduction='mean')"
            raise ConfigError(message)
        if not value.isfinite():
            message = f"the loss is {value.item()}{self._which(place)}"
            raise NotFiniteError(message)
        if not value.requires_grad:
            message = (
                f"the loss does not depend on the parameters{self._which(place)}: it has no graph. Was it detached, turned into "
                "a number, or computed under torch.no_grad()?"
            )
            raise ConfigError(message)

    def _which(self, place: int) -> str:
        return "" if self._batches is None else f", batch {place}"

    def _name(self, place: int) -> str:
        return repr(list(self.parameters)[place])

    def _at(self, index: int) -> str:
        """The name of the parameter that a place of the flat vector belongs to."""
        for place, size in enumerate(self._sizes):
            if index < size:
                return self._name(place)
            index -= size
        raise IndexError(index)


def shares_of(batches: Sequence[Any] | None, weights: Iterable[float] | None) -> tuple[float, ...]:
    """Weights of batches that add up to 1.

    Args:
        batches: or None.
        weights: one for each, or None for the numbers of samples.

    Raises:
        ConfigError: none, not one for each, not positive, or a batch whose samples cannot be counted.
    """
    if batches is None:
        if weights is not None:
            message = "weights= goes with batches="
            raise ConfigError(message)
        return (1.0,)
    if not batches:
        message = "batches is empty"
        raise ConfigError(message)
    if weights is None:
        sizes = (
            [1.0] if len(batches) == 1 else [_counted(batch, place) for place, batch in enumerate(batches)]
        )
    else:
        sizes = [float(weight) for weight in weights]
    if len(sizes) != len(batches) or not all(math.isfinite(size) and size > 0 for size in sizes):
        message = f"weights are {sizes}; one positive number for each of the {len(batches)} batches is needed"
        raise ConfigError(message)
    return tuple(size / sum(sizes) for size in sizes)


def _first(batch: Any) -> Any:
    """What tells the number of samples."""
    if isinstance(batch, Mapping):
        return next(iter(batch.values()), None)
    return batch[0] if isinstance(batch, tuple | list) and batch else batch


def _counted(batch: Any, place: int) -> float:
    try:
        return float(len(_first(batch)))
    except TypeError:
        message = f"the samples of batch {place} cannot be counted ({type(batch).__name__}); give weights=, one number for each batch"
        raise ConfigError(message) from None


def _samples(batch: Any) -> int:
    """As far as they can be counted; many otherwise."""
    try:
        return max(1, len(_first(batch)))
    except TypeError:
        return 1000


def _check_operations(value: Tensor) -> None:
    operation = once_differentiable_operation(value)
    if operation is not None:
        message = (
            f"operation {operation} of the loss cannot be differentiated twice: its backward pass is marked once_differentiable. Use "
            "another form of it"
        )
        raise ConfigError(message)


def _explained(failure: RuntimeError) -> Exception:
    """The error itself, or one that says which operation has no second derivative."""
    told = str(failure).strip().splitlines()[0] if str(failure).strip() else ""
    if not any(word in told for word in ("derivative", "twice", "double backward", "once_differentiable")):
        return failure
    return ConfigError(
        f"an operation of the loss cannot be differentiated twice ({told[:200]}). Use another form of it: no compiled or fused "
        "layers (the module before torch.compile; torch.backends.cudnn.flags(enabled=False) for recurrent layers)"
    )
