"""Distances between two times against those of stored weights, entry by entry."""

import numpy as np
import pytest
import torch

from thermograd.estimators import aging
from thermograd.observables import TwoTimeDisplacement
from thermograd.observables.displacement import TwoTimeDisplacement as Exported
from thermograd.protocols import Tracker

NAMES = ("body.weight", "body.bias", "scale")


def test_it_is_a_tracker_found_where_one_looks_for_it():
    assert isinstance(TwoTimeDisplacement(), Tracker)
    assert Exported is TwoTimeDisplacement


@pytest.mark.parametrize("rows", [(), (3,)])
@pytest.mark.parametrize(
    ("by", "groups"),
    [
        ("all", {"all": range(28)}),
        ("layer", {"all": range(28), "body": range(27), "scale": [27]}),
        ("tensor", {"all": range(28), NAMES[0]: range(20), NAMES[1]: range(20, 27), NAMES[2]: [27]}),
    ],
)
def test_every_distance_agrees_with_stored_weights(rows, by, groups, follow, naive_distances, parameters):
    values = parameters(rows=rows)
    tracker = TwoTimeDisplacement(by=by, first_waiting=0).start(values, *rows)
    stored = follow(tracker, values, 500).reshape(501, *(rows or (1,)), 28)
    table = tracker.table()
    assert table.groups == tuple(groups)
    assert table.sizes.tolist() == [len(columns) for columns in groups.values()]
    assert table.missed == 0
    for place, columns in enumerate(groups.values()):
        expected = naive_distances(stored, table, list(columns))
        assert np.isfinite(expected).sum() == 235 * stored.shape[1]
        np.testing.assert_allclose(table.squared[..., place], expected, rtol=1e-5)
        norms = (stored[table.waiting_times][..., list(columns)] ** 2).sum(-1).T
        np.testing.assert_allclose(table.anchor_norms[..., place], norms, rtol=1e-5)


def test_tensors_of_more_than_a_million_numbers_are_looked_at_in_parts(walk):
    generator = torch.Generator().manual_seed(6)
    sizes = {"in.weight": (1100, 1000), "in.bias": (5,), "out.weight": (7,), "out.half": (3,)}
    values = {name: torch.randn(size, generator=generator) for name, size in sizes.items()}
    values["out.half"] = values["out.half"].bfloat16()
    tracker = TwoTimeDisplacement(by="layer").start(values)
    before = {}
    for step in range(1, 4):
        tracker.record(step)
        before[step] = {name: value.double() for name, value in values.items()}
        walk(values, generator)
    table = tracker.table()
    assert tracker.nbytes == 3 * (1_100_012 * 4 + 3 * 2)
    for place, layer in enumerate(("", "in", "out")):
        for i, j, start, end in ((0, 0, 1, 2), (0, 1, 1, 3), (1, 0, 2, 3)):
            moved = [before[end][n] - before[start][n] for n in sizes if n.startswith(layer)]
            expected = sum(float(value.square().sum()) for value in moved)
            assert table.squared[0, i, j, place] == pytest.approx(expected, rel=1e-5)


def test_it_agrees_with_the_table_of_stored_weights(follow, parameters):
    values = parameters()
    tracker = TwoTimeDisplacement().start(values)
    stored = follow(tracker, values, 300)
    table = tracker.table()
    other = aging.mean_square_displacement(
        stored, np.arange(301), waiting_times=table.waiting_times, lags=table.lags
    )
    np.testing.assert_allclose(table.squared, other.squared, rtol=1e-5)
