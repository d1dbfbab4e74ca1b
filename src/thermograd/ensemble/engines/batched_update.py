"""One update of a block of trajectories as a flat function of tensors: what is compiled, or captured in a graph."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.func import vmap
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx

from thermograd.ensemble.block import Tensors
from thermograd.ensemble.engines.supplies import Drawn
from thermograd.ensemble.engines.update_function import (
    BATCH,
    STEP,
    UpdateFunction,
    updates,
)
from thermograd.errors import EngineUnavailableError

if TYPE_CHECKING:
    from thermograd.ensemble.experiment import Experiment


class BatchedUpdate:
    """(indices, weights of the samples, mask of the diverged, tensors) -> tensors and the new mask.

    All have the trajectories on axis 0, the number of the step aside. Weights that have become non-finite are NaN
    afterwards, whole trajectories at a time.

    Args:
        experiment: what is trained.
        update: its update for one trajectory.

    Attributes:
        names: of the tensors that go in after the mask.
        outputs: of those that come out before it; known once it was called.
    """

    def __init__(self, experiment: Experiment, update: UpdateFunction) -> None:
        self._experiment, self._update = experiment, update
        self.names = [name for name in update.examples if not name.startswith(f"{BATCH}/")]
        self.outputs: list[str] = []

    def __call__(self, indices: Tensor, shares: Tensor, gone: Tensor, *tensors: Tensor) -> list[Tensor]:
        """The block after an update."""
        examples = self._update.examples
        inputs, targets = self._update.data
        given = dict(zip(self.names, tensors, strict=True))
        if f"{BATCH}/inputs" in examples:
            given |= {f"{BATCH}/inputs": inputs[indices], f"{BATCH}/targets": targets[indices]}
        if f"{BATCH}/weights" in examples:
            given[f"{BATCH}/weights"] = shares
        lanes = {name: None if name == STEP else 0 for name in given}
        found, gone = vmap(self._one, in_dims=(lanes, 0))(given, gone)
        self.outputs = list(found)
        return [*found.values(), gone]

    def _one(self, given: Tensors, gone: Tensor) -> tuple[Tensors, Tensor]:
        found = self._update(given)
        weights = [name for name in found if name.startswith("weights/")]
        finite = torch.stack([found[name].isfinite().all() for name in weights]).all()
        gone = gone | ~finite
        return found | {name: found[name].masked_fill(gone, math.nan) for name in weights}, gone

    def examples(self, width: int) -> list[Tensor]:
        """What goes in for a block of some width."""
        rule, problem = self._experiment.minibatching, self._experiment.functional
        seed, samples = self._experiment.seed, problem.samples
        drawn, _ = rule.draw(rule.start(seed, (0,), samples), seed, (0,), 0, samples)
        batch = [widened(value[0], width) for value in self.batch(Drawn(*drawn, None))]
        gone = torch.zeros(width, dtype=torch.bool, device=problem.device)
        examples = self._update.examples
        return [
            *batch,
            gone,
            *[examples[name] if name == STEP else widened(examples[name], width) for name in self.names],
        ]

    def traced(self, width: int) -> GraphModule:
        """The same as a graph of tensor operations, for one width."""
        graph: GraphModule = make_fx(self)(*self.examples(width))
        return graph

    def batch(self, drawn: Drawn) -> tuple[Tensor, Tensor]:
        """Indices and weights of the samples of a batch; without weights, the indices again."""
        tensors = drawn.tensors(self._experiment.functional)
        shares = tensors.get("weights")
        indices = tensors["indices"]
        return indices, indices if shares is None else shares.to(self._update.data[0].dtype)


def widened(value: Tensor, width: int) -> Tensor:
    """A tensor of one trajectory for several."""
    return value.expand(width, *value.shape).contiguous()


def traceable_update(experiment: Experiment) -> UpdateFunction:
    """The update in the first way that can be traced.

    Raises:
        EngineUnavailableError: there is none.
    """
    reason = ""
    for way in updates(experiment):
        try:
            update = way()
            known: Any = update
            make_fx(lambda *given, known=known: _values(known, given))(*update.examples.values())
        except Exception as failure:  # of the user's code, which was not written for being traced
            reason = (str(failure).strip().splitlines() or [type(failure).__name__])[0][:200]
        else:
            return update
    raise EngineUnavailableError(reason)


def _values(update: UpdateFunction, given: tuple[Tensor, ...]) -> list[Tensor]:
    return list(update(dict(zip(update.examples, given, strict=True))).values())
