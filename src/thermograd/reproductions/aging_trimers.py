"""Figs 1, 2, 7, A.1 and A.3 on data like those of the paper: which bond three atoms end without, at three depths."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from thermograd.estimators.landscape import root_mean_square
from thermograd.numerics.log_times import Logarithmic
from thermograd.observables.gradient_norm import GradientNorm
from thermograd.observables.hessian_spectrum import HessianSpectrum
from thermograd.problems.lennard_jones import LennardJones
from thermograd.quantities import Estimate
from thermograd.reproductions.aging_figures import ageing_figures, curvature_figures, gradient_figure
from thermograd.reproductions.aging_rows import (
    depth_row,
    ending_row,
    negative_row,
    order_row,
    subaging_row,
    threshold_row,
)
from thermograd.reproductions.aging_training import Network, Sizes, Trained, depth_name, in_turn
from thermograd.reproductions.reproduction import Reproduction, Row, Settings, Stages

SMALL = Sizes(trajectories=48, steps=150_000, waiting=4000)
FULL = Sizes(trajectories=192, steps=600_000, waiting=4000)
DEPTHS = ((10,), (5, 5), (4, 4, 4))
PAPER_GRADIENTS = (0.02, 0.07, 0.12)
"""Root mean square gradient after 10⁴ steps, by depth."""
GRADIENTS = {"gradient_norm": "minibatch gradient", "full_gradient_norm": "full gradient"}
SPECTRUM = HessianSpectrum(at=Logarithmic(2))


def trimers(settings: Settings) -> Stages:
    """Three depths.

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
    networks = (Network(depth_name(hidden), LennardJones(hidden=hidden), batch_size=100) for hidden in DEPTHS)
    for done in in_turn(networks, sizes, settings, observed()):
        yield _stage(done, sizes)


def observed() -> tuple[object, ...]:
    """What is recorded besides loss, accuracy and displacement."""
    return (
        SPECTRUM,
        GradientNorm(at=Logarithmic(8), batch="minibatch"),
        GradientNorm(at=Logarithmic(8), batch="full"),
    )


def _stage(done: list[Trained], sizes: Sizes) -> Reproduction:
    return Reproduction(
        name="aging",
        experiment="trimers",
        title="Aging of training: three atoms, three depths",
        rows=_rows(done),
        figures=(
            *ageing_figures(done),
            *curvature_figures(done, SPECTRUM.name),
            *(gradient_figure(done, name, which, _late(done)) for name, which in GRADIENTS.items()),
        ),
        facts=(
            (
                "networks",
                "2-10-4, 2-5-5-4 and 2-4-4-4-4, tanh, cross-entropy + 1e-4 Σθ², 1000 trimers, batches of 100",
            ),
            (
                "data",
                "made here: three atoms with Lennard-Jones and Axilrod-Teller forces; the paper's recorded set is another",
            ),
            sizes.fact,
        ),
        complete=len(done) == len(DEPTHS),
    )


def _rows(done: list[Trained]) -> list[Row]:
    rows: list[Row] = []
    for entry in done:
        rows += [
            subaging_row(entry.name, entry.at_threshold),
            threshold_row(entry.name, entry.stable, entry.per_threshold),
            ending_row(f"training loss at the end, {entry.name}", 0.5, 0.15, entry.run["train_loss"][:, -1]),
            ending_row(
                f"training accuracy at the end, {entry.name}", 0.8, 0.1, entry.run["train_accuracy"][:, -1]
            ),
            negative_row(entry.name, *_negative(entry)),
        ]
    rows.append(depth_row({entry.name: entry.at_threshold for entry in done}))
    if len(done) == len(DEPTHS):
        names = [entry.name for entry in done]
        paper = dict(zip(names, PAPER_GRADIENTS, strict=True))
        for name, which in GRADIENTS.items():
            quantity = f"root mean square {which} after {_late(done)} steps"
            rows.append(order_row(quantity, paper, _late_gradients(done, name)))
    return rows


def _late(done: list[Trained]) -> int:
    """Step from which on gradients are averaged: 10⁴ as in the paper, or the second half of what is shorter."""
    return min(10_000, done[0].sizes.steps // 2)


def _late_gradients(done: list[Trained], record: str) -> Mapping[str, Estimate]:
    return {
        entry.name: root_mean_square(entry.run[record], entry.run.times(record), since=_late(done))
        for entry in done
    }


def _negative(entry: Trained) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Share of negative eigenvalues at the start and at the end, by trajectory."""
    shares = entry.run[f"{SPECTRUM.name}/negative_fraction"]
    return shares[:, 0], shares[:, -1]
