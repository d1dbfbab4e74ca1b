"""How many optimizer steps an epoch has, foreseen and counted."""

from __future__ import annotations


def optimizer_steps(batches: int, accumulation: int) -> int:
    """Optimizer steps of an epoch; a last one over fewer micro-batches counts.

    Args:
        batches: micro-batches per epoch.
        accumulation: micro-batches per optimizer step.

    >>> optimizer_steps(10, 1), optimizer_steps(10, 4)
    (10, 3)
    """
    return -(-batches // accumulation)


def check_epoch_length(steps_per_epoch: int | None, counted: int) -> None:
    """Compare with an epoch that was trained from its first to its last batch.

    Args:
        steps_per_epoch: what the watch works with, None if it knows no epochs.
        counted: optimizer steps in that epoch.

    Raises:
        ValueError: they differ; names the likely value.

    >>> check_epoch_length(12, counted=6)
    Traceback (most recent call last):
    ValueError: steps_per_epoch is 12, but the epoch just trained had 6 optimizer steps: give
    WatchCallback(steps_per_epoch=6), or None if epochs differ in length
    """
    if steps_per_epoch is not None and steps_per_epoch != counted:
        message = (
            f"steps_per_epoch is {steps_per_epoch}, but the epoch just trained had {counted} optimizer steps: give "
            f"WatchCallback(steps_per_epoch={counted}), or None if epochs differ in length"
        )
        raise ValueError(message)
