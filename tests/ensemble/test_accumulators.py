"""Accumulators: what they are given and when, against a loop by hand; same bits in any block, after any interruption."""

import dataclasses
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from torch import nn

import thermograd as tg
from thermograd.dynamics import SGD
from thermograd.minibatching import WithoutReplacement
from thermograd.numerics.log_times import At, Epochs, Every, Logarithmic, Random
from thermograd.observables import DissipationAndFluctuation, Loss
from thermograd.perturbations import ShrinkAndPerturb
from thermograd.problems import Quadratic

STEPS = 24


@dataclass(frozen=True)
class Stretches:
    """Sums that tell order and content of all it is given: position weighted by the number of the stretch."""

    every: object = field(default_factory=Every)
    at: object = field(default_factory=lambda: Every(1))
    name: str = "stretches"

    def start(self, weights):
        (value,) = weights.values()
        return {key: torch.zeros_like(value) for key in ("before", "after", "gradient")} | {
            "count": value.new_zeros(())
        }

    def accumulate(self, state, before, after, gradient):
        count = state["count"] + 1
        given = {"before": before, "after": after, "gradient": gradient}
        return {key: state[key] + count * value["position"] for key, value in given.items()} | {
            "count": count
        }

    def read(self, state):
        return state


@dataclass(frozen=True)
class OneNumber(Stretches):
    """A record without fields."""

    name: str = "number"

    def read(self, state):
        return state["count"]


@dataclass(frozen=True)
class Elsewhere:
    """An update with the gradient at a displaced place only."""

    def start(self, weights):
        return {}

    def step(self, weights, state, oracle, step):
        away = {name: value + 1.0 for name, value in weights.items()}
        gradient = oracle.gradient(away)
        return {name: value - 0.1 * gradient[name] for name, value in weights.items()}, {}


class InPlace(Elsewhere):
    """One that reuses its dictionary for a second gradient."""

    def step(self, weights, state, oracle, step):
        moving = dict(weights)
        for _ in range(2):
            gradient = oracle.gradient(moving)
            for name in moving:
                moving[name] = moving[name] - 0.1 * gradient[name]
        return moving, {}


class Asking(nn.Module):
    """Looks at a number, which no batched call can."""

    def forward(self, inputs):
        return inputs if float(inputs.detach().sum()) > 0 else 1.0 * inputs


def make_experiment(**options):
    return tg.Experiment(
        **{
            "problem": Quadratic(samples=20),
            "minibatching": WithoutReplacement(5),
            "dynamics": SGD(0.2, momentum=0.5),
            "observe": [Loss(at=Every(4)), Stretches()],
            "trajectories": 4,
            "steps": STEPS,
            "save_weights": Every(1),
            "seed": 3,
        }
        | options
    )


def noisy_network():
    """Dropout and batch normalisation: one trajectory at a time."""
    return tg.Problem(
        model=lambda: nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Dropout(0.5), nn.Linear(3, 2)),
        loss=nn.CrossEntropyLoss(reduction="none"),
        train=(torch.randn(20, 2, generator=torch.Generator().manual_seed(0)), torch.arange(20) % 2),
    )


def by_hand(experiment, ends, trajectory, kick=None):
    """The sums of `Stretches` at the last time, from saved weights and `experiment.indices`.

    `kick`: (step, weights after it), since saved weights are those before.
    """
    run = tg.run(experiment)
    x = experiment.functional.train[0].numpy()
    h = np.array((1.0, 0.1, 0.01))
    position = [run.weights(step)["position"][trajectory] for step in range(STEPS + 1)]
    sums = {key: np.zeros(3) for key in ("before", "after", "gradient")}
    for count, (first, last) in enumerate(zip([0, *ends[:-1]], ends, strict=True), start=1):
        before = kick[1] if kick and first == kick[0] else position[first]
        rows = experiment.indices(trajectory, first)
        sums["before"] += count * before
        sums["after"] += count * position[last]
        sums["gradient"] += count * (h * (before - x[rows])).mean(axis=0)
    return run, sums


@pytest.mark.parametrize(
    ("every", "ends"),
    [
        (Every(1), list(range(1, 25))),
        (Every(5), [5, 10, 15, 20]),  # a last stretch of 4 steps is not added
        (Every(8), [8, 16, 24]),
        (Epochs(1), [4, 8, 12, 16, 20, 24]),
        (At((2, 5, 23)), [2, 5, 23]),
        (At((0, 7)), [7]),
        (Logarithmic(2), [1, 3, 10]),
    ],
)
@pytest.mark.parametrize("dynamics", [SGD(0.2, momentum=0.5), Elsewhere(), InPlace()])
def test_stretches_by_hand(every, ends, dynamics):
    experiment = make_experiment(observe=[Stretches(every=every)], dynamics=dynamics)
    run, sums = by_hand(experiment, ends, trajectory=2)
    assert run["stretches/count"][2, -1] == len(ends)
    assert (run["stretches/count"][2] == np.searchsorted(ends, np.arange(STEPS + 1), side="right")).all()
    for key, value in sums.items():
        assert np.allclose(run[f"stretches/{key}"][2, -1], value, rtol=1e-12)


@pytest.mark.parametrize("every", [Every(4), Every(6)])
def test_a_stretch_begins_after_a_perturbation(every):
    kick = ShrinkAndPerturb(shrink=0.5, perturb=0.0)
    experiment = make_experiment(
        observe=[Stretches(every=every)], dynamics=SGD(0.2), perturbation=kick, perturb=At((12,))
    )
    shrunk = 0.5 * tg.run(experiment).weights(12)["position"][1]
    run, sums = by_hand(experiment, list(range(every.steps, 25, every.steps)), 1, kick=(12, shrunk))
    for key, value in sums.items():
        assert np.allclose(run[f"stretches/{key}"][1, -1], value, rtol=1e-12)


def test_perturbations_do_not_see_the_sums():
    seen = set()

    def look(weights, state, context):
        seen.update(state)
        return weights, state

    tg.run(make_experiment(perturbation=look, perturb=Every(3)))
    assert "optimizer/momentum_buffer/position" in seen
    assert not [name for name in seen if "stretches" in name]


@pytest.mark.parametrize(
    "options",
    [
        {"observe": [Stretches(), Loss(), OneNumber(every=Every(3), at=Logarithmic(5))]},
        {"observe": [Stretches(every=Every(9))]},
        {"observe": [Stretches(every=Epochs(2))], "perturbation": ShrinkAndPerturb(), "perturb": Random(0.2)},
        {"observe": [DissipationAndFluctuation(at=Every(1))], "problem": noisy_network()},
        {"observe": [DissipationAndFluctuation(every=Every(9))], "problem": noisy_network()},
    ],
)
@pytest.mark.parametrize("stored", [False, True])
def test_same_bits_in_any_block_and_after_any_interruption(options, stored, tmp_path):
    experiment = make_experiment(**options)
    whole = tg.run(experiment)
    alone = tg.run(dataclasses.replace(experiment, block_size=1))
    if stored:
        for until in (5, 14):
            tg.run(experiment, store=tmp_path / "run", until=until)
        parts = tg.run(experiment, store=tmp_path / "run")
    else:
        parts = tg.run(resume=tg.run(resume=tg.run(experiment, until=5), until=14))
    for other in (alone, parts):
        for name in whole.names:
            assert np.array_equal(whole[name], other[name]), name


def test_nothing_else_changes():
    with_sums, without = (tg.run(make_experiment(observe=seen)) for seen in ([Stretches()], [Loss()]))
    assert np.array_equal(with_sums.weights()["position"], without.weights()["position"])
    for options in ({"problem": noisy_network()}, {"dynamics": Elsewhere()}):
        one, other = (
            tg.run(make_experiment(observe=seen, **options))
            for seen in ([Loss(), DissipationAndFluctuation(every=Every(2))], [Loss()])
        )
        assert np.array_equal(one["train_loss"], other["train_loss"])


@pytest.mark.parametrize("every", [Every(1), Every(7)])
def test_a_longer_run_begins_with_the_same_numbers(every):
    observe = [Stretches(every=every)]
    longer, shorter = (tg.run(make_experiment(observe=observe, steps=steps)) for steps in (24, 16))
    for name in shorter.names:
        assert np.array_equal(longer[name][:, :17], shorter[name])


def test_loop_and_vmap_agree():
    problem = tg.Problem(
        model=lambda: nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2)),
        loss=nn.CrossEntropyLoss(reduction="none"),
        train=noisy_network().train,
    )
    looped = dataclasses.replace(
        problem,
        model=lambda: nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2), Asking()),
    )
    runs = []
    for candidate, mode in ((problem, "vmap"), (looped, "loop")):
        experiment = make_experiment(problem=candidate, observe=[DissipationAndFluctuation(at=Every(1))])
        assert tg.plan(experiment).mode == mode
        runs.append(tg.run(experiment))
    for name in runs[0].names:
        assert np.allclose(runs[0][name], runs[1][name], rtol=1e-10)


def test_a_diverged_trajectory_is_not_a_number_and_the_others_are_untouched():
    start = torch.zeros(4, 3, dtype=torch.float64)
    blown_up = start.clone()
    blown_up[1] = 1e200

    def cubic(position, _):
        return (position**4).sum(-1)

    problem = dataclasses.replace(Quadratic(samples=20).build(), loss=cubic)
    runs = [
        tg.run(make_experiment(problem=problem, dynamics=SGD(0.01), start={"position": where}))
        for where in (start, blown_up)
    ]
    assert (runs[1].diverged_at >= 0).tolist() == [False, True, False, False]
    assert np.isnan(runs[1]["stretches/count"][1, 1:]).all()
    for name in ("stretches/count", "stretches/before", "stretches/gradient"):
        assert np.array_equal(runs[1][name][[0, 2, 3]], runs[0][name][[0, 2, 3]])
