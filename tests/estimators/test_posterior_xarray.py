"""Draws as xarray and ArviZ show them."""

import builtins
import sys

import numpy as np
import pytest

from thermograd.errors import MissingExtraError
from thermograd.estimators.posterior_draws import PosteriorDraws


@pytest.fixture
def draws():
    values = np.random.default_rng(0).normal(size=(3, 50, 2, 2))
    return PosteriorDraws(
        {"layer.weight": values, "bias": values[:, :, 0, 0]},
        temperature=2.0,
        potential=np.arange(15.0).reshape(3, 5),
        virial=np.ones((3, 5)),
        directional_virial=np.ones((3, 5, 4)),
        measured=[0, 10, 20, 30, 40],
        weights=[0.0] * 10 + [1.0] * 40,
        epochs=np.arange(50) * 2 + 7,
        facts={"sampler": "SGLD", "notes": ["a"], "samples": 5},
    )


def test_a_dataset(draws):
    pytest.importorskip("xarray")
    found = draws.to_xarray()
    assert found["layer.weight"].dims == ("chain", "draw", "layer.weight_dim_0", "layer.weight_dim_1")
    assert (found["bias"].to_numpy() == draws.parameters["bias"]).all()
    assert found["epoch"].to_numpy()[-1] == 105
    assert float(found["bias"].weighted(found["weight"]).mean()) == pytest.approx(
        draws.parameters["bias"][:, 10:].mean()
    )
    assert found.attrs["temperature"] == pytest.approx(2)
    assert found.attrs["notes"] == '["a"]'


def test_for_arviz(draws):
    pytest.importorskip("arviz_base")
    found = draws.to_arviz()
    assert dict(found["posterior"].sizes)["draw"] == 40
    assert (found["posterior"]["layer.weight"].to_numpy() == draws.parameters["layer.weight"][:, 10:]).all()
    potential = found["sample_stats"]["potential"].to_numpy()
    assert np.flatnonzero(np.isfinite(potential[0])).tolist() == [0, 10, 20, 30]
    assert potential[1, 10] == 7
    assert found["sample_stats"]["lp"].to_numpy()[1, 10] == pytest.approx(-3.5)
    assert found["sample_stats"]["directional_virial"].shape == (3, 40, 4)


def test_an_arviz_of_before_version_1(draws, monkeypatch):
    """What it is called with: InferenceData is made from groups as keywords."""
    called = {}

    class Older:
        @staticmethod
        def from_dict(**groups):
            called.update(groups)
            return "inference data"

    monkeypatch.setitem(sys.modules, "arviz_base", None)
    monkeypatch.setitem(sys.modules, "arviz", Older)
    assert draws.to_arviz() == "inference data"
    assert set(called) == {"posterior", "sample_stats", "attrs"}
    assert called["posterior"]["bias"].shape == (3, 40)


def test_without_the_packages(draws, monkeypatch):
    for name in ("xarray", "arviz", "arviz_base"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=r"thermograd\[xarray\]"):
        draws.to_xarray()
    with pytest.raises(MissingExtraError, match=r"thermograd\[arviz\]"):
        draws.to_arviz()


def test_none_of_them_is_imported_with_the_container(monkeypatch):
    wanted = []
    original = builtins.__import__

    def watched(name, *arguments, **options):
        wanted.append(name.partition(".")[0])
        return original(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", watched)
    str(PosteriorDraws({"w": np.zeros((2, 3))}).convergence())
    assert not {"xarray", "arviz", "arviz_base", "pandas"} & set(wanted)
