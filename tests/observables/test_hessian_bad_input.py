"""What the Hessian of a live model says where there is no answer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import thermograd as tg
from thermograd.errors import ConfigError

SPECTRUM = np.concatenate([[-9.0, -4.0, -1.0], np.linspace(-0.2, 0.5, 110), [2, 3, 5, 8, 20, 60, 61.0]])


@pytest.mark.parametrize(
    ("loss", "told"),
    [
        (lambda out, y: cross_entropy(out, y, reduction="none"), r"shape \(40,\), batch 0.*reduction='mean'"),
        (lambda out, y: cross_entropy(out, y).item(), "gave float, batch 0"),
        (lambda out, y: cross_entropy(out, y).detach(), "does not depend on the parameters, batch 0"),
        (lambda out, y: cross_entropy(out, y) * float("nan"), "the loss is nan, batch 0"),
        (
            lambda out, y: cross_entropy(out, y) + (0 * out).square().sum().sqrt(),
            "NaN or infinite in '0.weight', batch 0",
        ),
        (
            lambda out, y: (out[0] - out[0].detach()).abs().pow(1.5).sum(),
            "second derivative of the loss is NaN",
        ),
    ],
)
def test_losses_that_are_none(loss, told, classes, network):
    x, y = classes()
    model = network(4, 3, 3)
    hessian = tg.Hessian(model, lambda batch: loss(model(batch[0]), batch[1]), [(x, y)])
    with pytest.raises(ConfigError, match=told):
        hessian @ torch.ones(27)


class Once(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.square()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, slope):
        return 2 * ctx.saved_tensors[0] * slope


@pytest.mark.parametrize("after", [lambda out: out.mean(), lambda out: out.square().mean()])
def test_operations_without_second_derivatives_are_named(after, classes, network):
    model = network(4, 3, 3)
    x, _ = classes()
    hessian = tg.Hessian(model, lambda batch: after(Once.apply(model(batch))), [x])
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"operation Once .* cannot be differentiated twice"):
            hessian @ torch.ones(27)


def test_torchs_own_operations_without_second_derivatives_are_named():
    torch.manual_seed(0)
    model = nn.Linear(4, 5)
    targets = torch.tensor([[1, 2], [3, 4]])
    lengths = torch.tensor([6, 6]), torch.tensor([2, 2])

    def loss(batch):
        return nn.functional.ctc_loss(model(batch).log_softmax(2), targets, *lengths)

    hessian = tg.Hessian(model, loss, [torch.randn(6, 2, 4)])
    with pytest.raises(ConfigError, match=r"cannot be differentiated twice .*ctc_loss"):
        hessian.trace()


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (lambda h: h.eigenvalues(121), "k is 121.*120 parameters"),
        (lambda h: h.eigenvalues(61, "both"), "k is 61"),
        (lambda h: h.eigenvalues(0), "k is 0"),
        (lambda h: h.eigenvalues(2.5), r"k is 2\.5; it must be a whole number"),
        (lambda h: h.eigenvalues(2, tol=0), "tol is 0; it must be a finite number, above 0"),
        (lambda h: h.eigenvalues(2, "top"), "'largest', 'smallest', 'magnitude', 'both'"),
        (lambda h: h.eigenvalues(4, max_steps=3), "max_steps is 3"),
        (lambda h: h.eigenvalues(max_parameters=100), r"all 120 eigenvalues need .* GB.*density\(\)"),
        (lambda h: h.trace(5), "matvecs is 5"),
        (lambda h: h.trace(9, level=95), "level is 95"),
        (lambda h: h.density(probes=1), "probes is 1"),
        (lambda h: h.density(steps=0), "steps is 0"),
        (lambda h: h.density(4, 2).moment(8), "moments 0 to 7"),
    ],
)
def test_questions_that_have_no_answer(ask, told, quadratic):
    hessian, _ = quadratic()
    with pytest.raises(ConfigError, match=told):
        ask(hessian)


def test_arguments_that_do_not_fit(classes, network):
    x, y = classes()
    model = network(4, 3, 3)

    def loss(batch):
        return cross_entropy(model(batch[0]), batch[1])

    with pytest.raises(ConfigError, match=r"a tuple, which looks like a single batch.*\[batch\]"):
        tg.Hessian(model, loss, (x, y))
    with pytest.raises(ConfigError, match="a Tensor, which looks"):
        tg.Hessian(model, loss, x)
    with pytest.raises(ConfigError, match="batches is empty"):
        tg.Hessian(model, loss, [])
    with pytest.raises(ConfigError, match="one positive number for each of the 1 batches"):
        tg.Hessian(model, loss, [(x, y)], weights=[1, 2])
    with pytest.raises(ConfigError, match="goes with batches"):
        tg.Hessian(model, loss, weights=[1])
    with pytest.raises(ConfigError, match="batch 0 cannot be counted"):
        tg.Hessian(model, loss, [3, 4])
    with pytest.raises(ConfigError, match="loss is NoneType; give a function"):
        tg.Hessian(model, None, [(x, y)])
    with pytest.raises(ConfigError, match="model is function; give a module"):
        tg.Hessian(loss, model, [(x, y)])
    with pytest.raises(ConfigError, match="entry '1' is none"):
        tg.Hessian([model[0].weight, x], loss, [(x, y)])
    model.requires_grad_(False)
    with pytest.raises(ConfigError, match="no parameter requires a gradient"):
        tg.Hessian(model, loss, [(x, y)])
