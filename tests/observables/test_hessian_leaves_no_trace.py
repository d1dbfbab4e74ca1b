"""The Hessian of a live model changes nothing of it: gradients, modes, buffers, hooks, random states."""

from __future__ import annotations

import copy
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import thermograd as tg


def dense_hessian(parameters, loss):
    """Row by row from a fresh graph each time."""
    parameters = list(parameters)
    rows = []
    for index in range(sum(value.numel() for value in parameters)):
        slopes = torch.autograd.grad(loss(), parameters, create_graph=True, materialize_grads=True)
        flat = torch.cat([slope.reshape(-1) for slope in slopes])
        found = torch.autograd.grad(flat[index], parameters, materialize_grads=True)
        rows.append(torch.cat([part.reshape(-1) for part in found]))
    return torch.stack(rows).detach()


class Awkward(nn.Module):
    """Batch normalisation, dropout, a layer in evaluation mode, a tied buffer."""

    def __init__(self):
        super().__init__()
        self.first, self.norm = nn.Linear(4, 6), nn.BatchNorm1d(6)
        self.fixed, self.drop, self.last = nn.BatchNorm1d(6), nn.Dropout(0.3), nn.Linear(6, 3)
        self.fixed.running_mean += 0.2
        self.register_buffer("same", self.norm.running_mean)

    def forward(self, x):
        hidden = self.fixed(torch.tanh(self.norm(self.first(x))))
        return self.last(self.drop(hidden))


@pytest.fixture
def awkward(classes):
    torch.manual_seed(5)
    model = Awkward().double().train()
    model.fixed.eval()
    x, y = classes()
    for value in model.parameters():
        value.grad = torch.randn_like(value)
    model.last.bias.grad = None
    return model, x, y


def everything(model):
    """All that may not change: values by bits, objects by identity, modes, hooks, generators."""
    values = {name: (id(value), value.clone()) for name, value in model.state_dict(keep_vars=True).items()}
    grads = {
        name: None if value.grad is None else (id(value.grad), value.grad.clone())
        for name, value in model.named_parameters()
    }
    needs = {name: value.requires_grad for name, value in model.named_parameters()}
    modes = [layer.training for layer in model.modules()]
    hooks = [(len(layer._forward_hooks), len(layer._forward_pre_hooks)) for layer in model.modules()]
    return values, grads, needs, modes, hooks, torch.get_rng_state()


def assert_same(before, after):
    for one, other in zip(before[:2], after[:2], strict=True):
        assert one.keys() == other.keys()
        for name, value in one.items():
            if value is None:
                assert other[name] is None
            else:
                assert value[0] == other[name][0], name
                assert torch.equal(value[1], other[name][1]), name
    assert before[2:5] == after[2:5]
    assert torch.equal(before[5], after[5])


def seeded(model, criterion):
    """The loss as one fixed function, on a copy that may do as it likes."""
    alone = copy.deepcopy(model)

    def loss():
        alone.norm.load_state_dict(model.norm.state_dict())
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return criterion(alone)

    return alone, loss


def test_two_hessians_of_an_awkward_model_and_nothing_changes(awkward):
    model, x, y = awkward
    criteria = [
        lambda m: cross_entropy(m(x), y),
        lambda m: m(x).square().mean() + 0.1 * m.first.weight.pow(4).sum(),
    ]
    before = everything(model)
    both = [
        tg.Hessian(model, lambda batch, criterion=criterion: criterion(model), [(x, y)])
        for criterion in criteria
    ]
    found = [hessian.dense() for hessian in both]
    for hessian in both:
        hessian.eigenvalues(2)
        hessian.trace(9)
        hessian.density(5, 2)
    assert_same(before, everything(model))
    for criterion, dense in zip(criteria, found, strict=True):
        alone, loss = seeded(model, criterion)
        exact = dense_hessian(alone.parameters(), loss)
        torch.testing.assert_close(dense, exact, rtol=0, atol=1e-12)
        assert float((exact - exact.T).abs().max()) < 1e-12  # dropout is one function


def accumulated(model, losses):
    """Negative control: gradients made beforehand by `backward`, in the place where gradients of training are kept."""
    for loss in losses:
        loss().backward(create_graph=True)
    flat = torch.cat([value.grad.reshape(-1) for value in model.parameters()])
    return [
        torch.cat(
            [
                part.reshape(-1)
                for part in torch.autograd.grad(
                    flat[index], list(model.parameters()), retain_graph=True, materialize_grads=True
                )
            ]
        )
        for index in range(len(flat))
    ]


@pytest.mark.filterwarnings("ignore:Using backward")
def test_an_accumulation_through_backward_is_noticed(classes, network):
    model = network(4, 3, 3)
    x, y = classes()
    losses = [lambda: cross_entropy(model(x), y), lambda: model(x).square().mean()]
    exact = dense_hessian(model.parameters(), losses[1])
    wrong = torch.stack(accumulated(model, losses))
    assert float((wrong - exact).norm()) > 0.1 * float(exact.norm())
    assert all(value.grad is not None for value in model.parameters())
    for value in model.parameters():
        value.grad = None  # breaks the cycle that create_graph made
    built = [tg.Hessian(model, lambda loss=loss: loss()) for loss in losses]
    torch.testing.assert_close(built[1].dense(), exact, rtol=0, atol=1e-12)


def test_hooks_of_gradients_do_not_bend_curvatures(classes, network):
    model = network(4, 3, 3)
    x, y = classes()

    def loss(batch):
        return cross_entropy(model(batch[0]), batch[1])

    plain = tg.Hessian(model, loss, [(x, y)]).dense()
    calls = []
    for value in model.parameters():
        value.register_hook(lambda grad: (calls.append(1), grad.clamp(-1e-3, 1e-3))[1])
    clipped = tg.Hessian(model, loss, [(x, y)]).dense()
    torch.testing.assert_close(clipped, plain, rtol=0, atol=0)
    assert not calls
    loss((x, y)).backward()
    assert len(calls) == 4


def test_attention():
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    x = torch.randn(3, 5, 8)
    hessian = tg.Hessian(layer, lambda batch: layer(batch).pow(3).mean(), [x])
    assert hessian.eigenvalues(1).converged


def test_what_is_random_beyond_torch_is_noticed(classes, network):
    x, y = classes()
    model = network(4, 3, 3)
    generator = np.random.default_rng(0)

    def loss(batch):
        return cross_entropy(model(batch[0] + torch.from_numpy(generator.normal(size=(40, 4)))), batch[1])

    hessian = tg.Hessian(model, loss, [(x, y)])
    with pytest.warns(RuntimeWarning, match="not deterministic"):
        hessian.trace(6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hessian.trace(6)  # said once
