"""An epoch hook as one list of tensor operations: the transformations that differentiate it are paid for once."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch.func import vmap
from torch.fx.experimental.proxy_tensor import make_fx

from thermograd.ensemble.block import Tensors
from thermograd.ensemble.engines.oracle import Demand, InputNeededError
from thermograd.ensemble.engines.supplies import Supplied

CALLS_BEFORE = 100  # recording takes as long as about so many calls, which a short run never comes to
Hook = Callable[[Tensors, Tensors, list[Supplied]], tuple[Tensors, Tensors]]


class TracedHook:
    """A batched hook of which the operations were recorded, for dynamics that do the same at every epoch.

    Args:
        hook: of one trajectory; it must take its pair of batches as that of epoch 0.

    Operations are recorded once the hook was called `CALLS_BEFORE` times with inputs of one form. The first result is compared
    with the hook's own; where it differs, or an operation cannot be recorded, the hook itself goes on being called.
    """

    def __init__(self, hook: Hook) -> None:
        self._batched = vmap(hook)
        self._graphs: dict[Any, Callable[..., Any] | None] = {}
        self._calls: Counter[Any] = Counter()

    def __call__(self, weights: Tensors, state: Tensors, supplied: Supplied) -> tuple[Tensors, Tensors]:
        """Weights and state of the block after the hook.

        Args:
            weights: stacked.
            state: stacked.
            supplied: batches and normals, stacked.
        """
        renamed = {
            Demand("pair", 0) if demand.kind == "pair" else demand: tensors
            for demand, tensors in supplied.items()
        }
        given = [*weights.values(), *state.values()]
        given += [tensor for tensors in renamed.values() for tensor in tensors.values()]
        form = (
            tuple(weights),
            tuple(state),
            tuple((demand, tuple(tensors)) for demand, tensors in renamed.items()),
            tuple((tuple(tensor.shape), tensor.dtype) for tensor in given),
        )
        if form not in self._graphs:
            self._calls[form] += 1
            if self._calls[form] <= CALLS_BEFORE:
                return self._called(weights, state, renamed)
            return self._first(form, weights, state, renamed, given)
        graph = self._graphs[form]
        if graph is None:
            return self._called(weights, state, renamed)
        moved: tuple[Tensors, Tensors] = graph(given)
        return moved

    def _called(self, weights: Tensors, state: Tensors, supplied: Supplied) -> tuple[Tensors, Tensors]:
        moved: tuple[Tensors, Tensors] = self._batched(weights, state, [supplied])
        return moved

    def _first(
        self, form: Any, weights: Tensors, state: Tensors, supplied: Supplied, given: list[torch.Tensor]
    ) -> tuple[Tensors, Tensors]:
        expected = self._called(weights, state, supplied)

        def flat(tensors: list[torch.Tensor]) -> tuple[Tensors, Tensors]:
            rest = iter(tensors)
            own = {name: next(rest) for name in weights}
            kept = {name: next(rest) for name in state}
            inputs = {demand: {name: next(rest) for name in one} for demand, one in supplied.items()}
            return self._called(own, kept, inputs)

        graph: Callable[..., Any] | None = None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                graph = make_fx(flat)(given)
            found = graph(given)
        except InputNeededError:
            raise
        except Exception:  # whatever cannot be recorded is called as it is
            graph = None
        else:
            same = all(
                torch.equal(value, part[name])
                for part, whole in zip(found, expected, strict=True)
                for name, value in whole.items()
            )
            graph = graph if same else None
        self._graphs[form] = graph
        return expected
