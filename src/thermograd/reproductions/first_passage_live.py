"""First passage of trainings that fit on two cores: noisy digits, and phase retrieval at reduced size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from thermograd.dynamics import Adam
from thermograd.dynamics.sgd import SGD
from thermograd.ensemble.experiment import Experiment
from thermograd.ensemble.perturbation_study import PerturbationStudy
from thermograd.ensemble.run import run
from thermograd.minibatching.without_replacement import WithoutReplacement
from thermograd.observables.accuracy import Accuracy
from thermograd.observables.loss import Loss
from thermograd.perturbations.partial_reset import PartialReset
from thermograd.perturbations.shrink_and_perturb import ShrinkAndPerturb
from thermograd.problems import Digits, PhaseRetrieval
from thermograd.reproductions.live_study import LiveStudy
from thermograd.reproductions.recorded_training import KICK
from thermograd.reproductions.reproduction import Settings, Stages

DIGITS_TARGET = 0.912


@dataclass(frozen=True)
class Size:
    """How much phase retrieval is trained; samples None are those of `PhaseRetrieval`, 1000 and 5000 of MNIST."""

    trajectories: int
    epochs: int
    batch_size: int
    train_samples: int | None = None
    test_samples: int | None = None


REDUCED = Size(trajectories=32, epochs=60, batch_size=250)
FULL = Size(trajectories=100, epochs=150, batch_size=1000, train_samples=10_000, test_samples=60_000)


def digits(settings: Settings) -> Stages:
    """The whole study on handwritten digits with 30 % random labels, whatever the advice turns out to be.

    Args:
        settings: `full` asks for 1000 networks, as many as the paper trained, instead of 64.

    Returns:
        The stages.
    """
    trajectories = 1000 if settings.full else 64
    experiment = Experiment(
        Digits(hidden=(32,), train_samples=600, flipped=0.3, regulariser=0.006),
        WithoutReplacement(batch_size=20),
        SGD(learning_rate=0.5),
        observe=[Accuracy(split="test")],
        trajectories=trajectories,
        epochs=40,
        seed=settings.seed,
        dtype="float32",
    )
    study = PerturbationStudy(
        target=DIGITS_TARGET,
        interval=40,
        trajectories=trajectories,
        horizon=120,
        candidates={KICK: ShrinkAndPerturb(), "partial reset": PartialReset()},
        seed=settings.seed,
    )
    return LiveStudy(
        "digits",
        "First passage: small networks on digits with wrong labels",
        experiment,
        study,
        intervals=(20, 30),
        protocols_at=20,
        quantity="test accuracy (fraction)",
        facts=(
            ("Network", "tanh, 64-32-10, on 600 handwritten digits of which 30 % have their label redrawn"),
            (
                "Counting",
                "times are epochs completed; the paper counts from 0, so its times are ours minus 1",
            ),
        ),
    ).stages(settings)


def phase_retrieval(settings: Settings) -> Stages:
    """Phase retrieval trained here: the target is the 30 % quantile of the final test losses of the first leg.

    Args:
        settings: `full` asks for the paper's size.

    Yields:
        The stages.
    """
    size = FULL if settings.full else REDUCED
    problem = PhaseRetrieval(train_samples=size.train_samples, test_samples=size.test_samples)
    experiment = Experiment(
        problem,
        WithoutReplacement(batch_size=size.batch_size),
        Adam(learning_rate=0.1),
        observe=[Loss(split="test")],
        trajectories=size.trajectories,
        epochs=size.epochs,
        seed=settings.seed,
        dtype="float32",
    )
    settings.say(f"training {size.trajectories} networks for {size.epochs} epochs, to see where they end")
    first_leg = run(experiment)
    final = first_leg[experiment.observables[0].name][:, -1]
    target = float(np.quantile(final[np.isfinite(final)], 0.3))
    study = PerturbationStudy(
        target=target,
        direction="down",
        interval=size.epochs,
        trajectories=size.trajectories,
        horizon=size.epochs // 2,
        candidates={KICK: ShrinkAndPerturb(shrink=0.8, perturb=0.05)},
        seed=settings.seed,
    )
    third = size.epochs // 3
    live = LiveStudy(
        "phase-retrieval",
        "First passage: phase retrieval, trained here",
        experiment,
        study,
        intervals=(third, 2 * third),
        protocols_at=third,
        quantity="test loss (per sample)",
        facts=(
            ("Problem", repr(problem)),
            (
                "Why this target",
                f"the 30 % quantile of the final test losses, {target:.4g}; the paper's is 0.4",
            ),
        ),
    )
    yield from live.stages(settings, first_leg)
