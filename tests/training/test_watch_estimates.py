"""The numbers of a watch where parameter groups differ, learning rates are 0, or losses were never recorded."""

from __future__ import annotations

import pytest
import torch

import thermograd as tg
from thermograd.errors import NotApplicableError

EPOCH = 10


def trained(groups, *, epochs=36, losses=False):
    """A watch after training on Σθ²/2 with independent noise of the gradient."""
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.SGD(groups, lr=0.1)
    watch = tg.watch(optimizer, steps_per_epoch=EPOCH)
    for _ in range(epochs * EPOCH):
        for group in optimizer.param_groups:
            for weight in group["params"]:
                kick = torch.randn(weight.shape, generator=generator, dtype=weight.dtype)
                weight.grad = weight.detach() + kick
        optimizer.step()
        if losses:
            watch.record_loss(1.0)
    return watch


def parameters(count):
    return [torch.nn.Parameter(torch.zeros(count, dtype=torch.float64))]


def test_a_group_that_does_not_learn_leaves_the_temperature_as_it_is():
    """As in a warm-up from 0, or with a frozen first group; (η/2)(1 + η/(2 − η)) per parameter that moves."""
    watch = trained([{"params": parameters(50), "lr": 0.0}, {"params": parameters(20)}])
    temperature = watch.temperature()
    assert temperature.low < 0.05 * (1 + 0.1 / 1.9) < temperature.high
    assert "MSD(2)" not in temperature.note
    assert "MSD(2)" in trained([{"params": parameters(20)}]).temperature().note


def test_training_at_rate_0_goes_on():
    watch = trained([{"params": parameters(5), "lr": 0.0}])
    with pytest.raises(NotApplicableError, match="nothing that moves"):
        watch.temperature()
    assert watch.verdict().kind == "no_noise"


def test_losses_that_were_never_recorded_are_asked_for():
    with pytest.raises(NotApplicableError, match=r"record_loss\(loss\) or scheduler\.step\(loss\)"):
        trained([{"params": parameters(5)}], epochs=2).waiting_or_cutting()
    assert trained([{"params": parameters(5)}], epochs=2, losses=True).waiting_or_cutting().waiting is None


def test_no_time_to_an_equilibrium_that_is_there():
    watch = trained([{"params": parameters(400)}], epochs=64)
    assert watch.equilibrated
    assert watch.steps_to_equilibrium() is None


@pytest.mark.parametrize("names", ["layer", {"weight": torch.zeros(1)}])
def test_names_are_of_parameters(names):
    optimizer = torch.optim.SGD(parameters(2), lr=0.1)
    with pytest.raises(TypeError, match="names is a model, or a dict"):
        tg.watch(optimizer, names=names)


@pytest.mark.parametrize("steps", ["15", 14.5, 0, True, len])
def test_steps_per_epoch_is_a_whole_number(steps):
    optimizer = torch.optim.SGD(parameters(2), lr=0.1)
    with pytest.raises(ValueError, match=r"steps_per_epoch is .* whole number"):
        tg.watch(optimizer, steps_per_epoch=steps)


def test_a_state_that_is_not_of_a_watch_is_refused():
    watch = trained([{"params": parameters(2)}], epochs=2)
    with pytest.raises(ValueError, match="no state of a watch: it has the keys settings, gains"):
        watch.load_state_dict({"settings": {}, "gains": []})


def test_the_reason_names_nesterov():
    optimizer = torch.optim.SGD(parameters(2), lr=0.1, momentum=0.9, nesterov=True)
    with pytest.raises(NotApplicableError, match="of SGD with nesterov is not defined"):
        tg.watch(optimizer).temperature()


def test_waiting_counts_what_the_weight_decay_still_gives() -> None:
    """A flat loss whose weights still shrink: the optimizer descends loss + decay term."""
    weight = torch.nn.Parameter(torch.ones(4))
    optimizer = torch.optim.SGD([weight], lr=0.01, weight_decay=0.5)
    watch = tg.watch(optimizer, steps_per_epoch=5)
    for _ in range(200):
        weight.grad = torch.zeros(4)
        optimizer.step()
        watch.record_loss(1.0)
    gain = watch.waiting_or_cutting().waiting
    assert gain is not None
    assert gain.low > 0.01
