from __future__ import annotations

import numpy as np
import pytest

from thermograd.errors import ConfigError, DamagedDataError, NewerFormatError
from thermograd.quantities import Landscape
from thermograd.store.landscape_file import LANDSCAPE_ARRAYS
from thermograd.theory.stationary_state import predict


@pytest.fixture
def land():
    drawn = np.random.default_rng(0)
    hessians = drawn.normal(size=(5, 2, 2))
    hessians = hessians @ hessians.swapaxes(1, 2)
    return Landscape(
        sample_gradients=drawn.normal(size=(5, 2)),
        parameters=[1.0, 2.0, 3.0],
        sample_hessians=hessians,
        third_derivative=drawn.normal(size=(2, 2, 2)),
        directions=np.eye(3)[:, :2],
        gradient_covariance_trace=3.5,
        loss=0.25,
        shapes={"b": (1, 2), "a": ()},
        note="by hand",
    )


def test_what_is_saved_comes_back_and_predicts_the_same(land, tmp_path):
    file = tmp_path / "land.npz"
    land.save(file)
    again = Landscape.load(file)
    for name in LANDSCAPE_ARRAYS:
        np.testing.assert_array_equal(getattr(again, name), getattr(land, name))
    assert (again.loss, again.gradient_covariance_trace, again.note) == (0.25, 3.5, "by hand")
    assert list(again.shapes.items()) == [("b", (1, 2)), ("a", ())]
    settings = {"learning_rate": 0.01, "batch_size": 2}
    assert str(predict(again, **settings)) == str(predict(land, **settings))


def test_what_was_not_known_is_not_known_afterwards_and_a_function_is_named(tmp_path):
    land = Landscape(
        sample_gradients=[[1.0], [-1.0]], hessian=[[2.0]], sample_hessian_products=lambda v: [2 * v, 2 * v]
    )
    land.save(tmp_path / "land.npz")
    again = Landscape.load(tmp_path / "land.npz")
    assert np.isnan(again.loss)
    unknown = (again.shapes, again.directions, again.sample_hessians, again.sample_hessian_products)
    assert unknown == (None,) * 4
    assert "sample_hessian_products, a function, are not in the file" in again.note


def rewritten(file, **changes):
    with np.load(file) as archive:
        content = {name: archive[name] for name in archive.files}
    np.savez(file, **{name: value for name, value in (content | changes).items() if value is not None})


@pytest.mark.parametrize(
    ("changes", "error", "match"),
    [
        ({"format": None}, ConfigError, r"is no landscape \(Landscape.save writes one\); it holds: version"),
        ({"version": 2}, NewerFormatError, "is of version 2, this thermograd reads 1"),
        ({"hessian": np.eye(5)}, DamagedDataError, r"altered \(hessian has shape"),
        ({"description": "{"}, DamagedDataError, "altered"),
        ({"description": None}, DamagedDataError, "altered"),
        ({"loss": np.zeros(2)}, DamagedDataError, "altered"),
    ],
)
def test_another_or_an_altered_file_is_refused(land, tmp_path, changes, error, match):
    file = tmp_path / "land.npz"
    land.save(file)
    rewritten(file, **changes)
    with pytest.raises(error, match=match):
        Landscape.load(file)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no file"):
        Landscape.load(tmp_path / "none.npz")
