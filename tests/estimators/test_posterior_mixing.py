"""R̂ and effective sample size against arviz-stats and against autoregressive chains."""

import numpy as np
import pytest

from thermograd.errors import ConfigError
from thermograd.estimators.posterior import effective_sample_size, rhat


def autoregressive(chains, draws, memory, *, seed=0):
    """x ← memory x + noise, from its stationary state: τ = (1 + memory) / (1 − memory)."""
    kicks = np.random.default_rng(seed).normal(size=(draws, chains))
    place = kicks[0] / np.sqrt(1 - memory**2)
    places = [place]
    for kick in kicks[1:]:
        place = memory * place + kick
        places.append(place)
    return np.array(places).T


def cases():
    generator = np.random.default_rng(1)
    independent = generator.normal(size=(4, 100))
    return {
        "independent": independent,
        "odd number of draws": generator.normal(size=(3, 51)),
        "slow": autoregressive(4, 500, 0.95),
        "alternating": autoregressive(4, 200, -0.6),
        "barely four draws": generator.normal(size=(2, 4)),
        "five draws": generator.normal(size=(8, 5)),
        "a dozen": generator.normal(size=(8, 12)),
        "apart": independent + np.array([[0.0], [0.0], [0.0], [2.0]]),
        "another width": independent * np.array([[1.0], [1.0], [1.0], [4.0]]),
        "drifting": independent + np.linspace(0, 3, 100),
        "heavy tails": generator.standard_cauchy(size=(4, 300)),
        "ties": generator.integers(0, 4, size=(4, 100)).astype(float),
        "many": autoregressive(2, 4000, 0.5),
    }


@pytest.mark.parametrize("name", cases())
def test_equal_to_arviz_stats(name):
    array_stats = pytest.importorskip("arviz_stats.base").array_stats
    draws = cases()[name]
    size = effective_sample_size(draws)
    assert rhat(draws) == pytest.approx(float(array_stats.rhat(draws)), rel=1e-6)
    assert size.bulk == pytest.approx(float(array_stats.ess(draws, method="bulk")), rel=1e-6)
    assert size.tail == pytest.approx(
        float(array_stats.ess(draws, method="tail", prob=(0.05, 0.95))), rel=1e-6
    )


def test_coordinates_are_independent_of_each_other():
    draws = np.random.default_rng(0).normal(size=(4, 60, 2, 3))
    one = rhat(draws[:, :, 1, 2])
    assert rhat(draws).shape == effective_sample_size(draws).tail.shape == (2, 3)
    assert rhat(draws)[1, 2] == one


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.9])
def test_size_of_autoregressive_chains(memory):
    """24 repetitions: their mean within 4 standard errors, and 3 % for the truncated sum."""
    truth = 4 * 2000 * (1 - memory) / (1 + memory)
    found = np.array(
        [effective_sample_size(autoregressive(4, 2000, memory, seed=seed)).bulk for seed in range(24)]
    )
    assert abs(found.mean() / truth - 1) < 0.03 + 4 * found.std() / np.sqrt(24) / truth


def test_chains_that_do_not_move():
    stuck = np.broadcast_to(np.array([[0.0], [1.0]]), (2, 50))
    assert np.isinf(rhat(stuck))
    assert np.isnan(rhat(np.zeros((2, 50))))


def test_too_few_draws_are_not_known():
    assert np.isnan(rhat(np.zeros((4, 3))))
    assert np.isnan(effective_sample_size(np.zeros((4, 3, 2))).bulk).all()


def test_a_single_chain_is_compared_with_itself():
    drifting = np.linspace(0, 1, 100)[None]
    assert rhat(drifting) > 1.5
    assert rhat(np.random.default_rng(0).normal(size=(1, 4000))) < 1.01


def test_bad_input():
    with pytest.raises(ConfigError, match="must be"):
        rhat(np.zeros(5))
    with pytest.raises(ConfigError, match="finite"):
        rhat(np.full((2, 5), np.nan))
