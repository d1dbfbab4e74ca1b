import io

import numpy as np
import pytest
import torch

from thermograd.estimators import aging
from thermograd.numerics.two_time_schedule import TwoTimeSchedule
from thermograd.observables import TwoTimeDisplacement
from thermograd.observables.displacement import TwoTimeDisplacement as Exported
from thermograd.protocols import Tracker

NAMES = ("body.weight", "body.bias", "scale")


def parameters(seed=0, rows=()):
    """A transposed, a strided and a 0-d tensor."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(*rows, 5, 4, generator=generator).transpose(-1, -2)
    bias = torch.randn(*rows, 14, generator=generator)[..., ::2]
    return dict(zip(NAMES, (weight, bias, torch.randn(rows, generator=generator)), strict=True))


def walk(values, generator, scale=0.1):
    for value in values.values():
        value += scale * torch.randn(value.shape, generator=generator)


def follow(tracker, values, steps, seed=1, every=1):
    """A walk of the parameters in place; returns all of them at all steps, `(step, ..., parameter)`."""
    generator = torch.Generator().manual_seed(seed)
    lead = tracker._parameters.rows

    def flat():
        return torch.cat([value.reshape(*([lead] if lead else []), -1) for value in values.values()], -1)

    stored = [flat()]
    tracker.record(0)
    for step in range(1, steps + 1):
        walk(values, generator)
        stored.append(flat())
        if step % every == 0 and step >= tracker.due:
            tracker.record(step)
    return torch.stack(stored).double().numpy()


def naive(stored, table, columns):
    """Σ (θ(t_w + t) − θ(t_w))² of all pairs that lie within the record."""
    found = np.full((stored.shape[1], table.waiting_times.size, table.lags.size), np.nan)
    for i, waiting in enumerate(table.waiting_times):
        for j, lag in enumerate(table.lags):
            if waiting + lag < len(stored):
                moved = stored[waiting + lag] - stored[waiting]
                found[:, i, j] = (moved[:, columns] ** 2).sum(1)
    return found


def same(first, second):
    """Equal in every field."""
    return all(
        np.array_equal(
            first.arrays()[name], second.arrays()[name], equal_nan=name in {"squared", "anchor_norms"}
        )
        for name in first.arrays()
    )


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
def test_every_distance_agrees_with_stored_weights(rows, by, groups):
    values = parameters(rows=rows)
    tracker = TwoTimeDisplacement(by=by, first_waiting=0).start(values, *rows)
    stored = follow(tracker, values, 500).reshape(501, *(rows or (1,)), 28)
    table = tracker.table()
    assert table.groups == tuple(groups)
    assert table.sizes.tolist() == [len(columns) for columns in groups.values()]
    assert table.missed == 0
    for place, columns in enumerate(groups.values()):
        expected = naive(stored, table, list(columns))
        assert np.isfinite(expected).sum() == 235 * stored.shape[1]
        np.testing.assert_allclose(table.squared[..., place], expected, rtol=1e-5)
        norms = (stored[table.waiting_times][..., list(columns)] ** 2).sum(-1).T
        np.testing.assert_allclose(table.anchor_norms[..., place], norms, rtol=1e-5)


def test_tensors_of_more_than_a_million_numbers_are_looked_at_in_parts():
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


def test_it_agrees_with_the_table_of_stored_weights():
    values = parameters()
    tracker = TwoTimeDisplacement().start(values)
    stored = follow(tracker, values, 300)
    table = tracker.table()
    other = aging.mean_square_displacement(
        stored, np.arange(301), waiting_times=table.waiting_times, lags=table.lags
    )
    np.testing.assert_allclose(table.squared, other.squared, rtol=1e-5)


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
def test_anchors_are_thinned_by_the_step_alone(most):
    values, late = parameters(), parameters()
    tracker = TwoTimeDisplacement(waiting_per_decade=10, max_anchors=most).start(values)
    stored = follow(tracker, values, 400)[:, None]
    table = tracker.table()
    plan = TwoTimeSchedule(10, 8, first_waiting=1, max_anchors=most, grain=1)
    assert table.waiting_times.tolist() == plan.waiting_times(400).tolist()
    assert most / 2 <= table.waiting_times.size <= most
    assert tracker.nbytes == table.waiting_times.size * 28 * 4
    np.testing.assert_allclose(table.squared[..., 0], naive(stored, table, range(28)), rtol=1e-5)
    seldom = TwoTimeDisplacement(waiting_per_decade=10, max_anchors=most).start(late)
    follow(seldom, late, 400, every=3)
    assert set(seldom.table().waiting_times.tolist()) <= set(table.waiting_times.tolist())


def test_steps_that_were_not_delivered_are_counted():
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
    expected = naive(stored, table, range(28))
    delivered = (table.waiting_times[:, None] + table.lags) % 10 == 0
    np.testing.assert_allclose(table.squared[..., 0], np.where(delivered, expected, np.nan), rtol=1e-5)


def test_with_a_grain_nothing_is_missed():
    values = parameters()
    tracker = TwoTimeDisplacement(grain=10).start(values)
    stored = follow(tracker, values, 400, every=10)[:, None]
    table = tracker.table()
    assert table.missed == 0
    assert table.waiting_times.tolist() == [10, 20, 40, 60, 100, 180, 320]
    np.testing.assert_allclose(table.squared[..., 0], naive(stored, table, range(28)), rtol=1e-5)


@pytest.mark.parametrize("by", ["all", "tensor"])
def test_a_sketch_is_exact_for_small_groups_and_within_its_error_else(by):
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


def test_components_along_directions():
    values = parameters()
    basis = np.linalg.qr(np.random.default_rng(4).standard_normal((28, 2)))[0]
    tracker = TwoTimeDisplacement(directions=basis).start(values)
    stored = follow(tracker, values, 100)
    table = tracker.table()
    assert table.groups == ("all", "direction 0", "direction 1")
    assert table.sizes.tolist() == [28, 1, 1]
    np.testing.assert_allclose(table.squared[..., 0], naive(stored[:, None], table, range(28)), rtol=1e-5)
    along = (stored @ basis)[:, None]
    for place in (0, 1):
        np.testing.assert_allclose(table.squared[..., 1 + place], naive(along, table, [place]), rtol=1e-5)
        norms = along[table.waiting_times, :, place].T ** 2
        np.testing.assert_allclose(table.anchor_norms[..., 1 + place], norms, rtol=1e-5)


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
def test_it_goes_on_bit_for_bit_after_a_save(options, rows):
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
    assert same(tracker, whole)
    assert tracker.due == whole.due


def test_a_saved_state_is_of_its_moment():
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
        ({"by": "layer"}, parameters(), "by: all there, layer here"),
        ({"directions": np.eye(28)[:, :1]}, parameters(), "directions: "),
        ({"by": "tensor"}, {**parameters(), "more": torch.zeros(2)}, "names: "),
        ({}, {**parameters(), "scale": torch.zeros(1)}, "shapes: "),
    ],
)
def test_a_state_of_something_else_is_refused(options, other, says):
    state = TwoTimeDisplacement().start(parameters()).state_dict()
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


def test_nothing_is_there_before_the_first_record():
    tracker = TwoTimeDisplacement(by="layer").start(parameters())
    table = tracker.table()
    assert (table.waiting_times.size, table.lags.size, tracker.nbytes, tracker.due) == (0, 0, 0, 1)
    assert table.groups == ("all", "body", "scale")
    tracker.record(0)  # nothing is due
    assert tracker.table().waiting_times.size == 0


def test_a_table_may_be_taken_in_between():
    values, others = parameters(), parameters()
    looked, never = TwoTimeDisplacement().start(values), TwoTimeDisplacement().start(others)
    generators = torch.Generator().manual_seed(2), torch.Generator().manual_seed(2)
    for step in range(1, 60):
        walk(values, generators[0])
        walk(others, generators[1])
        looked.record(step)
        never.record(step)
        looked.table()
    assert same(looked, never)


def test_arrays_of_a_record_cut_short_have_the_shapes_of_a_whole_one():
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


def test_a_trajectory_that_is_not_finite_spoils_no_other():
    values = parameters(rows=(3,))
    tracker = TwoTimeDisplacement(by="tensor").start(values, 3)
    tracker.record(1)
    values["scale"][1] = np.nan
    tracker.record(2)
    squared = tracker.table().squared[:, 0, 0]
    assert np.isnan(squared[1, [0, 3]]).all()
    assert np.isfinite(squared[1, [1, 2]]).all()
    assert np.isfinite(squared[[0, 2]]).all()


def test_records_out_of_order_are_refused():
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


def test_directions_of_another_network_are_refused():
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
