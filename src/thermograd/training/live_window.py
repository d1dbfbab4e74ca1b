"""The window of evidence of a live training: opened at a learning rate, fed by two hooks, closed by a change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from thermograd.estimators.stationarity import Stationarity, stationarity
from thermograd.observables.parameter_sketch import ParameterSketch
from thermograd.training import watch_estimates
from thermograd.training.block_meter import BlockMeter
from thermograd.training.block_record import BlockRecord
from thermograd.training.micro_batches import MicroBatches
from thermograd.training.observing import Observing
from thermograd.training.optimizer_view import OptimizerView

_STREAMING_BLOCK = 50
_RECENT = 16
_PROBES_PER_BLOCK = 8
_SHARD = 1 << 48


class LiveWindow:
    """What is known of a training since its learning rate was last changed.

    Attributes:
        view: of the optimizer.
        settings: those of `watch`.
        epoch: steps of the shortest block.
        step: optimiser steps done.
        before: of them, those done before the first that was seen.
        record: the block ends of this window.
        notes: what happened, for people.
        not_finite: (first step whose update was not finite, step at which that was noticed), or None.
        decision: of the test of stationarity at the last block end.
        blocks_ended: how many blocks have ended, over all windows.
        has_losses: whether a loss was ever recorded.
        losses_lead: whether the loss of a step is recorded before the step, as the first one was.
        foreign_changes: of the last 16 blocks, whether somebody changed the learning rate in it.

    Args:
        view: of the optimizer.
        settings: those of `watch`.
        observe: accumulators and trackers.
        process_group: over which sharded parameters are spread, or None.
        publish: called when a block has ended.
    """

    def __init__(
        self,
        view: OptimizerView,
        settings: dict[str, Any],
        *,
        observe: Sequence[Any],
        process_group: Any,
        publish: Callable[[], None],
    ) -> None:
        self.view, self.settings, self._publish = view, settings, publish
        self.epoch: int = settings["steps_per_epoch"] or _STREAMING_BLOCK
        self.step = self.before = self.blocks_ended = 0
        self.record = BlockRecord(self.epoch)
        self.notes: list[str] = []
        self._rows: list[dict[str, Any]] = []
        self._unpublished, self._completed = False, -1
        self.not_finite: tuple[int, int] | None = None
        self.decision: Stationarity | None = None
        self.earlier: list[tuple[int, float, float]] = []
        self.foreign_changes: list[bool] = []
        self.has_losses = self.losses_lead = False
        self.observing = Observing(observe, view, settings["steps_per_epoch"])
        self.trackers = self.observing.trackers
        size = settings["slow_directions"]
        offset = 0 if process_group is None else torch.distributed.get_rank(process_group) * _SHARD
        self._alone = process_group is None
        self.meter = BlockMeter(
            view,
            every=settings["every"],
            two_step_every=max(3, settings["every"], self.epoch // _PROBES_PER_BLOCK),
            seed=settings["seed"],
            sketch=ParameterSketch(size, settings["seed"], offset) if size else None,
            process_group=process_group,
        )
        self.micro = MicroBatches(view.local_parameters[0])
        self.open = False
        self.in_block = 0
        self.changed = False  # somebody changed the learning rate in this block
        self.dirty = False  # and so late that the block is of no use
        self._due = self._losses_without_step = 0
        self._key: Any = None

    @property
    def seen(self) -> bool:
        """Whether a step was seen."""
        return self.step > self.before

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One flat dict per block, over all windows."""
        self.settle()
        return self._rows

    @rows.setter
    def rows(self, rows: list[dict[str, Any]]) -> None:
        self._rows = rows

    def settle(self) -> None:
        """Publish a block that still waited for the loss of its last step."""
        if self._unpublished:
            self._unpublished = False
            self._publish()

    def begin_at(self, step: int) -> None:
        """Count from a step of a training that has begun before; nothing happens once a step was seen.

        Args:
            step: optimiser steps done.
        """
        if not self.seen:
            self.step = self.before = step
            self.trackers.begin_at(step)

    # The two hooks: next to nothing happens at a step that is not due
    def before_step(self, *_: Any) -> None:
        """Before `optimizer.step()`."""
        if self._unpublished:
            self.settle()
        if self.step == self.before and self.trackers.due <= self.step:
            self.trackers.record(self.step)
        if self.open and self.view.rates_changed():
            self._notice_change()
        if not self.open:
            if self.view.dampened_first_step():
                return
            self._begin()
        if self.step == self._due:
            with torch.no_grad():
                self.meter.before_step(self.step)
                self.observing.before_step(self.step)

    def after_step(self, *_: Any) -> None:
        """After `optimizer.step()`."""
        step = self.step
        self.step = step + 1
        if self.step >= self.trackers.due:
            self.trackers.record(self.step)
        if self.micro.pieces:
            self.micro.end_step()
        if not self.open:
            self._begin()
            return
        if step == self._due:
            with torch.no_grad():
                self.meter.after_step(step)
                self.observing.after_step(step)
            self._due = step + 1 if self.observing.active else self.meter.next_due(step + 1)
        self.in_block += 1
        if self.in_block >= self.record.block:
            self._end_block()

    def restart(self, reason: str) -> None:
        """Begin anew at the next step.

        Args:
            reason: kept in the notes.
        """
        self.notes.append(f"step {self.step}: new window ({reason})")
        self.open = False
        self.view.read_rates()
        self._forget()

    def decided(self, *, strict: bool = False) -> Stationarity | None:
        """What the test of stationarity says of the last block end.

        Args:
            strict: ask for relaxed slow directions.

        Returns:
            None before the first step, and once training is not finite.
        """
        if self.not_finite is not None or not self.record.ends:
            return None
        if self.decision is not None and not strict:
            return self.decision
        weight, factor = watch_estimates.weights(self)
        return stationarity(
            self.record.block_ends(weight, factor),
            tolerance=self.settings["tolerance"],
            level=self.settings["level"],
            strict=strict,
            earlier=self.earlier,
        )

    def record_loss(self, loss: float | Tensor) -> None:
        """Note a training loss; one that comes right after the last step of a block belongs to that block.

        An epoch visits every sample once, so that the mean loss of whole epochs scatters little. With one loss of
        another epoch in place of its own it scatters several times as much.

        Args:
            loss: one number.

        Raises:
            RuntimeError: an epoch of losses came, but no step.
        """
        self.losses_lead = self.losses_lead or not (self.seen or self.has_losses)
        self._losses_without_step = 0 if self.seen else self._losses_without_step + 1
        if self._losses_without_step > self.epoch:
            message = (
                f"{self._losses_without_step} losses were recorded, but no step of this optimizer was seen; a "
                "compiled or captured step that bypasses hooks, or another optimizer? Call optimizer.step() itself"
            )
            raise RuntimeError(message)
        self.has_losses = True
        self.meter.wants_metric = self.view.is_preconditioned
        if self._ends_a_block():
            self._completed = self.step
            self.record.add_loss(float(loss.detach() if isinstance(loss, Tensor) else loss))
            self.settle()
        else:
            self.meter.record_loss(loss)

    def resume(self, *, same_rates: bool) -> None:
        """Make ready for the next step after a state was loaded.

        Args:
            same_rates: whether the optimizer has the rates of then.
        """
        self._key = self.view.hyperparameters() if same_rates else None
        if not same_rates:
            self.view.forget_rates()
        self._due = self.step if self.observing.active else self.meter.next_due(self.step)

    def _ends_a_block(self) -> bool:
        """Whether a loss recorded now, the first since, is that of the last step of the newest block.

        With sharded parameters it goes to the next block instead: reading it would be one more exchange.
        """
        ends = self.record.ends
        if self.losses_lead or not self._alone or self._completed == self.step:
            return False
        return len(ends) > 1 and ends[-1].step == self.step

    def _notice_change(self) -> None:
        """A learning rate, or the set of groups, is not what it was."""
        if self.view.changed:
            self.restart(self._other_parameters())
            return
        self.view.read_rates()
        if self.view.hyperparameters() == self._key:
            return
        self._key, self.changed = self.view.hyperparameters(), True
        self._forget()
        self.in_block %= self.epoch  # the next window begins at the next end of an epoch
        if self.in_block == 0:
            self.open = False
        else:
            self.dirty = True

    def _other_parameters(self) -> str:
        unfollowed = self.trackers.unfollowed
        return f"parameters were added, frozen or thawed{unfollowed and '; '}{unfollowed}"

    def _forget(self) -> None:
        """Nothing is said of what was seen at other rates."""
        self.record = BlockRecord(self.epoch)
        self.decision, self.earlier = None, []

    def _begin(self) -> None:
        """Start a window at the present weights."""
        with torch.no_grad():
            count = len(self.view.parameters)
            self.view.refresh()
            self._key = self.view.hyperparameters()
            self._forget()
            self.meter.resize()
            self.meter.positions.clear()
            if len(self.view.parameters) != count:
                self.micro = MicroBatches(self.view.local_parameters[0])
            end, _ = self.meter.read(self.step, None, self.micro)
        self.record.append(end)
        self.open, self.in_block = True, 0
        self._due = self.step if self.observing.active else self.meter.next_due(self.step)

    def _end_block(self) -> None:
        self._check_constancy()
        self.foreign_changes = [*self.foreign_changes, self.changed][-_RECENT:]
        self.in_block, self.changed = 0, False
        self.blocks_ended += 1
        if not self.open:
            pass  # parameters came or went: the next step begins a new window
        elif self.dirty:
            self.restart("the learning rate was changed")
        else:
            with torch.no_grad():
                self._close_block()
        self.dirty = False
        self._unpublished = True
        if not (self.has_losses and self._ends_a_block()):
            self.settle()

    def _check_constancy(self) -> None:
        """What is not looked at every step: momentum, decay, frozen parameters."""
        if self.view.changed:
            self.restart(self._other_parameters())
        elif self.view.hyperparameters() != self._key:
            self._key = self.view.hyperparameters()
            self.changed = self.dirty = True

    def _close_block(self) -> None:
        since = self.step - self.record.ends[0].step
        epochs = since // self.epoch
        at_power_of_two = epochs & (epochs - 1) == 0
        if at_power_of_two:
            self.meter.positions.drop_anchor(self.step, self.view.local_parameters)
        recorded = self.meter.losses
        end, bad = self.meter.read(self.step, self.record.ends[-1], self.micro)
        if recorded and end.loss[1] == self.record.ends[-1].loss[1]:
            self._completed = self.step  # one was not finite, so the block has none
        if bad < 0 and not np.isfinite(end.positions[2]).all():
            bad = self.step  # it came at a step that was not measured
        if bad >= 0 and self.not_finite is None:
            self.not_finite = (bad, self.step)
        self.record.append(end)
        self.decision = None
        self.decision = found = self.decided()
        if at_power_of_two and found is not None and found.ratio is not None:
            half = (found.ratio.high - found.ratio.low) / 2
            self.earlier.append((since, 1 - found.ratio.value, half))
