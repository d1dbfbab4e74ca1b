"""Sums over blocks, and the scatter of measured means."""

import numpy as np
import pytest

from thermograd.errors import ConfigError
from thermograd.estimators.centred_products import ProductSums, centred_products, product_sums


def itself(matrix):
    return matrix


@pytest.mark.parametrize(
    ("shape", "blocks"),
    [
        ((25, 100, 3), 1),
        ((5, 100, 3), 100),
        ((1, 1, 3), 1),
        ((1, 3000, 100), 3000 // 6),
        ((19, 4000, 200), 6),
    ],
)
def test_how_many_blocks_a_trajectory_has(shape, blocks):
    """19 × 4000 states of 200 parameters: 114 blocks, 36 MB instead of 24 GB."""
    zeros = np.broadcast_to(0.0, shape)
    assert product_sums(zeros, zeros).product.shape == (shape[0], blocks, shape[2], shape[2])


def test_sums_are_those_of_the_terms():
    x, y = np.random.default_rng(0).normal(size=(2, 3, 10, 2))
    sums = product_sums(x, y)
    assert sums.product.sum(axis=(0, 1)) == pytest.approx(np.einsum("rti,rtj->ij", x, y))
    assert sums.left.sum(axis=(0, 1)) == pytest.approx(x.sum(axis=(0, 1)))
    assert sums.count.sum() == 30


@pytest.mark.parametrize(
    ("trajectories", "times", "centre"), [(30, 1, "common"), (4, 400, "common"), (4, 400, "own")]
)
def test_it_does_not_matter_from_where_x_and_y_are_counted(trajectories, times, centre):
    x, y = np.random.default_rng(1).normal(size=(2, trajectories, times, 2))
    here = centred_products(product_sums(x, y), centre, itself)
    there = centred_products(
        product_sums(x + np.array([5.0, -3.0]), y + np.array([0.0, 9.0])), centre, itself
    )
    assert there.value == pytest.approx(here.value, abs=1e-10)
    assert there.error == pytest.approx(here.error, rel=1e-8)


def test_own_centres_do_not_see_where_each_trajectory_lies():
    x = np.random.default_rng(2).normal(size=(25, 200, 2))
    sums = blocks_of(x, 20)
    moved = blocks_of(x + 100.0 * np.random.default_rng(3).normal(size=(25, 1, 2)), 20)
    assert centred_products(moved, "own", itself).value == pytest.approx(
        centred_products(sums, "own", itself).value, abs=1e-7
    )


def blocks_of(x, length):
    blocks = x.reshape(len(x), -1, length, x.shape[2])
    sums = blocks.sum(axis=2)
    count = np.full(sums.shape[:2], float(length))
    return ProductSums(count, sums, sums, blocks.swapaxes(2, 3) @ blocks)


@pytest.mark.parametrize("centre", ["own", "common"])
@pytest.mark.parametrize("trajectories", [4, 30])
def test_the_variance_that_a_measured_mean_takes_away_comes_back(turning, centre, trajectories):
    """Records of 10 relaxation times: on average over 400 of them the value is the truth, within 4 standard errors and
    2 %, where 18 % are missing without the correction."""
    truth = turning.covariance[2, 2]
    x = turning.simulate(400, 200, seed=5)[..., 2:]
    found = [
        centred_products(blocks_of(x[first : first + trajectories], 10), centre, itself).value[0, 0]
        for first in range(0, 400 - trajectories + 1, trajectories)
    ]
    error = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found) - truth) < 4 * error + 0.02 * truth
    assert 4 * error < 0.15 * truth
    assert x.var(axis=1).mean() < 0.86 * truth


def test_a_single_block_has_no_error_bar():
    with pytest.raises(ConfigError, match="no error bar"):
        centred_products(product_sums(np.ones((1, 1, 2)), np.ones((1, 1, 2))), "given", itself)
