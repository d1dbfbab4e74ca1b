"""A two-time displacement saved and taken up again, and what it leaves alone."""

import io

import numpy as np
import pytest
import torch

from thermograd.observables import TwoTimeDisplacement

NAMES = ("body.weight", "body.bias", "scale")


@pytest.mark.parametrize(
    "options",
    [
        {"by": "layer"},
        {"sketch": 8, "by": "tensor"},
        {"max_anchors": 4, "waiting_per_decade": 10},
        {"directions": True},
    ],
)
@pytest.mark.parametrize("rows", [(), (2,)])
def test_it_goes_on_bit_for_bit_after_a_save(options, rows, follow, parameters, same_tables, walk):
    if "directions" in options:
        options = {"directions": np.eye(28)[:, :3]}
    whole_values, values = parameters(rows=rows), parameters(rows=rows)
    whole = TwoTimeDisplacement(**options).start(whole_values, *rows)
    follow(whole, whole_values, 250)
    tracker = TwoTimeDisplacement(**options).start(values, *rows)
    generator = torch.Generator().manual_seed(1)
    for step in range(1, 251):
        walk(values, generator)
        tracker.record(step)
        if step in {37, 100}:
            file = io.BytesIO()
            torch.save(tracker.state_dict(), file)
            file.seek(0)
            tracker = TwoTimeDisplacement(**options).start(values, *rows)
            tracker.load_state_dict(torch.load(file, weights_only=True))
    assert same_tables(tracker, whole)
    assert tracker.due == whole.due


def test_a_saved_state_is_of_its_moment(follow, parameters, walk):
    values = parameters()
    tracker = TwoTimeDisplacement().start(values)
    follow(tracker, values, 20)
    state = tracker.state_dict()
    before = {name: value.copy() for name, value in tracker.arrays().items()}
    generator = torch.Generator().manual_seed(9)
    for step in range(21, 60):
        walk(values, generator)
        tracker.record(step)
    tracker.load_state_dict(state)
    for name, value in tracker.arrays().items():
        np.testing.assert_array_equal(value, before[name])


@pytest.mark.parametrize(
    ("options", "other", "says"),
    [
        ({"by": "layer"}, {}, "by: all there, layer here"),
        ({"directions": np.eye(28)[:, :1]}, {}, "directions: "),
        ({"by": "tensor"}, {"more": torch.zeros(2)}, "names: "),
        ({}, {"scale": torch.zeros(1)}, "shapes: "),
    ],
)
def test_a_state_of_something_else_is_refused(options, other, says, parameters):
    state = TwoTimeDisplacement().start(parameters()).state_dict()
    other = parameters() | other
    with pytest.raises(ValueError, match=says):
        TwoTimeDisplacement(**options).start(other).load_state_dict(state)
    with pytest.raises(ValueError, match="no state of a two-time displacement"):
        TwoTimeDisplacement().start(other).load_state_dict({"step": 3})


def test_global_generators_are_not_touched():
    torch.manual_seed(0)
    np.random.seed(0)  # ruff: ignore[numpy-legacy-random] - what is looked at is that very state
    kept = torch.get_rng_state(), np.random.get_state()[1].copy()  # ruff: ignore[numpy-legacy-random]
    values = {"weight": torch.zeros(500)}
    tracker = TwoTimeDisplacement(sketch=16, seed=3).start(values)
    for step in range(30):
        tracker.record(step)
    tracker.table()
    assert torch.equal(torch.get_rng_state(), kept[0])
    assert np.array_equal(np.random.get_state()[1], kept[1])  # ruff: ignore[numpy-legacy-random]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_short_weights_are_compared_in_single_precision(dtype):
    """In bfloat16 itself 1.0 − 1.0078125 is right, but 300 squares of it are not 300 times one."""
    weight = torch.ones(300, dtype=dtype)
    tracker = TwoTimeDisplacement().start([weight])
    tracker.record(1)
    weight += torch.finfo(dtype).eps
    tracker.record(2)
    table = tracker.table()
    assert table.squared[0, 0, 0, 0] == pytest.approx(300 * torch.finfo(dtype).eps ** 2, rel=1e-6)
    assert table.eps == torch.finfo(dtype).eps
    assert tracker.nbytes == 2 * 600


def test_complex_weights_are_two_real_ones():
    weight = torch.zeros(3, dtype=torch.complex64)
    tracker = TwoTimeDisplacement().start([weight])
    tracker.record(1)
    weight += 3 + 4j
    tracker.record(2)
    assert tracker.table().squared[0, 0, 0, 0] == pytest.approx(75)
    assert tracker.table().sizes.tolist() == [6]
