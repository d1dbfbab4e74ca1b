"""The container of posterior draws: order, selection, what it refuses, how it shows itself."""

from xml.etree import ElementTree

import numpy as np
import pytest

from thermograd.errors import ConfigError
from thermograd.estimators.posterior_draws import PosteriorDraws


def make(**options):
    numbers = np.arange(2 * 4 * 6, dtype=np.float32).reshape(2, 4, 2, 3)
    parameters = {"layer.weight": numbers, "layer.bias": -np.ones((2, 4))}
    return PosteriorDraws(parameters, **options)


def test_points_are_in_the_order_of_the_parameters():
    draws = make()
    assert (draws.chains, draws.draws, draws.size) == (2, 4, 7)
    assert draws.array()[1, 2].tolist() == [36, 37, 38, 39, 40, 41, -1]
    assert draws.array().dtype == np.float64
    assert draws.parameters["layer.weight"].dtype == np.float32


def test_what_is_not_given():
    draws = make()
    assert draws.potential.shape == draws.virial.shape == (2, 0)
    assert draws.directional_virial.shape == (2, 0, 0)
    assert draws.measured.size == 0
    assert draws.weights.tolist() == [1] * 4
    assert draws.epochs.tolist() == [1, 2, 3, 4]
    assert np.isnan(draws.noise_share).all()


def test_all_draws_are_measured_if_there_are_as_many_values():
    assert make(virial=np.ones((2, 4))).measured.tolist() == [0, 1, 2, 3]


def test_a_selection_keeps_what_was_measured_at_it():
    values = np.array([[10.0, 13.0], [20.0, 23.0]])
    along = np.stack([values, -values], axis=2)
    draws = make(
        virial=values,
        directional_virial=along,
        measured=[0, 3],
        weights=[1, 0, 2, 3],
        epochs=[5, 10, 15, 20],
    )
    later = draws.select([2, 3])
    assert later.virial.tolist() == [[13.0], [23.0]]
    assert later.directional_virial.tolist() == [[[13.0, -13.0]], [[23.0, -23.0]]]
    assert later.potential.shape == (2, 0)
    assert later.measured.tolist() == [1]
    assert later.epochs.tolist() == [15, 20]
    assert (later.array() == draws.array()[:, 2:]).all()
    assert draws.used.tolist() == [True, False, True, True]
    assert draws.select(draws.used).weights.tolist() == [1, 2, 3]
    assert draws.select([]).draws == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"virial": np.ones((2, 3)), "measured": [0, 1]}, "2 measured draws"),
        ({"virial": np.ones((2, 3))}, "say in measured which"),
        ({"virial": np.full((2, 4), np.inf)}, "not finite"),
        ({"directional_virial": np.ones((2, 4))}, "direction"),
        ({"measured": [3, 1]}, "increasing"),
        ({"measured": [1, 4]}, "below 4"),
        ({"measured": [0.5]}, "whole numbers"),
        ({"weights": [1, 1]}, "must be"),
        ({"weights": [1, 1, 1, -1]}, "below 0"),
        ({"epochs": [1, 2, 2, 3]}, "increasing"),
        ({"noise_share": 1.5}, "0 to 1"),
        ({"facts": {"rate": np.float32(1)}}, "JSON"),
        ({"temperature": -1.0}, "0 or larger"),
        ({"temperature": np.nan}, "0 or larger"),
    ],
)
def test_what_does_not_fit_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        make(**options)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "empty"),
        ({"a": np.zeros(3)}, "same"),
        ({"a": np.zeros((2, 3)), "b": np.zeros((2, 4))}, "'b' has shape"),
        ({"a": np.zeros((0, 3))}, "at least one"),
        ({"a": np.array([[0.0, 1.0], [np.nan, 0.0]])}, r"chains \[1\]"),
    ],
)
def test_parameters_that_are_no_draws_are_refused(parameters, message):
    with pytest.raises(ConfigError, match=message):
        PosteriorDraws(parameters)


def test_it_shows_itself_in_a_few_lines():
    draws = make(
        weights=[0, 1, 1, 1],
        virial=np.ones((2, 4)),
        facts={"sampler": "SGLD", "learning_rate": 1e-5, "notes": ["<flat> prior."]},
    )
    assert "2 chains × 4 draws of 7 parameters by SGLD, learning rate 1e-05" in str(draws)
    assert "1 draws of weight 0 are left out" in str(draws)
    assert str(draws).splitlines()[-1].strip() == "note: <flat> prior."
    assert "&lt;flat&gt;" in draws._repr_html_()
    assert repr(draws).startswith("<PosteriorDraws 2 chains")


def test_a_notebook_shows_the_potential_along_the_chains():
    shown = make(potential=np.array([[4.0, 3.0, 2.0, 1.0], [5.0, 4.0, 3.0, 2.0]]))._repr_html_()
    tree = ElementTree.fromstring(f"<div>{shown}</div>")
    assert len(list(tree.iter("{http://www.w3.org/2000/svg}polyline"))) == 1
    assert "Potential against epochs" in "".join(tree.itertext())
    assert "<svg" not in make()._repr_html_()


def test_chains_made_one_by_one_are_put_side_by_side():
    generator = np.random.default_rng(0)

    def chain(seed, **changes):
        fields = {
            "parameters": {"w": generator.standard_normal((1, 6, 2))},
            "potential": generator.standard_normal((1, 3)),
            "virial": generator.standard_normal((1, 3)),
            "measured": [0, 2, 4],
            "noise_share": [0.1],
            "facts": {"seed": seed, "sampler": "SGLD"},
        } | changes
        return PosteriorDraws(fields.pop("parameters"), **fields)

    several = [chain(seed) for seed in (4, 5, 6)]
    joined = PosteriorDraws.join(several)
    assert joined.array().shape == (3, 6, 2)
    assert np.array_equal(joined.virial[1], several[1].virial[0])
    assert joined.facts == {"seed": [4, 5, 6], "sampler": "SGLD"}
    for wrong, match in (
        ([], "no draws"),
        ([several[0], chain(1, measured=[0, 2, 3])], "measured of draws 1 differ"),
        ([several[0], chain(1, epochs=[1, 2, 3, 4, 5, 7])], "epochs of draws 1 differ"),
        ([several[0], chain(1, temperature=2.0)], "temperature 2"),
        ([several[0], several[1], several[0]], "draws 2 are draws 0 again"),
        ([several[0], chain(1, facts={"sampler": "SGWORLD"})], "sampler 'SGWORLD' and 'SGLD'"),
        ([several[0], chain(1, parameters={"v": np.zeros((1, 6, 2))})], "other weights"),
    ):
        with pytest.raises(ConfigError, match=match):
            PosteriorDraws.join(wrong)
