"""Whatever the optimizer: training is the same bits with and without a watch, and |Δ|² is that of copied weights."""

import json

import pytest
import torch
from torch import nn, optim

import thermograd as tg
from thermograd.training.optimizer_view import OptimizerView, unwrapped

INPUTS = torch.randn(100, 6, generator=torch.Generator().manual_seed(1))
CLASSES = (INPUTS[:, 0] * INPUTS[:, 1] > 0).long()


def sgd(**options):
    return lambda parameters: optim.SGD(parameters, **({"lr": 0.02, "weight_decay": 0.01} | options))


OPTIMIZERS = {
    "sgd": sgd(),
    "momentum": sgd(momentum=0.9),
    "dampening": sgd(momentum=0.9, dampening=0.5),
    "nesterov": sgd(momentum=0.9, nesterov=True),
    "maximize": sgd(lr=0.001, maximize=True),
    "foreach": sgd(momentum=0.9, foreach=True),
    "fused": sgd(momentum=0.9, fused=True),
    "tensor_rate": lambda p: optim.SGD(p, lr=torch.tensor(0.02), momentum=0.9),
    "adam": lambda p: optim.Adam(p, lr=0.003, weight_decay=0.01),
    "adam_fused": lambda p: optim.Adam(p, lr=0.003, fused=True),
    "amsgrad": lambda p: optim.Adam(p, lr=0.003, amsgrad=True),
    "adamw": lambda p: optim.AdamW(p, lr=0.003, weight_decay=0.1),
    "nadam": optim.NAdam,
    "radam": optim.RAdam,
    "adagrad": optim.Adagrad,
    "adadelta": optim.Adadelta,
    "adamax": optim.Adamax,
    "rmsprop": lambda p: optim.RMSprop(p, lr=0.001, centered=True, momentum=0.5),
    "rprop": lambda p: optim.Rprop(p, lr=0.001),
    "asgd": optim.ASGD,
    "lbfgs": lambda p: optim.LBFGS(p, lr=0.1, max_iter=2),
    "adafactor": lambda p: getattr(optim, "Adafactor", optim.Adam)(p),
    "muon": lambda p: getattr(optim, "Muon", optim.Adam)([value for value in p if value.ndim == 2]),
}


def train(make, watched, steps=40):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 2))
    optimizer = make(list(model.parameters()))
    watch = tg.watch(optimizer, steps_per_epoch=5, names=model) if watched else None
    squares = []
    for _ in range(steps):
        rows = torch.randint(100, (10,))

        def closure(rows=rows):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(INPUTS[rows]), CLASSES[rows])
            loss.backward()
            return loss

        before = [value.detach().clone() for group in optimizer.param_groups for value in group["params"]]
        loss = optimizer.step(closure)
        after = [value.detach() for group in optimizer.param_groups for value in group["params"]]
        squares.append(
            sum(float((new - old).double().square().sum()) for new, old in zip(after, before, strict=True))
        )
        if watch is not None:
            watch.record_loss(loss)
    gradients = [value.grad for value in model.parameters()]
    return model, optimizer, watch, squares, (gradients, torch.get_rng_state(), model.training)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_is_the_same_bits_and_updates_are_those_of_copied_weights(name):
    plain, _, _, _, traces = train(OPTIMIZERS[name], watched=False)
    model, optimizer, watch, squares, watched_traces = train(OPTIMIZERS[name], watched=True)
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), model.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b in zip(traces[0], watched_traces[0], strict=True))
    assert torch.equal(traces[1], watched_traces[1])
    assert traces[2] == watched_traces[2]
    ends = watch.window.record.ends
    first, last = ends[0].step, ends[-1].step
    assert last > 30
    assert ends[-1].updates.sum() == pytest.approx(sum(squares[first:last]), rel=2e-6)
    json.dumps(watch.to_dict(), allow_nan=False)
    assert type(optimizer).__name__ in watch.report()


def test_a_sparse_gradient_made_in_a_closure_is_measured():
    torch.manual_seed(0)
    embedding = nn.Embedding(10, 3, sparse=True)
    optimizer = optim.SGD(embedding.parameters(), lr=0.1)
    watch = tg.watch(optimizer, steps_per_epoch=5)
    total = 0.0
    for step in range(10):

        def closure():
            optimizer.zero_grad()
            loss = embedding(torch.tensor([1, 2, 2])).square().sum()
            loss.backward()
            return loss

        before = embedding.weight.detach().clone()
        optimizer.step(closure)
        if step:  # before the first nobody knows that it is sparse, so that one does not count
            total += float((embedding.weight.detach() - before).square().sum())
    assert watch.window.record.ends[-1].updates.sum() == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize(("momentum", "unscale"), [(0, False), (0, True), (0.9, False), (0.9, True)])
def test_steps_that_a_fused_optimizer_leaves_out_are_neither_infinite_nor_counted(momentum, unscale):
    weight = nn.Parameter(torch.ones(3))
    optimizer = optim.SGD([weight], lr=0.1, fused=True, momentum=momentum)
    watch = tg.watch(optimizer, steps_per_epoch=5)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    total = 0.0
    for step in range(50):
        optimizer.zero_grad()
        loss = (weight**2).sum() * (float("inf") if step % 7 == 3 else 1.0)
        scaler.scale(loss).backward()
        if unscale:
            scaler.unscale_(optimizer)
        before = weight.detach().clone()
        scaler.step(optimizer)
        scaler.update()
        total += float((weight.detach() - before).square().sum())
    assert watch.verdict().kind == "warming_up"
    assert watch.window.record.ends[-1].updates.sum() == pytest.approx(total, rel=1e-5)


def test_a_tensor_rate_written_anew_has_not_changed_and_one_with_another_value_has():
    optimizer = optim.SGD([nn.Parameter(torch.ones(1))], lr=torch.tensor(0.1))
    view = OptimizerView(optimizer)
    before = view.hyperparameters()
    optimizer.param_groups[0]["lr"].fill_(0.1)
    assert view.rates_changed()
    view.read_rates()
    assert view.hyperparameters() == before
    optimizer.param_groups[0]["lr"].fill_(0.2)
    view.read_rates()
    assert view.hyperparameters() != before


def test_one_parameter_frozen_and_another_thawed_is_a_change():
    one, other = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1), requires_grad=False)
    view = OptimizerView(optim.SGD([one, other], lr=0.1))
    assert not view.changed
    one.requires_grad_(False)
    other.requires_grad_(True)
    assert view.changed


def test_what_is_no_optimizer_is_refused():
    with pytest.raises(TypeError, match="got Linear"):
        unwrapped(nn.Linear(1, 1))
