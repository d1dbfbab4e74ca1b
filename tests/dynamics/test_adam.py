from dataclasses import dataclass

import pytest
import torch
from torch import nn

import thermograd as tg
from thermograd.dynamics import SGD, Adam
from thermograd.ensemble.experiment import Start
from thermograd.minibatching import WithoutReplacement
from thermograd.numerics.log_times import At
from thermograd.perturbations import Reset

STEPS, CHANGED = 50, 20
MODELS = {
    "vmap": lambda: nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 4)),
    "loop": lambda: nn.Sequential(
        nn.Linear(3, 5, bias=False), nn.BatchNorm1d(5), nn.PReLU(), nn.Linear(5, 4)
    ),
}
OTHER = {"learning_rate": 0.003, "beta1": 0.5, "beta2": 0.9, "epsilon": 1e-3}


def make_experiment(mode, dynamics, **options):
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(40, 3, generator=generator), torch.randint(4, (40,), generator=generator)
    problem = tg.Problem(
        model=MODELS[mode], loss=nn.CrossEntropyLoss(reduction="none"), train=(x, y), regulariser=0.01
    )
    return tg.Experiment(
        problem, WithoutReplacement(8), dynamics, trajectories=3, steps=STEPS, seed=7, **options
    )


@dataclass(frozen=True)
class OtherHyperparameters:
    """Every hyperparameter of Adam becomes another one."""

    def apply(self, weights, state, context):
        changed = {
            f"hyperparameters/{name}": torch.tensor(value, dtype=torch.float64)
            for name, value in OTHER.items()
        }
        return weights, state | changed


def by_hand(experiment, trajectory, options, changed=None):
    """The trajectory by `torch.optim.Adam`; from step `CHANGED` on with other hyperparameters."""
    inputs, targets = experiment.functional.train
    net = experiment.problem.model().double()
    start = experiment.initial_weights([trajectory])
    with torch.no_grad():
        for name, value in net.named_parameters():
            value.copy_(torch.from_numpy(start[name][0]))
    names = {"learning_rate": "lr", "epsilon": "eps"}
    optimizer = torch.optim.Adam(net.parameters(), **{names.get(n, n): v for n, v in options.items()})
    for step in range(STEPS):
        if changed and step == CHANGED:
            optimizer.param_groups[0].update(
                lr=changed["learning_rate"],
                betas=(changed["beta1"], changed["beta2"]),
                eps=changed["epsilon"],
            )
        batch = torch.from_numpy(experiment.indices(trajectory, step))
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(inputs[batch]), targets[batch])
        (loss + 0.01 * sum(value.square().sum() for value in net.parameters())).backward()
        optimizer.step()
    return {name: value.detach() for name, value in net.named_parameters()}


def check_equal(experiment, options, changed=None):
    result = tg.run(experiment)
    for trajectory in range(3):
        for name, value in by_hand(experiment, trajectory, options, changed).items():
            ours = torch.from_numpy(result.weights()[name][trajectory])
            assert (ours - value).abs().max() <= 1e-12 * value.abs().max()
    return result


def torch_options(rule):
    return {
        "learning_rate": rule.learning_rate,
        "betas": (rule.beta1, rule.beta2),
        "epsilon": rule.epsilon,
    }


@pytest.mark.parametrize("mode", ["vmap", "loop"])
@pytest.mark.parametrize("rule", [Adam(), Adam(0.1), Adam(0.02, beta1=0.5, beta2=0.9, epsilon=1e-3)])
def test_equals_torch_adam_by_hand(mode, rule):
    result = check_equal(make_experiment(mode, rule), torch_options(rule))
    assert mode in result.reason


@pytest.mark.parametrize("mode", ["vmap", "loop"])
def test_hyperparameters_may_change_on_the_way(mode):
    experiment = make_experiment(
        mode, Adam(0.05), perturbation=OtherHyperparameters(), perturb=At((CHANGED,))
    )
    check_equal(experiment, torch_options(Adam(0.05)), changed=OTHER)


@dataclass(frozen=True)
class Uncorrected(Adam):
    """Broken on purpose: the averages are not corrected for having started from zero."""

    def step(self, weights, state, oracle, step):
        late = {name: value + 1e9 if name.startswith("step/") else value for name, value in state.items()}
        return super().step(weights, late, oracle, step)


def test_missing_bias_corrections_are_caught():
    with pytest.raises(AssertionError):
        check_equal(make_experiment("vmap", Uncorrected(0.01)), torch_options(Adam(0.01)))


def test_a_cleared_state_is_a_new_start():
    kicked = make_experiment("vmap", Adam(0.01), perturbation=Reset(), perturb=At((CHANGED,)))
    state = kicked.functional.draw_initial(1)[0]
    rule = Adam(0.01)
    zeroed = {name: torch.zeros_like(value) for name, value in rule.start(state).items()}
    assert all(torch.equal(value, zeroed[name]) for name, value in rule.start(state).items())
    checkpoint = tg.run(kicked).checkpoint(0)
    counts = {n: v for n, v in checkpoint.arrays.items() if n.startswith("optimizer/step/")}
    assert len(counts) == 4
    assert all((count == STEPS - CHANGED).all() for count in counts.values())


def test_first_steps_of_float32_are_as_long_as_those_of_float64():
    """1 − β₂ in float32 would be wrong by 5e-5, and the first step by half of that."""
    options = {"observe": [], "save_weights": At((1,))}
    for mode in ("vmap", "loop"):
        experiment = make_experiment(mode, Adam(0.1), **options)
        single = make_experiment(mode, Adam(0.1), dtype="float32", **options)
        start = experiment.initial_weights(range(3))["0.weight"]
        moves = [tg.run(each).weights(1)["0.weight"] - start for each in (experiment, single)]
        assert abs(moves[0] - moves[1]).max() < 1e-6


@pytest.mark.parametrize("name", ["learning_rate", "epsilon", "beta1", "beta2"])
@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf")])
def test_bad_hyperparameters_are_named(name, value):
    with pytest.raises(ValueError, match=f"{name} is"):
        Adam(**{name: value})


def test_a_memory_without_end_is_refused():
    with pytest.raises(ValueError, match="beta1 is 1"):
        Adam(beta1=1.0)


def test_a_trajectory_may_start_with_the_state_of_another():
    """Its counts are numbers, not shaped like the weights they belong to."""
    first = tg.run(make_experiment("vmap", Adam(0.01)))
    arrays = first.checkpoint(0).arrays
    state = {n.removeprefix("optimizer/"): v for n, v in arrays.items() if n.startswith("optimizer/")}
    start = Start(first.weights(), dynamics=state)
    later = tg.run(make_experiment("vmap", Adam(0.01), start=start))
    assert (later.checkpoint(0).arrays["optimizer/step/0.weight"] == 2 * STEPS).all()
    plain = make_experiment("vmap", SGD(0.1), start=start)
    with pytest.raises(ValueError, match="start has dynamics state"):
        tg.run(plain)
