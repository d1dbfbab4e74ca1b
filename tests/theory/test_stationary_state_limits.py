"""The stationary state of SGD: symmetries, what has no state, and arguments that cannot be used."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

import thermograd as tg
from thermograd.errors import ConfigError
from thermograd.quantities import Landscape
from thermograd.theory.stationary_state import (
    StationaryState,
    diffusion,
    linear_scaling,
    predict,
)

PAPER = {"learning_rate": 1e-7, "batch_size": 10}


def close(expected, rel=1e-6):
    return pytest.approx(expected, rel=rel)


def variants(regression):
    """The same network, written otherwise: name -> (landscape, matrix from its coordinates to the first ones)."""
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(7, 7)))[0]
    order = rng.permutation(200)
    return {
        "samples permuted": (
            replace(
                regression,
                sample_gradients=regression.sample_gradients[order],
                sample_hessians=regression.sample_hessians[order],
            ),
            np.eye(7),
        ),
        "rotated": (
            Landscape(
                parameters=turn @ regression.parameters,
                sample_gradients=regression.sample_gradients @ turn.T,
                sample_hessians=turn @ regression.sample_hessians @ turn.T,
            ),
            turn.T,
        ),
    }


@pytest.mark.parametrize(
    "settings", [{}, {"time": "continuous"}, {"momentum": 0.8}, {"multiplicative": True}]
)
@pytest.mark.parametrize("name", ["samples permuted", "rotated"])
def test_covariant(regression, name, settings):
    plain = replace(regression, third_derivative=None, third_derivative_gradient=None)
    other, turn = variants(plain)[name]
    first, second = (predict(land, **PAPER, **settings) for land in (plain, other))
    for quantity in ("covariance", "circulation", "diffusion"):
        expected = getattr(first, quantity)
        found = turn @ getattr(second, quantity) @ turn.T
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-8 * np.abs(expected).max())
    np.testing.assert_allclose(turn @ second.mean, first.mean, atol=1e-12)
    assert second.excess_loss == close(first.excess_loss, rel=1e-9)
    if not settings.get("momentum"):
        assert second.entropy_production == close(first.entropy_production, rel=1e-7)


def test_state_matrices_are_what_they_should_be(regression):
    for settings in ({}, {"time": "continuous"}, {"momentum": 0.9}):
        state = predict(regression, **PAPER, **settings)
        np.testing.assert_array_equal(state.circulation, -state.circulation.T)
        for matrix in (state.covariance, state.diffusion):
            np.testing.assert_array_equal(matrix, matrix.T)
            assert np.linalg.eigvalsh(matrix)[0] > 0
        if state.joint_covariance is not None:
            assert np.linalg.eigvalsh(state.joint_covariance)[0] > 0
    assert state.equilibrium.holds is False


def test_repeats_within_a_batch_add_noise(regression):
    distinct = predict(regression, **PAPER)
    repeats = predict(regression, **PAPER, distinct=False)
    np.testing.assert_allclose(repeats.covariance, 199 / 190 * distinct.covariance, rtol=1e-10)
    assert "may repeat" in repeats.rests_on


def test_regulariser_may_stand_in_the_samples_or_apart(regression):
    """Only the sums G_i and K_i are seen; what differs is S of gradients without the regulariser: not at all."""
    bare = regression.sample_gradients - 20 * regression.parameters
    apart = replace(regression, sample_gradients=bare + 20 * regression.parameters)
    np.testing.assert_allclose(predict(apart, **PAPER).covariance, predict(regression, **PAPER).covariance)
    mixed = replace(regression, sample_gradients=bare, gradient=np.zeros(7))
    np.testing.assert_allclose(mixed.gradient_covariance, regression.gradient_covariance, rtol=1e-9)


@pytest.mark.parametrize(("power", "kind"), [(0, "boltzmann"), (1, "equilibrium"), (2, "equilibrium")])
def test_noise_that_commutes_with_the_curvature_makes_no_current(power, kind):
    rng = np.random.default_rng(2)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    curvature = np.array([1.0, 2.0, 5.0])
    root = turn * np.sqrt(curvature**power)
    land = Landscape(
        sample_gradients=np.concatenate([root.T, -root.T]), hessian=turn @ np.diag(curvature) @ turn.T
    )
    state = predict(land, learning_rate=0.01, batch_size=2)
    assert state.equilibrium.kind == kind
    assert state.equilibrium.holds is True
    assert np.linalg.norm(state.circulation) < 1e-12 * np.linalg.norm(state.covariance)
    assert state.entropy_production == pytest.approx(0, abs=1e-20)
    if kind == "boltzmann":
        assert state.inverse_temperature == close(0.01 / state.diffusion[0, 0])
        continuous = predict(land, learning_rate=0.01, batch_size=2, time="continuous")
        boltzmann = np.linalg.inv(land.hessian) / state.inverse_temperature
        np.testing.assert_allclose(continuous.covariance, boltzmann, rtol=1e-10, atol=1e-16)
    else:
        assert state.inverse_temperature is None


def test_with_momentum_the_temperature_is_that_of_the_weights():
    land = Landscape(sample_gradients=[[1.0, 0], [-1.0, 0], [0, 1.0], [0, -1.0]], hessian=np.diag([1.0, 3.0]))
    state = predict(land, learning_rate=1e-5, batch_size=1, momentum=0.9, dampening=0.5)
    assert state.equilibrium.kind == "boltzmann"
    np.testing.assert_allclose(
        state.covariance * state.inverse_temperature, np.linalg.inv(land.hessian), atol=1e-5
    )


def test_linear_scaling(regression):
    near = {**PAPER, "factor": 4}
    assert linear_scaling(regression, **near, time="continuous").value == close(160 / 190, rel=1e-12)
    assert linear_scaling(regression, **near, time="continuous", distinct=False).value == close(
        1.0, rel=1e-12
    )
    for settings in ({}, {"distinct": False}):
        before = predict(regression, **PAPER, **settings)
        after = predict(regression, learning_rate=4e-7, batch_size=40, **settings)
        ratio = np.trace(after.covariance) / np.trace(before.covariance)
        assert linear_scaling(regression, **near, **settings).value == close(ratio, rel=1e-9)
    assert linear_scaling(regression, **PAPER, factor=20).value == 0
    assert linear_scaling(regression, learning_rate=1e-5, batch_size=10, factor=10).kind == "unstable"
    assert linear_scaling(regression, learning_rate=1e-7, batch_size=200, factor=0.5).kind == "no_noise"
    with pytest.raises(ConfigError, match=r"factor times batch_size is 15\.5, it must be a whole number"):
        linear_scaling(regression, **PAPER, factor=1.55)
    with pytest.raises(ConfigError, match="batch_size is 210"):
        linear_scaling(regression, **PAPER, factor=21)


def simple(curvature, gradients=((1.0, 0.5), (-1.0, -0.5), (0.0, 1.0), (0.0, -1.0))):
    return Landscape(sample_gradients=gradients, hessian=np.diag(curvature))


def test_not_a_minimum():
    verdict = predict(simple([-0.5, 2.0]), learning_rate=0.1, batch_size=1)
    assert (verdict.kind, verdict.holds) == ("not_a_minimum", False)
    assert verdict.evidence["smallest_curvature"] == close(-0.5)
    assert verdict.evidence["share"] == pytest.approx(1.0)
    assert "refine=True, or add weight decay" in verdict.text


def test_unstable_names_the_largest_rate_and_that_rate_is_the_border():
    land = simple([1.0, 2.0])
    verdict = predict(land, learning_rate=1.0, batch_size=1)
    assert verdict.kind == "unstable"
    assert verdict.evidence["largest_learning_rate"] == close(1.0)
    assert "largest stable learning rate is 1" in verdict.text
    assert isinstance(predict(land, learning_rate=0.999, batch_size=1), StationaryState)
    border = 2 * 1.9 / 0.5 / 2.0
    for rate, kind in ((border * 0.999, StationaryState), (border * 1.001, tg.Verdict)):
        assert isinstance(predict(land, learning_rate=rate, batch_size=1, momentum=0.9, dampening=0.5), kind)


def test_flat_directions_with_noise_diffuse_and_without_are_left_where_they_are():
    verdict = predict(simple([0.0, 2.0]), learning_rate=0.1, batch_size=1)
    assert (verdict.kind, verdict.holds) == ("diffusing", False)
    assert "1 direction without curvature" in verdict.text
    gradients = [[1.0, 0.0, 0.5], [-1.0, 0.0, -0.5], [0.0, 0.0, 1.0], [0.0, 0.0, -1.0]]
    land = Landscape(sample_gradients=gradients, hessian=np.diag([1.0, 0.0, 2.0]), parameters=[1.0, 7.0, 2.0])
    alone = predict(simple([1.0, 2.0]), learning_rate=0.1, batch_size=1)
    state = predict(land, learning_rate=0.1, batch_size=1)
    assert state.dropped == (1,)
    assert "1 coordinate without gradient and curvature left where it is: 1" in state.rests_on
    np.testing.assert_allclose(state.covariance[np.ix_([0, 2], [0, 2])], alone.covariance, rtol=1e-12)
    assert not state.covariance[1].any()
    assert state.propagator[1].tolist() == [0.0, 1.0, 0.0]
    assert state.mean.tolist() == [1.0, 7.0, 2.0]
    assert state.entropy_production == close(alone.entropy_production, rel=1e-10)
    assert len(state.relaxation_times) == 2
    with_momentum = predict(land, learning_rate=0.1, batch_size=1, momentum=0.5)
    assert with_momentum.covariance[0, 0] > 0
    assert not with_momentum.covariance[1].any()


def test_curvature_slightly_below_0_counts_as_0_and_small_positive_does_not():
    gradients = [[1.0, 0.0], [-1.0, 0.0]]
    state = predict(simple([1.0, -1e-11], gradients), learning_rate=0.1, batch_size=1)
    assert state.dropped == (1,)
    assert predict(simple([1.0, -1e-9], gradients), learning_rate=0.1, batch_size=1).kind == "not_a_minimum"
    slow = predict(simple([1e-11, 1.0]), learning_rate=0.1, batch_size=1)
    assert slow.relaxation_times[-1] == close(1e12)


def test_full_batch_has_no_noise(regression):
    verdict = predict(regression, learning_rate=1e-7, batch_size=200)
    assert (verdict.kind, verdict.holds) == ("no_noise", False)
    assert not diffusion(regression, learning_rate=1e-7, batch_size=200).value.any()
    assert isinstance(
        predict(regression, learning_rate=1e-7, batch_size=200, distinct=False), StationaryState
    )


def test_centre_is_the_newton_step_away_and_says_so(parabolas):
    """Parabolas taken off their minimum give the state at the minimum exactly, as K_i carries G_i there."""
    land = parabolas(20, 3)
    away = np.array([0.5, -0.2, 0.3])
    moved = Landscape(
        parameters=away,
        sample_gradients=land.sample_gradients + land.sample_hessians @ away,
        sample_hessians=land.sample_hessians,
        loss=1.0 + away @ land.hessian @ away / 2,
    )
    expected, found = (predict(each, learning_rate=0.05, batch_size=4) for each in (land, moved))
    np.testing.assert_allclose(found.mean, 0, atol=1e-14)
    np.testing.assert_allclose(found.covariance, expected.covariance, rtol=1e-10)
    assert found.loss == pytest.approx(1.0)
    assert "parameters − H⁻¹g" in found.rests_on
    assert "parameters − H⁻¹g" not in expected.rests_on
    assert expected.note == ""
    assert re.search(
        r"the gradient at this point is not 0 but \S+ long.* refine=True", str(found).splitlines()[1]
    )
    farther = replace(moved, parameters=None, gradient=1e16 * moved.gradient, sample_hessians=None)
    text = str(predict(farther, learning_rate=0.05, batch_size=4))
    assert "guessed more than 1000 standard deviations away" in text
    assert "e+" not in text.partition("guessed")[2].partition("loss, for")[0]
    blind = replace(moved, sample_hessians=None)
    assert (
        np.abs(predict(blind, learning_rate=0.05, batch_size=4).covariance - expected.covariance).max() > 1e-4
    )


def test_directions_of_the_hessian_give_the_state_exactly(regression):
    directions = np.linalg.eigh(regression.hessian)[1][:, -3:]
    whole = predict(replace(regression, third_derivative=None), **PAPER)
    part = Landscape(
        parameters=regression.parameters,
        sample_gradients=regression.sample_gradients @ directions,
        hessian=directions.T @ regression.hessian @ directions,
        directions=directions,
        gradient_covariance_trace=float(np.trace(regression.gradient_covariance)),
        shapes=regression.shapes,
    )
    state = predict(part, **PAPER)
    for name in ("covariance", "circulation", "diffusion"):
        expected = directions.T @ getattr(whole, name) @ directions
        np.testing.assert_allclose(
            getattr(state, name), expected, rtol=0, atol=1e-10 * np.abs(expected).max()
        )
    assert state.entropy_production < whole.entropy_production
    assert "lower bound" in state.rests_on
    assert state.directions is directions
    np.testing.assert_allclose(state.mean, regression.parameters @ directions, atol=1e-9)
    assert part.unflatten(state.sample(2, seed=0))["0.weight"].shape == (2, 2, 1)
    continuous = predict(part, **PAPER, time="continuous")
    assert continuous.excess_loss == close(predict(regression, **PAPER, time="continuous").excess_loss)
    slow = {"learning_rate": 1e-9, "batch_size": 10, "momentum": 0.9, "dampening": 0.5}
    assert predict(part, **slow).excess_loss == close(predict(regression, **slow).excess_loss, rel=1e-3)
    alone = predict(replace(part, gradient_covariance_trace=None), **PAPER)
    assert alone.excess_loss < 0.97 * state.excess_loss


BAD = [
    ({"learning_rate": 0.0}, "learning_rate is 0.0; it must be a positive finite number"),
    ({"learning_rate": float("nan")}, "learning_rate is nan"),
    ({"batch_size": 0}, "batch_size is 0; it must be a whole number from 1 to 4"),
    ({"batch_size": 5}, "batch_size is 5"),
    ({"batch_size": 1.5}, "batch_size is 1.5"),
    (
        {"batch_size": 3, "minibatching": "without_replacement"},
        "batch_size is 3, which does not divide the 4 samples",
    ),
    ({"minibatching": "without_replacement", "momentum": 0.5}, "not offered"),
    ({"momentum": 1.0}, "momentum is 1.0; it must be from 0 to below 1"),
    ({"momentum": -0.1}, "momentum is -0.1"),
    ({"dampening": 1.0}, "dampening is 1.0"),
    ({"minibatching": "shuffled"}, "'with_replacement', 'without_replacement'"),
    ({"time": "epoch"}, "'discrete', 'continuous'"),
    ({"form": "leading_term"}, "'exact', 'large_sample'"),
    ({"momentum": 0.5, "time": "continuous"}, "time is 'continuous' with momentum"),
    ({"multiplicative": True}, "sample_hessians=True"),
    ({"multiplicative": True, "momentum": 0.5}, "momentum=0 only"),
]


@pytest.mark.parametrize(("arguments", "word"), BAD)
def test_bad_arguments(arguments, word):
    with pytest.raises(ConfigError, match=word):
        predict(simple([1.0, 2.0]), **{"learning_rate": 0.1, "batch_size": 2} | arguments)


def test_lazy_door():
    assert tg.stationary_state is predict
    assert "stationary_state" in dir(tg)


def test_text_for_a_practitioner(regression):
    text = str(predict(regression, learning_rate=1e-6, batch_size=10))
    assert text.splitlines() == [
        "stationary state of SGD, learning rate 1e-06, batches of 10 of 200 with replacement",
        "  excess loss, for as long as the learning rate stays: 0.2739 (0.18 % of the loss 153.623)",
        "  relaxation times 34.8 to 1.82e+04 steps: settled after 9.1e+04 steps, 5 times the slowest",
        "  not in equilibrium: the weights circulate for ever (5.6 % of the flow), so the stationary density is no "
        "Boltzmann distribution of the loss",
        "  entropy production 0.003163 per step",
        "  rests on a quadratic loss with noise that does not depend on the weights; distinct samples in a batch, "
        "batches independent of each other",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"landscape": None}, "tg.landscape"),
        ({"learning_rate": "0.1"}, "learning_rate is '0.1'"),
        ({"batch_size": None}, "batch_size is None"),
        ({"momentum": "0.9"}, "momentum is '0.9'"),
    ],
)
def test_arguments_of_another_type_are_named(parabolas, change, message):
    arguments = {"landscape": parabolas(6, 2), "learning_rate": 0.1, "batch_size": 2} | change
    with pytest.raises(ConfigError, match=message):
        predict(arguments.pop("landscape"), **arguments)
