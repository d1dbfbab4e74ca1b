"""The stationary state of SGD: recorded numbers of the 7-parameter network, symmetries, and what has no state."""

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
    effective_minimum,
    linear_scaling,
    predict,
)

PAPER = {"learning_rate": 1e-7, "batch_size": 10}


def close(expected, rel=1e-6):
    return pytest.approx(expected, rel=rel)


def test_curvature_and_diffusion_of_the_network(regression):
    assert regression.loss == close(153.6228639284)
    assert np.linalg.eigvalsh(regression.hessian) == close(
        [
            55.02366428,
            58.51554271,
            397.25436874,
            1848.56410047,
            3097.66637326,
            24658.45687005,
            28317.70872413,
        ]
    )
    exact = diffusion(regression, **PAPER).value
    assert np.trace(exact) == close(5.412025864143e-9)
    assert np.diag(exact)[[0, 6]] == close([1.73057602e-10, 1.85884840e-9])
    limit = diffusion(regression, **PAPER, form="large_sample").value
    # (M−1) n/((n−1) M) − 1 = 9/190 at g = 0
    assert np.linalg.norm(limit - exact) / np.linalg.norm(exact) == close(9 / 190)


def test_covariance_and_circulation_of_the_network(regression, data_folder):
    state = predict(regression, **PAPER, time="continuous")
    assert np.diag(state.covariance) == close(
        [
            7.84392025e-7,
            7.60430702e-7,
            6.89052608e-7,
            6.37119807e-7,
            6.49708693e-7,
            6.24386314e-7,
            8.89046493e-7,
        ]
    )
    assert state.circulation[0, 1:] == close(
        [
            2.99476137e-12,
            6.47687220e-12,
            -5.64859611e-12,
            -2.91491566e-11,
            -4.00408788e-11,
            1.81994754e-11,
        ]
    )
    assert np.linalg.norm(state.circulation) == close(1.999132694610e-10)
    with np.load(data_folder / "nonlinear_regression" / "oracle_nonlinear_regression.npz") as recorded:
        for name, found in (("D", state.diffusion), ("Sigma", state.covariance), ("C", state.circulation)):
            np.testing.assert_allclose(found, recorded[name], rtol=0, atol=1e-9 * np.abs(found).max())
        wrong = recorded["Sigma_notebook"]  # regularised beside unregularised gradients: a negative control
        assert np.abs(wrong - state.covariance).max() > 1e-3 * np.abs(state.covariance).max()
        noise, current = recorded["D_notebook"], recorded["C_notebook"]
        force = -np.linalg.inv(noise) @ current @ np.linalg.inv(wrong)
        entropy = -np.trace(force.T @ (1e-7 * regression.hessian) @ wrong)
    assert entropy / state.entropy_production == pytest.approx(1.00843, abs=1e-4)
    assert np.linalg.norm(noise - state.diffusion) / np.linalg.norm(state.diffusion) == pytest.approx(
        3.05e-4, rel=0.01
    )
    discrete = predict(regression, **PAPER)
    distance = np.linalg.norm(discrete.covariance - state.covariance) / np.linalg.norm(state.covariance)
    assert distance == pytest.approx(8.4e-4, rel=0.01)


def test_entropy_and_excess_loss_of_the_network(regression):
    continuous, discrete = (predict(regression, **PAPER, time=time) for time in ("continuous", "discrete"))
    assert continuous.entropy_production == close(3.121952521818e-4)
    assert discrete.entropy_production == close(3.12599083e-4)
    assert continuous.excess_loss == close(2.7060129e-2)
    assert discrete.excess_loss == close(2.7093217e-2)
    assert predict(regression, learning_rate=1e-6, batch_size=10).entropy_production == close(3.16283704e-3)


def test_mean_of_the_network_is_off_the_minimum(regression):
    state = predict(regression, learning_rate=1e-6, batch_size=10)
    shift = state.mean - regression.parameters
    assert shift[[0, 3, 6]] == close([1.93932e-4, -3.30281e-4, 1.78148e-5], rel=1e-4)
    flattest = np.linalg.eigh(regression.hessian)[1][:, 0]
    spread = np.sqrt(flattest @ state.covariance @ flattest)
    assert abs(flattest @ shift) / spread == pytest.approx(0.80, abs=0.01)
    without = predict(replace(regression, third_derivative=None), learning_rate=1e-6, batch_size=10)
    assert np.abs(without.mean - regression.parameters).max() < 1e-9
    assert "third derivatives not given" in without.rests_on
    assert "third derivatives not given" not in state.rests_on


def test_momentum_of_the_network(regression):
    state = predict(regression, **PAPER, momentum=0.9)
    assert np.diag(state.covariance)[[0, 6]] == close([7.82937e-6, 8.93319e-6], rel=1e-5)
    assert np.linalg.norm(state.joint_covariance[7:, 7:]) == close(3.706867e6, rel=1e-5)
    assert np.linalg.norm(state.joint_circulation[:7, 7:]) == close(3.519014e-1, rel=1e-5)
    assert state.entropy_production is None
    assert "entropy production is not defined" in state.rests_on


RESHUFFLED = PAPER | {"minibatching": "without_replacement"}


@pytest.fixture(scope="module")
def reshuffled(regression, regression_at):
    """The landscape at the minimum of the effective loss."""
    point = regression.parameters
    for _ in range(5):
        point = effective_minimum(regression_at(point), **PAPER).value
    return regression_at(point)


def test_centre_without_replacement(regression, reshuffled):
    shift = reshuffled.parameters - regression.parameters
    expected = [4.493254e-5, 2.945617e-5, 4.546668e-5, -2.918966e-5, -4.240289e-5, 4.177577e-5, 4.478984e-6]
    assert shift == close(expected)
    assert predict(reshuffled, **RESHUFFLED).mean == pytest.approx(reshuffled.parameters, abs=1e-13)
    there = predict(regression, **RESHUFFLED).mean - regression.parameters
    np.testing.assert_allclose(there, shift, rtol=5e-4)


def test_state_without_replacement(reshuffled):
    assert np.diag(diffusion(reshuffled, **RESHUFFLED).value) == close(
        [4.356174e-13, 3.130724e-13, 8.268844e-13, 7.833514e-13, 7.078277e-12, 7.182883e-12, 8.000364e-12]
    )
    discrete, continuous = (
        predict(reshuffled, **RESHUFFLED, time=time) for time in ("discrete", "continuous")
    )
    assert np.diag(discrete.covariance) == close(
        [
            1.0366714e-11,
            7.6273987e-12,
            1.8935316e-11,
            1.7825035e-11,
            1.2683509e-10,
            1.2939422e-10,
            1.6318957e-10,
        ],
        rel=2e-5,
    )
    assert np.diag(continuous.covariance)[[0, 6]] == close([1.054584e-11, 1.664607e-10], rel=2e-5)
    assert np.linalg.norm(continuous.circulation) == close(1.0345653e-13, rel=2e-5)
    assert continuous.entropy_production == close(1.00554e-3, rel=5e-4)
    assert discrete.entropy_production == close(1.02815e-3, rel=5e-4)
    assert discrete.steps_per_update == 20
    assert discrete.relaxation_times[-1] == pytest.approx(1.8174e5, rel=1e-3)
    assert "ends of epochs" in discrete.rests_on
    assert "entropy production 0.001028 per update of 20 steps" in str(discrete)


def test_landscape_at_the_plain_minimum_costs_little(regression, reshuffled):
    there, here = (predict(land, **RESHUFFLED) for land in (reshuffled, regression))
    distance = np.linalg.norm(here.covariance - there.covariance) / np.linalg.norm(there.covariance)
    assert distance < 1.5e-4
    assert "minimum of the effective loss, one Newton step" in here.rests_on
    assert "Newton step" not in there.rests_on


def test_without_third_derivatives_of_the_samples(reshuffled):
    blind = replace(reshuffled, third_derivative=None, third_derivative_gradient=None)
    state = predict(blind, **RESHUFFLED)
    assert state.entropy_production == close(1.02845e-3, rel=5e-4)
    assert "of the samples taken as 0" in state.rests_on


@pytest.mark.parametrize(
    ("form", "factor", "flattest"),
    [
        ("leading_term", 4.7, [1 / 45.1, 1 / 126.7, 1 / 448.8]),
        ("large_sample", 6.0, [1 / 2430, 1 / 2076, 1 / 41.7]),
    ],
)
def test_approximate_noise_of_an_epoch_ruins_the_entropy(reshuffled, form, factor, flattest):
    exact, rough = (predict(reshuffled, **RESHUFFLED, form=each) for each in ("exact", form))
    distance = np.linalg.norm(rough.diffusion - exact.diffusion) / np.linalg.norm(exact.diffusion)
    assert distance < 0.04
    assert rough.entropy_production / exact.entropy_production == pytest.approx(factor, rel=0.03)
    assert "entropy production, it may be off" in rough.rests_on
    flat = np.linalg.eigh(reshuffled.hessian)[1][:, :3]
    shares = np.diag(flat.T @ rough.diffusion @ flat) / np.diag(flat.T @ exact.diffusion @ flat)
    assert shares == pytest.approx(flattest, rel=0.01)  # good in norm, useless where the noise is small


def test_reshuffling_fluctuates_far_less(regression, reshuffled):
    independent = predict(regression, **PAPER, time="continuous")
    without = predict(reshuffled, **RESHUFFLED, time="continuous")
    assert np.trace(independent.covariance) / np.trace(without.covariance) == close(1.0394e4, rel=5e-5)


def test_limits_of_an_epoch(regression):
    whole = predict(regression, learning_rate=1e-7, batch_size=200, minibatching="without_replacement")
    assert (whole.kind, whole.holds) == ("no_noise", False)
    far = predict(regression, learning_rate=1e-6, batch_size=10, minibatching="without_replacement")
    assert "beyond 0.5" in far.rests_on
    land = simple([1.0, 2.0])
    with pytest.raises(ConfigError, match="sample_hessians=True"):
        predict(land, learning_rate=0.1, batch_size=1, minibatching="without_replacement")
    rough = predict(
        land, learning_rate=0.01, batch_size=1, minibatching="without_replacement", form="large_sample"
    )
    assert "bias of the minimum by reshuffling is left out" in rough.rests_on


def test_a_coordinate_that_stays_does_so_without_replacement_too(parabolas):
    land = parabolas(12, 2)
    padded = Landscape(
        sample_gradients=np.insert(land.sample_gradients, 1, 0.0, axis=1),
        sample_hessians=np.insert(np.insert(land.sample_hessians, 1, 0.0, axis=1), 1, 0.0, axis=2),
        parameters=[0.0, 5.0, 0.0],
    )
    settings = {"learning_rate": 0.01, "batch_size": 3, "minibatching": "without_replacement"}
    alone, state = predict(land, **settings), predict(padded, **settings)
    assert state.dropped == (1,)
    np.testing.assert_allclose(state.covariance[np.ix_([0, 2], [0, 2])], alone.covariance, rtol=1e-9)
    assert state.mean[1] == pytest.approx(5.0, abs=1e-12)
    assert state.entropy_production == close(alone.entropy_production, rel=1e-7)


def test_temperature_of_one_parameter_without_replacement(parabolas):
    land = parabolas(12, 1)
    state = predict(
        land, learning_rate=1e-4, batch_size=3, minibatching="without_replacement", time="continuous"
    )
    assert state.equilibrium.kind == "boltzmann"
    assert state.covariance[0, 0] * state.inverse_temperature * land.hessian[0, 0] == pytest.approx(
        1, abs=1e-3
    )


def test_an_epoch_that_does_not_pull_back_has_no_state(parabolas):
    land = parabolas(40, 3)
    verdict = predict(land, learning_rate=0.5, batch_size=1, minibatching="without_replacement")
    assert (verdict.kind, verdict.holds) == ("unstable", False)
    assert "epoch" in verdict.text


def test_digits_classifier():
    datasets = pytest.importorskip("sklearn.datasets")
    images, labels = datasets.load_digits(return_X_y=True)
    inputs = images[:1600].reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4)).reshape(-1, 16) / 16
    land = linear_classifier(inputs, np.eye(10)[labels[:1600]])
    assert land.loss == close(0.5799013955)
    curvature = np.linalg.eigvalsh(land.hessian)
    assert curvature[[0, -1]] == close([0.02169024, 4.92741813])
    continuous, discrete = (
        predict(land, learning_rate=1e-2, batch_size=20, time=time) for time in ("continuous", "discrete")
    )
    assert np.trace(continuous.covariance) == close(2.2741206e-3)
    assert np.trace(discrete.covariance) == close(2.2817415e-3)
    assert np.linalg.norm(continuous.circulation) == close(1.2703206e-6)
    assert discrete.excess_loss == close(7.6208306e-4)
    assert continuous.entropy_production == close(3.15646554)
    slower = predict(land, learning_rate=1e-4, batch_size=20, time="continuous")
    assert slower.entropy_production == close(0.0315646554)


def linear_classifier(inputs, targets, ridge=0.01):
    """|y − W x|² + λ |W|² at its minimum, W flattened by rows."""
    samples, count, classes = *inputs.shape, targets.shape[1]
    second = inputs.T @ inputs / samples + ridge * np.eye(count)
    weights = np.linalg.solve(second, inputs.T @ targets / samples).T
    residual = targets - inputs @ weights.T
    gradients = -2 * (residual[:, :, None] * inputs[:, None, :]).reshape(samples, -1)
    return Landscape(
        parameters=weights.ravel(),
        sample_gradients=gradients + 2 * ridge * weights.ravel(),
        hessian=np.kron(np.eye(classes), 2 * second),
        loss=float((residual**2).sum() / samples + ridge * (weights**2).sum()),
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_mnist_classifier(named_data):
    pixels, labels = mnist(named_data / "mnist", "train")
    inputs = pixels.reshape(-1, 7, 4, 7, 4).mean(axis=(2, 4)).reshape(-1, 49) / 255
    land = linear_classifier(inputs, np.eye(10)[labels])
    assert land.loss == close(0.569153267)
    assert np.linalg.eigvalsh(land.hessian)[[0, -1]] == close([0.02000016, 4.44337176])
    state = predict(land, learning_rate=1e-4, batch_size=100, time="continuous")
    assert np.trace(state.covariance) == close(1.0138961e-5)
    assert np.linalg.norm(state.circulation) == close(2.7151765e-11)
    assert state.entropy_production == close(1.379e-2, rel=1e-2)


def mnist(folder, part):
    import gzip

    def read(name, skip):
        path = next(folder.glob(f"{part}-{name}*.gz"))
        return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=skip)

    return read("images", 16).reshape(-1, 28, 28).astype(float), read("labels", 8)


def test_pixels_that_are_always_0_are_left_out_of_the_inverses():
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(200, 6)) @ rng.normal(size=(6, 6))
    labels = rng.integers(3, size=200)
    whole = predict(linear_classifier(inputs, np.eye(3)[labels]), learning_rate=1e-3, batch_size=10)
    padded = np.insert(inputs, [2, 5], 0.0, axis=1)
    state = predict(linear_classifier(padded, np.eye(3)[labels]), learning_rate=1e-3, batch_size=10)
    assert state.entropy_production == pytest.approx(whole.entropy_production, rel=1e-6)
    assert np.trace(state.covariance) == pytest.approx(np.trace(whole.covariance), rel=1e-10)
    assert np.linalg.matrix_rank(state.covariance, hermitian=True) <= 18
    assert "the diffusion matrix has rank" in state.rests_on


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
