"""The library's samplers, through `sample_posterior`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from posterior_peers_parts.regressions import BATCH, Regression, Weights
from thermograd.ensemble.posterior import sample_posterior

CORRECTION = (
    5  # gradient evaluations allowed for the correction of an epoch; the part `correction` measures them
)


def draws(regression: Regression, begin: Weights, dynamics: Any, *, epochs: int, burn_in: int) -> np.ndarray:
    """Weights at the ends of the epochs after `burn_in`, `(chain, draw, N)`, of as many chains as `begin` has."""
    start = {name: torch.from_numpy(value) for name, value in begin.items()}
    found = sample_posterior(
        regression.description,
        dynamics=dynamics,
        prior_precision=None,
        batch_size=BATCH,
        chains=len(next(iter(begin.values()))),
        epochs=epochs,
        burn_in=burn_in,
        seed=5,
        start=start,
        virial_every=0,
    )
    return found.array()


def epochs_of_equal_gradients(regression: Regression, epochs: int) -> int:
    """Epochs of SGWORLD that take as many gradients as `epochs` of a peer."""
    steps = regression.steps_per_epoch
    return epochs * steps // (steps + CORRECTION)
