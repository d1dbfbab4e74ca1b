"""The stationary state of SGD: recorded numbers of the 7-parameter network, symmetries, and what has no state."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from thermograd.errors import ConfigError
from thermograd.quantities import Landscape
from thermograd.theory.stationary_state import (
    diffusion,
    effective_minimum,
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


def simple(curvature, gradients=((1.0, 0.5), (-1.0, -0.5), (0.0, 1.0), (0.0, -1.0))):
    return Landscape(sample_gradients=gradients, hessian=np.diag(curvature))


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
