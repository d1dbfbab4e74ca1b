import io

import numpy as np
import pytest
import torch
from torch import nn

import thermograd as tg
from thermograd.estimators import aging
from thermograd.observables import DissipationAndFluctuation, TwoTimeDisplacement

NAME = "two_time_displacement"


class Training:
    """A small classifier of clouds of points, its own loop, and a tracker that is called by hand beside the watch."""

    def __init__(self, kind="sgd", accumulate=1, **options):
        generator = torch.Generator().manual_seed(0)
        self.classes = torch.randint(4, (200,), generator=generator)
        self.inputs = torch.randn(200, 6, generator=generator) + nn.functional.one_hot(self.classes, 6)
        torch.manual_seed(1)
        self.model = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 4))
        parameters = self.model.parameters()
        self.optimizer = {
            "sgd": lambda: torch.optim.SGD(parameters, lr=0.1),
            "momentum": lambda: torch.optim.SGD(parameters, lr=0.05, momentum=0.9, dampening=0.5),
            "adam": lambda: torch.optim.Adam(parameters, lr=0.01),
        }[kind]()
        self.accumulate, self.order = accumulate, torch.Generator().manual_seed(2)
        self.options = options
        self.watch = self.watched()
        self.by_hand = TwoTimeDisplacement(**options).start(dict(self.model.named_parameters()))
        self.by_hand.record(0)
        self.step = 0

    def watched(self):
        return tg.watch(
            self.optimizer,
            steps_per_epoch=20,
            names=self.model,
            observe=[TwoTimeDisplacement(**self.options)],
        )

    def train(self, steps):
        for _ in range(steps):
            self.optimizer.zero_grad()
            for _ in range(self.accumulate):
                batch = torch.randint(200, (10,), generator=self.order)
                loss = nn.functional.cross_entropy(self.model(self.inputs[batch]), self.classes[batch])
                (loss / self.accumulate).backward()
            self.optimizer.step()
            self.step += 1
            if self.step >= self.by_hand.due:
                self.by_hand.record(self.step)

    def check(self):
        found, expected = self.watch[NAME], self.by_hand.table()
        for field in ("waiting_times", "lags", "squared", "sizes", "anchor_norms"):
            np.testing.assert_array_equal(getattr(found, field), getattr(expected, field))
        assert found.groups == expected.groups
        assert found.missed == 0


@pytest.mark.parametrize("kind", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize(
    "options",
    [{"by": "layer"}, {"by": "tensor", "first_waiting": 0}, {"sketch": 8}],
    ids=["layer", "zero", "sketch"],
)
def test_it_records_what_a_call_after_every_step_would(kind, options):
    training = Training(kind, **options)
    training.train(150)
    training.check()
    assert training.watch[NAME].waiting_times[-1] == 100
    training.train(28)
    training.check()
    assert training.watch[NAME].waiting_times[-1] == 178  # the last step of all


def test_steps_are_those_of_the_optimizer_under_gradient_accumulation():
    training = Training(accumulate=3)
    training.train(60)
    training.check()


def test_changes_of_the_rate_and_restarts_of_the_window_do_not_matter():
    training = Training(by="layer")
    training.train(33)
    training.optimizer.param_groups[0]["lr"] = 0.02
    training.train(33)
    training.watch.restart("a kick")
    training.train(40)
    training.check()


def test_training_is_the_same_with_and_without():
    weights = []
    for observe in ([], [TwoTimeDisplacement(by="layer", first_waiting=0)]):
        torch.manual_seed(3)
        model = nn.Linear(6, 2)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        tg.watch(optimizer, names=model, observe=observe)
        for _ in range(50):
            optimizer.zero_grad()
            model(torch.randn(4, 6)).square().mean().backward()
            optimizer.step()
        weights.append(model.weight.detach().clone())
    assert torch.equal(*weights)


@pytest.mark.parametrize("kind", ["momentum", "adam"])
@pytest.mark.parametrize("stop", [1, 57])
def test_it_goes_on_where_another_was(kind, stop):
    training = Training(kind, by="layer")
    training.train(stop)
    file = io.BytesIO()
    torch.save(training.watch.state_dict(), file)
    training.watch.detach()
    training.watch = training.watched()
    file.seek(0)
    training.watch.load_state_dict(torch.load(file, weights_only=True))
    training.check()
    training.train(120 - stop)
    training.check()


def test_frozen_parameters_are_followed_on_and_do_not_move():
    training = Training(by="layer")
    training.train(12)
    for parameter in training.model[0].parameters():
        parameter.requires_grad_(False)
    training.train(60)
    training.check()
    table = training.watch[NAME]
    since = table.waiting_times >= 18
    assert np.nanmax(table.squared[0, since][..., 1]) == 0
    assert np.nanmin(table.squared[0, since][..., 2]) > 0
    state = training.watch.state_dict()
    training.watch.detach()
    training.watch = training.watched()
    assert training.watch[NAME].groups == ("all", "2")
    training.watch.load_state_dict(state)  # of a watch that was made before they were frozen
    training.train(40)
    training.check()


def test_parameters_that_come_later_are_not_followed_and_that_is_noted():
    training = Training(by="layer")
    training.train(12)
    training.optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(3))]})
    training.train(30)
    training.check()
    assert "two_time_displacement: 1 tensors that came later are not followed" in training.watch.report()


def test_layers_want_names():
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(3))], lr=0.1)
    with pytest.raises(ValueError, match=r"two_time_displacement tells layers apart.*watch\(names=model\)"):
        tg.watch(optimizer, observe=[TwoTimeDisplacement(by="layer")])
    assert tg.watch(optimizer, observe=[TwoTimeDisplacement()])[NAME].waiting_times.size == 0


def test_layers_may_be_named_by_hand():
    first, second, third = (nn.Parameter(torch.zeros(size)) for size in (2, 3, 4))
    optimizer = torch.optim.SGD([first, second, third], lr=0.1)
    names = {first: "head", second: "tail", third: "head"}
    table = tg.watch(optimizer, names=names, observe=[TwoTimeDisplacement(by="layer")])[NAME]
    assert dict(zip(table.groups, table.sizes.tolist(), strict=True)) == {"all": 9, "head": 6, "tail": 3}


def test_a_state_of_other_settings_is_refused_and_nothing_is_loaded():
    training = Training()
    training.train(20)
    state = training.watch.state_dict()
    other = tg.watch(training.optimizer, steps_per_epoch=20, observe=[TwoTimeDisplacement(sketch=4)])
    with pytest.raises(ValueError, match="sketch: None there, 4 here"):
        other.load_state_dict(state)
    assert (other.step, other[NAME].waiting_times.size) == (0, 0)


def test_it_goes_beside_an_accumulator():
    training = Training()
    training.watch.detach()
    both = [DissipationAndFluctuation(), TwoTimeDisplacement()]
    training.watch = tg.watch(training.optimizer, steps_per_epoch=20, observe=both)
    training.train(100)
    training.check()
    assert int(training.watch["dissipation_and_fluctuation"]["count"]) == 100
    with pytest.raises(KeyError, match="observed: dissipation_and_fluctuation, two_time_displacement"):
        training.watch["loss"]


def test_an_accumulator_has_nothing_before_the_first_step():
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(3))], lr=0.1)
    with pytest.raises(KeyError, match="nothing before the first step"):
        tg.watch(optimizer, observe=[DissipationAndFluctuation()])["dissipation_and_fluctuation"]


def test_nothing_is_done_between_the_steps_of_interest():
    """Both watches look at every update themselves; what is added is one comparison and the calls that are due."""
    training = Training()
    calls = []
    kept = training.watch.window.trackers.record
    training.watch.window.trackers.record = lambda step: (calls.append(step), kept(step))
    training.train(500)
    assert len(calls) < 200
    assert len(calls) == len(set(calls))
    training.check()


def test_the_report_says_how_it_ages_or_why_it_does_not_know():
    training = Training(by="layer")
    training.train(2)
    assert "two time displacement, all: none yet: " in training.watch.report()
    training.train(400)
    report, plain = training.watch.report(), training.watch.to_dict()
    expected = {
        group: str(aging.aging_exponent(training.by_hand.table(), group=group)) for group in ("all", "0", "2")
    }
    assert plain["aging"] == {NAME: expected}
    assert f"two time displacement, 2: {expected['2']}" in report
    assert "one run, t_w 1…316" in report


def test_a_watch_that_begins_in_mid_training_counts_waiting_times_from_the_start():
    """What was not seen before step 150 is neither an anchor nor missed."""
    training = Training()
    training.watch.detach()
    training.train(150)
    training.watch = tg.watch(
        training.optimizer, steps_per_epoch=20, steps_before=150, observe=[TwoTimeDisplacement()]
    )
    training.train(450)
    found, whole = training.watch[NAME], training.by_hand.table()
    assert training.watch.step == 600
    assert found.waiting_times.tolist() == [178, 316, 562]
    there = np.isin(whole.waiting_times, found.waiting_times)
    lags = len(found.lags)
    np.testing.assert_array_equal(found.squared, whole.squared[:, there, :lags])
    assert found.missed == 0
    again = tg.watch(training.optimizer, steps_per_epoch=20, observe=[TwoTimeDisplacement()])
    again.load_state_dict(training.watch.state_dict())
    assert (again.step, again[NAME].missed) == (600, 0)
