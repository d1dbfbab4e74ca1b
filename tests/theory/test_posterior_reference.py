"""The samplers' moments against references: the noise followed as a weight of its own over all orders, and simulation."""

from __future__ import annotations

from itertools import pairwise, permutations

import numpy as np
import pytest

from thermograd.quantities import Landscape
from thermograd.theory.posterior import (
    ALGORITHMS,
    Gaussian,
    exact_posterior,
    kl_divergence,
    regression_posterior,
    stationary_distribution,
)


def batches_of(landscape, batch_size, *, dropping=False):
    """Gradient and Hessian of every batch of every order, weighted so that each sample counts once, `(orders, n, …)`."""
    count = landscape.samples
    steps = -(-count // batch_size)
    edges = [(2 * step * count + steps) // (2 * steps) for step in range(steps + 1)]
    weight = steps / count
    if dropping:
        edges, weight = list(range(0, count + 1, batch_size)), 1 / batch_size
    slopes, bends = [], []
    for order in permutations(range(count)):
        parts = [list(order[first:last]) for first, last in pairwise(edges)]
        slopes.append([weight * landscape.sample_gradients[part].sum(axis=0) for part in parts])
        bends.append([weight * landscape.sample_hessians[part].sum(axis=0) for part in parts])
    return np.array(slopes), np.array(bends)


def followed(
    landscape, rate, batch_size, *, correction=1.0, noise="averaged", scale=None, mid=0, dropping=False
):
    """Mean and covariance by iterating the second moment of (θ, pending noise z, 1) over all orders until it stands.

    `correction` multiplies ∇V̂, `noise` is averaged, plain or averaged and redrawn, `scale` is a preconditioner P, `mid` counts
    the steps of an epoch that is looked at before its end, `dropping` leaves out samples that fill no batch.
    """
    size = landscape.sample_gradients.shape[1]
    scale = np.eye(size) if scale is None else scale
    root = np.linalg.cholesky(scale)
    slopes, bends = batches_of(landscape, batch_size, dropping=dropping)
    orders, steps = slopes.shape[:2]
    side = 2 * size + 1
    maps, kick = np.zeros((orders, steps, side, side)), np.zeros((side, size))
    maps[:, :, :size, :size] = np.eye(size) - rate * scale @ bends
    maps[:, :, :size, -1] = -rate * slopes @ scale
    maps[:, :, -1, -1] = 1.0
    if noise == "plain":
        kick[:size] = np.sqrt(2 * rate) * root
    else:
        maps[:, :, :size, size:-1] = np.sqrt(rate / 2) * root
        kick[:size], kick[size:-1] = np.sqrt(rate / 2) * root, np.eye(size)
    fresh = np.diag([0.0] * size + [1.0] * size + [0.0])
    corrections = np.eye(side)[None]
    if correction:
        corrections = correction * disjoint_corrections(landscape, rate, batch_size, scale) + np.eye(side)
    now = fresh.copy()
    now[-1, -1] = 1.0
    for epoch in range(400):
        if noise == "redrawn":
            now = (np.eye(side) - fresh) @ now @ (np.eye(side) - fresh) + fresh
        every = np.tile((corrections @ now @ corrections.transpose(0, 2, 1)).mean(axis=0), (orders, 1, 1))
        for step in range(mid if mid and epoch == 399 else steps):
            every = maps[:, step] @ every @ maps[:, step].transpose(0, 2, 1) + kick @ kick.T
        before, now = now, every.mean(axis=0)
    assert mid or np.abs(now - before)[:size, :size].max() < 1e-13
    mean = now[:size, -1]
    return mean, now[:size, :size] - np.outer(mean, mean)


def disjoint_corrections(landscape, rate, batch_size, scale):
    """ηP∇V̂ of every pair of batches without a common sample, V̂ = (η n(n−1) m/8M)(g_B − g_B′)ᵀP(g_B − g_B′)."""
    count, size = landscape.sample_gradients.shape
    steps = -(-count // batch_size)
    edges = (2 * np.arange(steps + 1) * count + steps) // (2 * steps)
    pairs = steps**2 * (1 - (np.diff(edges) ** 2).sum() / count**2)
    moves = []
    for order in permutations(range(count), 2 * batch_size):
        one, other = list(order[:batch_size]), list(order[batch_size:])
        bend = landscape.sample_hessians[one].mean(axis=0) - landscape.sample_hessians[other].mean(axis=0)
        slope = landscape.sample_gradients[one].mean(axis=0) - landscape.sample_gradients[other].mean(axis=0)
        factor = rate**2 * pairs * batch_size / (4 * count)
        move = np.zeros((2 * size + 1, 2 * size + 1))
        move[:size, :size] = factor * scale @ bend @ scale @ bend
        move[:size, -1] = factor * scale @ bend @ scale @ slope
        moves.append(move)
    return np.array(moves)


@pytest.mark.parametrize("name", ["sgld_without_replacement", "sgworld_uncorrected", "sgworld"])
@pytest.mark.parametrize(("samples", "batch_size"), [(6, 2), (5, 2), (7, 3)])
def test_against_following_the_noise(line, name, samples, batch_size):
    """The reference knows nothing of the shifted weights, of Kronecker products or of control variates."""
    land = line(samples)
    correction = 1.0 if name == "sgworld" else 0.0
    noise = "plain" if name == "sgld_without_replacement" else "averaged"
    mean, covariance = followed(land, 6e-3, batch_size, correction=correction, noise=noise)
    found = stationary_distribution(land, name, learning_rate=6e-3, batch_size=batch_size).value
    np.testing.assert_allclose(found.mean, mean, rtol=1e-9)
    np.testing.assert_allclose(found.covariance, covariance, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize(
    ("change", "factor"),
    [
        ({"correction": -1.0}, 50),  # the wrong sign
        ({"correction": 2.0}, 15),  # a correction that is multiplied by T = 2
        ({"noise": "plain"}, 100),
        ({"noise": "redrawn"}, 100),  # the normal number of the last step is forgotten
        ({"mid": 1}, 100),  # looked at in mid-epoch
    ],
)
def test_wrong_samplers_miss_the_table(line, change, factor):
    """Negative controls: KL of "sgworld" in the table is 2.03706e-5."""
    target = exact_posterior(line(6)).value
    right, wrong = (
        kl_divergence(Gaussian(*followed(line(6), 6e-3, 2, **settings)), target) for settings in ({}, change)
    )
    assert right == pytest.approx(2.03706e-5, rel=1e-5, abs=0)
    assert wrong > factor * right


def test_preconditioner_is_a_change_of_variables(line):
    land, scale = line(6), np.array([[1.5, 0.3], [0.3, 0.7]])
    root = np.linalg.cholesky(scale)
    rescaled = Landscape(
        sample_gradients=land.sample_gradients @ root, sample_hessians=root.T @ land.sample_hessians @ root
    )
    mean, covariance = followed(land, 4e-3, 2, scale=scale)
    found = stationary_distribution(rescaled, "sgworld", learning_rate=4e-3, batch_size=2).value
    np.testing.assert_allclose(root @ found.mean, mean, rtol=1e-9)
    np.testing.assert_allclose(root @ found.covariance @ root.T, covariance, rtol=1e-9, atol=1e-15)


def test_samples_that_sit_out_an_epoch_bring_noise_back(line):
    """Seven samples in batches of three: two full batches are too wide; two, three and two, weighted, are not."""
    land = line(7)
    spread, dropped = (
        np.diag(followed(land, 6e-3, 3, dropping=dropping)[1] @ land.hessian) for dropping in (False, True)
    )
    assert np.all(dropped > 1.05)
    assert np.all(np.abs(spread - 1) < 0.02)


def simulated(algorithm, features, targets, rate, batch_size, *, chains, epochs, burn_in, seed=0):
    """Chains by the update rules; means over time of θ − θ₀ and of its products, `(chains, 2 + 4)`."""
    count, size = features.shape
    steps = count // batch_size
    rng = np.random.default_rng(seed)
    target = regression_posterior(features, targets, noise_std=0.5, prior_precision=1.0).value
    weights = target.mean + rng.normal(size=(chains, size)) @ np.linalg.cholesky(target.covariance).T
    pending = np.zeros((chains, size))
    hessian = np.linalg.inv(target.covariance)
    pairs = rate * steps * (steps - 1)

    def gradient(at, chosen):
        part, wanted = features[chosen], targets[chosen]  # (chains, m, N), (chains, m)
        residual = np.einsum("cmi,ci->cm", part, at) - wanted
        return count / 0.25 * np.einsum("cm,cmi->ci", residual, part) / chosen.shape[1] + at

    def spread_gradient(at):
        """∇V̂ of a random pair of disjoint batches."""
        chosen = rng.permuted(np.tile(np.arange(count), (chains, 1)), axis=1)[:, : 2 * batch_size]
        one, other = chosen[:, :batch_size], chosen[:, batch_size:]
        gap = gradient(at, one) - gradient(at, other)
        curved = [
            np.einsum("cmi,cm->ci", features[c], np.einsum("cmi,ci->cm", features[c], gap))
            for c in (one, other)
        ]
        return pairs * batch_size / (4 * count) * count / 0.25 / batch_size * (curved[0] - curved[1])

    sums = np.zeros((chains, size + size**2))
    for epoch in range(epochs):
        order = rng.permuted(np.tile(np.arange(count), (chains, 1)), axis=1)
        last = np.zeros((chains, size))
        if algorithm == "sgworld":
            weights = weights + rate * spread_gradient(weights)
        if algorithm == "sgworld_published":
            pull = -pairs / 2 * (weights - target.mean) @ hessian @ hessian
            last = rate * (pull + spread_gradient(weights))
        for step in range(steps):
            chosen = order[:, step * batch_size : (step + 1) * batch_size]
            if algorithm == "sgld":
                chosen = rng.permuted(np.tile(np.arange(count), (chains, 1)), axis=1)[:, :batch_size]
            weights = weights - rate * gradient(weights, chosen)
            fresh = rng.normal(size=(chains, size))
            if algorithm.startswith("sgld"):
                weights = weights + np.sqrt(2 * rate) * fresh
            elif not algorithm.startswith("sgworld_published"):
                weights, pending = weights + np.sqrt(rate / 2) * (pending + fresh), fresh
        if algorithm.startswith("sgworld_published"):
            weights = weights + np.sqrt(2 * rate * steps) * rng.normal(size=(chains, size)) + last
        if epoch >= burn_in:
            away = weights - target.mean
            sums[:, :size] += away
            sums[:, size:] += (away[:, :, None] * away[:, None]).reshape(chains, -1)
    return sums / (epochs - burn_in)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_simulation_within_four_standard_errors(line, line_data, name):
    land, rate = line(6), 6e-3
    means = simulated(name, *line_data(6), rate, 2, chains=2000, epochs=330, burn_in=30)
    target = exact_posterior(land).value

    def expected(algorithm):
        found = stationary_distribution(land, algorithm, learning_rate=rate, batch_size=2).value
        away = found.mean - target.mean
        return np.concatenate([away, (found.covariance + np.outer(away, away)).ravel()])

    error = means.std(axis=0, ddof=1) / np.sqrt(len(means))
    assert np.all(np.abs(means.mean(axis=0) - expected(name)) <= 4 * error)
    for other in set(ALGORITHMS) - {name}:  # negative control: it tells the algorithms apart
        assert np.any(np.abs(means.mean(axis=0) - expected(other)) > 4 * error)
