"""SGD without replacement: the theory of an epoch against all orders of the samples, one by one."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from thermograd.errors import ConfigError
from thermograd.quantities import Landscape
from thermograd.theory.effective_loss import effective_minimum
from thermograd.theory.reshuffled_diffusion import reshuffled_diffusion
from thermograd.theory.reshuffled_epoch import reshuffled_epoch
from thermograd.theory.training_settings import TrainingSettings

SIZES = [(4, 1), (4, 2), (6, 1), (6, 2), (6, 3)]


def settings(samples, batch, rate, **others):
    return TrainingSettings(
        samples=samples, batch_size=batch, learning_rate=rate, minibatching="without_replacement", **others
    )


def epochs(landscape, batch, rate):
    """The affine map δ -> A δ + b of an epoch for every order of the samples."""
    for order in permutations(range(landscape.samples)):
        size = landscape.sample_gradients.shape[1]
        matrix, shift = np.eye(size), np.zeros(size)
        for first in range(0, landscape.samples, batch):
            chosen = list(order[first : first + batch])
            curvature = landscape.sample_hessians[chosen].mean(axis=0)
            shift = shift - rate * (curvature @ shift + landscape.sample_gradients[chosen].mean(axis=0))
            matrix = matrix - rate * curvature @ matrix
        yield matrix, shift


def shifts_from(landscape, batch, rate, start):
    return np.array([matrix @ start + shift - start for matrix, shift in epochs(landscape, batch, rate)])


def half_covariance(points):
    away = points - points.mean(axis=0)
    return away.T @ away / len(points) / 2


def coefficients(M, m):
    """a2 to a6: covariances of which samples come before which, over all orders."""
    a2 = (M - m) * (M * (M - 4) + (M - 4) * m + 6) / (12 * (M - 2) * (M - 1) ** 2)
    a3 = (M - m) * (M + m - 2) / (4 * (M - 1) ** 2)
    a4 = -((M - m) ** 2) / (4 * (M - 1) ** 2)
    a5 = -(M - m) * (M * (M - 4) + (M + 2) * m) / (12 * (M - 2) * (M - 1) ** 2)
    a6 = (m - 1) * (M - m) / (2 * (M - 1) ** 2 * (M - 2) * (M - 3))
    return a2, a3, a4, a5, a6


def tensor_form(landscape, batch):
    """Sums over pairs of samples with the whole (M, M, N) array, in the order B, C, F, Γ."""
    pairs = np.einsum("iab,jb->ija", landscape.sample_hessians, landscape.sample_gradients) / batch**2
    pairs[np.arange(landscape.samples), np.arange(landscape.samples)] = 0
    alike = np.einsum("ija,ijb->ab", pairs, pairs)
    return pairs.sum(0), pairs.sum(1), alike, np.einsum("ija,jib->ab", pairs, pairs)


def as_products(landscape):
    hessians = landscape.sample_hessians
    return Landscape(
        sample_gradients=landscape.sample_gradients,
        hessian=landscape.hessian,
        sample_hessian_products=lambda vector: hessians @ vector,
    )


@pytest.mark.parametrize(("samples", "batch"), SIZES)
def test_noise_of_an_epoch_against_all_orders(parabolas, samples, batch):
    land = parabolas(samples, 3)
    errors = []
    for rate in (1e-3, 1e-4):
        truth = half_covariance(shifts_from(land, batch, rate, np.zeros(3)))
        found = reshuffled_diffusion(land, learning_rate=rate, batch_size=batch).value
        errors.append(np.abs(found - truth).max() / np.abs(truth).max())
    if samples == 2 * batch:  # two steps: nothing beyond fourth order
        assert max(errors) < 1e-9
    else:
        assert errors[1] < 2e-3
        assert errors[1] == pytest.approx(errors[0] / 10, rel=0.1)  # first order in the rate


def test_without_the_sixth_coefficient_the_same_comparison_fails(parabolas):
    """Negative control: as published, without a6, the matrix is off by per cents at M = 6, m = 2."""
    land, rate, M, m = parabolas(6, 3), 1e-4, 6, 2
    truth = half_covariance(shifts_from(land, m, rate, np.zeros(3)))
    B, C, F, G = tensor_form(land, m)
    a2, a3, a4, a5, _ = coefficients(M, m)
    without_a6 = (
        a2 * (B.T @ B + C.T @ C) + (a3 - 2 * a2) * F + (a4 - 2 * a5) * G + a5 * (B.T @ C + C.T @ B)
    ) * (rate**4 / 2)
    assert np.abs(without_a6 - truth).max() > 0.01 * np.abs(truth).max()


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_coefficients_are_covariances_of_the_order_of_the_samples(batch):
    """Over all orders of six samples, with the indicator that i came in a later batch than j; a6 is 0 for m = 1 only.

    The place ζ of a sample in the epoch is correlated with that of another, −a0/(M−1): their sum is fixed.
    """
    M, m = 6, batch
    places = np.argsort(list(permutations(range(M))), axis=1) // m  # batch in which sample i comes
    later = (places[:, :, None] > places[:, None, :]).astype(float)
    later -= later.mean(axis=0)

    def covariance(first, second):
        return (later[:, *first] * later[:, *second]).mean()

    a2, a3, a4, a5, a6 = coefficients(M, m)
    assert covariance((0, 1), (0, 2)) == pytest.approx(a2, abs=1e-14)
    assert covariance((0, 1), (0, 1)) == pytest.approx(a3, abs=1e-14)
    assert covariance((0, 1), (1, 0)) == pytest.approx(a4, abs=1e-14)
    assert covariance((0, 1), (2, 0)) == pytest.approx(a5, abs=1e-14)
    assert covariance((0, 1), (2, 3)) == pytest.approx(a6, abs=1e-14)
    assert (a6 > 0) == (m > 1)
    ends = places - places.mean(axis=0)
    a0 = (ends[:, 0] ** 2).mean()
    assert (ends[:, 0] * ends[:, 1]).mean() == pytest.approx(-a0 / (M - 1), rel=1e-12)


@pytest.mark.parametrize("batch", [1, 2, 5, 10])
def test_no_array_of_pairs_is_needed(parabolas, batch, monkeypatch):
    land, M, m = parabolas(20, 5, seed=3), 20, batch
    B, C, F, G = tensor_form(land, m)
    a2, a3, a4, a5, a6 = coefficients(M, m)
    total = B.sum(axis=0)
    naive = 0.5 * (
        a2 * (B.T @ B + C.T @ C)
        + (a3 - 2 * a2) * F
        + (a4 - 2 * a5) * G
        + a5 * (B.T @ C + C.T @ B)
        + a6 * (np.outer(total, total) - (B + C).T @ (B + C) + F + G)
    )
    one = reshuffled_diffusion(land, learning_rate=1.0, batch_size=m).value
    np.testing.assert_allclose(one, naive, rtol=1e-10, atol=1e-12 * np.abs(naive).max())
    products = reshuffled_diffusion(as_products(land), learning_rate=1.0, batch_size=m).value
    np.testing.assert_allclose(products, one, rtol=1e-12)
    monkeypatch.setattr(
        "thermograd.theory.reshuffled_diffusion.LARGEST_BLOCK", 16 * 5 * 4
    )  # 2 of 5 at a time
    blocks = reshuffled_diffusion(land, learning_rate=1.0, batch_size=m).value
    np.testing.assert_allclose(blocks, one, rtol=1e-10, atol=1e-12 * np.abs(naive).max())


def test_an_epoch_from_products_is_that_from_arrays(parabolas):
    land = parabolas(20, 4, seed=8)
    one, other = (reshuffled_epoch(each, settings(20, 4, 1e-2)) for each in (land, as_products(land)))
    assert one.displacement.any()
    for name in ("displacement", "relaxation", "diffusion"):
        np.testing.assert_allclose(getattr(other, name), getattr(one, name), rtol=1e-10, atol=1e-20)


@pytest.mark.parametrize(("samples", "batch"), [(2, 1), (3, 1), (5, 1), (4, 4), (2, 2)])
def test_few_samples(parabolas, samples, batch):
    land, rate = parabolas(samples, 2, seed=5), 1e-5
    truth = half_covariance(shifts_from(land, batch, rate, np.zeros(2)))
    found = reshuffled_diffusion(land, learning_rate=rate, batch_size=batch).value
    np.testing.assert_allclose(
        found, truth, atol=1e-4 * np.abs(truth).max() + 1e-40
    )  # rounding where there is no noise


@pytest.mark.parametrize(("samples", "batch"), SIZES)
def test_fixed_point_of_the_mean_epoch(parabolas, samples, batch):
    """To the next order in the learning rate: the error of the shift falls by 100 where the shift falls by 10."""
    land = parabolas(samples, 3, seed=1)
    errors = []
    for rate in (1e-2, 1e-3):
        maps = list(epochs(land, batch, rate))
        matrix, shift = (np.mean(part, axis=0) for part in zip(*maps, strict=True))
        truth = np.linalg.solve(np.eye(3) - matrix, shift)
        found = effective_minimum(land, learning_rate=rate, batch_size=batch).value
        errors.append(np.abs(found - truth).max())
        assert errors[-1] < 0.2 * np.abs(truth).max()
    assert errors[1] < max(errors[0] / 50, 1e-15)  # two steps: exact


def test_one_shifted_landscape_has_the_same_minimum(parabolas):
    """Taken elsewhere on the same parabolas, the landscape leads to the same place."""
    land = parabolas(6, 3, seed=2)
    away = np.array([3e-4, -2e-4, 1e-4])
    moved = Landscape(
        sample_gradients=land.sample_gradients + land.sample_hessians @ away,
        sample_hessians=land.sample_hessians,
        parameters=away,
    )
    first = effective_minimum(land, learning_rate=1e-3, batch_size=2).value
    second = effective_minimum(moved, learning_rate=1e-3, batch_size=2).value
    np.testing.assert_allclose(first, second, atol=1e-3 * np.abs(first).max())


@pytest.mark.parametrize(("samples", "batch"), SIZES)
def test_propagator_and_noise_of_an_epoch(parabolas, samples, batch):
    """The map is right to second order in the rate, the noise to fourth, and both nearer than to lowest order."""
    land = parabolas(samples, 3, seed=4)
    errors = []
    for rate in (2e-2, 2e-3):
        matrix = np.mean([one for one, _ in epochs(land, batch, rate)], axis=0)
        epoch = reshuffled_epoch(land, settings(samples, batch, rate))
        plain = reshuffled_epoch(land, settings(samples, batch, rate, time="continuous"))
        truth = half_covariance(shifts_from(land, batch, rate, epoch.displacement))
        noise = [np.abs(one.diffusion - truth).max() / np.abs(truth).max() for one in (epoch, plain)]
        drift = [np.abs(one.propagator - matrix).max() for one in (epoch, plain)]
        errors.append((drift[0], noise[0]))
        assert noise[0] <= max(noise[1], 1e-12)
        assert drift[0] <= max(drift[1], 1e-12)
    if samples == 2 * batch:  # two steps: exact
        assert errors[0][0] < 1e-13
        assert errors[0][1] < 1e-9
    else:
        assert errors[1][0] == pytest.approx(errors[0][0] / 1000, rel=0.2)
        assert errors[1][1] == pytest.approx(errors[0][1] / 10, rel=0.3)


def test_commuting_samples_are_known_to_all_orders():
    """Equal Hessians: the epoch is (1 − ηh)ⁿ exactly, and the noise Σ (w − w̄)² Ω n/(n−1) exactly, not only to fourth order."""
    gradients = np.array([[1.0, 0.5], [-1.0, 0.2], [0.5, -0.3], [-0.5, -0.4]])
    land = Landscape(sample_gradients=gradients, sample_hessians=np.tile(np.diag([1.0, 0.3]), (4, 1, 1)))
    rate = 0.3
    epoch = reshuffled_epoch(land, settings(4, 1, rate))
    matrix = np.diag((1 - rate * np.array([1.0, 0.3])) ** 4)
    np.testing.assert_allclose(epoch.propagator, matrix, atol=1e-12)
    np.testing.assert_allclose(epoch.displacement, 0, atol=1e-12)
    truth = half_covariance(shifts_from(land, 1, rate, np.zeros(2)))
    np.testing.assert_allclose(epoch.diffusion, truth, rtol=1e-9)
    assert "beyond" in epoch.rests_on  # η n h = 1.2


def test_invariances(parabolas):
    land = parabolas(6, 3, seed=7)
    rng = np.random.default_rng(0)
    order = rng.permutation(6)
    shuffled = Landscape(
        sample_gradients=land.sample_gradients[order], sample_hessians=land.sample_hessians[order]
    )
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    turned = Landscape(
        sample_gradients=land.sample_gradients @ turn.T,
        sample_hessians=turn @ land.sample_hessians @ turn.T,
    )
    plain, other, third = (reshuffled_epoch(one, settings(6, 2, 1e-2)) for one in (land, shuffled, turned))
    for name in ("displacement", "relaxation", "diffusion"):
        value = getattr(plain, name)
        scale = 1e-11 * np.abs(value).max()
        np.testing.assert_allclose(getattr(other, name), value, atol=scale)
        back = turn.T @ getattr(third, name)
        np.testing.assert_allclose(back if value.ndim == 1 else back @ turn, value, atol=scale)
    whole = reshuffled_epoch(land, settings(6, 6, 1e-2))
    assert not whole.diffusion.any()
    assert np.linalg.eigvalsh(plain.diffusion).min() > 0


def test_approximate_forms_say_that_flat_directions_are_wrong(parabolas):
    land = parabolas(200, 4)
    exact = reshuffled_diffusion(land, learning_rate=1e-3, batch_size=10)
    for form in ("leading_term", "large_sample"):
        near = reshuffled_diffusion(land, learning_rate=1e-3, batch_size=10, form=form)
        assert "flat directions" in near.rests_on
        assert 0 < np.abs(near.value - exact.value).max() < np.abs(exact.value).max()
    assert "flat" not in exact.rests_on


def test_what_is_refused(parabolas):
    land = parabolas(6, 3)
    bare = Landscape(sample_gradients=land.sample_gradients, hessian=land.hessian)
    with pytest.raises(ConfigError, match="sample_hessians=True"):
        reshuffled_diffusion(bare, learning_rate=0.1, batch_size=2)
    with pytest.raises(ConfigError, match="does not divide"):
        effective_minimum(land, learning_rate=0.1, batch_size=4)
    assert "left out" in reshuffled_epoch(bare, settings(6, 2, 1e-3, form="large_sample")).rests_on
    inside = Landscape(
        sample_gradients=land.sample_gradients[:, :2],
        hessian=land.hessian[:2, :2],
        parameters=np.zeros(3),
        directions=np.eye(3)[:, :2],
    )
    with pytest.raises(ConfigError, match="directions"):
        reshuffled_diffusion(inside, learning_rate=0.1, batch_size=2)


def test_seven_parameter_network(regression):
    """Numbers derived by an independent program; from the recorded minimum the shift itself costs 3e-4 in the noise."""
    shift = effective_minimum(regression, learning_rate=1e-7, batch_size=10).value - regression.position
    expected = [4.493254e-5, 2.945617e-5, 4.546668e-5, -2.918966e-5, -4.240289e-5, 4.177577e-5, 4.478984e-6]
    np.testing.assert_allclose(shift, expected, rtol=2e-4)
    epoch = reshuffled_epoch(regression, settings(200, 10, 1e-7, time="continuous"))
    noise = [4.356174e-13, 3.130724e-13, 8.268844e-13, 7.833514e-13, 7.078277e-12, 7.182883e-12, 8.000364e-12]
    np.testing.assert_allclose(np.diagonal(epoch.diffusion), noise, rtol=2e-3)
