"""What `watch` accepts."""

from __future__ import annotations

import math
import numbers
from typing import Any

from thermograd.training.optimizer_view import OptimizerView


def check_arguments(
    view: OptimizerView,
    steps_per_epoch: Any,
    steps_before: Any,
    every: Any,
    tolerance: float,
    level: float,
    slow_directions: Any,
    process_group: Any,
) -> None:
    """Refuse what a watch cannot be made of; the arguments are those of `watch`.

    Raises:
        ValueError: names the argument, what was got and what is wanted.
    """
    for name, value, least in (
        ("steps_per_epoch", 1 if steps_per_epoch is None else steps_per_epoch, 1),
        ("steps_before", steps_before, 0),
        ("every", every, 1),
        ("slow_directions", slow_directions, 0),
    ):
        number = float(value) if not isinstance(value, bool) and isinstance(value, numbers.Real) else math.nan
        if not number >= least or number % 1:
            hint = (
                f"; did you mean {round(number)}?"
                if name == "steps_per_epoch" and 0.5 < number < math.inf
                else ""
            )
            message = f"{name} is {value!r}; it must be a whole number, {least} or larger{hint}"
            raise ValueError(message)
    for name, share in (("tolerance", tolerance), ("level", level)):
        if not 0 < share < 1:
            message = f"{name} is {share!r}; it must be between 0 and 1"
            raise ValueError(message)
    if not view.parameters:
        message = "the optimizer has no parameter that requires a gradient; give it those that are trained"
        raise ValueError(message)
    if view.sharded and process_group is None:
        message = "the parameters are sharded over ranks (DTensor); give process_group=, over which their sums are taken"
        raise ValueError(message)
