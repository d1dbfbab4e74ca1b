import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

import thermograd as tg
from thermograd.dynamics import SGD
from thermograd.minibatching import WithReplacement
from thermograd.numerics.log_times import Random
from thermograd.perturbations import (
    ContinualBackprop,
    PartialReset,
    Reset,
    ResetToBest,
    ShrinkAndPerturb,
    WarmRestart,
)
from thermograd.problems.problem import Problem

INPUTS = torch.randn(64, 6, generator=torch.Generator().manual_seed(1))
CLASSES = (INPUTS[:, 0] * INPUTS[:, 1] > 0).long()


def mlp():
    return nn.Sequential(nn.Linear(6, 50), nn.BatchNorm1d(50), nn.ReLU(), nn.Linear(50, 3))


class Loop:
    """Somebody's training: it knows nothing of us."""

    def __init__(self, optimizer, kick, seed=0, **options):
        torch.manual_seed(seed)
        self.model = mlp()
        self.optimizer = optimizer(self.model.parameters())
        self.perturber = tg.Perturber(self.model, self.optimizer, kick, **options)
        self.done = 0

    def train(self, steps, metric=True):
        fired = []
        for _ in range(steps):
            batch = torch.randint(64, (8,), generator=torch.Generator().manual_seed(self.done))
            self.optimizer.zero_grad()
            loss = nn.functional.cross_entropy(self.model(INPUTS[batch]), CLASSES[batch])
            loss.backward()
            self.optimizer.step()
            self.done += 1
            if self.perturber.step(-loss if metric else None):
                fired.append(self.done)
        return fired

    def state(self):
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "perturber": self.perturber.state_dict(),
        }


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.05, momentum=0.9)


@pytest.mark.parametrize("optimizer", [sgd, torch.optim.Adam], ids=["sgd", "adam"])
@pytest.mark.parametrize(
    ("kick", "when"),
    [
        (ShrinkAndPerturb(), {"every": 4}),
        (PartialReset(), {"rate": 0.3}),
        (ResetToBest(), {"rate": 0.3}),
        (WarmRestart(high=0.1, period=5), {"every": 7}),
        (ContinualBackprop(replacement_rate=0.05, maturity=2), {"every": 1}),
        (lambda weights, state, context: ({n: v * 0.9 for n, v in weights.items()}, state), {"every": 5}),
    ],
    ids=["shrink", "partial", "best", "warm", "continual", "function"],
)
def test_a_resumed_loop_goes_on_to_the_same_bits(optimizer, kick, when, tmp_path):
    whole = Loop(optimizer, kick, **when)
    fired = whole.train(10)
    torch.save(whole.state(), tmp_path / "checkpoint.pt")
    fired += whole.train(13)
    saved = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    other = Loop(optimizer, kick, **when)
    other.model.load_state_dict(saved["model"])
    other.optimizer.load_state_dict(saved["optimizer"])
    other.perturber.load_state_dict(saved["perturber"])
    other.done = 10
    assert [step for step in fired if step > 10] == other.train(13)
    assert fired
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, other.model.state_dict()[name]), name


def test_regular_and_random_times():
    assert Loop(sgd, ShrinkAndPerturb(), every=3).train(10) == [3, 6, 9]
    fired = Loop(sgd, ShrinkAndPerturb(), rate=0.2, seed=4).train(60)
    assert fired == Loop(sgd, ShrinkAndPerturb(), rate=0.2).train(60)
    assert fired == Random(0.2).kicks(61, 1, seed=0, trajectory=0).tolist()


def test_waiting_times_are_geometric():
    model = nn.Linear(2, 1)
    perturber = tg.Perturber(model, torch.optim.SGD(model.parameters()), lambda w, s, c: (w, s), rate=0.1)
    fired = np.flatnonzero([perturber.step() for _ in range(20_000)])
    waits = np.diff(fired)
    # mean 10, standard deviation 9.5: 4 standard errors of 2000 waits
    assert abs(waits.mean() - 10) < 4 * 9.5 / math.sqrt(len(waits))
    assert abs((waits == 1).mean() - 0.1) < 4 * 0.3 / math.sqrt(len(waits))


def test_warm_restarts_as_in_an_ensemble():
    problem = Problem(
        model=lambda: nn.Linear(6, 2),
        loss=nn.CrossEntropyLoss(reduction="none"),
        train=(INPUTS, CLASSES),
        dtype="float32",
    )
    kick = WarmRestart(high=0.5, low=0.01, period=4)
    experiment = tg.Experiment(
        problem, WithReplacement(8), SGD(0.3), kick, Random(0.2), trajectories=1, steps=20, seed=5
    )
    model = problem.model()
    start = experiment.initial_weights([0])
    model.load_state_dict({name: torch.from_numpy(value[0]) for name, value in start.items()})
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
    perturber = tg.Perturber(model, optimizer, kick, rate=0.2, seed=5)
    for step in range(20):
        batch = experiment.indices(0, step)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(INPUTS[batch]), CLASSES[batch]).backward()
        optimizer.step()
        perturber.step()
    for name, value in tg.run(experiment).weights().items():
        np.testing.assert_allclose(model.get_parameter(name).detach(), value[0], atol=2e-6)


def test_reset_to_best_brings_back_the_weights_of_the_best_metric():
    loop = Loop(sgd, ResetToBest(), every=6)
    loop.train(2, metric=False)
    kept = []
    for metric in (0.1, 0.9, math.nan):
        loop.train(1, metric=False)
        loop.perturber._note(metric)
        kept.append(copy.deepcopy(loop.model.state_dict()))
    assert loop.train(1, metric=False) == [6]
    for name, value in loop.model.state_dict().items():
        assert torch.equal(value, kept[1][name]), name


def test_a_best_from_before_the_first_gradient_has_a_cleared_optimizer():
    loop = Loop(torch.optim.Adam, ResetToBest(), every=3)
    start = copy.deepcopy(loop.model.state_dict())
    loop.perturber.step(metric=1.0)
    assert loop.train(2, metric=False) == [2]
    for name, value in loop.model.named_parameters():
        assert torch.equal(value, start[name])
    for own in loop.optimizer.state.values():
        assert not any(entry.any() for entry in own.values())


def test_a_metric_that_is_no_number_is_named():
    with pytest.raises(ValueError, match="metric is 'high'"):
        Loop(sgd, ResetToBest(), every=3).perturber.step("high")


def test_reset_to_best_without_a_metric_says_so():
    with pytest.warns(UserWarning, match="no finite metric was given to step"):
        Loop(sgd, ResetToBest(), every=2).train(2, metric=False)


def test_continual_backprop_replaces_units_of_a_live_model():
    loop = Loop(torch.optim.Adam, ContinualBackprop(replacement_rate=0.1, maturity=3), every=1)
    loop.train(3)
    assert loop.model[3].weight.detach().abs().sum(0).count_nonzero() == 50
    loop.train(1)
    replaced = (loop.model[3].weight.detach() == 0).all(0)
    assert int(replaced.sum()) == 5
    exp_avg = loop.optimizer.state[loop.model[3].weight]["exp_avg"]
    assert not exp_avg[:, replaced].any()
    assert exp_avg[:, ~replaced].any()


def test_a_network_that_is_no_chain_is_refused_before_anything_changes():
    class Functional(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Linear(6, 4), nn.Linear(4, 3)

        def forward(self, x):
            return self.two(torch.relu(self.one(x)))

    model = Functional()
    perturber = tg.Perturber(model, torch.optim.SGD(model.parameters()), ContinualBackprop(), every=1)
    model(INPUTS).sum().backward()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match=r"'two' does not take what module 'one' gave.*nn\.ReLU"):
        perturber.step()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


class InitialisedInItsConstructor(nn.Module):
    """As the ResNets of torchvision: another law than that of its layers."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(40, 40)
        nn.init.normal_(self.layer.weight, std=1.0)

    def forward(self, x):
        return self.layer(x)


def test_another_law_than_the_models_is_refused():
    model = InitialisedInItsConstructor()
    optimizer = torch.optim.SGD(model.parameters())
    for kick in (ShrinkAndPerturb(), Reset(), PartialReset(), ContinualBackprop()):
        with pytest.raises(
            ValueError, match=r"'layer.weight' would have standard deviation 0\.09.*initialize="
        ):
            tg.Perturber(model, optimizer, kick, every=5)
    tg.Perturber(model, optimizer, Reset(), every=5, initialize=InitialisedInItsConstructor)
    for kick in (WarmRestart(), ResetToBest(), PartialReset(implementation="reference_code")):
        tg.Perturber(model, optimizer, kick, every=5)


def test_a_function_that_draws_fresh_values_is_checked_when_it_does():
    model = InitialisedInItsConstructor()
    perturber = tg.Perturber(
        model, torch.optim.SGD(model.parameters()), lambda w, s, context: (context.fresh()[0], s), every=1
    )
    with pytest.raises(ValueError, match="initialize="):
        perturber.step()


def test_an_initialize_that_sets_its_own_seed_is_refused():
    def make():
        torch.manual_seed(0)
        return InitialisedInItsConstructor()

    model = make()
    with pytest.raises(ValueError, match="does it set a seed itself"):
        tg.Perturber(model, torch.optim.SGD(model.parameters()), Reset(), every=1, initialize=make)


def test_in_a_compiled_model():
    torch.manual_seed(0)
    inner = mlp()
    optimizer = torch.optim.Adam(inner.parameters())
    perturber = tg.Perturber(inner, optimizer, ContinualBackprop(replacement_rate=0.1, maturity=1), every=1)
    model = torch.compile(inner, backend="aot_eager")
    for _ in range(3):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(INPUTS), CLASSES).backward()
        optimizer.step()
        assert perturber.step()
    # Five of fifty at the second call, whose outgoing weights have moved since; ten per cent of 45 at the third.
    assert int((inner[3].weight == 0).all(0).sum()) == 4


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "exactly one of every .* got neither"),
        ({"every": 2, "rate": 0.1}, "got every=2 and rate=0.1"),
        ({"every": 0}, "every is 0"),
        ({"every": 2.5}, "every is 2.5"),
        ({"rate": 1.5}, "rate is 1.5"),
        ({"every": 1, "seed": -1}, "seed is -1"),
    ],
)
def test_bad_arguments(options, says):
    model = nn.Linear(2, 1)
    with pytest.raises(ValueError, match=says):
        tg.Perturber(model, torch.optim.SGD(model.parameters()), ShrinkAndPerturb(), **options)


def test_a_class_instead_of_a_perturbation_and_a_foreign_state():
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters())
    with pytest.raises(ValueError, match="perturbation is the class"):
        tg.Perturber(model, optimizer, ShrinkAndPerturb, every=1)
    state = tg.Perturber(model, optimizer, ShrinkAndPerturb(), every=1).state_dict()
    with pytest.raises(ValueError, match="every: 1 there, 2 here"):
        tg.Perturber(model, optimizer, ShrinkAndPerturb(), every=2).load_state_dict(state)


def test_a_trained_model_with_its_own_initialize_is_taken_at_its_word():
    model = mlp()
    with torch.no_grad():
        model[0].weight.mul_(5)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(ValueError, match="initialize="):
        tg.Perturber(model, optimizer, Reset(), every=1)
    tg.Perturber(model, optimizer, Reset(), every=1, initialize=mlp).step()
    assert model[0].weight.detach().std() < 0.5


def test_continual_backprop_of_a_frozen_layer_is_refused():
    model = mlp()
    model[0].requires_grad_(False)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    perturber = tg.Perturber(model, optimizer, ContinualBackprop(), every=1)
    model(INPUTS).sum().backward()
    with pytest.raises(ValueError, match="module '0' are frozen"):
        perturber.step()


def test_a_time_between_perturbations_that_no_training_reaches_is_refused():
    with pytest.raises(ValueError, match=r"every is .* from 1 to 2\^63 − 1"):
        Loop(lambda weights: torch.optim.SGD(weights, lr=0.1), ShrinkAndPerturb(0.8, 0.1), every=2**70)
