"""The exact identity between dissipation, fluctuation and drift, on a real network trained with torch.optim."""

import gc

import pytest
import torch
from torch import nn

from thermograd.errors import NotApplicableError
from thermograd.observables import fluctuation_dissipation
from thermograd.observables.fluctuation_dissipation import capture, dissipation_and_fluctuation
from thermograd.problems import Digits

HYPERPARAMETERS = [(0.0, 0.0), (0.9, 0.0), (0.9, 0.5), (0.5, 0.9)]


def network_on_digits(dtype=torch.float64):
    pytest.importorskip("sklearn")
    inputs, targets = Digits(hidden=()).build().train
    with torch.random.fork_rng():
        torch.manual_seed(7)
        model = nn.Sequential(nn.Linear(64, 12), nn.ReLU(), nn.Linear(12, 10)).to(dtype)
    return model, inputs.to(dtype), targets


def train(model, optimizer, inputs, targets, steps, after_step, clip=0.5):
    """A plain training loop, reshuffled, with clipping; `after_step` gets the step's number."""
    generator = torch.Generator().manual_seed(3)
    batch = 40
    for step in range(steps):
        if step % (len(inputs) // batch) == 0:
            order = torch.randperm(len(inputs), generator=generator)
        rows = order[step % (len(inputs) // batch) * batch :][:batch]
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs[rows]), targets[rows]).backward()
        nn.utils.clip_grad_norm_(model.parameters(), clip)
        capture(optimizer)
        optimizer.step()
        after_step(step)


def drift_terms(optimizer, centre):
    """(1 − μ)A/(2η(1 − ν)) + μB/(1 − ν), summed over groups: what the identity says the difference is the fall of."""
    total = 0.0
    for group in optimizer.param_groups:
        mu, nu, eta = group["momentum"], group["dampening"], float(group["lr"])
        for p in group["params"]:
            away = (p.detach() - centre[p]).double()
            buffer = optimizer.state[p].get("momentum_buffer")
            second = 0.0 if buffer is None else -float((away * buffer.double()).sum())
            total += ((1 - mu) * float(away.square().sum()) / (2 * eta) + mu * second) / (1 - nu)
    return total


def sums_and_drift(model, optimizer, inputs, targets, steps=80, about_start=True):
    """Σ O_L, Σ O_R and the drift of all steps but the first, which starts the buffers."""
    centre = {p: p.detach().clone() * about_start for p in model.parameters()}
    sums, ends = torch.zeros(2, dtype=torch.float64), []

    def after_step(step):
        pair = torch.stack(dissipation_and_fluctuation(optimizer, centre if about_start else None))
        if step == 0:
            ends.append(drift_terms(optimizer, centre))
        else:
            sums.add_(pair)

    train(model, optimizer, inputs, targets, steps, after_step)
    ends.append(drift_terms(optimizer, centre))
    return float(sums[0]), float(sums[1]), ends[1] - ends[0]


@pytest.mark.parametrize("about_start", [True, False])
@pytest.mark.parametrize(("momentum", "dampening"), HYPERPARAMETERS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
def test_identity(momentum, dampening, dtype, tolerance, about_start):
    model, inputs, targets = network_on_digits(dtype)
    optimizer = torch.optim.SGD(
        model.parameters(), lr=0.05, momentum=momentum, dampening=dampening, weight_decay=0.01
    )
    left, right, drift = sums_and_drift(model, optimizer, inputs, targets, about_start=about_start)
    assert right > 0
    assert abs(left - right + drift) < tolerance * right
    assert abs(drift) > 0.1 * right  # else the identity would say nothing here


def test_identity_fails_without_weight_decay_in_the_gradient():
    """Negative control: with the raw gradient the two sides differ."""
    model, inputs, targets = network_on_digits()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, weight_decay=0.01)
    origin = {p: torch.zeros_like(p) for p in model.parameters()}
    start, raw, right = drift_terms(optimizer, origin), [], []
    optimizer.register_step_pre_hook(
        lambda *_: raw.append(sum(float((p.detach() * p.grad).sum()) for p in model.parameters()))
    )
    train(
        model,
        optimizer,
        inputs,
        targets,
        80,
        lambda _: right.append(dissipation_and_fluctuation(optimizer)[1]),
    )
    drift = drift_terms(optimizer, origin) - start
    assert abs(sum(raw) - float(sum(right)) + drift) > 1e-3 * float(sum(right))


@pytest.mark.parametrize("maximize", [False, True])
def test_groups_with_rates_of_their_own(maximize):
    model, inputs, targets = network_on_digits()
    first, last = model[0].parameters(), model[2].parameters()
    optimizer = torch.optim.SGD(
        [
            {"params": first, "lr": 0.02, "momentum": 0.5, "dampening": 0.2},
            {"params": last, "lr": 0.1, "weight_decay": 0.1},
            {"params": [nn.Parameter(torch.ones(2))], "lr": 0.3},  # never sees a gradient
        ],
        maximize=maximize,
        lr=0.01,
    )
    model_only = {p: p.detach().clone() for p in model.parameters()}
    idle = optimizer.param_groups[2]["params"][0]
    sums, ends = torch.zeros(2, dtype=torch.float64), []

    def after_step(step):
        pair = torch.stack(dissipation_and_fluctuation(optimizer, model_only))
        if step == 0:
            ends.append(drift_terms(optimizer, model_only | {idle: idle.detach()}))
        else:
            sums.add_(pair)

    train(model, optimizer, inputs, targets, 20, after_step)
    drift = drift_terms(optimizer, model_only | {idle: idle.detach()}) - ends[0]
    assert abs(float(sums[0] - sums[1]) + drift) < 1e-9 * float(sums[1])


@pytest.mark.parametrize(
    "options", [{"foreach": True}, {"foreach": False}, {"fused": True}, {"lr": torch.tensor(0.05)}]
)
def test_identity_in_every_implementation_of_sgd(options):
    model, inputs, targets = network_on_digits()
    optimizer = torch.optim.SGD(
        model.parameters(), **{"lr": 0.05, "momentum": 0.9, "weight_decay": 0.01} | options
    )
    left, right, drift = sums_and_drift(model, optimizer, inputs, targets, steps=20)
    assert abs(left - right + drift) < 1e-9 * right


def test_gradients_made_or_unscaled_inside_the_step():
    """A closure and a gradient scaler: what counts is the gradient the step used."""
    pairs = []
    for way in ("plain", "closure", "scaler"):
        model, inputs, targets = network_on_digits(torch.float32)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05, weight_decay=0.01)
        loss = nn.functional.cross_entropy(model(inputs), targets)
        scaler = torch.amp.GradScaler("cpu", enabled=way == "scaler", init_scale=1024.0)
        if way != "closure":
            scaler.scale(loss).backward()
        capture(optimizer)
        if way == "closure":
            optimizer.step(lambda loss=loss: loss.backward() or loss)
        else:
            scaler.step(optimizer)
        pairs.append([float(value) for value in dissipation_and_fluctuation(optimizer)])
    assert pairs[1] == pytest.approx(pairs[0], rel=1e-6)
    assert pairs[2] == pytest.approx(pairs[0], rel=1e-6)


def test_a_rate_changed_after_the_step_does_not_count():
    weight = nn.Parameter(torch.ones(3))
    optimizer = torch.optim.SGD([weight], lr=0.5)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.1)
    weight.grad = torch.ones(3)
    capture(optimizer)
    optimizer.step()
    schedule.step()
    assert [float(value) for value in dissipation_and_fluctuation(optimizer)] == [3.0, 0.75]


def test_a_group_at_rate_zero_does_not_count():
    model, inputs, targets = network_on_digits()
    moving, still = list(model[0].parameters()), list(model[2].parameters())
    both = torch.optim.SGD([{"params": moving}, {"params": still, "lr": 0.0}], lr=0.1)
    train(model, both, inputs, targets, 1, lambda step: None)
    pair = dissipation_and_fluctuation(both)
    alone = torch.optim.SGD(moving, lr=0.1)
    model, _, _ = network_on_digits()
    for parameter, start in zip(moving, model[0].parameters(), strict=True):
        parameter.data.copy_(start.data)
    captured = capture(alone)
    alone.step()
    assert captured.dissipation_and_fluctuation() == pair


def test_training_is_untouched():
    trained = []
    for measured in (False, True):
        model, inputs, targets = network_on_digits()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
        before = torch.get_rng_state()
        gradients = []
        for rows in torch.arange(200).split(40):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(inputs[rows]), targets[rows]).backward()
            if measured:
                capture(optimizer)
            optimizer.step()
            if measured:
                dissipation_and_fluctuation(optimizer, [torch.ones_like(p) for p in model.parameters()])
            gradients += [p.grad.clone() for p in model.parameters()]
        assert torch.equal(before, torch.get_rng_state())
        trained.append([*model.parameters(), *gradients])
        assert set(optimizer.state_dict()) == {"state", "param_groups"}
    assert all(torch.equal(a, b) for a, b in zip(*trained, strict=True))


def test_sequence_and_dictionary_of_references_agree():
    model, inputs, targets = network_on_digits()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    sequence = [torch.full_like(p, 0.3) for p in model.parameters()]
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(inputs), targets).backward()
    captured = capture(optimizer)
    optimizer.step()
    one = captured.dissipation_and_fluctuation(sequence)
    other = captured.dissipation_and_fluctuation(dict(zip(model.parameters(), sequence, strict=True)))
    origin = captured.dissipation_and_fluctuation(None)
    gradient = sum(float(0.3 * p.grad.sum()) for p in model.parameters())
    assert one == other
    assert float(origin[0] - one[0]) == pytest.approx(gradient, abs=1e-12)
    assert origin[1] == one[1]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p: torch.optim.Adam(p), "dissipation of Adam is not defined"),
        (lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True), "nesterov=True"),
        (lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, dampening=1.0), "dampening=1"),
    ],
)
def test_not_applicable(make, words):
    optimizer = make([nn.Parameter(torch.ones(2))])
    with pytest.raises(NotApplicableError, match=words) as caught:
        capture(optimizer)
    assert "thermograd.watch" in str(caught.value)


def test_sparse_gradients_are_refused():
    table = nn.Embedding(4, 2, sparse=True)
    table(torch.tensor([1])).sum().backward()
    with pytest.raises(NotApplicableError, match="sparse"):
        capture(torch.optim.SGD(table.parameters(), lr=0.1))


def test_misuse_is_named():
    weight = nn.Parameter(torch.ones(3))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    with pytest.raises(ValueError, match=r"call capture\(optimizer\) before each"):
        dissipation_and_fluctuation(optimizer)
    weight.grad = torch.ones(3)
    capture(optimizer)
    optimizer.step()
    dissipation_and_fluctuation(optimizer)
    with pytest.raises(ValueError, match="since the last call"):
        dissipation_and_fluctuation(optimizer)
    captured = capture(optimizer)
    optimizer.step()
    with pytest.raises(ValueError, match="reference has 2 tensors; the optimizer trains 1"):
        captured.dissipation_and_fluctuation([weight, weight])
    with pytest.raises(ValueError, match=r"reference is \(2,\) for a parameter of shape \(3,\)"):
        captured.dissipation_and_fluctuation([torch.ones(2)])
    with pytest.raises(ValueError, match=r"1 tensor\(s\) that the optimizer does not train"):
        captured.dissipation_and_fluctuation({torch.ones(3): torch.ones(3)})
    optimizer.zero_grad()
    with pytest.raises(ValueError, match="before zero_grad"):
        captured.dissipation_and_fluctuation()


def test_nothing_is_kept_of_a_dead_optimizer():
    weight = nn.Parameter(torch.ones(3))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    capture(optimizer)
    kept = len(fluctuation_dissipation._CAPTURED)
    del optimizer
    gc.collect()
    assert len(fluctuation_dissipation._CAPTURED) < kept
