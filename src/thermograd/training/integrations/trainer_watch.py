"""Which watch a callback works with: that of the trainer's scheduler, or a new one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from thermograd.errors import ConfigError
from thermograd.training.optimizer_view import unwrapped
from thermograd.training.schedulers.reduce_lr_on_stationarity import ReduceLROnStationarity
from thermograd.training.watch import Watch, watch


def trainer_watch(
    optimizer: Any,
    schedulers: Iterable[Any],
    *,
    steps_per_epoch: int | None,
    steps_before: int,
    options: Mapping[str, Any],
) -> tuple[Watch, bool]:
    """The watch of a trainer's optimizer.

    Args:
        optimizer: the trainer's, wrapped or not.
        schedulers: the trainer's; a `ReduceLROnStationarity` of this optimizer brings its watch.
        steps_per_epoch: optimizer steps the trainer will take in an epoch, None for a stream.
        steps_before: optimizer steps that the trainer has taken already.
        options: of `thermograd.watch` that the user gave; `steps_per_epoch` and `steps_before`
            among them win.

    Returns:
        The watch, and whether it is new.

    Raises:
        ConfigError: there are options for a watch that exists already.
    """
    inner = unwrapped(optimizer)
    for scheduler in schedulers:
        if isinstance(scheduler, ReduceLROnStationarity) and scheduler.watch.optimizer is inner:
            if options:
                message = (
                    f"the trainer's ReduceLROnStationarity has a watch already: give {', '.join(options)} to the "
                    "thermograd.watch that makes it, and WatchCallback no options"
                )
                raise ConfigError(message)
            scheduler.watch.window.begin_at(steps_before)
            return scheduler.watch, False
    planned = {"steps_per_epoch": steps_per_epoch, "steps_before": steps_before}
    return watch(optimizer, **planned | dict(options)), True
