"""Whether fresh values come from the law that the model really was initialised by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from thermograd.numerics.philox import PERTURBATION, torch_seeds

if TYPE_CHECKING:
    from thermograd.perturbations.live_state import LiveState

_SMALLEST = 256


def check_initial_law(live: LiveState, deviations: dict[str, float], seed: int) -> None:
    """Refuse fresh values that are wider or narrower than the untrained model by a factor of two.

    A model initialised in its constructor would silently get the law of its parts' `reset_parameters()`. Compared
    are the standard deviations of tensors of 256 entries or more; a fair draw of 256 is off by 2 with a
    probability below 1e-30.

    Args:
        live: the model and where fresh values come from.
        deviations: `initial_deviations` of the model when it was untrained.
        seed: of the two draws.

    Raises:
        ValueError: names the tensor; or `initialize` gives the same weights twice.
    """
    first, second = (
        live.draw_initial(torch_seeds(seed, [0], stream=PERTURBATION, call=call)[0])[0] for call in (0, 1)
    )
    if deviations and all(torch.equal(first[name], second[name]) for name in first):
        message = (
            "two fresh initialisations are equal: initialize= must draw other weights each time (does it set a "
            "seed itself?)"
        )
        raise ValueError(message)
    if live.has_initialize:
        return  # the law is the user's word, whatever the model has been through
    for name, deviation in deviations.items():
        drawn = float(first[name].float().std())
        if max(drawn, deviation) > 0 and not 0.5 <= drawn / max(deviation, 1e-300) <= 2:
            message = (
                f"fresh values of {name!r} would have standard deviation {drawn:.3g}, but the model was given "
                f"with {deviation:.3g}: reset_parameters() is not how it was initialised. Pass initialize=, a "
                "function that returns a newly initialised model; a model loaded from a checkpoint needs it too"
            )
            raise ValueError(message)


def initial_deviations(live: LiveState) -> dict[str, float]:
    """Standard deviation of every tensor of 256 entries or more that varies."""
    return {
        name: float(value.float().std())
        for name, value in live.weights().items()
        if value.numel() >= _SMALLEST
    }
