"""Two-time displacements cut short, spoilt or asked for what cannot be."""

import numpy as np
import pytest
import torch

from thermograd.observables import TwoTimeDisplacement

NAMES = ("body.weight", "body.bias", "scale")


def test_nothing_is_there_before_the_first_record(parameters):
    tracker = TwoTimeDisplacement(by="layer").start(parameters())
    table = tracker.table()
    assert (table.waiting_times.size, table.lags.size, tracker.nbytes, tracker.due) == (0, 0, 0, 1)
    assert table.groups == ("all", "body", "scale")
    tracker.record(0)  # nothing is due
    assert tracker.table().waiting_times.size == 0


def test_a_table_may_be_taken_in_between(parameters, same_tables, walk):
    values, others = parameters(), parameters()
    looked, never = TwoTimeDisplacement().start(values), TwoTimeDisplacement().start(others)
    generators = torch.Generator().manual_seed(2), torch.Generator().manual_seed(2)
    for step in range(1, 60):
        walk(values, generators[0])
        walk(others, generators[1])
        looked.record(step)
        never.record(step)
        looked.table()
    assert same_tables(looked, never)


def test_arrays_of_a_record_cut_short_have_the_shapes_of_a_whole_one(follow, parameters):
    short_values, values = parameters(rows=(2,)), parameters(rows=(2,))
    short = TwoTimeDisplacement(by="layer").start(short_values, [7, 9])
    follow(short, short_values, 30)
    whole = TwoTimeDisplacement(by="layer").start(values, 2)
    follow(whole, values, 100)
    cut, full = short.arrays(100), whole.arrays()
    assert {name: (value.shape, value.dtype) for name, value in cut.items()} == {
        name: (value.shape, value.dtype) for name, value in full.items()
    }
    assert all(len(value) == 2 for value in cut.values())
    known = np.isfinite(cut["squared"])
    assert 0 < known.sum() < np.isfinite(full["squared"]).sum()
    np.testing.assert_array_equal(cut["squared"][known], full["squared"][known])
    names = ["".join(map(chr, row[row > 0])) for row in full["groups"][1]]
    assert names == ["all", "body", "scale"]


def test_a_trajectory_that_is_not_finite_spoils_no_other(parameters):
    values = parameters(rows=(3,))
    tracker = TwoTimeDisplacement(by="tensor").start(values, 3)
    tracker.record(1)
    values["scale"][1] = np.nan
    tracker.record(2)
    squared = tracker.table().squared[:, 0, 0]
    assert np.isnan(squared[1, [0, 3]]).all()
    assert np.isfinite(squared[1, [1, 2]]).all()
    assert np.isfinite(squared[[0, 2]]).all()


def test_records_out_of_order_are_refused(parameters):
    tracker = TwoTimeDisplacement().start(parameters())
    tracker.record(7)
    tracker.record(7)  # twice the same step does no harm
    with pytest.raises(ValueError, match=r"record\(6\) after record\(7\)"):
        tracker.record(6)
    for step in (-1, 1.5, "7"):
        with pytest.raises(ValueError, match=f"step is {step!r}; it must be a whole number"):
            TwoTimeDisplacement().start(parameters()).record(step)


def test_other_parameters_are_refused_and_listed():
    weight = torch.nn.Parameter(torch.zeros(3))
    tracker = TwoTimeDisplacement().start({"w": weight, "b": torch.zeros(2)})
    with pytest.raises(ValueError, match=r"b: \(2,\) then, absent now; c: absent then, \(2,\) now"):
        tracker.record(1, {"w": weight, "c": torch.zeros(2)})
    weight.data = torch.zeros(4)
    with pytest.raises(ValueError, match=r"w: \(3,\) then, \(4,\) now"):
        tracker.record(1)


@pytest.mark.parametrize(
    ("given", "trajectories", "says"),
    [
        ({}, None, "no parameters"),
        (torch.zeros(3), None, "parameters is Tensor"),
        (3, None, "parameters is int"),
        ({"steps": torch.zeros(3, dtype=torch.int64)}, None, "'steps' is a tensor of torch.int64"),
        ({"weight": [1.0]}, None, "'weight' is list"),
        ({"weight": torch.zeros(3, 2), "bias": torch.zeros(2)}, 3, r"3 trajectories; got bias: \(2,\)"),
        ({"weight": torch.zeros(())}, [1, 2], "2 trajectories; got weight"),
        ({"weight": torch.zeros(3)}, 0, "trajectories is 0"),
    ],
)
def test_what_cannot_be_followed_is_named(given, trajectories, says):
    with pytest.raises(ValueError, match=says):
        TwoTimeDisplacement().start(given, trajectories)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"waiting_per_decade": 0}, "waiting_per_decade is 0"),
        ({"lags_per_decade": float("nan")}, "lags_per_decade is nan"),
        ({"first_waiting": -1}, "first_waiting is -1"),
        ({"max_anchors": 1}, "max_anchors is 1"),
        ({"sketch": 0}, "sketch is 0"),
        ({"grain": 1.5}, "grain is 1.5"),
        ({"seed": -1}, "seed is -1"),
        ({"by": "module"}, "by is 'module'"),
        ({"directions": np.ones((4, 2))}, "not orthonormal"),
        ({"directions": np.ones(4)}, r"shape \(4,\)"),
        ({"directions": np.eye(4), "sketch": 8}, "goes with sketch=None"),
        ({"directions": np.eye(4), "by": "layer"}, "goes with sketch=None"),
    ],
)
def test_settings_that_cannot_be_are_named(options, says):
    with pytest.raises(ValueError, match=says):
        TwoTimeDisplacement(**options)


def test_directions_of_another_network_are_refused(parameters):
    with pytest.raises(ValueError, match="directions has 4 rows; there are 28 parameters"):
        TwoTimeDisplacement(directions=np.eye(4)).start(parameters())


def test_weights_that_stop_being_finite_are_said_to():
    weight = torch.zeros(3)
    tracker = TwoTimeDisplacement().start({"weight": weight})
    for step in range(200):
        weight += float("nan") if step == 150 else 1.0
        tracker.record(step)
    table = tracker.table()
    finite = np.isfinite(table.squared[0, :, :, 0])
    due = table.waiting_times[:, None] + table.lags < 200
    assert table.infinite == int((due & ~finite).sum()) > 0
    assert f"{table.infinite} distances are left out, as weights were infinite or NaN" in str(table)
