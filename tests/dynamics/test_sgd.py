import pytest
import torch

import thermograd as tg
from thermograd.dynamics import SGD
from thermograd.minibatching import WithoutReplacement, WithReplacement


def make_problem():
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(40, 3, generator=generator), torch.randint(4, (40,), generator=generator)
    return tg.Problem(
        model=lambda: torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.Tanh(), torch.nn.Linear(5, 4)),
        loss=torch.nn.CrossEntropyLoss(reduction="none"),
        train=(x, y),
        regulariser=0.01,
    )


@pytest.mark.parametrize(
    "options",
    [{}, {"momentum": 0.9}, {"momentum": 0.9, "dampening": 0.5}, {"momentum": 0.5, "dampening": 1.0}],
)
@pytest.mark.parametrize("minibatching", [WithoutReplacement(8), WithReplacement(5)])
def test_equals_torch_sgd_by_hand(options, minibatching):
    experiment = tg.Experiment(
        make_problem(), minibatching, SGD(0.3, **options), trajectories=3, steps=20, seed=7
    )
    result = tg.run(experiment)
    inputs, targets = experiment.functional.train
    for trajectory in range(3):
        net = experiment.problem.model().double()
        start = experiment.initial_weights([trajectory])
        net.load_state_dict({name: torch.from_numpy(value[0]) for name, value in start.items()})
        optimizer = torch.optim.SGD(net.parameters(), lr=0.3, **options)
        for step in range(20):
            batch = torch.from_numpy(experiment.indices(trajectory, step))
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(net(inputs[batch]), targets[batch])
            (loss + 0.01 * sum(value.square().sum() for value in net.parameters())).backward()
            optimizer.step()
        for name, value in net.state_dict().items():
            ours = torch.from_numpy(result.weights()[name][trajectory])
            assert (ours - value).abs().max() <= 1e-12 * value.abs().max()


@pytest.mark.parametrize("name", ["learning_rate", "momentum", "dampening"])
@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf")])
def test_bad_hyperparameters_are_named(name, value):
    with pytest.raises(ValueError, match=f"{name} is"):
        SGD(**{name: value})
