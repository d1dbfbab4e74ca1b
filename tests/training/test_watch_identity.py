"""Dissipation of a live watch against O_L and O_R summed step by step: one identity, for any noise and any batches."""

import pytest
import torch
from torch import nn

import thermograd as tg
from thermograd.estimators.stationarity import anchor_of
from thermograd.observables.fluctuation_dissipation import capture

EPOCH, BATCH, EPOCHS = 15, 20, 40
FORMS = [(0.0, 0.0), (0.9, 0.0), (0.9, 0.5), (0.5, 0.9)]


def task(dtype):
    draw = torch.Generator().manual_seed(2)
    inputs = torch.randn(EPOCH * BATCH, 8, generator=draw, dtype=torch.float64).to(dtype)
    labels = torch.randint(4, (EPOCH * BATCH,), generator=draw)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        model = nn.Sequential(nn.Linear(8, 12), nn.ReLU(), nn.Linear(12, 4)).to(dtype)
    return inputs, labels, model


def step_by_step(momentum, dampening, dtype, every, groups=False):
    """A watch, and what `capture` finds about the origin and about every anchor at every step."""
    inputs, labels, model = task(dtype)
    parts = model.parameters()
    if groups:
        parts = [{"params": model[0].parameters(), "lr": 0.02}, {"params": model[2].parameters()}]
    optimizer = torch.optim.SGD(parts, lr=0.05, momentum=momentum, dampening=dampening, weight_decay=0.01)
    watch = tg.watch(optimizer, steps_per_epoch=EPOCH, every=every)
    anchors, sums = {}, []
    draw = torch.Generator().manual_seed(5)
    for step in range(EPOCHS * EPOCH + 1):
        if step % EPOCH == 0:
            order = torch.randperm(len(inputs), generator=draw)
        rows = order[step % EPOCH * BATCH :][:BATCH]
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs[rows]), labels[rows]).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        captured = capture(optimizer)
        optimizer.step()
        found = {"origin": captured.dissipation_and_fluctuation()}
        found |= {at: captured.dissipation_and_fluctuation(centre) for at, centre in anchors.items()}
        sums.append({at: [float(side) for side in both] for at, both in found.items()})
        start = watch.window.record.ends[0].step
        epoch, rest = divmod(step + 1 - start, EPOCH)
        if rest == 0 and epoch and epoch & (epoch - 1) == 0:
            anchors[step + 1] = [p.detach().clone() for p in model.parameters()]
    return watch, sums


def both_sides(watch, sums, centre, window):
    found = watch.fluctuation_dissipation(centre=centre, window=window, form="sgd")
    first, last = found.steps
    start = watch.window.record.ends[0].step
    at = "origin" if centre == "origin" else anchor_of(start, first, EPOCH)
    if centre == "anchor" and window == "all":
        at = int(watch.window.record.ends[-1].anchors[1])
    pairs = torch.tensor([one[at] for one in sums[first:last]], dtype=torch.float64)
    return found, pairs.sum(0) / (last - first)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
@pytest.mark.parametrize(("momentum", "dampening"), FORMS)
@pytest.mark.parametrize("every", [1, 7])
def test_identity(momentum, dampening, dtype, tolerance, every):
    watch, sums = step_by_step(momentum, dampening, dtype, every)
    for centre in ("anchor", "origin"):
        for window in ("half", "all"):
            found, (left, right) = both_sides(watch, sums, centre, window)
            difference = found.dissipation.value - found.fluctuation.value
            assert difference == pytest.approx(float(left - right), abs=tolerance * float(right))
            if every == 1:
                assert found.fluctuation.value == pytest.approx(float(right), rel=tolerance)
                assert found.dissipation.value == pytest.approx(float(left), abs=tolerance * float(right))
            else:
                assert found.fluctuation.value == pytest.approx(float(right), rel=0.5)
    assert watch.window.record.ends[0].step == (1 if dampening else 0)


@pytest.mark.parametrize(("momentum", "dampening"), FORMS)
def test_identity_with_a_rate_for_each_group(momentum, dampening):
    watch, sums = step_by_step(momentum, dampening, torch.float64, 1, groups=True)
    found, (left, right) = both_sides(watch, sums, "anchor", "half")
    assert found.dissipation.value == pytest.approx(float(left), abs=1e-9 * float(right))
    assert found.fluctuation.value == pytest.approx(float(right), rel=1e-9)


def test_without_its_overlap_with_the_velocity_it_does_not_hold():
    """Negative control: momentum, the term of (θ − c)·v left out."""
    watch, sums = step_by_step(0.9, 0.0, torch.float64, 1)
    for end in watch.window.record.ends:
        end.positions[3:] = 0
    found, (left, right) = both_sides(watch, sums, "anchor", "half")
    assert abs(found.dissipation.value - float(left)) > 1e-4 * float(right)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_the_two_forms_give_one_ratio_but_for_the_overlap(momentum):
    watch, _ = step_by_step(momentum, 0.0, torch.float64, 1)
    sgd, any_optimizer = (watch.fluctuation_dissipation(form=form).ratio for form in ("sgd", "displacement"))
    assert any_optimizer.value == pytest.approx(watch.window.decision.ratio.value, rel=1e-9)
    assert sgd.value == pytest.approx(
        any_optimizer.value, rel=1e-9 if not momentum else 0.2, abs=1e-9 if not momentum else 0.2
    )
