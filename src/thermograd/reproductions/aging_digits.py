"""Does the exponent depend on the depth? Narrow tanh networks on scikit-learn's digits, which need no data folder."""

from __future__ import annotations

from thermograd.problems.digits import Digits
from thermograd.reproductions.aging_figures import ageing_figures
from thermograd.reproductions.aging_rows import depth_row, subaging_row, threshold_row
from thermograd.reproductions.aging_training import Network, Sizes, Trained, depth_name, in_turn
from thermograd.reproductions.reproduction import Reproduction, Row, Settings, Stages

SMALL = Sizes(trajectories=48, steps=100_000, waiting=1000)
FULL = Sizes(trajectories=192, steps=300_000, waiting=1000)
DEPTHS = ((2,), (2, 2, 2))


def digits(settings: Settings) -> Stages:
    """Two depths on digits.

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
    networks = (
        Network(depth_name(hidden), Digits(hidden=hidden, regulariser=1e-4, initial="glorot"), batch_size=50)
        for hidden in DEPTHS
    )
    for done in in_turn(networks, sizes, settings):
        yield _stage(done, sizes)


def _stage(done: list[Trained], sizes: Sizes) -> Reproduction:
    rows: list[Row] = []
    for entry in done:
        rows += [
            subaging_row(entry.name, entry.stable),
            threshold_row(entry.name, entry.stable, entry.per_threshold),
        ]
    return Reproduction(
        name="aging",
        experiment="digits",
        title="Aging of training: does the exponent depend on the depth?",
        rows=[*rows, depth_row({entry.name: entry.stable for entry in done})],
        figures=ageing_figures(done),
        facts=(
            (
                "networks",
                "64-2-10 and 64-2-2-2-10, tanh, cross-entropy + 1e-4 Σθ², 1297 digits, batches of 50",
            ),
            sizes.fact,
        ),
        complete=len(done) == len(DEPTHS),
    )
