"""Predictions of draws against direct sums over them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import thermograd as tg
from thermograd.ensemble.posterior_predictive import posterior_predictive
from thermograd.estimators.posterior_draws import PosteriorDraws

GENERATOR = np.random.default_rng(0)
CHAINS, DRAWS, INPUTS = 3, 21, 11
WEIGHTS = np.linspace(0, 2, DRAWS)


def network():
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Dropout(0.5), nn.Linear(5, 3)).double()


@pytest.fixture(scope="module")
def draws():
    shapes = {name: tuple(value.shape) for name, value in network().named_parameters()}
    return PosteriorDraws(
        {name: GENERATOR.standard_normal((CHAINS, DRAWS, *shape)) for name, shape in shapes.items()},
        weights=WEIGHTS,
    )


X = torch.from_numpy(GENERATOR.standard_normal((INPUTS, 4)))


def outputs(draws, transform):
    """Of every draw, one after another, `(chain, draw, input, class)`."""
    model = network().eval()
    found = np.empty((CHAINS, DRAWS, INPUTS, 3))
    for chain in range(CHAINS):
        for draw in range(DRAWS):
            state = {name: torch.from_numpy(value[chain, draw]) for name, value in draws.parameters.items()}
            model.load_state_dict(state)
            found[chain, draw] = transform(model(X)).detach().numpy()
    return found


@pytest.mark.parametrize("chunk", [4, 256])
def test_mean_and_spread_are_weighted_sums(draws, chunk):
    each = outputs(draws, lambda value: value)
    share = WEIGHTS / WEIGHTS.sum() / CHAINS
    mean = np.einsum("cdik,d->ik", each, share)
    variance = np.einsum("cdik,d->ik", (each - mean) ** 2, share)
    found = posterior_predictive(draws, network(), X, noise_std=0.7, chunk=chunk)
    assert found.mean == pytest.approx(mean)
    assert found.std == pytest.approx(np.sqrt(variance + 0.49))
    assert found.by_chain == pytest.approx(np.einsum("cdik,d->cik", each, CHAINS * share))
    assert (found.entropy, found.draws, found.by_draw) == (None, CHAINS * (DRAWS - 1), None)
    kept = posterior_predictive(draws, network(), X, chunk=chunk, keep_draws=True).by_draw
    assert kept[:, 1:] == pytest.approx(each[:, 1:])
    assert np.isnan(kept[:, 0]).all()  # of weight 0
    assert draws.convergence(quantities={"output": kept}).evidence["judged_by"] == "quantities"


def test_probabilities_and_what_the_draws_disagree_about(draws):
    each = outputs(draws, lambda value: value.softmax(-1))
    share = WEIGHTS / WEIGHTS.sum() / CHAINS
    mean = np.einsum("cdik,d->ik", each, share)
    own = np.einsum("cdi,d->i", -(each * np.log(each)).sum(-1), share)
    found = posterior_predictive(draws, network(), X, output="softmax", chunk=5)
    assert found.mean == pytest.approx(mean)
    assert found.entropy == pytest.approx(-(mean * np.log(mean)).sum(-1))
    assert found.mutual_information == pytest.approx(found.entropy - own)
    assert "for want of data" in str(found)
    single = draws.select([DRAWS - 1])
    alone = PosteriorDraws({name: value[:1] for name, value in single.parameters.items()})
    assert posterior_predictive(alone, network(), X, output="softmax").mutual_information == pytest.approx(
        0, abs=1e-12
    )


def test_outputs_of_a_problem_and_functions_of_them(draws):
    problem = tg.Problem(
        model=network, loss=nn.CrossEntropyLoss(reduction="none"), train=(X, torch.zeros(INPUTS).long())
    )
    by_problem = posterior_predictive(draws, problem, X, output=lambda value: value.max(-1).values)
    each = outputs(draws, lambda value: value.max(-1).values[:, None])[..., 0]
    assert by_problem.mean == pytest.approx(np.einsum("cdi,d->i", each, WEIGHTS / WEIGHTS.sum() / CHAINS))


def test_what_does_not_fit(draws):
    with pytest.raises(ValueError, match="output is 'logits'"):
        posterior_predictive(draws, network(), X, output="logits")
    with pytest.raises(ValueError, match="noise_std is -1"):
        posterior_predictive(draws, network(), X, noise_std=-1)
    with pytest.raises(ValueError, match="the draws are of weights"):
        posterior_predictive(draws, nn.Linear(4, 3), X)
    with pytest.raises(ValueError, match="inputs are empty"):
        posterior_predictive(draws, network(), X[:0])
    with pytest.raises(ValueError, match=r"inputs of shape \(4,\).* as sample\[None\]"):
        posterior_predictive(draws, network(), X[0])
    with pytest.raises(ValueError, match="the model is a function; give the module itself"):
        posterior_predictive(draws, lambda: network(), X)
    silent = PosteriorDraws(dict(draws.parameters), weights=np.zeros(DRAWS))
    with pytest.raises(ValueError, match="weight 0"):
        posterior_predictive(silent, network(), X)
