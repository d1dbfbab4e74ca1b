"""Phases of losses whose remaining decrease is known in closed form."""

import numpy as np
import pytest

from thermograd.errors import ConfigError
from thermograd.estimators.learning_phases import learning_phases

STEPS = np.arange(1, 100_001)


def two_stages(steps, first=10.0, second=10_000.0):
    """Half of the decrease about step 10, half about step 10 000: r = 0.5 between."""
    return 0.5 / (1 + (steps / first) ** 2) + 0.5 / (1 + (steps / second) ** 4)


@pytest.mark.parametrize("remaining", [0.05, 0.1, 0.3])
def test_a_power_law_reaches_what_is_left_where_it_should(remaining):
    """r = t^(−1/2) up to what the last and the first bin take off."""
    steps = np.arange(1, 10**6 + 1)
    found = learning_phases(steps, 2 + 3 / np.sqrt(steps), remaining=remaining)
    last = (1 / np.sqrt(steps[steps >= 10 ** (47 / 8)])).mean()
    exact = (remaining * (1 - last) + last) ** -2
    assert found.slow_since.value == pytest.approx(exact, rel=0.02)
    assert found.slow_since.low < exact < found.slow_since.high
    assert found.slow_since.high / found.slow_since.low == pytest.approx(10 ** (1 / 8), rel=0.02)
    assert found.outcome == "slow"
    assert found.verdict.holds is True
    assert found.plateaus == ()
    assert found.slow_since.note == "one run"


def test_a_plateau_is_found_with_its_ends():
    """|dr/dlog₁₀ t| < 0.1 from step 28 (4.6 · 0.5 x²/(1+x²)² = 0.1 at x = t/10 = 4.6) to 3100 or so."""
    steps = np.arange(1, 10**6 + 1)
    found = learning_phases(steps, two_stages(steps))
    assert len(found.plateaus) == 1
    start, stop = found.plateaus[0]
    assert 15 < start < 60
    assert 2500 < stop < 6000
    exact = 10_000 * 4 ** (1 / 4)  # 0.5/(1 + x⁴) = 0.1
    assert found.slow_since.low < exact < found.slow_since.high
    assert found.slow_since.value == pytest.approx(
        exact, rel=0.1
    )  # a straight line between bins a third apart
    assert "It rests from step" in str(found)


def test_sparse_records_give_the_same_as_dense_ones():
    steps = np.unique(np.rint(10 ** (np.arange(8 * 6 + 1) / 8)).astype(int))
    found = learning_phases(steps, two_stages(steps))
    assert found.slow_since.low < 10_000 * 4 ** (1 / 4) < found.slow_since.high
    assert len(found.plateaus) == 1


def test_noise_makes_no_plateaus_of_a_steady_fall():
    """r = 1 − log₁₀ t/5 has slope 0.2 everywhere."""
    generator = np.random.default_rng(0)
    for _ in range(30):
        noisy = 1 - np.log10(STEPS) / 5 + 0.05 * generator.normal(size=STEPS.size)
        found = learning_phases(STEPS, noisy)
        assert found.plateaus == ()


def test_a_loss_that_is_still_falling_has_no_phase_yet():
    """A straight line: nine tenths are done at nine tenths of the time."""
    found = learning_phases(STEPS, 3 - STEPS / 1e5)
    assert found.outcome == "still_fast"
    assert found.verdict.holds is False
    assert found.slow_since.low < 9e4
    assert "is not known yet" in str(found)


def test_a_plateau_is_seen_through_noise():
    generator = np.random.default_rng(1)
    steps = np.arange(1, 10**6 + 1)
    found = learning_phases(steps, two_stages(steps) + 0.05 * generator.normal(size=steps.size))
    assert len(found.plateaus) == 1
    assert found.plateaus[0][1] > 20 * found.plateaus[0][0]


def test_the_last_crossing_counts():
    """A loss that comes up again above a tenth: the slow phase begins where it falls for the last time."""
    steps = np.arange(1, 10**6 + 1)
    bump = np.exp(-(np.log(steps / 1000.0) ** 2))
    found = learning_phases(steps, 1 / steps + 0.5 * bump)
    exact = 1000 * np.exp(np.sqrt(np.log(5)))  # 0.5 exp(−x²) = 0.1
    assert found.slow_since.value == pytest.approx(exact, rel=0.02)


def test_the_start_counts_if_it_was_recorded():
    """Loss 10 at step 0 and 1/t later: a tenth of the decrease is left at once."""
    steps = np.arange(0, 10_001)
    found = learning_phases(steps, np.append(10.0, 1.0 / steps[1:]))
    assert found.slow_since.value == pytest.approx(1.0, abs=0.01)
    assert found.slow_since.low <= 1.0
    later = learning_phases(steps[1:], 1.0 / steps[1:])
    assert later.slow_since.value == pytest.approx(10, rel=0.03)


def test_a_loss_that_does_not_fall():
    noise = np.random.default_rng(0).normal(size=STEPS.size)
    for loss in (1 + 0.1 * noise, STEPS / 1e5, np.ones(STEPS.size), 1 + 0.1 * noise - STEPS / 1e6):
        found = learning_phases(STEPS, loss)
        assert found.outcome == "no_decrease"
        assert found.slow_since is None
        assert found.verdict.holds is None
        assert str(found).startswith("no_decrease: The loss did not decrease")


def test_of_eight_trajectories_or_more_the_interval_is_that_of_their_mean():
    """Trajectories r = 1/(1 + t/τ) with scattered τ: 20 ensembles hold the crossing of the law at least 17 times."""
    steps = np.unique(np.rint(np.geomspace(1, 1e6, 400)).astype(int))

    def losses(count, seed):
        scale = 100 * np.exp(0.5 * np.random.default_rng(seed).normal(size=(count, 1)))
        return 1 / (1 + steps / scale)

    law = learning_phases(steps, losses(20_000, 999).mean(axis=0)).slow_since.value
    found = [learning_phases(steps, losses(16, seed), resamples=300).slow_since for seed in range(20)]
    assert sum(one.low <= law <= one.high for one in found) >= 17
    assert all(one.pieces == 16 for one in found)
    few = learning_phases(steps, losses(7, 0)).slow_since
    assert few.note == "7 trajectories"
    assert few.high / few.low < 1.5


def test_a_trajectory_that_diverged_is_left_out():
    losses = np.stack([1 / STEPS, 2 / STEPS, 3 / STEPS])
    losses[1, 5000:] = np.nan
    found = learning_phases(STEPS, losses)
    assert "1 trajectories diverged" in found.slow_since.note
    losses[:] = np.nan
    with pytest.raises(ConfigError, match="none of the 3 trajectories has a finite loss"):
        learning_phases(STEPS, losses)


@pytest.mark.parametrize(
    ("steps", "loss", "options", "words"),
    [
        ([1, 2, 3], [1.0, 2.0], {}, r"loss has shape \(2,\) and steps \(3,\)"),
        ([3, 2, 1], [1.0, 2.0, 3.0], {}, "increasing"),
        ([-1, 2, 3], [1.0, 2.0, 3.0], {}, "0 or larger"),
        ([100, 101, 102], [3.0, 2.0, 1.0], {}, "fill 1 bins of 1/8 decade; 3 are needed"),
        ([1, 10, 100], [3.0, 2.0, 1.0], {"remaining": 1.0}, "remaining is 1.0"),
        ([1, 10, 100], [3.0, 2.0, 1.0], {"per_decade": 0}, "per_decade is 0"),
        ([1, 10, 100], [3.0, 2.0, 1.0], {"level": 2}, "level is 2"),
    ],
)
def test_what_does_not_fit_is_refused(steps, loss, options, words):
    with pytest.raises(ConfigError, match=words):
        learning_phases(steps, loss, **options)


def test_a_record_that_ends_on_the_edge_of_a_bin_does_not_hang_on_its_last_number():
    """To step 10 000 the last bin would hold one record: with noise of an eighth of the fall, one in four was still fast."""
    steps = np.arange(10, 10_001, 10)
    generator = np.random.default_rng(0)
    losses = 1 + 0.4 * np.exp(-steps / 300) + 0.05 * generator.normal(size=(40, steps.size))
    assert {learning_phases(steps, loss).outcome for loss in losses} == {"slow"}
