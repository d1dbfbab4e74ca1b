"""Figs 4 to 6: the exponent of narrow tanh networks on MNIST, at a fixed ratio of parameters to samples."""

from __future__ import annotations

from collections.abc import Sequence

from thermograd.estimators import aging
from thermograd.problems.mnist_tanh import MnistTanh
from thermograd.report.aging_exponents import aging_exponents
from thermograd.report.figure import Figure
from thermograd.report.weighted_mean import weighted_mean
from thermograd.reproductions.aging_figures import ageing_figures
from thermograd.reproductions.aging_rows import PAPER, exponent_row, subaging_row, threshold_row, window
from thermograd.reproductions.aging_training import THRESHOLD, Network, Sizes, Trained, in_turn
from thermograd.reproductions.reproduction import Reproduction, Row, Settings, Stages

SMALL = Sizes(trajectories=16, steps=100_000, waiting=1000)
FULL = Sizes(trajectories=100, steps=300_000, waiting=1000)
WIDTHS = (7,)
PAPER_WIDTHS = (7, 9, 11, 13, 15, 17)


def mnist(settings: Settings) -> Stages:
    """Three hidden layers.

    Args:
        settings: `full` asks for the paper's six widths, 100 trajectories and 300 000 steps, which takes hours; `say` is
            told what is being done.

    Returns:
        The stages.
    """
    return stages(settings, FULL, PAPER_WIDTHS) if settings.full else stages(settings, SMALL, WIDTHS)


def stages(settings: Settings, sizes: Sizes, widths: Sequence[int], samples: int = 60_000) -> Stages:
    """The same at any size.

    Args:
        settings: as above.
        sizes: how much is trained.
        widths: of the three hidden layers.
        samples: training images.

    Yields:
        What is there after each width.
    """
    networks = (
        Network(
            f"784-{width}-{width}-{width}-10",
            MnistTanh(hidden=(width,) * 3, train_samples=samples),
            batch_size=50,
        )
        for width in widths
    )
    for done in in_turn(networks, sizes, settings):
        yield _stage(done, sizes, samples, complete=len(done) == len(widths))


def _stage(done: list[Trained], sizes: Sizes, samples: int, *, complete: bool) -> Reproduction:
    rows: list[Row] = []
    for entry in done:
        rows += [
            subaging_row(entry.name, entry.at_threshold),
            threshold_row(entry.name, entry.stable, entry.per_threshold),
        ]
    return Reproduction(
        name="aging",
        experiment="mnist",
        title="Aging of training: the exponent on MNIST",
        rows=[*_paper_row(done), *rows],
        figures=(_against_ratio(done, samples), *ageing_figures(done)),
        facts=(
            ("networks", "784-h-h-h-10, tanh, cross-entropy + 1e-4 Σθ², MNIST, batches of 50"),
            sizes.fact,
        ),
        complete=complete,
    )


def _paper_row(done: Sequence[Trained]) -> list[Row]:
    found = [entry.at_threshold for entry in done if entry.at_threshold.exponent is not None]
    if not found:
        return []
    exponents = [entry.exponent for entry in found if entry.exponent is not None]
    if len(exponents) == 1:
        return [exponent_row(done[0].name, exponents[0], window(found[0])), *_later_windows(done[0])]
    mean = weighted_mean(exponents)
    rests_on = f"{window(found[0])}; widths agree with p = {mean.p_value:.2g}"
    return [exponent_row(f"weighted mean of {len(found)} widths", mean.mean, rests_on)]


def _later_windows(entry: Trained) -> list[Row]:
    """The same from later waiting times on: the paper's runs are longer, and its window is not said."""
    rows = []
    for times in (3, 10):
        later = aging.aging_exponent(entry.table, THRESHOLD, waiting=(times * entry.sizes.waiting, None))
        if later.exponent is not None:
            name = f"{entry.name}, from step {times * entry.sizes.waiting} on"
            rows.append(exponent_row(name, later.exponent, window(later)))
    return rows


def _against_ratio(done: Sequence[Trained], samples: int) -> Figure:
    """Fig 6."""
    found = {
        entry.network.problem.parameter_count / samples: entry.at_threshold.exponent
        for entry in done
        if entry.at_threshold.exponent is not None
    }
    return aging_exponents(found, quantity="parameters per sample α", published=PAPER, what="MNIST")
