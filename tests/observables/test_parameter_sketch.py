import numpy as np
import pytest
import torch

from thermograd.observables.parameter_sketch import ParameterSketch

SEEDS = 120


def moved(size, generator, share):
    """A point, and one a given share of its norm away, in float32."""
    start = torch.randn(size, generator=generator)
    step = torch.randn(size, generator=generator) ** 3
    return start, start + share * start.norm() / step.norm() * step


@pytest.mark.parametrize("buckets", [64, 512])
@pytest.mark.parametrize("share", [1.0, 2e-5])
def test_squared_distances_are_unbiased_with_relative_error_root_two_over_k(buckets, share):
    start, end = moved(5000, torch.Generator().manual_seed(1), share)
    exact = float((end.double() - start.double()).square().sum())
    found = []
    for seed in range(SEEDS):
        sketch = ParameterSketch(buckets, seed, remember=True)
        found.append(float((sketch([end]) - sketch([start])).square().sum()) / exact)
    ratios = np.array(found)
    assert abs(ratios.mean() - 1) < 4 * ratios.std(ddof=1) / SEEDS**0.5
    assert 0.5 < np.sqrt(((ratios - 1) ** 2).mean()) / np.sqrt(2 / buckets) < 1.2


def test_its_bound_holds_for_neighbours_that_move_together():
    """Every k-th parameter moves: buckets that did not turn from row to row would all be the same one."""
    step = torch.zeros(64 * 64)
    step[::64] = 1.0
    ratios = np.array([float(ParameterSketch(64, seed)([step]).square().sum()) / 64 for seed in range(SEEDS)])
    assert abs(ratios.mean() - 1) < 4 * ratios.std(ddof=1) / SEEDS**0.5
    assert np.sqrt(((ratios - 1) ** 2).mean()) < 1.2 * np.sqrt(2 / 64)


def test_no_more_parameters_than_buckets_are_kept_exactly():
    value = torch.randn(100, generator=torch.Generator().manual_seed(2))
    found = ParameterSketch(100, seed=3)([value])
    assert torch.equal(found.abs().sort().values, value.double().abs().sort().values)


@pytest.mark.parametrize("remember", [False, True])
def test_how_the_tensors_are_cut_does_not_matter(remember):
    generator = torch.Generator().manual_seed(4)
    whole = torch.randn(7000, generator=generator, dtype=torch.float64)
    one = ParameterSketch(2, seed=5)(
        [whole]
    )  # in two pieces: 2 · 2048 entries at most are looked at together
    sketch = ParameterSketch(2, seed=5, remember=remember)
    parts = [whole[:1], whole[1:4000].reshape(3, 1333).t().contiguous().t(), whole[4000:]]
    for _ in range(2):
        assert torch.allclose(sketch(parts), one, atol=1e-11)


def test_a_shard_is_sketched_by_where_it_begins():
    whole = torch.randn(1000, dtype=torch.float64, generator=torch.Generator().manual_seed(6))
    shards = [ParameterSketch(16, 7)([whole[:300]]), ParameterSketch(16, 7, offset=300)([whole[300:]])]
    assert torch.allclose(shards[0] + shards[1], ParameterSketch(16, 7)([whole]), atol=1e-12)


def test_rows_are_sketched_one_by_one():
    rows = torch.randn(3, 40, 2, generator=torch.Generator().manual_seed(8))
    sketch = ParameterSketch(16, 9)
    found = sketch([rows, rows[:, 0, 0]], 3)
    assert torch.equal(found, torch.stack([sketch([row, row[0, 0]]) for row in rows]))
