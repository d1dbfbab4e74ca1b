"""User plug-ins that keep state or use what is rarely used: same bits in any block, after any interruption."""

import dataclasses
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

import thermograd as tg
from thermograd.dynamics import SGD
from thermograd.minibatching import WithoutReplacement
from thermograd.numerics.log_times import Epochs, Every, Random
from thermograd.observables import Loss
from thermograd.perturbations import Reset
from thermograd.problems import Quadratic
from thermograd.protocols import Batch


def make_experiment(**options):
    return tg.Experiment(
        **{
            "problem": Quadratic(samples=20),
            "minibatching": WithoutReplacement(5),
            "dynamics": SGD(0.2),
            "observe": [Loss(at=Every(1))],
            "trajectories": 6,
            "steps": 24,
            "seed": 3,
        }
        | options
    )


def check(experiment):
    """Whole = in blocks of one = interrupted and resumed."""
    whole = tg.run(experiment)
    alone = tg.run(dataclasses.replace(experiment, block_size=1))
    parts = tg.run(experiment, until=5)
    parts = tg.run(resume=tg.run(resume=parts, until=14))
    for other in (alone, parts):
        assert np.array_equal(whole["train_loss"], other["train_loss"])
        for name, value in whole.weights().items():
            assert np.array_equal(value, other.weights()[name])
    return whole


@dataclass(frozen=True)
class CountingKick:
    """Adds a number that grows with the kicks this trajectory has had; the first is told by absence."""

    def apply(self, weights, state, context):
        count = state["memory/count"] + 1 if "memory/count" in state else torch.tensor(5.0)
        moved = {name: value + 0.1 * count for name, value in weights.items()}
        return moved, state | {"memory/count": count}


@dataclass(frozen=True)
class SharedCounter(CountingKick):
    """Broken on purpose: its memory is one for all."""

    kicks: list = dataclasses.field(default_factory=list)

    def apply(self, weights, state, context):
        self.kicks.append(1)
        return {name: value + 0.1 * len(self.kicks) for name, value in weights.items()}, state


@dataclass(frozen=True)
class Walk:
    """Batches from a counter that is kept as state."""

    def steps_per_epoch(self, samples):
        return 4

    def start(self, seed, trajectories, samples):
        return {"place": np.array(trajectories, np.int64)}

    def draw(self, state, seed, trajectories, step, samples):
        indices = (state["place"][:, None] + np.arange(5)) % samples
        return Batch(indices, None), {"place": state["place"] + 3}


@dataclass(frozen=True)
class Noisy:
    """Uses everything an oracle offers, and an epoch hook."""

    learning_rate: float = 0.1
    neighbour: bool = True

    def start(self, weights):
        return {f"anchor/{name}": value.clone() for name, value in weights.items()}

    def epoch(self, weights, state, oracle, epoch):
        first, second = oracle.disjoint_pair(epoch)
        gap = first(weights) - second(weights)
        noise = oracle.normal()
        moved = {name: value + 0.01 * gap + 0.01 * noise[name] for name, value in weights.items()}
        return moved, {f"anchor/{name}": value for name, value in moved.items()}

    def step(self, weights, state, oracle, step):
        gradient, noise = oracle.gradient(weights), oracle.normal(draw=1)
        other = oracle.minibatch(1) if self.neighbour else oracle.loss
        pull = oracle.full_gradient(weights)
        scale = other(weights)
        return {
            name: value
            - self.learning_rate * (gradient[name] + 0.1 * pull[name])
            + 0.01 * noise[name] * scale
            + 0.01 * (state[f"anchor/{name}"] - value)
            for name, value in weights.items()
        }, state


@pytest.mark.parametrize("perturb", [Random(0.2), Epochs(2)])
def test_memory_of_a_perturbation_is_the_trajectorys_own(perturb):
    check(make_experiment(perturbation=CountingKick(), perturb=perturb))


def test_memory_shared_between_trajectories_is_caught():
    with pytest.raises(AssertionError):
        check(make_experiment(perturbation=SharedCounter(), perturb=Random(0.2)))


def test_a_sampler_with_state_is_checkpointed():
    run = check(make_experiment(minibatching=Walk()))
    experiment = make_experiment(minibatching=Walk())
    assert experiment.indices(2, 3).tolist() == [11, 12, 13, 14, 15]
    assert run.checkpoint(0).arrays["minibatching/place"].tolist() == [k + 72 for k in range(6)]


def test_a_sampler_whose_state_cannot_be_kept_is_refused():
    @dataclass(frozen=True)
    class Unkept(Walk):
        def start(self, seed, trajectories, samples):
            return np.array(trajectories)

    with pytest.raises(ValueError, match="None or a dict of numpy arrays"):
        tg.run(make_experiment(minibatching=Unkept()))


def test_epoch_hooks_noise_and_disjoint_pairs():
    check(make_experiment(dynamics=Noisy()))


def test_other_batches_of_the_epoch_need_a_sampler_without_state():
    with pytest.raises(ValueError, match="Walk keeps a state"):
        tg.run(make_experiment(minibatching=Walk(), dynamics=Noisy()))


def test_the_hook_and_the_update_draw_different_noise():
    drawn = {}

    @dataclass(frozen=True)
    class Listening:
        def start(self, weights):
            return {}

        def epoch(self, weights, state, oracle, epoch):
            drawn["hook"] = oracle.normal()
            return weights, state

        def step(self, weights, state, oracle, step):
            drawn["step"] = oracle.normal()
            return weights, state

    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))
    problem = tg.Problem(
        model=lambda: model,
        loss=nn.CrossEntropyLoss(reduction="none"),
        train=(torch.randn(8, 2), torch.zeros(8).long()),
    )
    tg.run(tg.Experiment(problem, WithoutReplacement(4), Listening(), trajectories=1, steps=1))
    assert not torch.equal(drawn["hook"]["0.bias"], drawn["step"]["0.bias"])


def test_loop_mode_with_a_stateful_sampler_and_an_epoch_hook():
    problem = tg.Problem(
        model=lambda: nn.Sequential(nn.Linear(2, 3), nn.Dropout(0.5), nn.Linear(3, 2)),
        loss=nn.CrossEntropyLoss(reduction="none"),
        train=(torch.randn(20, 2, generator=torch.Generator().manual_seed(0)), torch.arange(20) % 2),
    )
    experiment = make_experiment(problem=problem, minibatching=Walk(), dynamics=Noisy(neighbour=False))
    assert tg.plan(experiment).mode == "loop"
    check(experiment)


def test_frozen_layers_and_buffers_of_an_instance_stay_as_given():
    body = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    body[0].requires_grad_(False)
    with torch.no_grad():
        body[0].weight.fill_(0.5)
    problem = tg.Problem(
        model=body,
        loss=nn.CrossEntropyLoss(reduction="none"),
        train=(torch.randn(10, 3), torch.arange(10) % 2),
    )
    experiment = tg.Experiment(problem, WithoutReplacement(5), trajectories=2, steps=3)
    assert set(tg.run(experiment).weights()) == {"2.weight", "2.bias"}
    assert np.ptp(experiment.functional.module[0].weight.numpy()) == 0
    assert body[0].weight[0, 0].item() == experiment.functional.module[0].weight[0, 0].item()


@pytest.mark.parametrize("dampening", [0.0, 0.5])
def test_a_reset_starts_the_momentum_anew(dampening):
    """Full batch, no noise: after a reset to the start, the path is that of the start."""
    problem = Quadratic((0.5,), samples=10).build()
    same = dataclasses.replace(problem, initial=lambda generator: {"position": torch.ones(1)})
    options = {
        "problem": same,
        "minibatching": WithoutReplacement(None),
        "dynamics": SGD(0.3, momentum=0.9, dampening=dampening),
        "trajectories": 1,
    }
    run = tg.run(make_experiment(**options, perturbation=Reset(), perturb=Every(8), save_weights=Every(1)))
    for step in range(1, 8):
        assert np.array_equal(run.weights(step)["position"], run.weights(8 + step)["position"])


def test_a_start_with_another_state_is_named():
    from thermograd.ensemble import Start

    weights = {"position": torch.zeros(3)}
    for wrong in ({}, {"momentum_bufer/position": torch.zeros(3)}):
        with pytest.raises(ValueError, match=r"this dynamics has \['momentum_buffer/position'\]"):
            tg.run(make_experiment(dynamics=SGD(0.1, momentum=0.9), start=Start(weights, wrong)))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"dynamics": "sgd"}, "dynamics is 'sgd'; it must be an object with start, step"),
        ({"dynamics": SGD}, "dynamics is .*SGD"),
        ({"minibatching": 32}, "minibatching is 32"),
        ({"save_weights": Random(0.1)}, "save_weights is Random"),
        ({"perturbation": "reset", "perturb": Epochs(1)}, "perturbation is 'reset'"),
        ({"observe": [Loss(at=3)]}, "no observable"),
    ],
)
def test_wrong_parts_are_named_at_once(options, says):
    with pytest.raises(ValueError, match=says):
        make_experiment(**options)


@pytest.mark.parametrize(
    ("result", "says"),
    [
        (lambda weights, state: None, "returns \\(weights, state\\); got NoneType"),
        (lambda weights, state: (weights, {"extra": torch.zeros(1)}), "added: \\['extra'\\]"),
        (lambda weights, state: ({}, state), r"returned weights \{\}"),
    ],
)
def test_perturbations_that_return_something_else(result, says):
    def kick(weights, state, context):
        return result(weights, state)

    with pytest.raises(ValueError, match=says):
        tg.run(make_experiment(perturbation=kick, perturb=Epochs(1)))


def test_updates_that_return_something_else():
    @dataclass(frozen=True)
    class Forgetful:
        def start(self, weights):
            return {}

        def step(self, weights, state, oracle, step):
            return weights

    with pytest.raises(ValueError, match="two dicts; got dict"):
        tg.run(make_experiment(dynamics=Forgetful()))


def test_indices_outside_the_experiment():
    experiment = make_experiment()
    assert experiment.indices(np.int64(2), 3).shape == (5,)
    assert experiment.indices([0, 2], 3).shape == (2, 5)
    with pytest.raises(ValueError, match=r"step is 24; .* from 0 to 23"):
        experiment.indices(0, 24)
    with pytest.raises(ValueError, match="trajectory is 6"):
        experiment.indices(6, 0)


def test_indices_leave_out_the_padding_of_spread_batches():
    experiment = make_experiment(minibatching=WithoutReplacement(6, remainder="spread"))
    batches = [experiment.indices([1, 3], step) for step in range(4)]
    assert [batch.shape for batch in batches] == [(2, 5)] * 4
    assert np.array_equal(np.sort(np.concatenate(batches, axis=1), axis=1), [range(20)] * 2)
    uneven = make_experiment(minibatching=WithoutReplacement(7, remainder="spread"))
    assert [len(uneven.indices(2, step)) for step in range(3)] == [7, 6, 7]
