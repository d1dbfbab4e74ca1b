import pytest
import torch
from torch import nn

import thermograd as tg
from thermograd.numerics.log_times import At, Epochs, Every
from thermograd.observables import DissipationAndFluctuation, TwoTimeDisplacement


def descend(weight, optimizer, steps):
    """The naive record: weights before each step, and its gradient."""
    record = []
    for _ in range(steps):
        optimizer.zero_grad()
        (weight**2 + weight**4).sum().backward()
        record.append((weight.detach().clone(), weight.grad.clone()))
        optimizer.step()
    return record


@pytest.mark.parametrize(("every", "stretch"), [(Every(1), 1), (Every(3), 3), (Epochs(2), 10)])
def test_an_accumulator_adds_at_its_points_about_the_weights_at_the_start(every, stretch):
    weight = nn.Parameter(torch.tensor([1.0, -0.5]))
    optimizer = torch.optim.SGD([weight], lr=0.05)
    observed = DissipationAndFluctuation(every=every)
    watch = tg.watch(optimizer, steps_per_epoch=5, observe=[observed])
    record = descend(weight, optimizer, 30)
    places = [place for place, _ in record] + [weight.detach()]
    begun = range(0, 30, stretch)
    dissipation = sum(float(((places[t] - places[0]) * record[t][1]).sum()) for t in begun)
    squares = sum(float((places[t + stretch] - places[t]).square().sum()) for t in begun)
    found = watch["dissipation_and_fluctuation"]
    assert int(found["count"]) == len(begun)
    assert float(found["dissipation"]) == pytest.approx(dissipation, rel=1e-5)
    assert float(found["squared_displacement"]) == pytest.approx(squares, rel=1e-5)


def test_it_goes_on_in_the_middle_of_a_stretch():
    found = []
    for stop in (30, 13):
        weight = nn.Parameter(torch.tensor([1.0, -0.5]))
        optimizer = torch.optim.SGD([weight], lr=0.05)
        options = {"steps_per_epoch": 5, "observe": [DissipationAndFluctuation(every=Every(5))]}
        watch = tg.watch(optimizer, **options)
        descend(weight, optimizer, stop)
        state = watch.state_dict()
        watch.detach()
        resumed = tg.watch(optimizer, **options)
        resumed.load_state_dict(state)
        descend(weight, optimizer, 30 - stop)
        found.append({name: float(value) for name, value in resumed["dissipation_and_fluctuation"].items()})
    assert found[0] == found[1]


@pytest.mark.parametrize(("every", "epoch"), [(At((1, 5)), 5), (Epochs(1), None)])
def test_points_that_a_training_without_end_does_not_have_are_refused(every, epoch):
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.1)
    with pytest.raises(ValueError, match=r"Every\(steps\)"):
        tg.watch(optimizer, steps_per_epoch=epoch, observe=[DissipationAndFluctuation(every=every)])


def test_a_state_with_other_observers_is_refused():
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.1)
    state = tg.watch(optimizer, observe=[DissipationAndFluctuation()]).state_dict()
    with pytest.raises(ValueError, match="observe"):
        tg.watch(optimizer).load_state_dict(state)


@pytest.mark.parametrize(
    ("observe", "told"),
    [
        (TwoTimeDisplacement(), r"observe is TwoTimeDisplacement\(.*; give a sequence"),
        ([TwoTimeDisplacement], r"observe has the class TwoTimeDisplacement; .*: TwoTimeDisplacement\(\)"),
        (["loss"], "got 'loss', which has no name"),
    ],
)
def test_what_cannot_observe_is_refused(observe, told):
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(2))], lr=0.05)
    with pytest.raises(ValueError, match=told):
        tg.watch(optimizer, observe=observe)
