from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.stats import kstest

import thermograd as tg
from thermograd.dynamics import SGD
from thermograd.minibatching import WithoutReplacement
from thermograd.problems import Digits

datasets = pytest.importorskip("sklearn.datasets")


def test_split_and_scale_are_the_documented_ones():
    images, labels = datasets.load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(1797)
    problem = Digits(train_samples=600).build()
    assert np.array_equal(problem.train[0].numpy(), images[order[:600]] / 16)
    assert np.array_equal(problem.train[1].numpy(), labels[order[:600]])
    assert np.array_equal(problem.test[0].numpy(), images[order[1297:]] / 16)
    assert len(problem.test[1]) == 500
    assert not set(order[:1297].tolist()) & set(order[1297:].tolist())


def test_a_share_of_the_training_labels_is_redrawn_uniformly():
    clean, noisy = Digits().build(), Digits(flipped=0.3).build()
    changed = (clean.train[1] != noisy.train[1]).double().mean().item()
    expected = 0.3 * 0.9
    assert abs(changed - expected) < 4 * np.sqrt(expected * (1 - expected) / 1297)
    assert torch.equal(clean.test[1], noisy.test[1])
    everything = Digits(flipped=1.0).build().train[1]
    assert np.bincount(everything.numpy(), minlength=10).min() > 1297 / 10 - 4 * np.sqrt(1297 * 0.09)


@pytest.mark.parametrize("hidden", [(16,), (2, 2, 2), (1,), (1, 1)])
def test_glorot_starts_are_uniform_without_biases(hidden):
    """Weights in ±√(6/(fan-in + fan-out)): Kolmogorov's distance at a false alarm of 1e-4 per layer."""
    weights = tg.Experiment(Digits(hidden=hidden, initial="glorot"), epochs=1).initial_weights(range(100))
    for layer, (fan_in, fan_out) in enumerate(pairwise((64, *hidden, 10))):
        sample = weights[f"{2 * layer}.weight"].ravel()
        bound = np.sqrt(6 / (fan_in + fan_out))
        assert np.abs(sample).max() <= bound
        assert kstest(sample, "uniform", (-bound, 2 * bound)).pvalue > 1e-4
        assert not weights[f"{2 * layer}.bias"].any()
    pytorch = tg.Experiment(Digits(hidden=hidden), epochs=1).initial_weights(range(100))["0.weight"].ravel()
    bound = np.sqrt(6 / (64 + hidden[0]))
    assert kstest(pytorch, "uniform", (-bound, 2 * bound)).pvalue < 1e-4


def test_parameters_are_counted_without_data():
    assert [Digits(hidden=(2,) * depth).parameter_count for depth in (1, 2, 3)] == [160, 166, 172]
    assert Digits().parameter_count == sum(weights.numel() for weights in Digits()._network().parameters())


def test_accuracies_of_the_tame_setting():
    """0.10, 0.60, 0.75, 0.91, 0.948, 0.968, 0.975 (± 0.01) at epochs 0, 1, 2, 5, 10, 20, 30, as published
    with another generator for 256 trajectories; 24 trajectories give a standard error below 0.007.
    """
    run = tg.run(
        tg.Experiment(Digits(), WithoutReplacement(32), SGD(0.1), trajectories=24, epochs=30, dtype="float32")
    )
    accuracy = run["test_accuracy"]
    mean = accuracy.mean(axis=0)[[0, 1, 2, 5, 10, 20, 30]]
    error = accuracy.std(axis=0, ddof=1)[[0, 1, 2, 5, 10, 20, 30]] / np.sqrt(24)
    expected = np.array([0.10, 0.60, 0.75, 0.91, 0.948, 0.968, 0.975])
    assert (np.abs(mean - expected) < 0.01 + 4 * error).all(), mean


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"train_samples": 1298}, "a whole number from 1 to 1297"),
        ({"train_samples": 1.5}, "train_samples is 1.5"),
        ({"flipped": 1.5}, "flipped is 1.5"),
        ({"hidden": (0,)}, "layer widths"),
        ({"initial": "zeros"}, "use 'pytorch' or 'glorot'"),
    ],
)
def test_bad_settings_are_named(options, says):
    with pytest.raises(ValueError, match=says):
        Digits(**options)
