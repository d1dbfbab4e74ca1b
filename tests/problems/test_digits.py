import numpy as np
import pytest
import torch

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


def test_glorot_starts_have_their_variance_and_no_bias():
    weights = tg.Experiment(Digits(initial="glorot"), epochs=1).initial_weights(range(30))
    variance = 2 / (64 + 16)
    sample = weights["0.weight"].var()
    assert abs(sample / variance - 1) < 4 * np.sqrt(0.8 / weights["0.weight"].size)
    assert np.abs(weights["0.bias"]).max() == 0


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
        ({"train_samples": 1298}, "there are 1 to 1297"),
        ({"train_samples": 1.5}, "train_samples is 1.5"),
        ({"flipped": 1.5}, "flipped is 1.5"),
        ({"hidden": (0,)}, "layer widths"),
        ({"initial": "zeros"}, "use 'pytorch' or 'glorot'"),
    ],
)
def test_bad_settings_are_named(options, says):
    with pytest.raises(ValueError, match=says):
        Digits(**options)
