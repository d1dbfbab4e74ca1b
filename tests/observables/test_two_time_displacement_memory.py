"""What a two-time displacement keeps: anchors, thinned out, sketches and directions, and steps that were not delivered."""

import numpy as np
import pytest
import torch

from thermograd.numerics.two_time_schedule import TwoTimeSchedule
from thermograd.observables import TwoTimeDisplacement

NAMES = ("body.weight", "body.bias", "scale")


def test_the_memory_is_anchors_times_parameters():
    values = {"weight": torch.zeros(100, 30), "bias": torch.zeros(30, dtype=torch.bfloat16)}
    tracker = TwoTimeDisplacement(first_waiting=0).start(values)
    for step in range(1001):
        tracker.record(step)
    anchors = tracker.table().waiting_times.size
    assert tracker.nbytes == anchors * (3000 * 4 + 30 * 2)
    assert anchors == 14


def test_the_memory_of_a_sketch_does_not_know_the_parameters():
    values = {"weight": torch.zeros(100, 300)}
    tracker = TwoTimeDisplacement(sketch=64).start(values)
    for step in range(101):
        tracker.record(step)
    assert tracker.nbytes == 9 * 64 * 8


@pytest.mark.parametrize("most", [4, 9])
def test_anchors_are_thinned_by_the_step_alone(most, follow, naive_distances, parameters):
    values, late = parameters(), parameters()
    tracker = TwoTimeDisplacement(waiting_per_decade=10, max_anchors=most).start(values)
    stored = follow(tracker, values, 400)[:, None]
    table = tracker.table()
    plan = TwoTimeSchedule(10, 8, first_waiting=1, max_anchors=most, grain=1)
    assert table.waiting_times.tolist() == plan.waiting_times(400).tolist()
    assert most / 2 <= table.waiting_times.size <= most
    assert tracker.nbytes == table.waiting_times.size * 28 * 4
    np.testing.assert_allclose(table.squared[..., 0], naive_distances(stored, table, range(28)), rtol=1e-5)
    seldom = TwoTimeDisplacement(waiting_per_decade=10, max_anchors=most).start(late)
    follow(seldom, late, 400, every=3)
    assert set(seldom.table().waiting_times.tolist()) <= set(table.waiting_times.tolist())


def test_steps_that_were_not_delivered_are_counted(follow, naive_distances, parameters):
    values = parameters()
    tracker = TwoTimeDisplacement().start(values)
    stored = follow(tracker, values, 200, every=10)[:, None]
    table = tracker.table()
    assert table.waiting_times.tolist() == [10, 100]
    due = [waiting + lag for waiting in (10, 100) for lag in table.lags if waiting + lag <= 200]
    never = sum(
        (np.unique(np.rint(10 ** (np.arange(40) / 8))) <= 200 - w).sum()
        for w in (1, 2, 3, 6, 18, 32, 56, 178)
    )
    assert table.missed == sum(step % 10 != 0 for step in due) + never
    assert "never delivered" in table.note
    expected = naive_distances(stored, table, range(28))
    delivered = (table.waiting_times[:, None] + table.lags) % 10 == 0
    np.testing.assert_allclose(table.squared[..., 0], np.where(delivered, expected, np.nan), rtol=1e-5)


def test_with_a_grain_nothing_is_missed(follow, naive_distances, parameters):
    values = parameters()
    tracker = TwoTimeDisplacement(grain=10).start(values)
    stored = follow(tracker, values, 400, every=10)[:, None]
    table = tracker.table()
    assert table.missed == 0
    assert table.waiting_times.tolist() == [10, 20, 40, 60, 100, 180, 320]
    np.testing.assert_allclose(table.squared[..., 0], naive_distances(stored, table, range(28)), rtol=1e-5)


@pytest.mark.parametrize("by", ["all", "tensor"])
def test_a_sketch_is_exact_for_small_groups_and_within_its_error_else(by, walk):
    generator = torch.Generator().manual_seed(3)
    values = {
        "wide": torch.randn(2, 3000, generator=generator),
        "narrow": torch.randn(2, 20, generator=generator),
    }
    exact = TwoTimeDisplacement(by=by).start(values, 2)
    sketch = TwoTimeDisplacement(by=by, sketch=512, seed=5).start(values, 2)
    for step in range(101):
        walk(values, generator)
        exact.record(step)
        sketch.record(step)
    ratio = sketch.table().squared / exact.table().squared
    error = (2 / 512) ** 0.5
    assert 0 < np.nanmax(abs(ratio[..., 0] - 1)) < 4 * error
    assert sketch.table().relative_error[0] == error
    np.testing.assert_allclose(sketch.table().anchor_norms, exact.table().anchor_norms)
    if by == "tensor":
        assert sketch.table().relative_error.tolist() == [error, error, 0.0]
        np.testing.assert_allclose(ratio[..., 2][np.isfinite(ratio[..., 2])], 1, rtol=1e-5)


def test_components_along_directions(follow, naive_distances, parameters):
    values = parameters()
    basis = np.linalg.qr(np.random.default_rng(4).standard_normal((28, 2)))[0]
    tracker = TwoTimeDisplacement(directions=basis).start(values)
    stored = follow(tracker, values, 100)
    table = tracker.table()
    assert table.groups == ("all", "direction 0", "direction 1")
    assert table.sizes.tolist() == [28, 1, 1]
    np.testing.assert_allclose(
        table.squared[..., 0], naive_distances(stored[:, None], table, range(28)), rtol=1e-5
    )
    along = (stored @ basis)[:, None]
    for place in (0, 1):
        np.testing.assert_allclose(
            table.squared[..., 1 + place], naive_distances(along, table, [place]), rtol=1e-5
        )
        norms = along[table.waiting_times, :, place].T ** 2
        np.testing.assert_allclose(table.anchor_norms[..., 1 + place], norms, rtol=1e-5)
