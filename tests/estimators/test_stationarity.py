"""The decision on processes whose state is known: relaxed, diffusing, drifting, slow, silent."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from thermograd.estimators.block_ends import BlockEnds, block_ends
from thermograd.estimators.stationarity import anchor_of, blocks_in_window, stationarity

STEPS = 10
SPECTRUM = np.exp(-np.arange(200) / 20)


def ornstein_uhlenbeck(blocks, seed, relaxation=0.3, spectrum=SPECTRUM, offset=3.0):
    """Stationary from the start, observed at every step; `relaxation` in blocks, `spectrum` of the variances."""
    generator = np.random.default_rng(seed)
    memory = math.exp(-1 / (relaxation * STEPS))
    kick = math.sqrt(1 - memory**2)
    size = np.sqrt(spectrum)
    place = size * generator.normal(size=size.size)
    places, squared = [place], []
    for _ in range(blocks):
        total = 0.0
        for noise in size * generator.normal(size=(STEPS, size.size)):
            moved = (memory - 1) * place + kick * noise
            place = place + moved
            total += float(moved @ moved)
        places.append(place)
        squared.append(total)
    return block_ends(np.array(places) + offset, np.array(squared), steps_per_block=STEPS)


def walk(blocks, seed, parameters=20, drift=0.0, start=0.0):
    """Free diffusion: the gain of |θ − c|² is the sum of |Δ|²."""
    kicks = np.random.default_rng(seed).normal(size=(blocks, parameters))
    kicks[:, 0] += drift
    places = start + np.concatenate([np.zeros((1, parameters)), kicks.cumsum(0)])
    return block_ends(places, np.full(blocks, float(parameters)), steps_per_block=STEPS)


def kinds(make, looks=range(20, 512, 4), **how):
    return {stationarity(make(blocks), **how).verdict.kind for blocks in looks}


def first_verdict(make, blocks):
    return next((n for n in blocks if stationarity(make(n)).verdict.kind == "equilibrated"), None)


@pytest.mark.parametrize(("relaxation", "fewest"), [(0.3, 20), (1.0, 18)])
def test_stationary_from_the_start_is_seen_at_32_to_40_epochs(relaxation, fewest):
    firsts = [
        first_verdict(lambda blocks, seed=seed: ornstein_uhlenbeck(blocks, seed, relaxation), range(30, 48))
        for seed in range(20)
    ]
    assert min(firsts) >= 32
    assert sum(first <= 40 for first in firsts) >= fewest


def test_many_equally_slow_directions_delay_it():
    """The leading direction of 400 equal ones is the slowest wave of all: late, never early."""
    for seed in range(3):
        first = first_verdict(
            lambda blocks, seed=seed: ornstein_uhlenbeck(blocks, seed, 1.0, np.ones(400)),
            range(32, 160, 8),
        )
        assert 40 <= first <= 128


@pytest.mark.parametrize("drift", [0.0, 0.5, 5.0])
@pytest.mark.parametrize("parameters", [1, 20])
def test_what_diffuses_or_drifts_is_never_called_equilibrated(parameters, drift):
    """Negative controls: about the anchor the ratio of a walk is 0, with a drift below."""
    for seed in range(20):
        found = kinds(lambda blocks, seed=seed: walk(blocks, seed, parameters, drift))
        assert not found & {"equilibrated", "slow_directions_remain"}


def test_ratios_of_diffusion_and_drift():
    """0 and 1 − (1 + drift² per step of walk × growing distance): below 0."""
    free = [stationarity(walk(200, seed)).ratio.value for seed in range(40)]
    assert np.mean(free) == pytest.approx(0.0, abs=4 * np.std(free) / math.sqrt(40))
    assert stationarity(walk(200, 0, drift=5.0)).ratio.high < -1


def test_about_the_mean_of_the_window_a_walk_would_look_relaxed():
    """Why the anchor lies before the window: about its own mean, time reversal makes the mean gain 0."""
    gains = []
    for seed in range(100):
        window = walk(200, seed).last(48)
        centred = ((window.sketch - window.sketch.mean(0)) ** 2).sum(1)
        gains.append((centred[-1] - centred[0]) / (window.squared_update[-1] - window.squared_update[0]))
    assert abs(np.mean(gains)) < 4 * np.std(gains) / 10
    assert np.mean([stationarity(walk(200, seed)).ratio.value for seed in range(20)]) < 0.3


def test_a_steady_drift_is_named_once_three_doublings_are_on_record():
    def looks(blocks):
        earlier = []
        for epochs in (32, 64, 128, 256):
            if epochs > blocks:
                break
            found = stationarity(walk(epochs, 3, drift=5.0), earlier=earlier)
            half = (found.ratio.high - found.ratio.low) / 2
            earlier.append((epochs * STEPS, 1 - found.ratio.value, half))
        return stationarity(walk(blocks, 3, drift=5.0), earlier=earlier).verdict.kind

    assert looks(128) == "approaching"
    assert looks(300) == "drifting"


def test_a_drift_that_fades_is_not_called_steady():
    record = walk(256, 3, drift=5.0)
    now = 1 - stationarity(record).ratio.value

    def kind(before):
        return stationarity(record, earlier=[(32 * STEPS, before, 0.1)]).verdict.kind

    assert kind(2 * now) == "approaching"
    assert kind(now) == "drifting"
    assert kind(0.01) == "drifting"


def quadratic(blocks, seed, curvatures, rate=0.1):
    """SGD with unit noise from the stationary state of the stiff modes and the minimum of the last."""
    generator = np.random.default_rng(seed)
    place = generator.normal(size=len(curvatures)) * np.sqrt(rate / 2)
    place[-1] = 0.0
    places, squared = [place], []
    for _ in range(blocks):
        total = 0.0
        for noise in generator.normal(size=(STEPS, len(curvatures))):
            gradient = curvatures * place + noise
            place = place - rate * gradient
            total += rate**2 * float(gradient @ gradient)
        places.append(place)
        squared.append(total)
    return block_ends(np.array(places), np.array(squared), steps_per_block=STEPS)


def test_a_slow_mode_that_the_trace_cannot_see():
    """100 stiff modes and one of 1e-4 after a hundredth of its relaxation: the ratio passes, strict does not."""
    curvatures = np.array([1.0] * 100 + [1e-4])
    found = [quadratic(100, seed, curvatures) for seed in range(10)]
    loose = [stationarity(record) for record in found]
    assert min(one.ratio.value for one in loose) > 0.95
    strict = [stationarity(record, strict=True).verdict for record in found]
    assert sum(one.kind == "equilibrated" for one in strict) <= 2
    assert sum(one.kind == "slow_directions_remain" and one.holds is False for one in strict) >= 7


def test_without_a_sketch_strict_is_never_satisfied():
    record = ornstein_uhlenbeck(63, 0)
    names = ("steps", "squared_distance", "anchor", "squared_norm", "squared_update", "measured", "epoch")
    blind = BlockEnds(**{name: getattr(record, name) for name in names})
    assert stationarity(blind).verdict.kind == "equilibrated"
    assert "slow_directions=0" in stationarity(blind).verdict.text
    assert stationarity(blind, strict=True).verdict.kind == "slow_directions_remain"


def test_the_numbers_by_hand():
    record = ornstein_uhlenbeck(41, 7)
    found = stationarity(record, level=0.9)
    places = record.sketch[41 - 20 :: 2]  # half of 41 blocks: 20, in 10 groups of 2
    centre = record.sketch[16]  # the window starts at 21
    noise = (record.squared_update[-1] - record.squared_update[21]) / 10
    gains = np.diff(((places - centre) ** 2).sum(1)) / noise
    half = stats.t.ppf(0.95, 9) * gains.std(ddof=1) / math.sqrt(10)
    assert found.ratio.value == pytest.approx(1 - gains.mean())
    assert found.ratio.interval == pytest.approx((1 - gains.mean() - half, 1 - gains.mean() + half))
    assert found.steps == (21 * STEPS, 41 * STEPS)
    assert found.ratio_about_origin.value == pytest.approx(1 - (np.diff((places**2).sum(1)) / noise).mean())


def test_evidence_against_about_the_origin_is_a_veto():
    """A norm that grows steadily while nothing moves about the anchor, which cannot be: the veto alone speaks."""
    record = ornstein_uhlenbeck(63, 1)
    growing = BlockEnds(
        record.steps,
        record.squared_distance,
        record.anchor,
        record.squared_norm + 0.5 * record.squared_update,
        record.squared_update,
        record.measured,
        record.epoch,
        record.sketch,
    )
    assert stationarity(record).verdict.kind == "equilibrated"
    assert stationarity(growing).verdict.kind == "approaching"
    assert "norm of the weights still changes" in stationarity(growing).verdict.text


def test_noise_alone_never_vetoes():
    """Far from the origin |θ|² fluctuates by far more than the band, and that is no evidence."""
    for seed in range(20):
        found = stationarity(ornstein_uhlenbeck(63, seed, offset=300.0))
        assert found.ratio_about_origin.high - found.ratio_about_origin.low > 0.2
        assert found.verdict.kind == "equilibrated"


def test_no_noise():
    still = np.ones((65, 3)) + 1e-9 * np.arange(65)[:, None]
    found = stationarity(block_ends(still, np.full(64, 3e-18), steps_per_block=STEPS))
    assert found.verdict.kind == "no_noise"
    assert found.ratio is None


def test_warming_up_until_32_blocks():
    assert stationarity(walk(31, 0)).verdict.kind == "warming_up"
    assert stationarity(walk(31, 0)).verdict.evidence == {"blocks": 31, "needed": 32}
    assert stationarity(walk(32, 0)).verdict.kind != "warming_up"


def test_a_noisy_look_is_undecided():
    """One parameter that forgets at once: the interval about the anchor is wider than the band."""
    found = stationarity(ornstein_uhlenbeck(32, 1, 1.0, np.ones(1)), tolerance=0.02)
    assert found.verdict.kind == "undecided"
    assert found.verdict.holds is None


@settings(max_examples=30, deadline=None)
@given(st.integers(32, 300), st.integers(0, 100), st.integers(-20, 20))
def test_rotation_and_units_do_not_matter(blocks, seed, exponent):
    """The same trajectory with its coordinates in another order and in other units of length."""
    generator, scale = np.random.default_rng(seed), 2.0**exponent
    places = generator.normal(size=(blocks + 1, 30)).cumsum(0) * generator.random(30)
    squared = 10 * generator.exponential(size=blocks)
    plain = stationarity(block_ends(places, squared, steps_per_block=STEPS))
    other = stationarity(block_ends(scale * places[:, ::-1], scale**2 * squared, steps_per_block=STEPS))
    assert other.verdict.kind == plain.verdict.kind
    assert other.verdict.text == plain.verdict.text
    assert other.ratio.value == pytest.approx(plain.ratio.value, rel=1e-9, abs=1e-9)
    assert other.slowest.coverage == pytest.approx(plain.slowest.coverage, rel=1e-6)


@given(st.integers(1, 100))
def test_windows(blocks):
    window, groups = blocks_in_window(blocks)
    assert window <= blocks // 2
    if blocks >= 2:
        assert groups >= 1
        assert window % groups == 0
        assert window > blocks // 2 - groups
    assert (groups >= 8) == (blocks >= 32)


@given(st.integers(0, 50), st.integers(1, 4000), st.integers(1, 30))
def test_anchors(start, epochs, epoch):
    found = (anchor_of(start, start + epochs * epoch, epoch) - start) // epoch
    assert found <= epochs < 2 * found
    assert found & (found - 1) == 0
