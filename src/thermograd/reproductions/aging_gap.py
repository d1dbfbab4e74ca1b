"""Fig A.2: the generalisation gap against the trace of the Hessian over the number of samples, at the end of training."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from thermograd.dynamics.sgd import SGD
from thermograd.ensemble.experiment import Experiment
from thermograd.ensemble.run import run
from thermograd.estimators.landscape import Correlation, flatness_correlation
from thermograd.minibatching.without_replacement import WithoutReplacement
from thermograd.numerics.log_times import At
from thermograd.observables.hessian_spectrum import HessianSpectrum
from thermograd.observables.loss import Loss
from thermograd.problems.lennard_jones import LennardJones
from thermograd.quantities import Verdict
from thermograd.report.flatness_and_gap import TrainedNetworks, flatness_and_gap
from thermograd.report.ranking import number_text
from thermograd.reproductions.aging_training import LEARNING_RATE, Sizes, depth_name
from thermograd.reproductions.reproduction import Reproduction, Row, Settings, Stages

SMALL = Sizes(trajectories=8, steps=50_000, waiting=0)
FULL = Sizes(trajectories=32, steps=150_000, waiting=0)
DEPTHS = ((10,), (5, 5), (4, 4, 4))
SAMPLES = (250, 500, 1000, 2000)


def gap(settings: Settings) -> Stages:
    """Three depths, four sizes of the training set.

    Args:
        settings: `full` asks for more and longer trajectories; `say` is told what is being done.

    Returns:
        The stages.
    """
    return stages(settings, FULL if settings.full else SMALL)


def stages(settings: Settings, sizes: Sizes) -> Stages:
    """The same at any size.

    Args:
        settings: as above.
        sizes: how much is trained.

    Yields:
        What is there after each depth.
    """
    done: list[TrainedNetworks] = []
    for hidden, samples in product(DEPTHS, SAMPLES):
        settings.say(f"{depth_name(hidden)}, {samples} samples")
        done.append(ended(hidden, samples, sizes, settings.seed))
        if samples == SAMPLES[-1]:
            yield _stage(done, sizes)


def ended(hidden: tuple[int, ...], samples: int, sizes: Sizes, seed: int) -> TrainedNetworks:
    """Train one network on one training set.

    Args:
        hidden: widths of its hidden layers.
        samples: of the training set.
        sizes: how much is trained.
        seed: of all randomness.
    """
    end = At((sizes.steps,))
    spectrum = HessianSpectrum(at=end)
    done = run(
        Experiment(
            LennardJones(hidden=hidden, samples=samples),
            dynamics=SGD(learning_rate=LEARNING_RATE),
            minibatching=WithoutReplacement(batch_size=50),
            observe=[Loss(split="train", at=end), Loss(split="test", at=end), spectrum],
            trajectories=sizes.trajectories,
            steps=sizes.steps,
            seed=seed,
        )
    )
    gaps = done["test_loss"][:, -1] - done["train_loss"][:, -1]
    return TrainedNetworks(depth_name(hidden), samples, done[f"{spectrum.name}/trace"][:, -1], gaps)


def correlation(done: Sequence[TrainedNetworks]) -> Correlation:
    """Of tr H / N with the gap, over all trainings.

    Args:
        done: networks that were trained.
    """
    traces, gaps, samples = (
        np.concatenate([np.broadcast_to(getattr(entry, name), np.shape(entry.traces)) for entry in done])
        for name in ("traces", "gaps", "samples")
    )
    return flatness_correlation(traces, gaps, samples)


def rows(done: Sequence[TrainedNetworks]) -> list[Row]:
    """The correlation of all trainings, and that at each size of the training set, where dividing by N makes none.

    Args:
        done: networks that were trained.
    """
    found = [_row(correlation(done))]
    for size in sorted({entry.samples for entry in done}):
        rank = correlation([entry for entry in done if entry.samples == size]).spearman
        text = "not in the paper; at one N the division by it cannot make a correlation"
        quantity = f"rank correlation of the gap with tr H, N = {size}"
        found.append(Row(quantity, "not stated", rank, Verdict(None, "flatness_and_gap", text)))
    return found


def _row(found: Correlation) -> Row:
    rank = found.spearman
    holds = True if rank.low > 0 else False if rank.high < 0 else None
    text = (
        f"linear correlation {number_text(found.pearson)}; both fall with N, which alone makes a correlation"
    )
    return Row(
        "rank correlation of the gap with tr H / N",
        "positive",
        rank,
        Verdict(holds, "flatness_and_gap", text),
    )


def _stage(done: list[TrainedNetworks], sizes: Sizes) -> Reproduction:
    return Reproduction(
        name="aging",
        experiment="gap",
        title="Flatness and the generalisation gap",
        rows=rows(done),
        figures=(flatness_and_gap(done),),
        facts=(
            (
                "networks",
                "2-10-4, 2-5-5-4 and 2-4-4-4-4 on 250 to 2000 trimers, batches of 50, 5000 test samples",
            ),
            sizes.fact,
        ),
        complete=len(done) == len(DEPTHS) * len(SAMPLES),
    )
