"""Products of the Hessian of a live model: batches, blocks, kinds of numbers, weights that change, an independent program."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import thermograd as tg
from thermograd.errors import ConfigError

SPECTRUM = np.concatenate([[-9.0, -4.0, -1.0], np.linspace(-0.2, 0.5, 110), [2, 3, 5, 8, 20, 60, 61.0]])


def test_batches_weigh_as_much_as_their_samples(classes, network):
    x, y = classes(50)
    model = network(4, 3, 3)
    parts = [(x[:7], y[:7]), (x[7:30], y[7:30]), (x[30:], y[30:])]

    def loss(batch):
        return cross_entropy(model(batch[0]), batch[1]) + 0.01 * model[0].weight.square().sum()

    whole = tg.Hessian(model, loss, [(x, y)]).dense()
    calls = []

    def counted(batch):
        calls.append(1)
        return loss(batch)

    for keep, graphs in ((True, 1 + 3), (False, 1 + 3 * 3)):
        calls.clear()
        hessian = tg.Hessian(model, counted, parts, keep_graphs=keep)
        torch.testing.assert_close(hessian.dense(), whole, rtol=0, atol=1e-13)
        torch.testing.assert_close(
            hessian @ torch.eye(whole.shape[0], dtype=torch.float64), whole, rtol=0, atol=1e-13
        )
        hessian.matvecs = 0
        assert hessian @ np.ones(whole.shape[0]) == pytest.approx(whole.sum(1).numpy(), abs=1e-12)
        assert hessian.matvecs == 1
        assert len(calls) == graphs  # a second look at the first batch, and one for each call or once for all
    equal = tg.Hessian(model, loss, parts, weights=[1, 1, 1]).dense()
    thirds = sum(tg.Hessian(model, loss, [part]).dense() for part in parts) / 3
    torch.testing.assert_close(equal, thirds, rtol=0, atol=1e-13)


def test_dictionaries_and_loaders_are_batches(classes, network):
    x, y = classes(30)
    model = network(4, 3, 3)
    whole = tg.Hessian(model, lambda batch: cross_entropy(model(batch[0]), batch[1]), [(x, y)]).dense()
    named = [{"x": x[:10], "y": y[:10]}, {"x": x[10:], "y": y[10:]}]
    found = tg.Hessian(model, lambda batch: cross_entropy(model(batch["x"]), batch["y"]), named)
    torch.testing.assert_close(found.dense(), whole, rtol=0, atol=1e-13)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=8, shuffle=True)
    state = torch.get_rng_state()
    found = tg.Hessian(model, lambda batch: cross_entropy(model(batch[0]), batch[1]), loader)
    torch.testing.assert_close(found.dense(), whole, rtol=0, atol=1e-13)
    assert torch.equal(torch.get_rng_state(), state)


def test_blocks_of_layers_and_tensors(classes, network):
    x, y = classes()
    model = network(4, 5, 3)
    hessian = tg.Hessian(model, lambda batch: cross_entropy(model(batch[0]), batch[1]), [(x, y)])
    dense = hessian.dense()
    torch.testing.assert_close(hessian.block("0").dense(), dense[:25, :25], rtol=0, atol=1e-14)
    torch.testing.assert_close(hessian.block("2.bias").dense(), dense[40:, 40:], rtol=0, atol=1e-14)
    last = hessian.block("2")
    assert last.shape == (18, 18)
    assert last.trace(matvecs=18).value == pytest.approx(float(dense[25:, 25:].trace()))
    assert last.matvecs == 18
    with pytest.raises(ConfigError, match=r"called '1'; there are '0\.weight', '0\.bias'"):
        hessian.block("1")


def test_tensors_arrays_and_columns(quadratic):
    hessian, matrix = quadratic()
    vector = torch.randn(120, 3)
    found = hessian @ vector
    assert found.dtype == torch.float64
    np.testing.assert_allclose(found.numpy(), matrix @ vector.double().numpy(), atol=1e-12)
    array = hessian @ vector.numpy()[:, 0]
    assert isinstance(array, np.ndarray)
    np.testing.assert_allclose(array, found[:, 0].numpy(), atol=1e-12)
    with pytest.raises(ConfigError, match=r"shape \(119,\); the Hessian is \(120, 120\)"):
        hessian @ torch.ones(119)


def test_the_weights_are_those_of_the_moment(classes, network):
    x, y = classes()
    model = network(4, 3, 3)

    def loss(batch):
        return cross_entropy(model(batch[0]), batch[1])

    hessian = tg.Hessian(model, loss, [(x, y)])
    hessian.dense()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    loss((x, y)).backward()
    optimizer.step()
    torch.testing.assert_close(hessian.dense(), tg.Hessian(model, loss, [(x, y)]).dense(), rtol=0, atol=0)
    with hessian as same:
        assert same is hessian
    assert hessian.trace().value == pytest.approx(float(hessian.dense().trace()))


def test_weights_that_diverge_later_are_noticed(classes, network):
    x, y = classes()
    model = network(4, 3, 3)
    hessian = tg.Hessian(model, lambda batch: cross_entropy(model(batch[0]), batch[1]), [(x, y)])
    hessian.trace()
    with torch.no_grad():
        model[0].weight[0, 0] = torch.nan
    with pytest.raises(ConfigError, match="the loss is nan, batch 0"):
        hessian.trace()


def test_without_gradients_and_in_inference_mode(quadratic):
    hessian, matrix = quadratic()
    with torch.no_grad():
        np.testing.assert_allclose((hessian @ torch.ones(120)).numpy(), matrix.sum(1), atol=1e-12)
    hessian, matrix = quadratic()
    with torch.inference_mode():
        np.testing.assert_allclose((hessian @ torch.ones(120)).numpy(), matrix.sum(1), atol=1e-12)


@pytest.mark.parametrize("kind", ["float32", "bfloat16", "mixed"])
def test_other_types_of_numbers(kind, classes, network):
    x, y = classes()
    reference = network(4, 3, 3)
    model = copy.deepcopy(reference)
    if kind == "mixed":
        model[0].float()

        def loss(batch):
            return cross_entropy(model[2](model[1](model[0](batch[0].float()).double())), batch[1])
    else:
        dtype = getattr(torch, kind)
        model.to(dtype)

        def loss(batch):
            return cross_entropy(model(batch[0].to(dtype)), batch[1])

    dense = tg.Hessian(model, loss, [(x, y)]).dense()
    assert dense.dtype == (torch.float64 if kind == "mixed" else torch.float32)
    exact = tg.Hessian(
        reference, lambda batch: cross_entropy(reference(batch[0]), batch[1]), [(x, y)]
    ).dense()
    error = float((dense.double() - exact).norm() / exact.norm())
    assert error < (0.1 if kind == "bfloat16" else 1e-5)
    some = tg.Hessian(model, loss, [(x, y)]).eigenvalues(3)
    truth = np.linalg.eigvalsh(exact.numpy())[::-1][:3]
    assert (
        np.abs(some.values - truth) < some.residuals + 1e-6
    ).all()  # in bfloat16 rounding, not Lanczos, is the limit


def test_the_loss_of_another_model_is_noticed(classes, network):
    x, y = classes()
    model, other = network(4, 3, 3), network(4, 3, 3)
    hessian = tg.Hessian(other, lambda batch: cross_entropy(model(batch[0]), batch[1]), [(x, y)])
    for ask in (hessian.trace, hessian.eigenvalues, hessian.density):
        with pytest.raises(ConfigError, match=r"none of them is in it.*another model, or of a copy"):
            ask()


def test_parameters_frozen_later_are_noticed(classes, network):
    x, y = classes()
    model = network(4, 3, 3)
    hessian = tg.Hessian(model, lambda batch: cross_entropy(model(batch[0]), batch[1]), [(x, y)])
    hessian.trace()
    model[0].bias.requires_grad_(False)
    with pytest.raises(ConfigError, match=r"'0\.bias' does not require a gradient any more"):
        hessian.trace()


def test_pairs_of_names_and_parameters_are_a_model(classes, network):
    x, y = classes()
    model = network(4, 3, 3)

    def loss(batch):
        return cross_entropy(model(batch[0]), batch[1])

    named = tg.Hessian(model.named_parameters(), loss, [(x, y)])
    assert named.block("2").trace().value == tg.Hessian(model, loss, [(x, y)]).block("2").trace().value


def test_parameters_that_do_not_matter_have_zero_rows(classes, network):
    x, y = classes()
    model = network(4, 3, 3)
    model.register_parameter("unused", nn.Parameter(torch.ones(2, dtype=torch.float64)))
    model.register_parameter("straight", nn.Parameter(torch.ones(1, dtype=torch.float64)))
    model[0].bias.requires_grad_(False)

    def loss(batch):
        return cross_entropy(model(batch[0]), batch[1]) + model.straight.sum()

    hessian = tg.Hessian(model, loss, [(x, y)])
    dense = hessian.dense()
    assert dense.shape == (2 + 1 + 12 + 12, 27)
    assert not dense[:3].any()
    assert dense[3:, 3:].diagonal().all()
    assert (hessian.eigenvalues(2, "both").values != 0).all()


def test_curvlinops_agrees(classes, network):
    curvlinops = pytest.importorskip("curvlinops")
    x, y = classes()
    model = network(4, 5, 3)
    parts = [(x[:15], y[:15]), (x[15:], y[15:])]
    theirs = curvlinops.HessianLinearOperator(
        model, nn.CrossEntropyLoss(), [value for value in model.parameters()], parts
    )
    ours = tg.Hessian(model, lambda batch: cross_entropy(model(batch[0]), batch[1]), parts)
    vector = torch.randn(43, dtype=torch.float64)
    torch.testing.assert_close(ours @ vector, theirs @ vector, rtol=1e-10, atol=1e-12)


def test_values_changed_behind_the_back_of_autograd_are_seen():
    """H of Σ w⁴ is 12 w²: after `.data` is set, as averages of weights do, the graph of before is of no use."""
    weight = nn.Parameter(torch.tensor([1.0, 2.0], dtype=torch.float64))
    hessian = tg.Hessian([weight], lambda: weight.pow(4).sum())
    ones = torch.ones(2, dtype=torch.float64)
    assert (hessian @ ones).tolist() == [12.0, 48.0]
    weight.data.copy_(torch.tensor([3.0, 1.0]))
    assert (hessian @ ones).tolist() == [108.0, 12.0]
    weight.data.mul_(2)
    assert hessian.trace().value == 480
    weight.data.mul_(0.5)
    assert hessian.eigenvalues().values.tolist() == [12.0, 108.0]
    weight.data.mul_(0)
    assert hessian.dense().tolist() == [[0.0, 0.0], [0.0, 0.0]]
