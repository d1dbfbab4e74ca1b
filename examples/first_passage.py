"""When does training reach its target, and would a kick get it there sooner? With a network of one's own.

Two interleaved spirals, a small network, 30 % wrong labels: trains 24 times, measures when test accuracy first
reaches the target, and asks whether shrinking or resetting weights pays. About ten seconds.
"""

import numpy as np
import torch

import thermograd as tg
from thermograd.dynamics import SGD
from thermograd.estimators import first_passage
from thermograd.minibatching import WithoutReplacement
from thermograd.observables import Accuracy
from thermograd.perturbations import PartialReset, ShrinkAndPerturb

TARGET, EPOCHS = 0.9, 60


def spirals(samples: int, wrong: float, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Points on two spirals, a share of the labels flipped."""
    draw = np.random.default_rng(seed)
    arm = draw.integers(0, 2, samples)
    angle = 1.5 * np.pi * np.sqrt(draw.random(samples)) + np.pi * arm
    radius = angle - np.pi * arm + 0.1 * draw.standard_normal(samples)
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    labels = np.where(draw.random(samples) < wrong, 1 - arm, arm)
    return torch.from_numpy(points), torch.from_numpy(labels)


def network() -> torch.nn.Module:
    """Two inputs, 24 hidden units, two classes."""
    return torch.nn.Sequential(torch.nn.Linear(2, 24), torch.nn.Tanh(), torch.nn.Linear(24, 2))


def main() -> None:
    """Train, measure, ask, check."""
    problem = tg.Problem(
        model=network,
        loss=torch.nn.CrossEntropyLoss(reduction="none"),
        train=spirals(200, wrong=0.3, seed=0),
        test=spirals(500, wrong=0.0, seed=1),
        name="spirals",
    )
    experiment = tg.Experiment(
        problem,
        WithoutReplacement(batch_size=20),
        SGD(learning_rate=1.0),
        observe=[Accuracy(split="test")],
        trajectories=24,
        epochs=EPOCHS,
        seed=0,
    )
    run = tg.run(experiment)
    passages = first_passage.first_passage_times(run["test_accuracy"][:, 1:], TARGET)
    print(f"{passages.reached.sum()} of {len(passages)} runs reached {TARGET} within {EPOCHS} epochs")
    print(f"E[min(T, {EPOCHS})] =", first_passage.restricted_mean(passages))

    study = tg.PerturbationStudy(
        target=TARGET,
        interval=EPOCHS,
        horizon=30,
        trajectories=24,
        candidates={"shrink": ShrinkAndPerturb(), "partial": PartialReset(fraction=0.3)},
    )
    study.run(experiment, unperturbed=run)
    best = tg.advise(study.record).ranking[0]
    if best.interval is not None:
        study.verify([best.interval], [best.name])
    print(tg.advise(study.record))


if __name__ == "__main__":
    main()
