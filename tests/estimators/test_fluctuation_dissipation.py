"""Half-running averages against a loop; the ratio and its interval on stationary quadratics of known truth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from thermograd.estimators.fluctuation_dissipation import half_running_average, ratio

RATE, EPOCH = 0.1, 10


@given(arrays(float, st.integers(1, 40), elements=st.floats(-1e3, 1e3)))
def test_half_running_average_is_that_of_a_loop(values):
    naive = [np.mean(values[t // 2 : t]) for t in range(1, len(values) + 1)]
    assert half_running_average(values) == pytest.approx(naive, rel=1e-9, abs=1e-9)


def test_half_running_average_takes_each_trajectory_by_itself():
    values = np.random.default_rng(0).normal(size=(3, 4, 9))
    whole = half_running_average(values)
    assert whole.shape == values.shape
    assert whole[1, 2] == pytest.approx(half_running_average(values[1, 2]))


def quadratic(trajectories, epochs, seed, reshuffled=False, curvatures=(1.0, 0.3), start=0.0, centre=0.2):
    """O_L and O_R of SGD on a quadratic about a fixed centre, in the stationary state or from `start` on."""
    generator = np.random.default_rng(seed)
    curvature = np.array(curvatures)
    samples = generator.normal(size=(EPOCH, len(curvature)))
    samples -= samples.mean(0)
    place = np.full((trajectories, len(curvature)), start)
    left, right = [], []
    warm = 0 if start else 40
    for epoch in range(epochs + warm):
        order = generator.permuted(np.tile(np.arange(EPOCH), (trajectories, 1)), axis=1)
        for step in range(EPOCH):
            noise = samples[order[:, step]] if reshuffled else generator.normal(size=place.shape)
            gradient = curvature * place + noise
            if epoch >= warm:
                left.append(((place - centre) * gradient).sum(1))
                right.append(RATE / 2 * (gradient**2).sum(1))
            place = place - RATE * gradient
    return np.array(left).T, np.array(right).T


def covered(runs, trajectories, epochs, **how):
    inside = 0
    for seed in range(runs):
        found = ratio(*quadratic(trajectories, epochs, seed, **how), steps_per_epoch=EPOCH, level=0.9)
        inside += found.low < 1 < found.high
    return inside / runs


@pytest.mark.parametrize("reshuffled", [False, True])
def test_the_interval_of_many_trajectories_holds_1_in_the_stationary_state(reshuffled):
    """200 runs know 90 % to 2 %; within 4 sigma."""
    assert 0.82 < covered(200, trajectories=24, epochs=24, reshuffled=reshuffled) < 0.98


@pytest.mark.parametrize("reshuffled", [False, True])
@pytest.mark.parametrize(("trajectories", "epochs"), [(1, 120), (3, 60)])
def test_that_of_stretches_holds_it_more_often(trajectories, epochs, reshuffled):
    """O_L − O_R of neighbouring stretches share an end, with opposite signs: their mean varies less than they do."""
    assert covered(100, trajectories, epochs, reshuffled=reshuffled) >= 0.95


def test_pieces_are_trajectories_or_stretches_of_whole_epochs():
    left, right = quadratic(9, 40, seed=0)
    assert ratio(left, right, steps_per_epoch=EPOCH).pieces == 9
    assert ratio(left[:2], right[:2], steps_per_epoch=EPOCH).pieces == 32
    found = ratio(left[0], right[0], steps_per_epoch=EPOCH)
    assert found.pieces == 16
    assert found.value == pytest.approx(
        left[0, -160:].mean() / right[0, -160:].mean()
    )  # 16 of the last 20 epochs


def test_within_an_epoch_of_a_reshuffling_sampler_the_two_are_far_apart():
    """Negative control: one step of each epoch, the same one, is off by far more than its interval."""
    left, right = quadratic(24, 400, seed=5, reshuffled=True)
    whole = ratio(left, right, steps_per_epoch=EPOCH, window="all")
    last = ratio(left[:, EPOCH - 1 :: EPOCH], right[:, EPOCH - 1 :: EPOCH], window="all")
    assert abs(whole.value - 1) < 0.01
    assert abs(last.value - 1) > 5 * (last.high - last.value)


def test_before_the_stationary_state_the_ratio_is_large():
    """Negative control: downhill towards the minimum (θ − c)·g outweighs the noise."""
    found = ratio(*quadratic(16, 2, seed=1, start=8.0), steps_per_epoch=EPOCH, window="all")
    assert found.low > 2


def test_window():
    left, right = quadratic(8, 40, seed=2)
    whole = ratio(left, right, steps_per_epoch=EPOCH, window="all")
    assert whole.value == pytest.approx(left.mean() / right.mean())
    half = ratio(left, right, steps_per_epoch=EPOCH)
    assert half.value == pytest.approx(left[:, 200:].mean() / right[:, 200:].mean())


def test_what_cannot_be_used_is_named():
    with pytest.raises(ValueError, match="one shape"):
        ratio(np.ones(5), np.ones(6))
    with pytest.raises(ValueError, match="record more epochs"):
        ratio(np.ones(5), np.ones(5), steps_per_epoch=5)


def test_about_the_origin_the_interval_is_many_times_as_wide():
    """Weights that fluctuate about 10: as the paper has it, θ·∇f carries ten times the noise of the gradient."""
    widths = []
    for centre in (-10.0, 0.0):  # the helper fluctuates about 0; the origin is 10 away
        found = ratio(*quadratic(24, 40, seed=6, centre=centre), steps_per_epoch=EPOCH)
        widths.append(found.high - found.low)
        assert found.low < 1 < found.high
    assert widths[0] > 20 * widths[1]  # 35 times


def loss_over_half_fluctuation(curvature, reshuffled, steps=100, epochs=120, trajectories=50):
    """Of a parabola with rate 0.1, from the second half of the epochs."""
    generator = np.random.default_rng(0)
    noise = generator.normal(size=steps)
    noise = np.tile((noise - noise.mean()) / noise.std(), (trajectories, 1))
    place, loss, half = np.zeros(trajectories), [], []
    for epoch in range(epochs):
        order = generator.permuted(noise, axis=1)
        for kick in (order if reshuffled else generator.choice(noise[0], size=noise.shape)).T:
            gradient = curvature * place + kick
            if epoch >= epochs // 2:
                loss.append(curvature * (place**2).mean() / 2)
                half.append(RATE * (gradient**2).mean() / 4)
            place = place - RATE * gradient
    return np.mean(loss) / np.mean(half)


@pytest.mark.parametrize(("curvature", "share"), [(0.01, 0.034), (1.0, 0.84)])
def test_under_reshuffling_noise_costs_less_than_its_fluctuation_says(curvature, share):
    """Loss above its floor over O_R/2: 1 of independent batches; of reshuffled epochs little where they hardly relax."""
    assert loss_over_half_fluctuation(curvature, reshuffled=False) == pytest.approx(1, abs=0.06)
    assert loss_over_half_fluctuation(curvature, reshuffled=True) == pytest.approx(share, rel=0.06)
