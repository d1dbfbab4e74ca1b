"""Products of the Hessian of a live loss with vectors, by differentiating its gradient once more."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from thermograd.errors import ConfigError
from thermograd.observables.batch_shares import samples_of
from thermograd.observables.kept_values import KeptValues
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
        kept: whether it is used again.
    """

    slopes: tuple[Tensor, ...]
    places: tuple[int, ...]
    state: tuple[Any, ...]
    kept: bool


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
        self.parameters, self._whole = dict(parameters), True
        self._reset()

    def _reset(self) -> None:
        self._leaves = list(self.parameters.values())
        self._sizes = [value.numel() for value in self._leaves]
        self.size = sum(self._sizes)
        first = self._leaves[0]
        self.device, self.dtype = first.device, torch.float32
        for value in self._leaves:
            self.dtype = torch.promote_types(self.dtype, value.dtype)
        coarsest = max(torch.finfo(value.dtype).eps for value in self._leaves)
        self.rounding = coarsest if coarsest > torch.finfo(torch.float32).eps else 0.0
        self._uniform = all(
            value.device == self.device and value.dtype == self.dtype for value in self._leaves
        )
        self._graphs: dict[int, _Graph] = {}
        self._values = KeptValues()
        self._seen: set[int] = set()  # batches whose loss and gradient were finite in this state
        self._seen_state: tuple[Any, ...] = ()
        self._checked = self._one_by_one = False

    def of(self, parameters: Mapping[str, Tensor]) -> HessianProducts:
        """The diagonal block of some of the parameters.

        Args:
            parameters: by name.
        """
        block = copy.copy(self)
        block.parameters, block._whole = dict(parameters), False
        checked = self._checked
        block._reset()
        block._checked = checked
        return block

    def close(self) -> None:
        """Forget the graphs."""
        self._graphs.clear()
        self._values.clear()

    def look(self) -> None:
        """Forget graphs of other values than those of now; to be called before a series of products."""
        if self.keeps_graphs and not self._values.still_those_of(self._tensors()):
            self._graphs.clear()
            self._seen.clear()

    @property
    def together(self) -> int:
        """How many products are best made in one call."""
        work = self.size * samples_of(None if self._batches is None else self._batches[0])
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
        frozen = [name for name, value in self.parameters.items() if not value.requires_grad]
        if frozen:
            message = (
                f"{frozen[0]!r} does not require a gradient any more; make another Hessian, of what does"
            )
            raise ConfigError(message)
        state = self._state()
        if state != self._seen_state:
            self._seen.clear()
            self._seen_state = state
        with self._forward_passes(state) as fresh:
            total: Tensor | None = None
            for place, share in enumerate(self._shares):
                graph = self._graph(place, state, fresh)
                found = self._of_graph(graph, vectors)
                if not self._checked:
                    self._check(graph, vectors[0], found[0], fresh)
                total = found * share if total is None else total.add_(found, alpha=share)
                del graph  # before the next one is made
        assert total is not None  # there is a batch
        return total

    def _forward_passes(self, state: tuple[Any, ...]) -> AbstractContextManager[Callable[[], None]]:
        """Where they can be made, if any is needed."""
        known = [self._graphs.get(place) for place in range(len(self._shares))]
        if self._checked and all(graph is not None and graph.state == state for graph in known):
            return nullcontext(lambda: None)
        return undisturbed(self._module, {value.device for value in self._leaves}, self._seed)

    def _graph(self, place: int, state: tuple[Any, ...], fresh: Callable[[], None]) -> _Graph:
        """The graph of a batch, made anew where the model has changed since."""
        known = self._graphs.get(place)
        if known is None or known.state != state:
            self._graphs.pop(place, None)
            known = self._differentiated(place, state, fresh)
            if self.keeps_graphs:
                self._graphs[place] = known
        return known

    def _state(self) -> tuple[Any, ...]:
        """Which values parameters and buffers have, and in which mode the layers are."""
        versions = [(value.data_ptr(), value._version) for value in self._tensors()]
        return tuple(versions), tuple(layer.training for layer in self._layers())

    def _tensors(self) -> list[Tensor]:
        """Parameters and buffers."""
        buffers = (b for layer in self._layers() for b in layer._buffers.values() if b is not None)
        return [*self._leaves, *buffers]

    def _layers(self) -> tuple[nn.Module, ...]:
        return () if self._module is None else tuple(self._module.modules())

    def _differentiated(self, place: int, state: tuple[Any, ...], fresh: Callable[[], None]) -> _Graph:
        """The gradient of a batch with its graph."""
        fresh()
        value = self._loss() if self._batches is None else self._loss(self._batches[place])
        if place not in self._seen:
            self._check_loss(value, place)
        if not self._checked:
            _check_operations(value)
        with without_hooks(self._leaves):
            try:
                slopes = torch.autograd.grad(value, self._leaves, create_graph=True, allow_unused=True)
            except RuntimeError as failure:
                raise _explained(failure) from failure
        known = {index: slope for index, slope in enumerate(slopes) if slope is not None}
        if self._whole and not known:
            message = (
                f"the loss does not depend on the parameters{self._which(place)}: it has a graph, but none of them is in it. Is it "
                "the loss of another model, or of a copy?"
            )
            raise ConfigError(message)
        if place not in self._seen:
            self._check_slopes(known, place)
        active = {index: slope for index, slope in known.items() if slope.requires_grad}
        return _Graph(tuple(active.values()), tuple(active), state, self.keeps_graphs)

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
                return self._single(graph, vectors[0], retain=graph.kept)
            parts, left = [], len(vectors)
            for some in torch.split(vectors, self.together):
                left -= len(some)
                found = self._batched(graph, some) if len(some) > 1 else None
                if found is None:
                    last = len(some) - 1 if left == 0 else -1
                    retained = [graph.kept or place != last for place in range(len(some))]
                    parts += [self._single(graph, *each) for each in zip(some, retained, strict=True)]
                else:
                    parts.append(found)
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

    def _single(self, graph: _Graph, row: Tensor, retain: bool) -> Tensor:
        """∇(∇L · v) of a row, `(1, P)`; the graph is freed on the way unless it is used again."""
        split = torch.split(row, self._sizes)
        parts = [part.view(value.shape) for part, value in zip(split, self._leaves, strict=True)]
        if not self._uniform:
            parts = [
                part.to(value.device, value.dtype) for part, value in zip(parts, self._leaves, strict=True)
            ]
        try:
            found = self._pulled(graph, parts, retain=retain)
        except RuntimeError as failure:
            raise _explained(failure) from failure
        flat = [
            row.new_zeros(size) if part is None else part.reshape(-1)
            for part, size in zip(found, self._sizes, strict=True)
        ]
        return self._joined(flat, dim=0)[None]

    def _pulled(
        self, graph: _Graph, parts: list[Tensor], *, batched: bool = False, retain: bool = True
    ) -> tuple[Tensor | None, ...]:
        return torch.autograd.grad(
            graph.slopes,
            self._leaves,
            grad_outputs=[parts[place] for place in graph.places],
            retain_graph=retain,
            allow_unused=True,
            is_grads_batched=batched,
        )

    def _joined(self, parts: list[Tensor], dim: int) -> Tensor:
        if not self._uniform:
            parts = [part.to(self.device, self.dtype) for part in parts]
        return torch.cat(parts, dim)

    def _check(self, graph: _Graph, vector: Tensor, found: Tensor, fresh: Callable[[], None]) -> None:
        """The first product of the first batch is finite, and the same from another forward pass.

        Where another pass gives the same gradient bit by bit, the product is not made again.

        Raises:
            NotFiniteError: it is not finite.
        """
        if not found.isfinite().all():
            index = int(torch.nonzero(~found.isfinite())[0])
            message = (
                f"the second derivative of the loss is NaN or infinite in {self._at(index)}{self._which(0)}; a square root or a "
                "norm at 0 has none"
            )
            raise NotFiniteError(message)
        self._checked = True
        if self._same_gradient(graph, fresh):
            return
        again = self._of_graph(self._differentiated(0, graph.state, fresh), vector[None])[0]
        apart, size = float((found - again).norm()), float(found.norm())
        if apart > _ALIKE * size:
            message = (
                f"the loss is not deterministic: two products of one vector are {apart / size:.2g} of their size apart, although "
                "torch's generators were seeded. Curvatures are those of its mean, with noise; fix what is random in it (numpy, "
                "workers, augmentation)"
            )
            warnings.warn(message, RuntimeWarning, stacklevel=4)

    def _same_gradient(self, graph: _Graph, fresh: Callable[[], None]) -> bool:
        """Whether a gradient of the first batch, without its graph, is that of the graph to the bit."""
        fresh()
        value = self._loss() if self._batches is None else self._loss(self._batches[0])
        if not graph.slopes:
            return True
        leaves = [self._leaves[place] for place in graph.places]
        with without_hooks(leaves):
            slopes = torch.autograd.grad(value, leaves, allow_unused=True)
        return all(
            b is not None and torch.equal(a.detach(), b) for a, b in zip(graph.slopes, slopes, strict=True)
        )

    def _check_slopes(self, slopes: Mapping[int, Tensor], place: int) -> None:
        """They are finite."""
        for index, slope in slopes.items():
            if not slope.detach().isfinite().all():
                message = (
                    f"the gradient of the loss is NaN or infinite in {self._name(index)}{self._which(place)}"
                )
                raise NotFiniteError(message)
        self._seen.add(place)

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
