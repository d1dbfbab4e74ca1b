"""The table of displacements: what it refuses, what it gives, and that a file gives it back."""

import re

import numpy as np
import pytest

from thermograd.errors import ConfigError, DamagedDataError, NewerFormatError
from thermograd.estimators.displacement_table import DisplacementTable, as_table


def fields(**changed):
    generator = np.random.default_rng(0)
    squared = generator.uniform(size=(3, 2, 4, 2))
    squared[:, 1, 3] = np.nan
    known = {
        "waiting_times": np.array([0, 10]),
        "lags": np.array([1, 2, 4, 8]),
        "squared": squared,
        "sizes": np.array([5, 2]),
        "groups": ("all", "fc"),
        "anchor_norms": generator.uniform(1, 2, size=(3, 2, 2)),
        "relative_error": np.array([0.0, 0.02]),
        "eps": 2.0**-7,
        "missed": 3,
    }
    return known | changed


def test_mean_squares_are_the_sums_over_what_is_asked():
    table = DisplacementTable(**fields())
    squared, norms = fields()["squared"], fields()["anchor_norms"]
    np.testing.assert_array_equal(table.mean_square(), squared / [5, 2])
    np.testing.assert_array_equal(table.mean_square("group"), squared)
    np.testing.assert_array_equal(table.mean_square("anchor"), squared / norms[:, :, None])


def test_an_anchor_at_the_origin_has_no_relative_displacement():
    table = DisplacementTable(**fields(anchor_norms=np.zeros((3, 2, 2))))
    assert np.isnan(table.mean_square("anchor")).all()


def test_a_mapping_makes_the_same_table_and_may_say_more():
    table = as_table(fields(format=1))
    assert table.groups == ("all", "fc")
    np.testing.assert_array_equal(table.squared, fields()["squared"])
    assert as_table(table) is table


def test_a_mapping_of_the_least_it_needs():
    least = {name: fields()[name] for name in ("waiting_times", "lags")}
    table = DisplacementTable.from_mapping(least | {"squared": np.ones((1, 2, 4, 1)), "sizes": [7]})
    assert (table.groups, table.anchor_norms, table.eps, table.missed) == (("all",), None, 0.0, 0)
    assert table.relative_error.tolist() == [0.0]
    assert not table.note


def test_an_empty_table_of_a_tracker_that_has_not_recorded_is_one():
    table = DisplacementTable([], [1, 2], np.zeros((1, 0, 2, 1)), [4])
    assert table.trajectories == 1
    assert "0 waiting times" in str(table)


@pytest.mark.parametrize("group", [1, "fc", np.int64(1)])
def test_one_group_alone(group):
    table = DisplacementTable(**fields()).select(group)
    assert table.groups == ("fc",)
    assert table.sizes.tolist() == [2]
    np.testing.assert_array_equal(table.squared[..., 0], fields()["squared"][..., 1])
    np.testing.assert_array_equal(table.anchor_norms[..., 0], fields()["anchor_norms"][..., 1])
    assert table.relative_error.tolist() == [0.02]


@pytest.mark.parametrize("group", [2, -1, "fd"])
def test_an_unknown_group_is_refused_with_those_there_are(group):
    with pytest.raises(ConfigError, match=f"no group {group!r}.*all, fc"):
        DisplacementTable(**fields()).select(group)


def test_the_note_counts_what_was_missed_and_says_that_it_is_a_sketch():
    note = DisplacementTable(**fields()).note
    assert note.startswith("3 distances were due at steps that were never delivered")
    assert "sketch, 2 % each" in note
    assert note in str(DisplacementTable(**fields()))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"waiting_times": [10, 0]}, "waiting_times are [10, 0]"),
        ({"waiting_times": [0, 1.5]}, "whole numbers"),
        ({"lags": [0, 1, 2, 4]}, "lags are [0, 1, 2, 4]; they must be whole numbers of steps from 1 on"),
        ({"lags": [1, 2, 4]}, "ask for (trajectory, 2, 3, 2)"),
        ({"squared": np.ones((2, 4, 2))}, "squared has shape (2, 4, 2)"),
        ({"squared": -np.ones((3, 2, 4, 2))}, "squared holds -1"),
        ({"anchor_norms": np.ones((3, 2))}, "anchor_norms has shape (3, 2); it must be (3, 2, 2)"),
        ({"sizes": [5]}, "sizes [5] must be one positive number for each"),
        ({"groups": ("all", "all")}, "all different"),
    ],
)
def test_what_does_not_fit_is_refused(changed, words):
    with pytest.raises(ConfigError, match=re.escape(words)):
        DisplacementTable(**fields(**changed))


def test_what_is_missing_is_named():
    with pytest.raises(ConfigError, match=r"needs squared, sizes; the mapping has: waiting_times, lags"):
        DisplacementTable.from_mapping({"waiting_times": [1], "lags": [1]})


def test_something_else_is_refused_with_where_a_table_comes_from():
    with pytest.raises(ConfigError, match=r"got ndarray; take tracker\.table\(\)"):
        as_table(np.zeros(3))


def test_norms_are_needed_for_displacements_relative_to_them():
    with pytest.raises(ConfigError, match="no norms"):
        DisplacementTable(**fields(anchor_norms=None)).mean_square("anchor")
    with pytest.raises(ConfigError, match="per is 'weight'; use one of 'parameter', 'group', 'anchor'"):
        DisplacementTable(**fields()).mean_square("weight")


@pytest.mark.parametrize("norms", [True, False])
def test_a_file_gives_the_table_back(tmp_path, norms):
    table = DisplacementTable(**fields(groups=("all", "fc.ü"), **({} if norms else {"anchor_norms": None})))
    table.save(tmp_path / "table.npz")
    back = DisplacementTable.load(tmp_path / "table.npz")
    for name in fields():
        expected = getattr(table, name)
        if expected is None:
            assert getattr(back, name) is None
        else:
            np.testing.assert_array_equal(getattr(back, name), expected)
    assert [path.name for path in tmp_path.iterdir()] == ["table.npz"]


def test_a_file_that_is_none_of_ours(tmp_path):
    with pytest.raises(ConfigError, match="no file"):
        DisplacementTable.load(tmp_path / "nowhere.npz")
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(ConfigError, match="no npz file"):
        DisplacementTable.load(tmp_path / "text.npz")
    np.savez(tmp_path / "other.npz", values=np.ones(3))
    with pytest.raises(ConfigError, match=r"no table of displacements.*it holds: values"):
        DisplacementTable.load(tmp_path / "other.npz")
    np.savez(tmp_path / "code.npz", values=np.array([{}], dtype=object))
    with pytest.raises(DamagedDataError):  # a pickle is not opened
        DisplacementTable.load(tmp_path / "code.npz")


def test_a_file_that_was_cut_or_altered(tmp_path):
    path = tmp_path / "table.npz"
    DisplacementTable(**fields()).save(path)
    whole = path.read_bytes()
    for length in (len(whole) // 2, len(whole) - 10):
        path.write_bytes(whole[:length])
        with pytest.raises(DamagedDataError, match="cut short or altered"):
            DisplacementTable.load(path)
    with np.load(_written(path, whole)) as archive:
        arrays = dict(archive)
    np.savez(path, **(arrays | {"lags": np.array([3, 2, 1, 0])}))
    with pytest.raises(DamagedDataError, match=r"altered.*increasing"):
        DisplacementTable.load(path)
    np.savez(path, **(arrays | {"version": np.array(99)}))
    with pytest.raises(NewerFormatError, match="version 99"):
        DisplacementTable.load(path)


def _written(path, content):
    path.write_bytes(content)
    return path
