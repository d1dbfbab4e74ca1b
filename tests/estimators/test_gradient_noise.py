"""Noise scale: formulas against enumeration of all splits, the jackknife against a synthetic truth."""

import itertools
import math

import numpy as np
import pytest

from thermograd.estimators.gradient_noise import gradient_noise_scale, micro_batch_moments

SAMPLES = np.random.default_rng(5).normal([1.0, 0.2, 0.0], size=(6, 3))


def true_trace(samples):
    return float(((samples - samples.mean(axis=0)) ** 2).sum() / (len(samples) - 1))


def moments_of_parts(parts):
    """What `micro_batch_moments` says of the mean gradients over these groups of samples."""
    sizes = [len(part) for part in parts]
    means = [SAMPLES[list(part)].mean(axis=0) for part in parts]
    whole = np.average(means, axis=0, weights=sizes)
    return micro_batch_moments(sizes, [float(g @ g) for g in means], float(whole @ whole))


@pytest.mark.parametrize("sizes", [(3, 3), (2, 2, 2), (1, 1, 1, 1, 1, 1), (2, 4), (1, 2, 3)])
def test_unbiased_over_all_partitions_of_a_finite_set(sizes):
    edges = np.cumsum([0, *sizes])
    found = [
        moments_of_parts([order[a:b] for a, b in itertools.pairwise(edges)])
        for order in itertools.permutations(range(6))
    ]
    mean = SAMPLES.mean(axis=0)
    trace = true_trace(SAMPLES)
    assert np.mean(found, axis=0) == pytest.approx((trace, mean @ mean - trace / 6), rel=1e-12)


@pytest.mark.parametrize(("size", "parts"), [(1, 2), (2, 2), (1, 4)])
def test_unbiased_over_all_independent_samples(size, parts):
    """Every way to draw with repetition: the set is then the whole population."""
    population = SAMPLES[:4]
    means = population.mean(axis=0)
    found = []
    for drawn in itertools.product(range(4), repeat=size * parts):
        groups = population[list(drawn)].reshape(parts, size, -1).mean(axis=1)
        whole = groups.mean(axis=0)
        found.append(micro_batch_moments([size] * parts, (groups**2).sum(1), float(whole @ whole)))
    divided_by_all = true_trace(population) * 3 / 4
    assert np.mean(found, axis=0) == pytest.approx((divided_by_all, means @ means), rel=1e-12)


def test_equal_micro_batches_by_the_direct_formula():
    groups = SAMPLES.reshape(3, 2, 3).mean(axis=1)
    mean = groups.mean(axis=0)
    trace = 2 / (3 - 1) * ((groups - mean) ** 2).sum()
    found = micro_batch_moments([2, 2, 2], (groups**2).sum(axis=1), float(mean @ mean))
    assert found == pytest.approx((trace, mean @ mean - trace / 6), rel=1e-12)


def blocks(generator, squared, count, each=10, parameters=20, half=5):
    """Block means of S (true value 1) and of the squared gradient, from Gaussian gradients of two halves."""
    spectrum = np.exp(-np.arange(parameters) / 5)
    spread = np.sqrt(spectrum / spectrum.sum() / half)
    first, second = generator.normal(size=(2, count, each, parameters)) * spread
    first[..., 0] += math.sqrt(squared)
    second[..., 0] += math.sqrt(squared)
    trace = half / 2 * ((first - second) ** 2).sum(axis=-1)
    return trace.mean(axis=1), (first * second).sum(axis=-1).mean(axis=1)


@pytest.mark.parametrize(("squared", "count"), [(0.5, 8), (0.05, 30), (0.005, 20)])
def test_intervals_hold_the_truth_at_their_level(squared, count):
    generator = np.random.default_rng(11)
    held, sets = np.zeros(3), 1500
    for _ in range(sets):
        noise = gradient_noise_scale(*blocks(generator, squared, count), level=0.9)
        truths = (1.0, squared, 1.0 / squared)
        held += [
            estimate.low <= truth <= estimate.high
            for estimate, truth in zip(
                (noise.trace, noise.squared_gradient, noise.noise_scale), truths, strict=True
            )
        ]
    # 4 standard errors of a share of 0.9 in 1500 are 0.031.
    assert (np.abs(held / sets - 0.9) < 0.031).all(), held / sets


def test_a_mean_of_ratios_would_not():
    """Negative control: ratios of single blocks, averaged, are too large."""
    generator = np.random.default_rng(12)
    held = 0
    for _ in range(100):
        trace, squared = blocks(generator, 0.05, 200, each=20)
        ratios = trace / squared
        held += abs(ratios.mean() - 20) < 2.0 * ratios.std(ddof=1) / math.sqrt(len(ratios))
    assert held < 50


def test_an_unresolved_gradient_has_a_lower_end_only():
    generator = np.random.default_rng(13)
    said, above = 0, 0
    for _ in range(300):
        noise = gradient_noise_scale(*blocks(generator, 0.0, 12))
        said += noise.verdict.kind == "gradient_not_resolved"
        above += noise.noise_scale.high == math.inf and noise.noise_scale.low > 0
        assert noise.verdict.kind != "gradient_not_resolved" or noise.verdict.holds is None
    # 2.5 % of intervals lie above 0 by chance; 4 standard errors of that share in 300 are 3.6 %.
    assert said / 300 > 1 - 0.025 - 0.036
    assert above == said


def test_a_resolved_gradient():
    noise = gradient_noise_scale([10.0, 10.2, 9.8, 10.0], [2.0, 2.1, 1.9, 2.0])
    assert noise.verdict.kind == "gradient_resolved"
    assert noise.verdict.holds
    assert noise.pieces == 4
    assert noise.noise_scale.value == pytest.approx(5.0)
    assert noise.noise_scale.low < 5.0 < noise.noise_scale.high < 6.0


def test_counts_weigh_blocks():
    """One block of three measurements is three blocks of one, for the values."""
    single = gradient_noise_scale([1.0, 2.0, 3.0, 6.0], [0.5, 0.1, 0.3, 0.2])
    grouped = gradient_noise_scale([2.0, 6.0], [0.3, 0.2], counts=[3, 1])
    for name in ("trace", "squared_gradient", "noise_scale"):
        assert getattr(grouped, name).value == pytest.approx(getattr(single, name).value, rel=1e-12)


@pytest.mark.parametrize("scale", [1e-12, 1e9])
def test_units_cancel(scale):
    generator = np.random.default_rng(14)
    trace, squared = blocks(generator, 0.1, 10)
    one, other = gradient_noise_scale(trace, squared), gradient_noise_scale(scale * trace, scale * squared)
    assert other.noise_scale.interval == pytest.approx(one.noise_scale.interval, rel=1e-9)
    assert other.trace.value == pytest.approx(scale * one.trace.value, rel=1e-9)
    assert other.verdict.kind == one.verdict.kind


def test_no_noise_and_one_block():
    silent = gradient_noise_scale([0.0, 0.0], [2.0, 2.0])
    assert silent.verdict.kind == "no_noise"
    assert silent.noise_scale.interval == (0.0, 0.0)
    alone = gradient_noise_scale([4.0], [1.0])
    assert alone.noise_scale.value == pytest.approx(4.0)
    assert alone.noise_scale.interval == (0.0, math.inf)
    assert alone.verdict.kind == "gradient_not_resolved"
    assert "by 1 block." in str(alone)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([1.0, 2.0], [1.0]), "equally long"),
        (([], []), "equally long"),
        (([1.0, np.nan], [1.0, 2.0]), "block 1 has trace nan"),
        (([1.0], [1.0], [0]), "block 0 has"),
    ],
)
def test_bad_blocks(arguments, words):
    trace, squared, *counts = arguments
    with pytest.raises(ValueError, match=words):
        gradient_noise_scale(trace, squared, counts=counts[0] if counts else None)


@pytest.mark.parametrize("sizes", [[4], [4, 4, 4], [0, 4]])
def test_bad_micro_batches(sizes):
    with pytest.raises(ValueError, match="micro-batches or more"):
        micro_batch_moments(sizes, [1.0, 2.0] if len(sizes) != 1 else [1.0], 1.0)
