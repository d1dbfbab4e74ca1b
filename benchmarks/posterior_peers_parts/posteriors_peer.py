"""`posteriors`: `sgmcmc.sgld`, one chain, or many in one call by a log posterior that is their sum."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from engines_parts.peer import AbsentError
from torch import nn
from torch.func import functional_call

from posterior_peers_parts.loaders import Loader
from posterior_peers_parts.regressions import BATCH, Regression, Weights

try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of tensordict, about defaults of posteriors' classes
        import posteriors
except ImportError:
    posteriors = None


def transform(regression: Regression, rate: float) -> Any:
    """Its SGLD of one chain at our η = `rate`.

    Raises:
        AbsentError: posteriors is not installed.
    """
    return _built(regression.samples, rate, _log_posterior(regression))


def draws(
    regression: Regression, begin: Weights, loader: Loader, rate: float, *, epochs: int, burn_in: int
) -> np.ndarray:
    """Weights at the ends of the epochs after `burn_in`, `(chain, draw, N)`, of as many chains as `begin` has.

    Raises:
        AbsentError: posteriors is not installed.
    """
    torch.manual_seed(1)
    generator = np.random.default_rng(2)
    sampler = many(regression, rate)
    state = sampler.init({name: torch.from_numpy(value.copy()) for name, value in begin.items()})
    chains = len(next(iter(begin.values())))
    inputs, targets = (torch.from_numpy(part) for part in regression.data)
    kept = []
    for epoch in range(epochs):
        order = torch.from_numpy(loader(generator, chains, regression.samples, BATCH))
        for batch in order.unbind(dim=1):
            state, _ = sampler.update(state, (inputs[batch], targets[batch]), inplace=True)
        if epoch >= burn_in:
            kept.append(torch.cat([state.params[name].flatten(1) for name in regression.near], dim=1).clone())
    return torch.stack(kept, dim=1).numpy()


def many(regression: Regression, rate: float) -> Any:
    """SGLD of chains side by side: the gradient of the sum of their log posteriors is that of each.

    Raises:
        AbsentError: posteriors is not installed.
    """
    one = torch.func.vmap(_log_posterior(regression))

    def log_posterior(weights: Any, batch: Any) -> Any:
        value, outputs = one(weights, batch)
        return value.sum(), outputs

    return _built(regression.samples, rate, log_posterior)


def of_module(model: nn.Module, loss: Callable, *, samples: int, precision: float, rate: float) -> Any:
    """Its SGLD of a module, as its first page has it, at our η = `rate`; `loss` is the mean of a batch.

    Raises:
        AbsentError: posteriors is not installed.
    """

    def log_posterior(weights: Any, batch: Any) -> Any:
        outputs = functional_call(model, weights, (batch[0],))
        prior = posteriors.diag_normal_log_prob(weights, sd_diag=precision**-0.5, normalize=False)
        return prior / samples - loss(outputs, batch[1]), outputs

    return _built(samples, rate, log_posterior)


def _built(samples: int, rate: float, log_posterior: Callable) -> Any:
    if posteriors is None:
        message = "posteriors is not installed"
        raise AbsentError(message)
    return posteriors.sgmcmc.sgld.build(log_posterior, lr=rate * samples, temperature=1 / samples)


def _log_posterior(regression: Regression) -> Callable:
    width = (2 * regression.regulariser) ** -0.5
    precision = 1 / (2 * regression.noise**2)
    samples = regression.samples

    def log_posterior(weights: Any, batch: Any) -> Any:
        inputs, targets = batch
        outputs = regression.outputs(weights, inputs, torch.tanh)
        likelihood = -precision * (outputs - targets).square().mean()
        prior = posteriors.diag_normal_log_prob(weights, sd_diag=width, normalize=False)
        return likelihood + prior / samples, outputs

    return log_posterior
