from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch

import thermograd as tg
from thermograd.dynamics import SGD
from thermograd.minibatching import WithReplacement
from thermograd.numerics.log_times import At, Every
from thermograd.observables import Loss
from thermograd.perturbations import ResetToBest
from thermograd.perturbations.context import Moment, PerturbationContext
from thermograd.problems import Quadratic

EVERY = Every(1)


def noisy(**options):
    return tg.Experiment(
        Quadratic(curvatures=(1.0, 0.5), samples=30),
        minibatching=WithReplacement(2),
        dynamics=SGD(0.7, momentum=0.5),
        observe=[Loss(at=EVERY)],
        save_weights=EVERY,
        trajectories=4,
        steps=30,
        **options,
    )


@pytest.mark.parametrize(("direction", "best"), [("down", np.argmin), ("up", np.argmax)])
def test_goes_back_to_the_best_weights_seen_in_an_ensemble(direction, best):
    experiment = noisy(perturbation=ResetToBest(direction=direction), perturb=At((17,)))
    run, free = tg.run(experiment), tg.run(noisy())
    loss, name = free["train_loss"], next(iter(free.weights()))
    path = np.stack([free.weights(t)[name] for t in range(31)], axis=1)
    for k in range(4):
        chosen = int(best(loss[k, :18]))
        batch = experiment.functional.train[0][experiment.indices(k, 17)].numpy()
        weights = path[k, chosen]
        previous = path[k, chosen - 1] if chosen else weights
        curvature = np.array([1.0, 0.5])
        buffer = (previous - weights) / 0.7  # the momentum that made the best step
        expected = weights - 0.7 * (0.5 * buffer + curvature * (weights - batch.mean(axis=0)))
        np.testing.assert_allclose(run.weights(18)[name][k], expected, atol=1e-10)


def test_before_any_metric_nothing_happens():
    weights, state = {"w": torch.ones(1)}, {"optimizer/b/w": torch.ones(1)}
    moved, rest = ResetToBest().apply(weights, state, PerturbationContext(None, 0, 0, 3))
    assert moved == weights
    assert rest == state


@pytest.mark.parametrize(("optimizer", "value"), [("restore", 5.0), ("clear", 0.0), ("keep", 1.0)])
def test_what_becomes_of_the_optimizer(optimizer, value):
    state = {
        "optimizer/b/w": torch.ones(1),
        "buffers/mean": torch.ones(1),
        "hyperparameters/learning_rate": torch.tensor(0.1),
    }
    best = ({"w": torch.zeros(1)}, {"optimizer/b/w": torch.full((1,), 5.0), "buffers/mean": torch.zeros(1)})
    context = PerturbationContext(None, 0, 0, 3, Moment(best=best))
    weights, rest = ResetToBest(optimizer=optimizer).apply({"w": torch.ones(1)}, state, context)
    assert torch.equal(weights["w"], torch.zeros(1))
    assert torch.equal(rest["buffers/mean"], torch.zeros(1))
    assert torch.equal(rest["optimizer/b/w"], torch.full((1,), value))
    assert rest["hyperparameters/learning_rate"] is state["hyperparameters/learning_rate"]


def test_resumed_in_the_middle_it_knows_the_best():
    experiment = noisy(perturbation=ResetToBest(direction="down"), perturb=Every(9))
    whole = tg.run(experiment)
    resumed = tg.run(resume=tg.run(experiment, until=14))
    assert np.array_equal(whole["train_loss"], resumed["train_loss"])


def test_a_study_goes_back_to_the_best_of_the_first_leg():
    @dataclass(frozen=True)
    class Seen:
        """A spy with the same needs."""

        direction: str = "down"
        needs_best: ClassVar[bool] = True

        def apply(self, weights, state, context):
            seen.append((context.metric, context.best))
            return weights, state

    seen = []
    study = tg.PerturbationStudy(
        target=-1.0, direction="down", interval=6, trajectories=4, horizon=2, candidates={"spy": Seen()}
    )
    record = study.run(noisy())
    assert len(seen) == 4
    for row, (metric, best) in enumerate(seen):
        assert metric == record.unperturbed[row, -1]
        assert best is not None


def test_the_start_counts_in_a_study_as_in_a_run():
    """A training that only gets worse goes back to where it began."""
    worse = tg.Experiment(
        Quadratic(curvatures=(1.0,), samples=4), WithReplacement(4), SGD(2.5), observe=[Loss()], epochs=1
    )
    seen = []

    @dataclass(frozen=True)
    class Spy:
        """Looks at the best."""

        direction: str = "down"
        needs_best: ClassVar[bool] = True

        def apply(self, weights, state, context):
            seen.append(next(iter(context.best[0].values())).clone())
            return weights, state

    study = tg.PerturbationStudy(
        target=-1.0,
        direction="down",
        interval=3,
        trajectories=2,
        horizon=1,
        candidates={"spy": Spy()},
        seed=4,
    )
    study.run(worse)
    starts = next(
        iter(
            tg.Experiment(Quadratic(curvatures=(1.0,), samples=4), steps=1, seed=4, trajectories=2)
            .initial_weights([0, 1])
            .values()
        )
    )
    assert np.array_equal(torch.stack(seen).numpy(), starts)


@pytest.mark.parametrize("options", [{"direction": "Up"}, {"optimizer": "drop"}])
def test_bad_fields(options):
    with pytest.raises(ValueError, match=r"use 'up'|use 'restore'"):
        ResetToBest(**options)
