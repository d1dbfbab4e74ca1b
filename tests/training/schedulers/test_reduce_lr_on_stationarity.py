"""When the scheduler cuts, and by how much: an Ornstein-Uhlenbeck training that has equilibrated from the start."""

import copy
import itertools

import numpy as np
import pytest
import torch
from torch import nn

import thermograd as tg

EPOCH = 5


class Training:
    """Weights in a parabola under unit noise, stationary from the start; the noise of step k depends on k alone."""

    def __init__(self, rates=(0.3,), optimizer=torch.optim.SGD, start=0.0, **how):
        self.weights = [nn.Parameter(torch.full((60,), start, dtype=torch.float64)) for _ in rates]
        groups = [{"params": [w], "lr": rate} for w, rate in zip(self.weights, rates, strict=True)]
        self.optimizer = optimizer(groups, **how)
        self.watch = tg.watch(self.optimizer, steps_per_epoch=EPOCH)

    def run(self, scheduler, epochs, first=0, loss=None):
        for step in range(first * EPOCH, (first + epochs) * EPOCH):
            noise = np.random.default_rng(step).normal(size=(len(self.weights), 60))
            for weight, own in zip(self.weights, noise, strict=True):
                weight.grad = weight.detach() + torch.from_numpy(own)
            value = sum(float(w.detach().square().sum()) / 2 for w in self.weights)
            self.optimizer.step()
            scheduler.step(value if loss is True else loss)

    def rates(self):
        return [group["lr"] for group in self.optimizer.param_groups]


def cut_steps(scheduler):
    return [step for step, *_ in scheduler.reductions]


def scheduled(epochs, rates=(0.3,), loss=None, **how):
    training = Training(rates)
    scheduler = tg.ReduceLROnStationarity(training.optimizer, training.watch, **how)
    training.run(scheduler, epochs, loss=loss)
    return training, scheduler


def test_it_is_a_scheduler_of_torch():
    _, scheduler = scheduled(1)
    assert isinstance(scheduler, torch.optim.lr_scheduler.LRScheduler)
    assert scheduler.get_last_lr() == [0.3]


def test_no_cascade():
    """Each cut rests on at least 32 epochs of its own."""
    training, scheduler = scheduled(300, factor=0.7)
    steps = [0, *cut_steps(scheduler)]
    assert len(steps) >= 4
    assert min(b - a for a, b in itertools.pairwise(steps)) >= 32 * EPOCH
    assert all(step % EPOCH == 0 for step in steps)
    assert training.rates() == pytest.approx([0.3 * 0.7 ** len(scheduler.reductions)])
    assert all("Equilibrated" in text for *_, text in scheduler.reductions)


def test_directly_after_a_cut_nothing_is_equilibrated():
    training = Training()
    scheduler = tg.ReduceLROnStationarity(training.optimizer, training.watch)
    epoch = 0
    while not scheduler.reductions:
        training.run(scheduler, 1, first=epoch)
        epoch += 1
    assert not training.watch.equilibrated
    assert training.watch.verdict().kind == "warming_up"
    assert "lr=0.03" in training.watch.report()


def test_every_group_keeps_its_own_rate_and_stays_at_its_minimum():
    training, scheduler = scheduled(150, rates=(0.3, 0.2, 0.1), min_lr=[0.0, 0.05, 0.2])
    _, before, after, _ = scheduler.reductions[0]
    assert before == [0.3, 0.2, 0.1]
    assert after == pytest.approx([0.03, 0.05, 0.1])  # one already below its minimum is not raised
    assert scheduler.get_last_lr() == training.rates()


def test_with_all_groups_at_their_minimum_it_cuts_no_more():
    training, scheduler = scheduled(200, min_lr=0.1)
    assert training.rates() == [0.1]
    assert len(scheduler.reductions) == 1


def test_max_reductions():
    assert len(scheduled(300, factor=0.7, max_reductions=1)[1].reductions) == 1
    assert not scheduled(100, max_reductions=0)[1].reductions


def test_cooldown():
    steps = cut_steps(scheduled(300, factor=0.7, cooldown=100)[1])
    assert len(steps) >= 2
    assert steps[1] - steps[0] >= 100 * EPOCH


def test_a_budget_cuts_at_the_latest_when_a_fifth_and_a_tenth_are_left():
    training = Training(start=1e4)  # far off: never equilibrated
    scheduler = tg.ReduceLROnStationarity(training.optimizer, training.watch, total_steps=103)
    training.run(scheduler, 20)
    assert cut_steps(scheduler) == [82, 93]
    assert training.rates() == pytest.approx([0.003])


def test_the_rule_of_the_paper():
    training, scheduler = scheduled(200, rule="ratio", threshold=0.05)
    assert scheduler.reductions
    assert scheduler.factor == pytest.approx(0.9)
    step, before, after, text = scheduler.reductions[0]
    assert after[0] == pytest.approx(0.9 * before[0])
    assert "about the origin" in text
    assert step % EPOCH == 0
    assert training.rates()[0] < 0.3


def test_auto_weighs_when_it_is_given_the_loss():
    """A loss that no longer falls: the cut pays, at the earliest after 16 epochs and before `equilibrated` can be."""
    training = Training(start=0.0)
    scheduler = tg.ReduceLROnStationarity(training.optimizer, training.watch)
    training.run(scheduler, 64, loss=True)
    assert scheduler.reductions
    assert cut_steps(scheduler)[0] >= 16 * EPOCH
    assert "would change the loss" in scheduler.reductions[0][3]


def test_the_realised_fall_of_the_loss_is_compared_with_the_prediction():
    """60 modes of h = 1 at η = .3: the loss falls from 60 η/(2(2 − η)) to a ninth or so; (1 − f) O_R/2 is that."""
    training = Training()
    scheduler = tg.ReduceLROnStationarity(training.optimizer, training.watch, max_reductions=1)
    training.run(scheduler, 80, loss=True)
    gain = scheduler.gains[0]
    truth = 30 * (0.3 / 1.7 - 0.03 / 1.97)
    assert gain.evidence["realised"] == pytest.approx(truth, rel=0.3)
    assert gain.evidence["predicted"] == pytest.approx(truth, rel=0.3)


def test_auto_asks_for_equilibrium_where_the_price_is_not_known():
    training = Training(optimizer=torch.optim.SGD, momentum=0.5, nesterov=True)
    scheduler = tg.ReduceLROnStationarity(training.optimizer, training.watch)
    training.run(scheduler, 40, loss=True)
    assert all("Equilibrated" in text for *_, text in scheduler.reductions)
    assert all(step >= 32 * EPOCH for step in cut_steps(scheduler))


def test_no_cut_once_training_is_not_finite():
    for rule, how in (("equivalence", {}), ("ratio", {}), ("gain", {}), ("auto", {"total_steps": 400})):
        training = Training()
        scheduler = tg.ReduceLROnStationarity(training.optimizer, training.watch, rule=rule, **how)
        training.run(scheduler, 10, loss=True)
        with torch.no_grad():
            training.weights[0][0] = torch.nan
        training.run(scheduler, 100, first=10, loss=1.0)
        assert training.watch.verdict().kind == "not_finite"
        assert all(step <= 10 * EPOCH for step in cut_steps(scheduler))


@pytest.mark.parametrize("stop", [3, 32, 35, 50, 71])
@pytest.mark.parametrize("loss", [None, True])
def test_save_and_resume_cuts_at_the_same_steps_with_the_same_words(stop, loss):
    def begin():
        training = Training()
        return training, tg.ReduceLROnStationarity(training.optimizer, training.watch, factor=0.5, cooldown=3)

    through, scheduler = begin()
    through.run(scheduler, stop, loss=loss)
    saved = copy.deepcopy(
        (through.optimizer.state_dict(), through.watch.state_dict(), scheduler.state_dict())
    )
    weights = [w.detach().clone() for w in through.weights]
    through.run(scheduler, 110 - stop, first=stop, loss=loss)
    resumed, other = begin()
    for weight, value in zip(resumed.weights, weights, strict=True):
        weight.data.copy_(value)
    for part, state in zip((resumed.optimizer, resumed.watch, other), saved, strict=True):
        part.load_state_dict(state)
    resumed.run(other, 110 - stop, first=stop, loss=loss)
    assert other.reductions == scheduler.reductions
    assert other.get_last_lr() == scheduler.get_last_lr()
    assert [gain.text for gain in other.gains] == [gain.text for gain in scheduler.gains]
    assert len(scheduler.reductions) >= 1


def test_a_state_of_other_settings_is_refused():
    _, scheduler = scheduled(1)
    _, other = scheduled(1, factor=0.5)
    with pytest.raises(ValueError, match=r"factor: 0\.5 there, 0\.1 here"):
        scheduler.load_state_dict(other.state_dict())


def test_a_watch_and_an_optimizer_in_the_wrong_order():
    training = Training()
    with pytest.raises(TypeError, match=r"watch is of type SGD; give what tg\.watch\(optimizer\) returned"):
        tg.ReduceLROnStationarity(training.watch, training.optimizer)


def test_the_optimizer_of_another_watch():
    training, other = Training(), Training(optimizer=torch.optim.Adam)
    with pytest.raises(ValueError, match=r"given Adam at .*, but the watch is of SGD"):
        tg.ReduceLROnStationarity(other.optimizer, training.watch)


@pytest.mark.parametrize(
    "how",
    [
        {"rule": "plateau"},
        {"factor": 1.0},
        {"factor": 0.0},
        {"threshold": 0.0},
        {"cooldown": -1},
        {"max_reductions": 1.5},
        {"total_steps": 0},
        {"min_lr": -1.0},
        {"min_lr": [0.1, 0.1]},
    ],
)
def test_arguments_that_cannot_be_used(how):
    training = Training()
    with pytest.raises(ValueError, match=next(iter(how))):
        tg.ReduceLROnStationarity(training.optimizer, training.watch, **how)
