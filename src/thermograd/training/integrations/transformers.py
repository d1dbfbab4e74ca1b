"""A watch on training by Transformers."""

from __future__ import annotations

import io
import pickle
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from thermograd.errors import DamagedRunError, MissingExtraError
from thermograd.store.atomic_file import write_atomically
from thermograd.training.integrations.epoch_length import check_epoch_length, optimizer_steps
from thermograd.training.integrations.trainer_watch import trainer_watch

try:
    from transformers import TrainerCallback
except ImportError as error:
    raise MissingExtraError(
        package="transformers", extra="transformers", purpose="The WatchCallback for Transformers"
    ) from error

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from transformers import TrainerControl, TrainerState, TrainingArguments

    from thermograd.training.watch import Watch

STATE_FILE = "thermograd_watch.pt"


class WatchCallback(TrainerCallback):  # type: ignore[misc]  # mypy does not follow imports into transformers
    """Watches the optimizer of a `transformers.Trainer` from the first step of `train` to the last.

    Training is bit-identical with and without it. Optimizer steps per epoch are those the trainer will take,
    after accumulation, and are compared with each epoch that is trained whole. The loss is recorded as the trainer
    logs it, as the mean over `logging_steps` steps; not if these are more than an epoch (50 steps of a stream).
    The state is the file `thermograd_watch.pt` in each checkpoint folder; `train(resume_from_checkpoint=...)` goes
    on where it was. Every `train` makes a new watch; the last one stays readable. The trainer's own default changes
    the learning rate at every step, so nothing can equilibrate: choose `lr_scheduler_type="constant"`, or give
    `optimizers=(optimizer, scheduler)` with a `ReduceLROnStationarity`: its watch is the one then, so that it sees
    the losses and resumes too.

    Args:
        checkpoint: folder of the checkpoint that training resumes from; needed only where it is not
            `<output_dir>/checkpoint-<step>`, since the trainer does not tell.
        **watch_options: of `thermograd.watch`, such as `sink=`; `steps_per_epoch=None` for epochs that differ in
            length.

    >>> callback = WatchCallback(every=10)  # transformers.Trainer(..., callbacks=[callback]).train()
    >>> callback.watch
    Traceback (most recent call last):
    RuntimeError: nothing is watched yet: the trainer's train makes the watch
    """

    def __init__(self, *, checkpoint: str | Path | None = None, **watch_options: Any) -> None:
        super().__init__()
        self._checkpoint, self._options = checkpoint, watch_options
        self._watch: Watch | None = None
        self._made = True
        self._epoch_began: int | None = None
        self._logged = 0

    @property
    def watch(self) -> Watch:
        """The watch of the last `train`.

        Raises:
            RuntimeError: there was none yet.
        """
        if self._watch is None:
            message = "nothing is watched yet: the trainer's train makes the watch"
            raise RuntimeError(message)
        return self._watch

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        *,
        optimizer: Optimizer,
        lr_scheduler: Any = None,
        train_dataloader: Any = None,
        **others: Any,
    ) -> None:
        """Attach to the optimizer, which the trainer has made and loaded by now.

        Raises:
            ConfigError: there are options for a watch that exists already.
            DamagedRunError: the state in the checkpoint cannot be read.
        """
        batches = _length(train_dataloader)
        planned = None if batches is None else optimizer_steps(batches, args.gradient_accumulation_steps)
        self._detach()
        self._watch, self._made = trainer_watch(
            optimizer,
            [lr_scheduler],
            steps_per_epoch=planned,
            steps_before=state.global_step,
            options=self._options,
        )
        self._logged = state.global_step
        if state.global_step:
            self._load(self._folder(args, state))

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any
    ) -> None:
        """Note where an epoch begins that is trained from its first batch."""
        epoch = self.watch.steps_per_epoch
        whole = epoch is not None and state.global_step % epoch == 0
        self._epoch_began = state.global_step if whole else None

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any
    ) -> None:
        """Compare the length of an epoch that was trained whole with what the watch was told.

        Raises:
            ValueError: it was told another; names the likely one.
        """
        if self._epoch_began is not None and not (control.should_training_stop or control.should_epoch_stop):
            check_epoch_length(self.watch.steps_per_epoch, state.global_step - self._epoch_began)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        *,
        logs: dict[str, Any],
        **others: Any,
    ) -> None:
        """Record the loss, unless it is a mean over more than an epoch."""
        if "loss" in logs:
            if state.global_step - self._logged <= self.watch.epoch:
                self.watch.record_loss(logs["loss"])
            self._logged = state.global_step

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any
    ) -> None:
        """Put the state into the checkpoint folder."""
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        if args.should_save and folder.is_dir():
            content = io.BytesIO()
            torch.save(self.watch.state_dict(), content)
            write_atomically(folder / STATE_FILE, content.getvalue())

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any
    ) -> None:
        """Let go of the optimizer."""
        self._detach()

    def _detach(self) -> None:
        if self._watch is not None and self._made:
            self._watch.detach()

    def _folder(self, args: TrainingArguments, state: TrainerState) -> Path:
        return Path(self._checkpoint or Path(args.output_dir) / f"checkpoint-{state.global_step}")

    def _load(self, folder: Path) -> None:
        file = folder / STATE_FILE
        if not file.is_file():
            message = (
                f"no {STATE_FILE} in {folder}, so what was watched before is not known and the watch begins here; "
                "if training resumed from another folder, give WatchCallback(checkpoint=folder)"
            )
            warnings.warn(message, stacklevel=2)
            return
        try:
            state = torch.load(file, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
            message = f"{file} cannot be read ({error}); remove it to watch from here on"
            raise DamagedRunError(message) from error
        self.watch.load_state_dict(state)


def _length(loader: Any) -> int | None:
    try:
        return len(loader)
    except TypeError:  # a stream
        return None
