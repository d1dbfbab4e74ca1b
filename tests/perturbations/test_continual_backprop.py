import math

import numpy as np
import pytest
import torch
from torch import nn

import thermograd as tg
from thermograd.dynamics import SGD
from thermograd.minibatching import WithReplacement
from thermograd.numerics.log_times import Every
from thermograd.perturbations import ContinualBackprop
from thermograd.perturbations.context import Moment, PerturbationContext
from thermograd.perturbations.live_state import LiveState
from thermograd.problems.problem import Problem
from thermograd.protocols import HiddenLayer


def network():
    return nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 2))


def called(perturbation, net, optimizer, batches, due):
    """Weights and state after one call per batch of activations."""
    live = LiveState(net, optimizer)
    weights, state = live.weights(), live.state()
    for step, activation in enumerate(batches, start=1):
        layer = HiddenLayer("0", "1", "3", activation)
        moment = Moment(due=step in due, hidden_layers=lambda layer=layer: (layer,))
        weights, state = perturbation.apply(weights, state, PerturbationContext(live, 4, 0, step, moment))
    return weights, state


def trained(net):
    """An Adam whose state is all ones, as after some steps."""
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.randn(4, 3)).sum().backward()
    optimizer.step()
    for own in optimizer.state.values():
        own["exp_avg"].fill_(1.0)
        own["exp_avg_sq"].fill_(1.0)
    return optimizer


def test_utility_age_and_mean_follow_their_definitions():
    torch.manual_seed(0)
    net = network()
    batches = torch.randn(4, 7, 5, 1)
    weights, state = called(ContinualBackprop(decay=0.9, maturity=9), net, trained(net), batches, due=())
    reach = net[3].weight.detach().abs().mean(dim=0)
    utility = mean = torch.zeros(5)
    for activation in batches:
        utility = 0.9 * utility + 0.1 * activation[:, :, 0].abs().mean(0) * reach
        mean = 0.9 * mean + 0.1 * activation[:, :, 0].mean(0)
    torch.testing.assert_close(state["memory/utility/0"], utility)
    torch.testing.assert_close(state["memory/mean_activation/0"], mean)
    assert state["memory/age/0"].tolist() == [4.0] * 5
    assert all(torch.equal(weights[name], value) for name, value in net.named_parameters())


def test_the_first_replacement_is_at_call_maturity_plus_one():
    torch.manual_seed(0)
    net = network()
    batches = torch.rand(4, 7, 5, 1)
    rule = ContinualBackprop(replacement_rate=0.2, maturity=2)  # one of five units at every due call
    before, _ = called(rule, net, trained(net), batches[:2], due=(1, 2, 3))
    after, _ = called(rule, net, trained(net), batches[:3], due=(1, 2, 3))
    original = net[0].weight.detach()
    assert torch.equal(before["0.weight"], original)
    assert int((after["0.weight"] != original).any(dim=1).sum()) == 1


def test_what_a_replaced_unit_becomes():
    torch.manual_seed(1)
    net = network()
    batches = torch.rand(3, 7, 5, 1) + 0.5
    batches[:, :, 2] *= 1e-6  # the least useful unit
    optimizer = trained(net)
    with torch.no_grad():
        net[1].weight.fill_(3.0)
        net[1].bias.fill_(2.0)
        net[1].running_mean.fill_(2.0)
    rule = ContinualBackprop(replacement_rate=0.2, decay=0.5, maturity=2)
    weights, state = called(rule, net, optimizer, batches, due=(3,))
    live = LiveState(net, optimizer)
    fresh, _ = PerturbationContext(live, 4, 0, 3).fresh()
    unit, others = 2, [0, 1, 3, 4]
    assert torch.equal(weights["0.weight"][unit], fresh["0.weight"][unit])
    assert torch.equal(weights["0.weight"][others], net[0].weight.detach()[others])
    assert weights["0.bias"][unit] == 0
    assert (weights["3.weight"][:, unit] == 0).all()
    assert (weights["1.weight"][unit], weights["1.bias"][unit]) == (1, 0)
    assert (state["buffers/1.running_mean"][unit], state["buffers/1.running_var"][unit]) == (0, 1)
    assert (weights["1.weight"][others] == 3).all()
    mean = torch.zeros(5)
    for activation in batches:
        mean = 0.5 * mean + 0.5 * activation[:, :, 0].mean(0)
    corrected = mean[unit] / (1 - 0.5**3)
    expected = net[3].bias.detach() + net[3].weight.detach()[:, unit] * corrected
    torch.testing.assert_close(weights["3.bias"], expected)
    for name, where in (("0.weight", (unit,)), ("3.weight", (slice(None), unit)), ("1.bias", (unit,))):
        entries = state[f"optimizer/exp_avg/{name}"]
        assert (entries[where] == 0).all()
        assert int((entries == 0).sum()) == entries[where].numel()
    assert (state["optimizer/exp_avg/3.bias"] == 1).all()
    assert state["memory/age/0"].tolist() == [3, 3, 0, 3, 3]
    assert state["memory/utility/0"][unit] == 0


def test_the_function_barely_changes_when_a_constant_unit_goes():
    """A unit whose activation never changes is replaced without any change of the outputs."""
    torch.manual_seed(2)
    net = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Conv2d(3, 2, 2))
    with torch.no_grad():
        net[0].weight[1] = 0
        net[0].bias[1] = 0.7
        net[2].weight[:, 1] *= 0.01  # so that it is the least useful one
    live = LiveState(net, torch.optim.SGD(net.parameters(), 0.1))
    inputs = torch.randn(8, 1, 9, 9)
    hidden = net[1](net[0](inputs)).detach().flatten(2)
    layer = HiddenLayer("0", None, "2", hidden)
    moment = Moment(hidden_layers=lambda: (layer,))
    rule = ContinualBackprop(replacement_rate=1 / 3, maturity=0)
    weights, _ = rule.apply(live.weights(), live.state(), PerturbationContext(live, 0, 0, 1, moment))
    assert (weights["2.weight"][:, 1] == 0).all()
    moved = torch.func.functional_call(net, weights, (inputs,))
    torch.testing.assert_close(moved, net(inputs))


def test_the_account_is_fractional_and_grows_only_when_due():
    torch.manual_seed(0)
    net = network()
    rule = ContinualBackprop(replacement_rate=0.07, maturity=0)  # 0.35 units a due call
    batches = torch.rand(6, 7, 5, 1)
    replaced = []
    for calls in range(1, 7):
        weights, state = called(rule, net, trained(net), batches[:calls], due=(2, 3, 4, 5, 6))
        replaced.append(int((weights["0.weight"] != net[0].weight).any(dim=1).sum()))
    assert replaced == [0, 0, 0, 1, 1, 1]
    assert math.isclose(float(state["memory/account/0"]), 5 * 0.35 - 1, abs_tol=1e-9)


def test_utilities_of_units_of_different_age_are_compared_unbiased():
    """A young unit has had less time to gather utility; uncorrected it would always be the one replaced."""
    torch.manual_seed(0)
    net = network()
    with torch.no_grad():
        net[3].weight.fill_(1.0)
    live = LiveState(net, trained(net))
    old = {"memory/utility/0": torch.full((5,), 0.5), "memory/mean_activation/0": torch.zeros(5)}
    ages = torch.tensor([500.0, 500, 500, 500, 9], dtype=torch.float64)
    old["memory/utility/0"][4] = 0.3  # of nine calls: 0.3 / (1 - 0.99^10) is far above 0.5
    state = live.state() | old | {"memory/age/0": ages}
    layer = HiddenLayer(
        "0", "1", "3", torch.full((4, 5, 1), 0.5) * torch.tensor([1.0, 0.9, 1, 1, 1])[:, None]
    )
    moment = Moment(hidden_layers=lambda: (layer,))
    rule = ContinualBackprop(replacement_rate=0.2, maturity=1)
    weights, after = rule.apply(live.weights(), state, PerturbationContext(live, 0, 0, 1, moment))
    assert after["memory/age/0"].tolist() == [501, 0, 501, 501, 10]
    assert after["memory/age/0"].dtype == torch.float64
    assert (weights["3.weight"][:, 1] == 0).all()


def chain_problem():
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(40, 3, generator=generator)
    return Problem(
        model=lambda: nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 1)),
        loss=lambda outputs, targets: (outputs[:, 0] - targets).square(),
        train=(x, x[:, 0] * x[:, 1]),
    )


def test_in_an_ensemble_it_goes_on_and_resumes_to_the_same_bits():
    experiment = tg.Experiment(
        chain_problem(),
        WithReplacement(8),
        SGD(0.05),
        perturbation=ContinualBackprop(replacement_rate=0.1, maturity=3),
        perturb=Every(1),
        trajectories=3,
        steps=20,
    )
    whole = tg.run(experiment)
    resumed = tg.run(resume=tg.run(experiment, until=11))
    for name, value in whole.weights().items():
        assert np.array_equal(value, resumed.weights()[name])
    plain = tg.run(tg.Experiment(chain_problem(), WithReplacement(8), SGD(0.05), trajectories=3, steps=20))
    assert not np.array_equal(plain.weights()["0.weight"], whole.weights()["0.weight"])


def test_a_problem_without_modules_is_refused():
    experiment = tg.Experiment(
        Problem(
            forward=lambda weights, x: x @ weights["w"],
            initial=lambda generator: {"w": torch.randn(3, generator=generator)},
            loss=lambda outputs, targets: (outputs - targets).square(),
            train=(torch.ones(4, 3), torch.ones(4)),
        ),
        WithReplacement(2),
        perturbation=ContinualBackprop(),
        perturb=Every(1),
        steps=3,
    )
    with pytest.raises(ValueError, match="has no modules; give model="):
        tg.run(experiment)


@pytest.mark.parametrize("options", [{"replacement_rate": -1}, {"decay": 1.0}, {"maturity": 1.5}])
def test_bad_fields(options):
    with pytest.raises(ValueError, match=f"{next(iter(options))} is"):
        ContinualBackprop(**options)
