"""Measures between two host reads: updates, losses, positions; all stays on the device until a block ends."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from thermograd.observables.parameter_sketch import ParameterSketch
from thermograd.observables.plain_tensor import wide
from thermograd.training.anchored_positions import FIELDS, AnchoredPositions
from thermograd.training.block_record import Array, BlockEnd, by_part
from thermograd.training.random_stride import RandomStride
from thermograd.training.turning_steps import TurningSteps
from thermograd.training.update_norms import UpdateNorms

if TYPE_CHECKING:
    from thermograd.training.micro_batches import MicroBatches
    from thermograd.training.optimizer_view import OptimizerView

_METRIC_EVERY = 8
_LOSSES_AT_ONCE = 64


class BlockMeter:
    """What a watch measures of the steps of one block.

    Attributes:
        losses: how many were recorded in this block.
        positions: of the weights.
        wants_metric: whether updates are measured in the metric of the preconditioner as well.

    Args:
        view: of the optimizer.
        every: updates are measured in one of so many steps.
        two_step_every: the displacement over two steps is measured once in so many steps, 3 or more.
        seed: of where in each stride that is.
        sketch: of all weights, or None.
        process_group: over which sharded parameters are spread, or None.
    """

    def __init__(
        self,
        view: OptimizerView,
        *,
        every: int,
        two_step_every: int,
        seed: int,
        sketch: ParameterSketch | None,
        process_group: Any = None,
    ) -> None:
        self._view = view
        self._every = every
        self._measured = RandomStride(seed, every)
        self._metric_stride = RandomStride(seed, _METRIC_EVERY)
        self._two_step = RandomStride(~seed, two_step_every)
        self._sketch, self._group = sketch, process_group
        self.positions = AnchoredPositions()
        self.wants_metric = False
        self.resize()

    def resize(self) -> None:
        """Make room for the tensors the optimizer has now."""
        self._like = self._view.local_parameters[0]
        tensors = len(self._view.parameters)
        widest = functools.reduce(torch.promote_types, (w.dtype for w in self._view.local_parameters))
        rows = torch.empty(0, dtype=widest, device=self._like.device)
        self._updates = UpdateNorms(tensors, rows)
        self._metric = UpdateNorms(tensors, rows)
        self._two_steps = UpdateNorms(tensors, rows)
        self._turning = TurningSteps(tensors, rows)
        self._before: list[Tensor] | None = None
        self._two_before: list[Tensor] | None = None
        self._two_left = 0
        self._measured_steps: list[int] = []
        self._loss = torch.zeros((), dtype=wide(self._like), device=self._like.device)
        self._pending: list[Tensor] = []
        self._host_loss, self.losses = 0.0, 0
        self._copies = False

    def next_due(self, step: int) -> int:
        """The first step from `step` on at which there is something to do.

        Args:
            step: optimiser steps done.
        """
        if self._two_left:
            return step
        return min(self._measured.next(step), self._two_step.next(step))

    def before_step(self, step: int) -> None:
        """Copy what has to be known of the weights before an update.

        Args:
            step: optimiser steps done.
        """
        if self._two_step.due(step):
            self._two_before = [value.clone() for value in self._view.local_parameters]
            self._two_left = 2
        if not self._measured.due(step):
            return
        if not self._copies and not self._view.velocity_is_readable:
            self._copies = True  # norms of updates from here on, not of velocities
            self._updates.clear()
            self._measured_steps = []
        if self._copies:
            self._before = _copied(self._view.local_parameters, self._before)

    def after_step(self, step: int) -> None:
        """Measure the update just made.

        Args:
            step: optimiser steps done before it.
        """
        if self._two_left:
            self._two_left -= 1
            if self._two_left:
                self._turning.midway(self._view.local_parameters)
            elif self._two_before is not None:
                whole = list(torch._foreach_sub(self._view.local_parameters, self._two_before))
                self._two_steps.add(whole)
                self._turning.end(self._two_before, whole)
                self._two_before = None
        if not self._measured.due(step):
            return
        self._measured_steps.append(step + 1)
        if not self._copies:
            self._updates.add(self._view.velocities())
            return
        if self._before is None:
            return
        updates = list(torch._foreach_sub(self._view.local_parameters, self._before))
        self._updates.add(updates)
        if self.wants_metric and self._metric_stride.due(step // self._every):
            self._metric.add(self._in_metric(updates))

    def record_loss(self, loss: float | Tensor) -> None:
        """Note a training loss; a tensor stays on its device.

        Args:
            loss: one number.
        """
        self.losses += 1
        if not isinstance(loss, Tensor):
            self._host_loss += loss
            return
        self._pending.append(loss.detach().clone())  # it may be written to, as in a captured step
        if len(self._pending) == _LOSSES_AT_ONCE:
            self._loss = self._loss_so_far()
            self._pending = []

    def _loss_so_far(self) -> Tensor:
        if not self._pending:
            return self._loss
        return self._loss + _together(self._pending).to(self._loss).sum()

    def read(self, step: int, last: BlockEnd | None, noise: MicroBatches) -> tuple[BlockEnd, int]:
        """End the block: one read from the device.

        Args:
            step: optimiser steps done.
            last: the end before, whose sums go on; None at a restart.
            noise: of the micro-batches.

        Returns:
            The end, and the first step whose update was not finite, or −1.
        """
        weights = self._view.local_parameters
        positions = self.positions.measure(weights, self._view.momentum_velocities())
        sketch = self._sketch(weights) if self._sketch else positions.new_zeros(0)
        shared = [
            positions.reshape(-1),
            self._updates.packed(),
            self._metric.packed(),
            self._two_steps.packed(),
            self._turning.packed(),
        ]
        loss = (self._loss_so_far() + self._host_loss)[None].to(positions)
        packed = [*shared, sketch, loss, noise.packed().to(positions)]
        sums = torch.cat(packed)
        if self._group is not None:
            torch.distributed.all_reduce(sums, group=self._group)
        ends = np.cumsum([entry.numel() for entry in packed])[:-1]
        host = np.split(sums.cpu().numpy().astype(float), ends)
        end, first_bad = self._end(step, last, host)
        for norms in (self._updates, self._metric, self._two_steps, self._turning):
            norms.clear()
        noise.clear()
        self._loss = torch.zeros_like(self._loss)
        self._pending = []
        self._host_loss, self.losses, self._measured_steps = 0.0, 0, []
        return end, first_bad

    def _end(self, step: int, last: BlockEnd | None, host: list[Array]) -> tuple[BlockEnd, int]:
        positions, updates, metric, two_steps, turning, sketch, loss, noise = host
        part_of, parts = self._view.part_of, len(self._view.parts)
        ranks = 1 if self._group is None else torch.distributed.get_world_size(self._group)
        squares = by_part(updates[:-2] * self._scale(), part_of, parts)
        end = BlockEnd(
            step=step,
            anchors=np.array(self.positions.steps, float),
            positions=by_part(positions.reshape(len(FIELDS), -1), part_of, parts),
            updates=squares,
            measured=np.array([self._updates.measured, updates[-2] / ranks]),
            metric=by_part(metric[:-2], part_of, parts),
            metric_measured=metric[-2] / ranks,
            loss=_known(loss[0] / ranks, self.losses),
            two_steps=np.array([two_steps[:-2].sum(), self._two_steps.measured]),
            turning=turning,
            noise=noise / [1, 1, ranks],
            sketch=sketch,
        )
        bad = int(updates[-1])
        if ranks > 1:
            bad = -1 if np.isfinite(updates).all() else self._first_bad_of_all()
        return end if last is None else _summed(last, end), self._measured_steps[bad] if bad >= 0 else -1

    def _first_bad_of_all(self) -> int:
        """The first measured step that was not finite on any rank; all ranks have seen that there is one."""
        own = self._updates.packed()[-1:]
        first = torch.where(own < 0, torch.full_like(own, len(self._measured_steps) - 1), own)
        torch.distributed.all_reduce(first, op=torch.distributed.ReduceOp.MIN, group=self._group)
        return int(first)

    def _scale(self) -> Array:
        """By which squared norms are multiplied to give |Δ|²: η² where velocities were read."""
        if self._copies or not self._view.is_sgd or not self._updates.measured:
            return np.ones(len(self._view.parameters))
        return np.array([self._view.velocity_scale(number) ** 2 for number in self._view.owner])

    def _in_metric(self, updates: Sequence[Tensor]) -> list[Tensor]:
        """Tensors whose squares sum to Σ Δ² (√v + ε)/η, Δ without decoupled decay."""
        assert self._before is not None
        found = []
        denominators = self._view.denominators()
        for number, update, before, denominator in zip(
            self._view.owner, updates, self._before, denominators, strict=True
        ):
            rate = self._view.rates[number]
            moved = update + rate * self._view.decoupled_decay(number) * before
            found.append(moved * (denominator / rate).sqrt() if rate else torch.zeros_like(moved))
        return found

    def state_dict(self) -> dict[str, Any]:
        """What goes on bit for bit after a resume."""
        return {
            "updates": self._updates.state_dict(),
            "metric": self._metric.state_dict(),
            "two_steps": self._two_steps.state_dict(),
            "turning": self._turning.state_dict(),
            "two_before": [] if self._two_before is None else [value.clone() for value in self._two_before],
            "two_left": self._two_left,
            "measured_steps": list(self._measured_steps),
            "loss": self._loss.clone(),
            "pending": _together(self._pending).clone() if self._pending else [],
            "host_loss": self._host_loss,
            "losses": self.losses,
            "copies": self._copies,
            "wants_metric": self.wants_metric,
            "positions": self.positions.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where another was.

        Args:
            state: from `state_dict`.
        """
        self.resize()
        for name in ("updates", "metric", "two_steps"):
            getattr(self, f"_{name}").load_state_dict(state[name])
        weights = self._view.local_parameters
        self._turning.load_state_dict(state["turning"], weights)
        kept = [value.to(weight.device) for value, weight in zip(state["two_before"], weights, strict=False)]
        self._two_before, self._two_left = kept or None, int(state["two_left"])
        self._measured_steps = [int(step) for step in state["measured_steps"]]
        self._loss = state["loss"].to(self._loss)
        self._pending = [loss.to(self._loss.device) for loss in state["pending"]]
        self._host_loss, self.losses = float(state["host_loss"]), int(state["losses"])
        self._copies, self.wants_metric = bool(state["copies"]), bool(state["wants_metric"])
        self.positions.load_state_dict(state["positions"], weights)


def _together(losses: list[Tensor]) -> Tensor:
    return torch.stack([loss.reshape(()) for loss in losses])


def _known(total: float, count: int) -> Array:
    """Sum and number of losses; none of a block in which one was infinite or NaN, lest it spoil all later sums."""
    return np.array([total, count]) if math.isfinite(total) else np.zeros(2)


def _copied(values: list[Tensor], into: list[Tensor] | None) -> list[Tensor]:
    if into is None:
        return [value.clone() for value in values]
    torch._foreach_copy_(into, values)
    return into


def _summed(last: BlockEnd, end: BlockEnd) -> BlockEnd:
    """The end with the sums of the one before added to those of its block."""
    return BlockEnd(
        step=end.step,
        anchors=end.anchors,
        positions=end.positions,
        updates=last.updates + end.updates,
        measured=last.measured + end.measured,
        metric=last.metric + end.metric,
        metric_measured=last.metric_measured + end.metric_measured,
        loss=last.loss + end.loss,
        two_steps=last.two_steps + end.two_steps,
        turning=last.turning + end.turning,
        noise=last.noise + end.noise,
        sketch=end.sketch,
    )
