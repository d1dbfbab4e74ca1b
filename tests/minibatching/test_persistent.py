"""Persistent sampling against a reference that goes sample by sample, and against the laws it must obey."""

import dataclasses
from collections import Counter

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

import thermograd as tg
from thermograd.dynamics import SGD
from thermograd.minibatching import Persistent
from thermograd.numerics import philox
from thermograd.numerics.log_times import Every
from thermograd.observables import Loss
from thermograd.problems import Quadratic


def reference_selected(seed, trajectory, steps, samples, enter, leave, mean):
    """s(0) ... s(steps − 1) of independent samples, one at a time."""
    words = philox.words(seed, 5, [trajectory], 0, samples)[0]
    history = [[int(word) < mean * 2**32 for word in words]]
    for step in range(1, steps):
        words = philox.words(seed, 1, [trajectory], step, samples)[0]
        history.append(
            [
                int(word) >= leave * 2**32 if inside else int(word) < enter * 2**32
                for inside, word in zip(history[-1], words, strict=True)
            ]
        )
    return history


def reference_members(seed, trajectory, steps, samples, fraction, correlation):
    """Batches of a fixed size, one at a time."""
    size, lost = round(fraction * samples), 1 - correlation
    release = lost * (1 - fraction) / (1 - lost * fraction)
    p, history, count = list(range(samples)), [], size
    for step in range(steps):
        words = [int(word) for word in philox.words(seed, 1 if step else 5, [trajectory], step, 2 * size)[0]]
        if step:
            out = [word < release * 2**32 for word in words[:size]]
            p[:size] = [p[j] for j in range(size) if not out[j]] + [p[j] for j in range(size) if out[j]]
            count, words = sum(out), words[size:]
        for word, i in zip(words, range(size - count, size), strict=False):
            q = i + (word * (samples - i) >> 32)
            p[i], p[q] = p[q], p[i]
        history.append(p[:size])
    return history


def drawn(rule, seed, rows, steps, samples):
    state, batches = rule.start(seed, rows, samples), []
    for step in range(steps):
        batch, state = rule.draw(state, seed, rows, step, samples)
        batches.append(batch)
    return batches


def selections(rule, rows, steps, samples, seed=0):
    """Whether each sample is in the batch, (steps, rows · samples)."""
    batches = drawn(rule, seed, rows, steps, samples)
    if rule.fixed_size:
        inside = np.zeros((steps, len(rows), samples), bool)
        for step, batch in enumerate(batches):
            np.put_along_axis(inside[step], batch.indices, values=True, axis=1)
    else:
        inside = np.array([batch.weights > 0 for batch in batches])
    return inside.reshape(steps, -1)


def check_mean(inside, fraction):
    """Binomial, 4 sigma."""
    assert abs(inside[-1].mean() - fraction) < 4 * np.sqrt(fraction * (1 - fraction) / inside.shape[1])


def check_correlation(inside, fraction, expected):
    """Between the last batch and those before, lags 1, 2, ...; 4 sigma of the mean of the products."""
    for lag, correlation in enumerate(expected, start=1):
        products = (inside[-1] - fraction) * (inside[-1 - lag] - fraction) / (fraction * (1 - fraction))
        assert abs(products.mean() - correlation) < 4 * products.std() / np.sqrt(len(products))


@pytest.mark.parametrize(
    ("fraction", "persistence"), [(0.1, None), (0.3, 10), (0.8, 1.0), (0.2, 4), (1.0, None), (1 / 3, 2)]
)
def test_independent_samples_equal_the_reference(fraction, persistence):
    rule, rows = Persistent(fraction, persistence), (0, 3, 11)
    tau = 1 / fraction if persistence is None else persistence
    batches = drawn(rule, 2**40 + 5, rows, 12, 37)
    for row, trajectory in enumerate(rows):
        expected = reference_selected(
            2**40 + 5, trajectory, 12, 37, 1 / tau, (1 - fraction) / (fraction * tau), fraction
        )
        for batch, selected in zip(batches, expected, strict=True):
            assert batch.indices[row].tolist() == list(range(37))
            assert batch.weights[row].tolist() == [inside / fraction for inside in selected]


@pytest.mark.parametrize(
    ("fraction", "persistence"), [(0.1, None), (0.3, 10), (0.9, 1.2), (1.0, 5), (0.02, 900), (0.97, 2)]
)
def test_batches_of_a_fixed_size_equal_the_reference(fraction, persistence):
    rule, rows = Persistent(fraction, persistence, fixed_size=True), (0, 3, 11, 4)
    batches = drawn(rule, 5, rows, 25, 37)
    for row, trajectory in enumerate(rows):
        expected = reference_members(5, trajectory, 25, 37, fraction, rule.correlation)
        assert [batch.indices[row].tolist() for batch in batches] == expected
    assert all(batch.weights is None for batch in batches)


def test_words_at_the_threshold_are_compared_exactly(monkeypatch):
    """0.3·2³² lies between 1288490188 and 1288490189; 0.25·2³² = 2³⁰ is itself not below."""
    words = np.array([[1288490188, 1288490189, 2**30 - 1, 2**30]], np.uint32)
    monkeypatch.setattr(philox, "words", lambda *_: words)
    assert Persistent(0.3).start(0, [0], 4)["selected"].tolist() == [[True, False, True, True]]
    assert Persistent(0.25).start(0, [0], 4)["selected"].tolist() == [[False, False, True, False]]


@pytest.mark.parametrize("fixed_size", [False, True])
def test_drawing_twice_from_one_state_gives_the_same(fixed_size):
    rule, rows = Persistent(0.3, 10, fixed_size), (1, 2)
    _, state = rule.draw(rule.start(0, rows, 20), 0, rows, 0, 20)
    (first, later), (second, again) = (rule.draw(state, 0, rows, 1, 20) for _ in range(2))
    assert np.array_equal(first.indices, second.indices)
    assert fixed_size or np.array_equal(first.weights, second.weights)
    assert all(np.array_equal(later[key], again[key]) for key in later)


@pytest.mark.parametrize("fixed_size", [False, True])
@pytest.mark.parametrize(("fraction", "persistence"), [(0.3, 5), (0.3, 40), (0.7, 2)])
def test_stationary_mean_and_correlation(fraction, persistence, fixed_size):
    rule = Persistent(fraction, persistence, fixed_size)
    correlation = 1 - 1 / (fraction * persistence)
    assert rule.correlation == pytest.approx(correlation, rel=1e-14)
    assert rule.correlation_time == pytest.approx(fraction * persistence, rel=1e-14)
    inside = selections(rule, tuple(range(300)), 12, 200)
    check_mean(inside, fraction)
    if fixed_size:
        size = round(fraction * 200)
        release = (1 - correlation) * (1 - fraction) / (1 - (1 - correlation) * fraction)
        released = np.arange(size + 1)
        lost = released / size * (200 - size) / (200 - size + released)
        stays = 1 - (stats.binom.pmf(released, size, release) * lost).sum()
        exact = (stays - fraction) / (1 - fraction)
        assert abs(exact - correlation) < 1 / 200
        correlation = exact
    check_correlation(inside, fraction, correlation ** np.arange(1, 7))


def test_rates_exchanged_have_another_mean():
    """Negative control: with 0 → 1 and 1 → 0 exchanged the mean goes to 1 − b."""
    enter, leave = 1 / 5, 0.7 / (0.3 * 5)
    right, wrong = (
        np.array([reference_selected(0, k, 25, 200, *rates, 0.3) for k in range(10)])
        .transpose(1, 0, 2)
        .reshape(25, -1)
        for rates in ((enter, leave), (leave, enter))
    )
    check_mean(right, 0.3)
    check_mean(wrong, 0.7)
    with pytest.raises(AssertionError):
        check_mean(wrong, 0.3)
    with pytest.raises(AssertionError):
        check_correlation(wrong, 0.3, (1 / 3) ** np.arange(1, 4))


def patterns(rule):
    """p-value: the batches of three updates in a row against independent ones."""
    inside = selections(rule, tuple(range(100)), 3, 400)
    counts = np.bincount(inside[0] * 4 + inside[1] * 2 + inside[2], minlength=8)
    share = np.array([1 - rule.fraction, rule.fraction])
    return stats.chisquare(counts, np.einsum("i,j,k->ijk", share, share, share).ravel() * counts.sum()).pvalue


@pytest.mark.parametrize("fraction", [0.25, 0.6])
def test_persistence_of_one_over_the_fraction_is_plain_sampling(fraction):
    """Chi-squared at fixed seed; the negative control has a slightly longer memory."""
    assert Persistent(fraction).correlation == 0
    assert 1e-4 < patterns(Persistent(fraction, 1 / fraction)) < 1 - 1e-4
    assert patterns(Persistent(fraction, 1.1 / fraction)) < 1e-4


def hypergeometric(overlaps, samples, size):
    """p-value of overlaps of two batches against those of independent ones; rare values are put together."""
    values = np.arange(size + 1)
    expected = stats.hypergeom.pmf(values, samples, size, size) * len(overlaps)
    counts = np.bincount(overlaps, minlength=size + 1)
    low, high = np.flatnonzero(expected >= 5)[[0, -1]]
    group = np.clip(values, low, high)
    merged = [np.bincount(group, part)[low : high + 1] for part in (counts, expected)]
    return stats.chisquare(*merged).pvalue


def test_fixed_size_without_memory_is_a_fresh_batch_of_distinct_samples():
    """Chi-squared at fixed seed; the negative control exchanges members for non-members only."""
    rows, samples, size = tuple(range(4000)), 20, 6
    first, second = drawn(Persistent(0.3, fixed_size=True), 1, rows, 2, samples)
    overlaps = (first.indices[:, :, None] == second.indices[:, None, :]).sum(axis=(1, 2))
    assert 1e-4 < hypergeometric(overlaps, samples, size) < 1 - 1e-4
    exchanged = np.random.default_rng(0).binomial(size, 1 - 0.3, len(rows))
    assert hypergeometric(size - exchanged, samples, size) < 1e-4


@pytest.mark.parametrize("persistence", [None, 4, 50])
def test_fixed_size_batches_are_distinct_and_uniform(persistence):
    """All pairs of samples equally often, in a late batch: chi-squared at fixed seed."""
    batches = drawn(Persistent(0.25, persistence, fixed_size=True), 3, tuple(range(5000)), 20, 8)
    assert all((np.diff(np.sort(batch.indices, axis=1)) > 0).all() for batch in batches)
    assert batches[-1].indices.shape == (5000, 2)
    pairs = Counter(tuple(sorted(row)) for row in batches[-1].indices.tolist())
    assert len(pairs) == 28
    assert 1e-4 < stats.chisquare(list(pairs.values())).pvalue < 1 - 1e-4


def make_experiment(minibatching, **options):
    return tg.Experiment(
        **{
            "problem": Quadratic(samples=20),
            "minibatching": minibatching,
            "dynamics": SGD(0.2),
            "observe": [Loss(at=Every(1))],
            "trajectories": 5,
            "steps": 24,
            "seed": 3,
        }
        | options
    )


def network_with_dropout():
    generator = torch.Generator().manual_seed(0)
    return tg.Problem(
        model=lambda: nn.Sequential(nn.Linear(2, 3), nn.Dropout(0.5), nn.Linear(3, 2)),
        loss=nn.CrossEntropyLoss(reduction="none"),
        train=(torch.randn(20, 2, generator=generator), torch.arange(20) % 2),
    )


@pytest.mark.parametrize("fixed_size", [False, True])
@pytest.mark.parametrize("regulariser", [0.0, 0.3])
def test_training_equals_a_loop_by_hand(fixed_size, regulariser):
    """θ ← θ − η [Σ_i s_i h (θ − x_i)/(bM) + 2λθ]; some batches of independent samples are empty here."""
    rule = Persistent(0.1, 30, fixed_size)
    problem = dataclasses.replace(Quadratic(samples=20).build(), regulariser=regulariser)
    experiment = make_experiment(rule, problem=problem, dynamics=SGD(0.4), steps=40)
    run, samples = tg.run(experiment), problem.train[0].numpy()
    curvatures = np.array(Quadratic().curvatures)
    for trajectory in range(5):
        position = experiment.initial_weights([trajectory])["position"][0]
        members = (
            reference_members(3, trajectory, 40, 20, 0.1, 2 / 3)
            if fixed_size
            else [
                np.flatnonzero(s)
                for s in reference_selected(3, trajectory, 40, 20, 1 / 30, 0.9 / (0.1 * 30), 0.1)
            ]
        )
        assert fixed_size or min(map(len, members)) == 0
        for batch in members:
            slope = (curvatures * (position - samples[batch])).sum(axis=0) / (0.1 * 20)
            position = position - 0.4 * (slope + 2 * regulariser * position)
        assert np.abs(run.weights()["position"][trajectory] - position).max() < 1e-12


@pytest.mark.parametrize("rule", [Persistent(0.2, 20), Persistent(0.2, 20, fixed_size=True)])
@pytest.mark.parametrize("mode", ["vmap", "loop"])
def test_interruption_blocks_and_company_change_nothing(rule, mode):
    problem = Quadratic(samples=20) if mode == "vmap" else network_with_dropout()
    experiment = make_experiment(rule, problem=problem)
    assert tg.plan(experiment).mode == mode
    whole = tg.run(experiment)
    resumed = tg.run(resume=tg.run(resume=tg.run(experiment, until=5), until=14))
    alone = tg.run(dataclasses.replace(experiment, block_size=1))
    fewer = tg.run(dataclasses.replace(experiment, trajectories=2, block_size=2))
    for other in (resumed, alone, fewer):
        rows = len(other["train_loss"])
        assert np.array_equal(other["train_loss"], whole["train_loss"][:rows])
        for name, value in whole.weights().items():
            assert np.array_equal(other.weights()[name], value[:rows])


@pytest.mark.parametrize("rule", [Persistent(0.2, 20), Persistent(0.2, 20, fixed_size=True)])
def test_a_run_on_disk_is_resumed(rule, tmp_path):
    pytest.importorskip("zarr", reason="run directories need thermograd[lab]")
    experiment = make_experiment(rule)
    whole = tg.run(experiment)
    tg.run(experiment, store=tmp_path / "run", until=11)
    resumed = tg.run(experiment, store=tmp_path / "run")
    assert np.array_equal(whole["train_loss"], resumed["train_loss"])


def test_indices_are_the_samples_an_update_uses():
    experiment = make_experiment(Persistent(0.2, 20))
    expected = reference_selected(3, 2, 24, 20, 1 / 20, 0.8 / (0.2 * 20), 0.2)
    for step in (0, 1, 23):
        assert experiment.indices(2, step).tolist() == np.flatnonzero(expected[step]).tolist()
    fixed = make_experiment(Persistent(0.2, 20, fixed_size=True))
    assert fixed.indices(2, 9).tolist() == reference_members(3, 2, 10, 20, 0.2, 0.75)[9]
    assert fixed.indices([2, 4], 9).shape == (2, 4)


def test_indices_of_batches_of_different_sizes_make_no_array():
    experiment = make_experiment(Persistent(0.2, 20))
    sizes = [len(experiment.indices(k, 4)) for k in range(5)]
    assert len(set(sizes)) > 1
    with pytest.raises(ValueError, match=r"trajectory \[0, 1, 2, 3, 4\] have batches of .* at step 4"):
        experiment.indices(range(5), 4)
    assert experiment.indices([1, 1], 4).shape == (2, sizes[1])


def test_steps_per_epoch():
    assert [Persistent(0.1).steps_per_epoch(samples) for samples in (200, 26, 4, 1)] == [10, 8, 4, 1]
    assert Persistent(0.3, fixed_size=True).steps_per_epoch(20) == 3
    assert Persistent(1).steps_per_epoch(7) == 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"fraction": 0}, "fraction is 0; give a number above 0 and up to 1"),
        ({"fraction": 1.5}, "fraction is 1.5"),
        ({"fraction": float("nan")}, "fraction is nan"),
        ({"fraction": True}, "fraction is True"),
        ({"fraction": "0.1"}, "fraction is '0.1'"),
        ({"persistence": float("inf")}, "persistence is inf; give a number of updates"),
        (
            {"persistence": 8},
            "persistence is 8, below max.* give 9 or more; None or 1/fraction = 10 is plain SGD",
        ),
        ({"fraction": 0.9, "persistence": 0.99}, "persistence is 0.99, below .* give 1 or more"),
        (
            {"persistence": 9.5, "fixed_size": True},
            "persistence is 9.5, below 1/fraction: .* give 10 or more; None or 1/fraction = 10 is plain SGD",
        ),
    ],
)
def test_bad_settings_are_named(options, says):
    with pytest.raises(ValueError, match=says):
        Persistent(**options)


def test_a_batch_of_fixed_size_that_would_be_empty():
    with pytest.raises(ValueError, match=r"round\(fraction \* 4 samples\) is 0; .* a fraction above 0.125"):
        tg.run(make_experiment(Persistent(0.1, fixed_size=True), problem=Quadratic(samples=4)))
