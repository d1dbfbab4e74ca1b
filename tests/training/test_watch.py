"""The hard edges of a watch: what may happen in somebody's loop must not end it."""

import json

import pytest
import torch
from torch import nn, optim

import thermograd as tg
from thermograd.errors import NotApplicableError


def noisy(weights, noise):
    parts = [
        (w * w.conj()).real.sum() + (w.real * torch.randn(w.shape, generator=noise)).sum() for w in weights
    ]
    return sum(part.float() for part in parts)


def descend(optimizer, step, weights, steps, *, loss_of=noisy, seed=0):
    noise = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = loss_of(weights, noise)
        loss.backward()
        optimizer.step()
        step(loss)


def weight(*shape, dtype=torch.float32):
    return nn.Parameter(torch.ones(*shape, dtype=dtype))


@pytest.mark.parametrize(
    "dtypes",
    [
        (torch.float32, torch.float64),
        (torch.float64, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.complex64, torch.float32),
    ],
    ids=str,
)
@pytest.mark.parametrize("make", [lambda p: optim.SGD(p, lr=0.01), lambda p: optim.Adam(p, lr=0.01)])
def test_weights_of_several_types_are_watched_together(dtypes, make):
    weights = [weight(3, dtype=dtypes[0]), weight(2, 2, dtype=dtypes[1]), weight(0)]
    optimizer = make(weights)
    watch = tg.watch(optimizer, steps_per_epoch=5)
    descend(optimizer, watch.record_loss, weights, 170)
    assert watch.verdict().kind not in {"warming_up", "not_finite"}
    json.dumps(watch.to_dict(), allow_nan=False)
    assert watch.report()


def test_a_first_group_with_rate_0_and_a_decay_that_takes_all_are_no_error():
    weights = [weight(3), weight(2), weight(2)]
    groups = [
        {"params": weights[:1], "lr": 0.0},
        {"params": weights[1:2], "lr": 0.1},
        {"params": weights[2:], "lr": 0.1, "weight_decay": 10.0},
    ]
    optimizer = optim.SGD(groups)
    watch = tg.watch(optimizer, steps_per_epoch=5)
    descend(optimizer, watch.record_loss, weights, 170)
    assert "group 0 (learning rate 0)" in watch.verdict().text
    assert watch.temperature().value > 0


@pytest.mark.parametrize("make", [lambda p: optim.SGD(p, lr=0.1), lambda p: optim.Adam(p, lr=0.1)])
def test_what_is_not_finite_is_named_with_its_first_step_and_never_cut(make):
    weights = [weight(3)]
    optimizer = make(weights)
    watch = tg.watch(optimizer, steps_per_epoch=5)
    scheduler = tg.ReduceLROnStationarity(optimizer, watch, total_steps=300)
    descend(optimizer, scheduler.step, weights, 102)
    descend(optimizer, scheduler.step, weights, 1, loss_of=lambda w, _: w[0].sum() * float("nan"))
    descend(optimizer, scheduler.step, weights, 197)
    verdict = watch.verdict()
    assert verdict.kind == "not_finite"
    assert verdict.evidence["first_step"] == 103
    assert scheduler.reductions == []
    json.dumps(watch.to_dict(), allow_nan=False)
    assert "step 103" in watch.report()
    with pytest.raises(NotApplicableError, match="not finite"):
        watch.fluctuation_dissipation()


def test_a_diverging_training_warns_of_nothing_but_its_verdict():
    weights = [weight(3)]
    optimizer = optim.SGD(weights, lr=3.0)
    watch = tg.watch(optimizer, steps_per_epoch=5)
    descend(optimizer, watch.record_loss, weights, 200)
    assert watch.verdict().kind == "not_finite"
    assert watch.report()


def test_a_group_added_under_a_scheduler_restarts_the_window_and_is_cut_too():
    weights = [weight(30), weight(20)]
    optimizer = optim.SGD(weights[:1], lr=0.1)
    watch = tg.watch(optimizer, steps_per_epoch=5)
    scheduler = tg.ReduceLROnStationarity(optimizer, watch, rule="equivalence", max_reductions=1)
    descend(optimizer, scheduler.step, weights[:1], 23)
    optimizer.add_param_group({"params": weights[1:], "lr": 0.05})
    descend(optimizer, scheduler.step, weights, 400)
    assert any("added" in note for note in watch.notes)
    assert [len(after) for _, _, after, _ in scheduler.reductions] == [2]


@pytest.mark.parametrize(
    "make", [lambda p: optim.SGD(p, lr=0.05, momentum=0.9), lambda p: optim.Adam(p, lr=0.05)]
)
@pytest.mark.parametrize("stop", [3, 25, 171])
def test_a_resume_from_a_file_goes_on_bit_for_bit(make, stop, tmp_path):
    found = []
    for interrupted in (False, True):
        weights = [weight(3), weight(2)]
        optimizer = make(weights)
        watch = tg.watch(optimizer, steps_per_epoch=10, every=3)
        descend(optimizer, watch.record_loss, weights, stop)
        if interrupted:
            torch.save(watch.state_dict(), tmp_path / "watch.pt")
            watch.detach()
            watch = tg.watch(optimizer, steps_per_epoch=10, every=3)
            watch.load_state_dict(torch.load(tmp_path / "watch.pt", weights_only=True))
        descend(optimizer, watch.record_loss, weights, 400 - stop, seed=1)
        found.append(watch.to_dict())
    assert found[0] == found[1]


def test_a_state_serves_twice():
    state = tg.watch(optim.SGD([weight(3)], lr=0.1)).state_dict()
    sums = []
    for _ in range(2):
        weights = [weight(3)]
        optimizer = optim.SGD(weights, lr=0.1)
        watch = tg.watch(optimizer)
        watch.load_state_dict(state)
        for value in (1.0, 4.0):
            weights[0].grad = torch.full((3,), value)
            watch.micro_batch(1)
        optimizer.step()
        sums.append(watch.state_dict()["micro"]["sums"].tolist())
    assert sums[0] == sums[1] == pytest.approx([24.0, 36.0, 1.0])


def test_a_loss_that_the_loop_overwrites_is_kept_as_it_was():
    weights = [weight(3)]
    optimizer = optim.SGD(weights, lr=0.1)
    watch = tg.watch(optimizer, steps_per_epoch=10)
    static = torch.zeros(())

    def step(_):
        static.fill_(1.0)
        watch.record_loss(static)
        static.fill_(100.0)

    descend(optimizer, step, weights, 21)
    assert watch.history()[-1]["loss"] == pytest.approx(1.0)


@pytest.mark.parametrize("steps", [2.5, float("inf"), float("nan"), "5", True, 0])
def test_steps_per_epoch_is_a_whole_number(steps):
    with pytest.raises(ValueError, match="steps_per_epoch is"):
        tg.watch(optim.SGD([weight(1)], lr=0.1), steps_per_epoch=steps)
