"""Training on the whole data set has no noise; its steps follow one line, and a watch says so."""

import pytest
import torch
from torch import nn

import thermograd as tg

OPTIMIZERS = {
    "sgd": lambda weights: torch.optim.SGD(weights, lr=0.1),
    "momentum": lambda weights: torch.optim.SGD(weights, lr=0.02, momentum=0.9, weight_decay=0.01),
    "adam": lambda weights: torch.optim.Adam(weights, lr=0.003),
}


def trained(name, batch, epochs=40):
    draw = torch.Generator().manual_seed(0)
    inputs = torch.randn(200, 10, generator=draw)
    labels = (inputs[:, :3].sum(1) + torch.randn(200, generator=draw) > 0).long()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(10, 16), nn.Tanh(), nn.Linear(16, 2))
    optimizer = OPTIMIZERS[name](model.parameters())
    watch = tg.watch(optimizer, steps_per_epoch=10)
    for _ in range(epochs * 10):
        rows = torch.randperm(200, generator=draw)[:batch]
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs[rows]), labels[rows]).backward()
        optimizer.step()
    return watch


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_whole_data_set_as_a_batch_has_no_noise(name):
    verdict = trained(name, 200).verdict()
    assert verdict.kind == "no_noise"
    assert verdict.evidence["noise_share"] < 0.01


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_batches_of_a_twentieth_have_noise(name):
    assert trained(name, 10).verdict().kind != "no_noise"


def test_no_ratio_is_shown_where_there_is_no_noise():
    watch = trained("sgd", 200)
    assert watch.to_dict()["ratio"]["value"] is None
    assert "ratio: -" not in watch.report()
