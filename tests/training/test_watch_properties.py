"""What must not change a verdict, and what must not end a training."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import thermograd as tg

EPOCH, BATCH = 3, 8


def task(seed=0):
    draw = torch.Generator().manual_seed(seed)
    inputs = torch.randn(EPOCH * BATCH, 4, generator=draw, dtype=torch.float64)
    labels = torch.randint(3, (EPOCH * BATCH,), generator=draw)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return inputs, labels, nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)).double()


def make(name, parameters, scale=1.0):
    if name == "adam":
        return torch.optim.Adam(parameters, lr=0.01, weight_decay=0.05)
    momentum = 0.9 if name == "momentum" else 0.0
    rate = 0.02 if name == "momentum" else 0.2
    return torch.optim.SGD(parameters, lr=rate / scale, momentum=momentum, weight_decay=0.05 * scale)


def batches(steps, first=0):
    """Rows of step k depend on k alone."""
    for step in range(first, steps):
        order = np.random.default_rng(step // EPOCH).permutation(EPOCH * BATCH)
        yield torch.from_numpy(order[step % EPOCH * BATCH :][:BATCH])


def train(model, optimizer, inputs, labels, steps, *, first=0, scale=1.0, after=None):
    for rows in batches(steps, first):
        optimizer.zero_grad()
        loss = scale * nn.functional.cross_entropy(model(inputs[rows]), labels[rows])
        loss.backward()
        optimizer.step()
        if after is not None:
            after(loss)


def watched(name, parts=lambda model: model.parameters(), scale=1.0, steps=270, **how):
    inputs, labels, model = task()
    optimizer = make(name, parts(model), scale)
    watch = tg.watch(optimizer, steps_per_epoch=EPOCH, **how)
    train(model, optimizer, inputs, labels, steps, scale=scale)
    return watch


def ratios(watch):
    return np.array([[row["ratio"], row["ratio_low"]] for row in watch.history() if row["ratio"]])


@pytest.mark.parametrize("name", ["sgd", "momentum", "adam"])
def test_one_group_split_in_two(name):
    whole = watched(name)
    halves = watched(
        name, lambda model: [{"params": model[0].parameters()}, {"params": model[2].parameters()}]
    )
    assert halves.verdict().text == whole.verdict().text
    assert ratios(halves) == pytest.approx(ratios(whole), rel=1e-9, abs=1e-9)
    left, right = (watch.fluctuation_dissipation() for watch in (whole, halves))
    assert right.fluctuation.value == pytest.approx(left.fluctuation.value, rel=1e-9)


@pytest.mark.parametrize("name", ["sgd", "momentum", "adam"])
def test_parameters_in_another_order(name):
    """The sketch mixes other coordinates, so coverage is equal to its accuracy alone."""
    plain = watched(name, slow_directions=4096)
    turned = watched(name, lambda model: list(model.parameters())[::-1], slow_directions=4096)
    assert [row["verdict"] for row in turned.history()] == [row["verdict"] for row in plain.history()]
    assert ratios(turned) == pytest.approx(ratios(plain), rel=1e-9, abs=1e-9)
    coverages = [watch.window.decision.slowest.coverage for watch in (plain, turned)]
    assert coverages[1] == pytest.approx(coverages[0], rel=0.05)


@pytest.mark.parametrize("name", ["sgd", "momentum"])
@pytest.mark.parametrize("scale", [4.0, 1 / 32])
def test_units_of_the_loss(name, scale):
    """Loss and decay × a power of two, rate ÷ it: the same weights, bit for bit; O_R in the other units."""
    plain, scaled = watched(name), watched(name, scale=scale)
    assert [row["verdict"] for row in scaled.history()] == [row["verdict"] for row in plain.history()]
    assert (ratios(scaled) == ratios(plain)).all()
    assert scaled.temperature().value == pytest.approx(scale * plain.temperature().value, rel=1e-12)
    said = plain.verdict().text.replace(f"lr={plain.optimizer.param_groups[0]['lr']:.4g}", "")
    assert scaled.verdict().text.replace(f"lr={scaled.optimizer.param_groups[0]['lr']:.4g}", "") == said


@pytest.mark.parametrize("name", ["sgd", "momentum", "adam"])
def test_training_is_bit_for_bit_the_same_with_and_without(name):
    found = []
    for watching in (True, False):
        inputs, labels, model = task()
        optimizer = make(name, model.parameters())
        if watching:
            tg.watch(optimizer, steps_per_epoch=EPOCH, every=2)
        state = torch.random.get_rng_state()
        train(model, optimizer, inputs, labels, 220)
        assert (torch.random.get_rng_state() == state).all()
        found.append([p.detach().clone() for p in model.parameters()])
    assert all((left == right).all() for left, right in zip(*found, strict=True))


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 149), st.sampled_from(["sgd", "momentum", "adam"]), st.sampled_from([1, 4]))
def test_save_and_resume_at_any_step_gives_the_same_text_bit_for_bit(stop, name, every):
    def begin():
        inputs, labels, model = task()
        optimizer = make(name, model.parameters())
        watch = tg.watch(optimizer, steps_per_epoch=EPOCH, every=every)
        return inputs, labels, model, optimizer, watch

    inputs, labels, model, optimizer, through = begin()
    train(model, optimizer, inputs, labels, stop, after=through.record_loss)
    saved = copy.deepcopy((model.state_dict(), optimizer.state_dict(), through.state_dict()))
    said = through.report()
    train(model, optimizer, inputs, labels, 150, first=stop, after=through.record_loss)
    inputs, labels, model, optimizer, resumed = begin()
    for part, state in zip((model, optimizer, resumed), saved, strict=True):
        part.load_state_dict(state)
    assert resumed.report() == said
    train(model, optimizer, inputs, labels, 150, first=stop, after=resumed.record_loss)
    assert resumed.report() == through.report()
    assert resumed.history() == through.history()


def test_a_resumed_watch_answers_everything_at_once():
    """As it would have without the interruption, not only from the next block end on."""
    through = watched("sgd", steps=271)
    inputs, labels, model = task()
    optimizer = make("sgd", model.parameters())
    resumed = tg.watch(optimizer, steps_per_epoch=EPOCH)
    train(model, optimizer, inputs, labels, 1)
    resumed.load_state_dict(copy.deepcopy(through.state_dict()))
    assert str(resumed.slowest_relaxation()) == str(through.slowest_relaxation())


def test_evidence_from_before_a_restart_is_never_shown():
    watch = watched("sgd", steps=400)
    assert watch.verdict().kind != "warming_up"
    watch.restart("a kick")
    assert watch.verdict().kind == "warming_up"
    assert not watch.equilibrated
    assert watch.steps_to_equilibrium() is None
    watch.report()
    watch.to_dict()


def test_nan_at_a_step_that_is_not_measured_is_named_and_ends_nothing():
    """One of 1000 steps is measured: the weights themselves say it."""
    inputs, labels, model = task()
    optimizer = make("sgd", model.parameters())
    watch = tg.watch(optimizer, steps_per_epoch=EPOCH, every=1000)
    train(model, optimizer, inputs, labels, 150)
    with torch.no_grad():
        model[0].weight[0, 0] = torch.nan
    train(model, optimizer, inputs, labels, 200)
    assert watch.verdict().kind == "not_finite"
    watch.report()


@pytest.mark.parametrize("loss", [float("inf"), float("nan"), torch.tensor(torch.inf)])
def test_one_loss_that_is_not_finite_costs_its_block_alone(loss):
    inputs, labels, model = task()
    optimizer = make("sgd", model.parameters())
    watch = tg.watch(optimizer, steps_per_epoch=EPOCH)
    train(model, optimizer, inputs, labels, 60, after=watch.record_loss)
    watch.record_loss(loss)
    train(model, optimizer, inputs, labels, 180, first=60, after=watch.record_loss)
    losses = [row["loss"] for row in watch.history()]
    assert losses.count(None) == 1
    assert losses[20] is None
    assert np.isfinite(watch.waiting_or_cutting().waiting.value)


@pytest.mark.parametrize("every", [1, 7])
def test_the_price_of_a_cut_of_adam_needs_no_long_epochs(every):
    """Three steps an epoch: the metric is measured all the same."""
    inputs, labels, model = task()
    optimizer = make("adam", model.parameters())
    watch = tg.watch(optimizer, steps_per_epoch=EPOCH, every=every)
    train(model, optimizer, inputs, labels, 300, after=watch.record_loss)
    assert watch.waiting_or_cutting().cutting.value > 0


def test_a_gradient_that_dies_out_is_no_noise():
    """Σ|Δ|² of the window is exactly 0."""
    weight = nn.Parameter(torch.ones(3))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    watch = tg.watch(optimizer, steps_per_epoch=EPOCH)
    for step in range(200):
        weight.grad = torch.full((3,), 1.0 if step < 10 else 0.0)
        optimizer.step()
        watch.record_loss(1.0)
    assert watch.verdict().kind == "no_noise"
    watch.report()


def test_a_change_of_the_rate_within_a_block_leaves_no_old_verdict():
    inputs, labels, model = task()
    optimizer = make("sgd", model.parameters())
    watch = tg.watch(optimizer, steps_per_epoch=EPOCH)
    train(model, optimizer, inputs, labels, 241)
    optimizer.param_groups[0]["lr"] *= 0.1
    train(model, optimizer, inputs, labels, 241 + 2 * EPOCH * 4, first=241)
    assert watch.verdict().kind == "warming_up"


def test_a_rate_that_changes_in_most_blocks_is_a_verdict_of_its_own():
    inputs, labels, model = task()
    optimizer = make("sgd", model.parameters())
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.99)
    watch = tg.watch(optimizer, steps_per_epoch=EPOCH)
    for epoch in range(40):
        train(model, optimizer, inputs, labels, (epoch + 1) * EPOCH, first=epoch * EPOCH)
        schedule.step()
    verdict = watch.verdict()
    assert (verdict.holds, verdict.kind) == (None, "learning_rate_changing")
