import numpy as np
import pytest
import torch
from torch import nn

import thermograd as tg
from thermograd.minibatching import WithoutReplacement
from thermograd.numerics.log_times import At, Every
from thermograd.perturbations import Reset


def experiment(model, **options):
    generator = torch.Generator().manual_seed(0)
    problem = tg.Problem(
        model=model,
        loss=nn.CrossEntropyLoss(reduction="none"),
        train=(torch.randn(40, 3, generator=generator), torch.randint(4, (40,), generator=generator)),
    )
    return tg.Experiment(problem, WithoutReplacement(8), steps=12, save_weights=Every(1), **options)


def test_a_reset_is_an_independent_start():
    """The weights after the reset's first update differ from any start, have its law, and are drawn anew."""
    start = experiment(lambda: nn.Linear(3, 4), trajectories=400)
    kicked = tg.run(
        experiment(lambda: nn.Linear(3, 4), trajectories=400, perturbation=Reset(), perturb=At((6,)))
    )
    before = start.initial_weights(range(400))["weight"]
    after = kicked.weights(7)["weight"]
    assert abs(np.corrcoef(before.ravel(), after.ravel())[0, 1]) < 4 / np.sqrt(before.size)
    untouched = tg.run(start).weights(7)["weight"]
    assert np.corrcoef(before.ravel(), untouched.ravel())[0, 1] > 0.5
    assert after.std() == pytest.approx(tg.run(start).weights(1)["weight"].std(), rel=0.1)


def test_buffers_start_again_too():
    def net():
        return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))

    counts = []

    def look(weights, state, context):
        new_weights, new_state = Reset().apply(weights, state, context)
        counts.append(
            (int(state["buffers/1.num_batches_tracked"]), int(new_state["buffers/1.num_batches_tracked"]))
        )
        assert torch.equal(new_state["buffers/1.running_mean"], torch.zeros(4, dtype=torch.float64))
        return new_weights, new_state

    tg.run(experiment(net, trajectories=2, perturbation=look, perturb=At((5,))))
    assert counts == [(5, 0), (5, 0)]
