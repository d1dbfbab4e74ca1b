import numpy as np
import pytest
import torch
from torch import nn

import thermograd as tg
from thermograd.dynamics import SGD
from thermograd.errors import MissingDataError
from thermograd.minibatching import WithoutReplacement
from thermograd.problems import CIFAR10
from thermograd.problems.cifar10 import ResNet18
from thermograd.problems.cifar10_images import read_cifar10


def make_experiment(**options):
    problem = CIFAR10(train_samples=60, test_samples=30, width=8)
    return tg.Experiment(problem, WithoutReplacement(20), SGD(0.02), trajectories=2, steps=2, **options)


def test_it_is_resnet18_for_small_images():
    """11 173 962 parameters, as published for ten classes with a 3×3 stem; 32×32 features until the second stage."""
    net = ResNet18()
    assert sum(value.numel() for value in net.parameters()) == 11_173_962
    assert len([layer for layer in net.modules() if isinstance(layer, nn.Conv2d)]) == 20
    sides = []
    for stage in net.stages:
        stage.register_forward_hook(lambda module, inputs, output: sides.append(tuple(output.shape[1:3])))
    assert net(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    assert sides == [(64, 32)] * 2 + [(128, 16)] * 2 + [(256, 8)] * 2 + [(512, 4)] * 2


def test_evaluation_in_parts_is_that_of_single_images():
    net = ResNet18(width=2).double().eval()
    images = torch.randn(301, 3, 32, 32, generator=torch.Generator().manual_seed(0)).double()
    with torch.no_grad():
        scores = net(images)
        for place in (0, 249, 250, 300):
            assert torch.allclose(scores[place], net(images[place : place + 1])[0], rtol=0, atol=1e-12)


def test_every_trajectory_draws_its_own_start_of_the_published_law(named_data):
    weights = make_experiment().initial_weights([0, 1])
    kernel = weights["stages.7.residual.0.weight"]
    sample = kernel[0].size
    assert not np.array_equal(kernel[0], kernel[1])
    assert np.array_equal(kernel, make_experiment().initial_weights([0, 1])["stages.7.residual.0.weight"])
    for row in kernel:
        assert abs(row.var() / (2 / (64 * 9)) - 1) < 4 * np.sqrt(2 / sample)
    assert (weights["stages.7.residual.1.weight"] == 1).all()
    assert np.abs(weights["classes.weight"]).max() <= 1 / 8


def test_two_steps(named_data):
    run = tg.run(make_experiment())
    assert run.reason.startswith("eager (loop)")
    assert run["train_loss"].dtype == np.float32
    assert np.isfinite(run["train_loss"]).all()
    assert run["test_accuracy"].shape == (2, 2)
    buffers = run.checkpoint(0).arrays
    assert (buffers["buffers/stem.1.num_batches_tracked"] == 2).all()
    means = buffers["buffers/stem.1.running_mean"]
    assert np.abs(means).max() > 0
    assert not np.array_equal(means[0], means[1])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_two_steps_on_a_gpu(named_data):
    run, there = tg.run(make_experiment()), tg.run(make_experiment(device="cuda"))
    assert np.allclose(run["train_loss"], there["train_loss"], rtol=1e-2)


def test_images_are_standardised_and_in_order(named_data):
    problem = CIFAR10(train_samples=500, test_samples=40).build()
    splits = read_cifar10()
    mean, deviation = (
        np.reshape(values, (3, 1, 1)) for values in ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
    )
    expected = (splits.train.images[:500] / 255 - mean) / deviation
    assert np.allclose(problem.train[0].numpy(), expected, rtol=0, atol=1e-5)
    assert problem.train[1].tolist() == splits.train.labels[:500].tolist()
    assert problem.test[0].shape == (40, 3, 32, 32)
    assert abs(expected.mean((0, 2, 3))).max() < 0.1


def test_bad_settings_are_named(monkeypatch):
    with pytest.raises(ValueError, match="width is 0"):
        CIFAR10(width=0)
    monkeypatch.delenv("THERMOGRAD_DATA", raising=False)
    with pytest.raises(MissingDataError, match="the data set cifar10 is not here"):
        CIFAR10().build()


def test_more_samples_than_there_are_are_refused(named_data):
    with pytest.raises(ValueError, match="test_samples is 10001; the files"):
        CIFAR10(test_samples=10_001).build()
