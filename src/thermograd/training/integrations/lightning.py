"""A watch on training by Lightning."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from thermograd.errors import ConfigError, MissingExtraError
from thermograd.training.integrations.epoch_length import check_epoch_length, optimizer_steps
from thermograd.training.integrations.trainer_watch import trainer_watch

try:
    from lightning.pytorch import Callback
except ImportError as error:
    raise MissingExtraError(
        package="lightning", extra="lightning", purpose="The WatchCallback for Lightning"
    ) from error

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule, Trainer
    from lightning.pytorch.loggers import Logger
    from torch.optim import Optimizer

    from thermograd.training.watch import Watch


class WatchCallback(Callback):  # type: ignore[misc]  # mypy does not follow imports into lightning
    """Watches the optimizer of a `lightning.pytorch.Trainer` from the first step of `fit` to the last.

    Training is bit-identical with and without it. Optimizer steps per epoch are those the trainer will take,
    after accumulation, and are compared with each epoch that is trained whole. The loss of a step, the mean of
    what `training_step` returned for its micro-batches, is recorded. The state is part of the trainer's
    checkpoints: `fit(ckpt_path=...)` goes on where it was; from a checkpoint without it the watch begins there and counts
    the trainer's steps. Every `fit` makes a new watch; the last one stays
    readable. If `configure_optimizers` returns a `ReduceLROnStationarity` (with `"interval": "step"`), its
    watch is the one, so that it sees the losses and resumes too.

    Args:
        log: send the numbers of every block to the trainer's loggers too, under `thermograd/`.
        optimizer: which one is watched, where `configure_optimizers` returns several; give one callback for
            each that is to be watched. From the second on they log under `thermograd/1/`, `thermograd/2/`, ....
        **watch_options: of `thermograd.watch`; `steps_per_epoch=None` for epochs that differ in length.

    >>> callback = WatchCallback(every=10)  # lightning.pytorch.Trainer(callbacks=[callback]).fit(module)
    >>> callback.watch
    Traceback (most recent call last):
    RuntimeError: nothing is watched yet: the trainer's fit makes the watch
    """

    def __init__(self, *, log: bool = True, optimizer: int | None = None, **watch_options: Any) -> None:
        super().__init__()
        self._log, self._optimizer, self._options = log, optimizer, watch_options
        self._watch: Watch | None = None
        self._made = True
        self._loaded: dict[str, Any] = {}
        self._losses: list[Tensor] = []
        self._steps = 0
        self._epoch_began: int | None = None

    @property
    def watch(self) -> Watch:
        """The watch of the last `fit`.

        Raises:
            RuntimeError: there was none yet.
        """
        if self._watch is None:
            message = "nothing is watched yet: the trainer's fit makes the watch"
            raise RuntimeError(message)
        return self._watch

    @property
    def state_key(self) -> str:
        """Under which name a checkpoint keeps the state: one per optimizer."""
        return str(self._generate_state_key(optimizer=self._optimizer or 0))

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return self._loaded if self._watch is None else self._watch.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take what a checkpoint kept; it is used once the optimizer is there."""
        self._loaded = state_dict

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Attach to the optimizer, which the trainer has made and loaded by now.

        Raises:
            ConfigError: there are several, and none was chosen; or options for a watch that exists already.
        """
        batches = trainer.num_training_batches
        planned = (
            None if math.isinf(batches) else optimizer_steps(int(batches), trainer.accumulate_grad_batches)
        )
        self._detach()
        # of several optimizers the trainer does not say which has taken how many of its steps
        alone = len(trainer.optimizers) == 1
        self._watch, self._made = trainer_watch(
            _chosen(trainer.optimizers, self._optimizer),
            (entry.scheduler for entry in trainer.lr_scheduler_configs),
            steps_per_epoch=planned,
            steps_before=trainer.global_step if alone else 0,
            options=self._options,
        )
        first = 0 if alone or self._loaded else trainer.global_step
        if self._loaded:
            self._watch.load_state_dict(self._loaded)
        self._loaded, self._losses, self._steps = {}, [], trainer.global_step
        prefix = f"thermograd/{self._optimizer}/" if self._optimizer else "thermograd/"
        for logger in trainer.loggers if self._log else ():
            self._watch.log_to(_LoggerFrom(logger, first), prefix=prefix)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Record the loss once the optimizer has stepped."""
        if batch_idx == 0:
            self._epoch_began = self._steps
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        if isinstance(loss, Tensor):
            # Lightning divides it
            self._losses.append(loss.detach() * trainer.accumulate_grad_batches)
        if trainer.global_step != self._steps and self._losses:
            self.watch.record_loss(torch.stack(self._losses).mean())
            self._losses = []
        self._steps = trainer.global_step

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compare the length of an epoch that was trained whole with what the watch was told.

        Raises:
            ValueError: it was told another; names the likely one.
        """
        if self._epoch_began is not None and trainer.is_last_batch:
            check_epoch_length(self.watch.steps_per_epoch, trainer.global_step - self._epoch_began)
        self._epoch_began = None

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Let go of the optimizer."""
        self._detach()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Let go of the optimizer."""
        self._detach()

    def _detach(self) -> None:
        if self._watch is not None and self._made:
            self._watch.detach()


@dataclass(frozen=True)
class _LoggerFrom:
    """A logger of a trainer that had taken some steps before the watch took its first.

    Attributes:
        logger: the logger.
        first: how many steps.
    """

    logger: Logger
    first: int

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        self.logger.log_metrics(metrics, step=self.first + step)


def _chosen(optimizers: list[Optimizer], place: int | None) -> Optimizer:
    if place is None and len(optimizers) > 1:
        message = (
            f"configure_optimizers returns {len(optimizers)} optimizers and one watch watches one: give a "
            "WatchCallback(optimizer=0), WatchCallback(optimizer=1), ... for each that is to be watched"
        )
        raise ConfigError(message)
    if not 0 <= (place or 0) < len(optimizers):
        message = f"optimizer is {place}, but configure_optimizers returns {len(optimizers)}, counted from 0"
        raise ConfigError(message)
    return optimizers[place or 0]
