"""The reproduction of ageing at sizes of seconds; and that what contradicts the paper is told."""

from __future__ import annotations

import json

import numpy as np
import pytest

from thermograd.estimators import aging
from thermograd.estimators.aging import DisplacementTable
from thermograd.problems.mnist_tanh import MnistTanh
from thermograd.quantities import Estimate
from thermograd.report.flatness_and_gap import TrainedNetworks
from thermograd.reproductions import aging_digits, aging_gap, aging_mnist, aging_trimers
from thermograd.reproductions.aging_rows import (
    depth_row,
    ending_row,
    exponent_row,
    negative_row,
    order_row,
    subaging_row,
    threshold_row,
)
from thermograd.reproductions.aging_training import Sizes
from thermograd.reproductions.reproduction import Settings

TINY = Sizes(trajectories=3, steps=5000, waiting=100)
LAGS = np.unique(np.rint(np.geomspace(1, 20_000, 40)).astype(int))
WAITING = np.unique(np.rint(np.geomspace(100, 10_000, 12)).astype(int))


def aged(exponent, trajectories=4):
    """Δ = t/t_w^μ, so that t* = Δ* t_w^μ, with 2 % from trajectory to trajectory."""
    spread = 1 + 0.02 * np.linspace(-1, 1, trajectories)[:, None, None]
    curves = spread * LAGS[None, None, :] / WAITING[None, :, None] ** exponent
    return DisplacementTable(WAITING, LAGS, curves[..., None], [1])


def found_of(exponent, thresholds=3.0):
    return aging.aging_exponent(aged(exponent), thresholds)


def test_trimers_give_every_row_and_figure():
    pages = list(aging_trimers.stages(Settings(), TINY))
    assert [page.complete for page in pages] == [False, False, True]
    last = pages[-1]
    assert len(last.rows) == 3 * 5 + 3
    names = [figure.name for figure in last.figures]
    assert len(names) == len(set(names))
    for part in ("training_loss", "training_accuracy", "spectr", "negative", "gradient"):
        assert any(part in name for name in names), (part, names)
    assert all(figure.points for figure in last.figures)
    json.dumps(last.content(), allow_nan=False)


def test_digits_compare_two_depths():
    pytest.importorskip("sklearn")
    last = list(aging_digits.stages(Settings(), TINY))[-1]
    assert last.rows[-1].quantity == "exponents of the depths"
    assert last.complete


def test_mnist_at_two_widths(monkeypatch):
    class Few(MnistTanh):
        """Digits of another kind: what is tested is the table, not the data."""

        def build(self):
            from thermograd.problems.digits import Digits

            return Digits(hidden=self.hidden, train_samples=100, initial="glorot").build()

    pytest.importorskip("sklearn")
    monkeypatch.setattr(aging_mnist, "MnistTanh", Few)
    last = list(aging_mnist.stages(Settings(), TINY, (2, 3)))[-1]
    assert last.figures[0].table
    assert [row.quantity for row in last.rows][-1].startswith("exponent against threshold, 784-3-3-3-10")


def test_the_gap_at_four_sizes(monkeypatch):
    monkeypatch.setattr(aging_gap, "SAMPLES", (60, 120))
    last = list(aging_gap.stages(Settings(), Sizes(trajectories=4, steps=100, waiting=0)))[-1]
    assert last.complete
    assert len(last.rows) == 1 + 2
    assert last.figures[0].table


@pytest.mark.parametrize(("exponent", "holds"), [(0.6, True), (0.0, False), (1.0, False)])
def test_only_a_slower_than_simple_ageing_is_subaging(exponent, holds):
    row = subaging_row("net", found_of(exponent))
    assert row.verdict.holds is holds
    assert "t_w 100 to " in row.verdict.text


def test_no_exponent_leaves_the_row_open():
    assert subaging_row("net", found_of(0.6, 1e9)).verdict.holds is None


@pytest.mark.parametrize(("value", "meets"), [(0.72, True), (0.6, False)])
def test_an_exponent_meets_the_papers_or_does_not(value, meets):
    row = exponent_row("net", Estimate(value, (value - 0.02, value + 0.02)), "a window")
    assert row.verdict.holds is meets


def test_the_exponent_of_a_law_hangs_on_no_threshold():
    levels = tuple(10 ** np.linspace(-0.5, 0.5, 5))
    row = threshold_row("net", found_of(0.6, "stable"), found_of(0.6, levels))
    assert row.verdict.holds is True
    assert "0.60 within 0.05" in row.verdict.text


def test_depths_of_different_exponents_differ():
    same = depth_row({"one": found_of(0.6), "two": found_of(0.6)})
    other = depth_row({"one": found_of(0.6), "two": found_of(0.8)})
    assert (same.verdict.holds, other.verdict.holds) == (True, False)
    assert depth_row({"one": found_of(0.6)}).verdict.holds is None


def test_an_end_far_from_the_papers_differs():
    assert ending_row("loss", 0.5, 0.1, np.array([0.5, 0.52])).verdict.holds is True
    assert ending_row("loss", 0.5, 0.1, np.array([0.9, 0.91, 0.9])).verdict.holds is False


def test_the_order_is_judged_where_intervals_are_apart():
    paper = {"one": 1.0, "two": 2.0}

    def judged(first, second, half=0.1):
        ours = {
            name: Estimate(value, (value - half, value + half))
            for name, value in (("one", first), ("two", second))
        }
        return order_row("norm", paper, ours).verdict.holds

    assert (judged(3, 4), judged(4, 3), judged(3, 3.1)) == (True, False, None)


def test_a_share_that_does_not_fall_is_told():
    early = np.full(12, 0.4)
    assert negative_row("net", early, early - 0.2).verdict.holds is True
    assert negative_row("net", early, early + 0.2).verdict.holds is False
    assert negative_row("net", early, np.zeros(12)).verdict.holds is False  # it vanishes
    assert negative_row("net", early[:2], early[:2] - 0.1).verdict.holds is None


def test_equal_sizes_are_compared_among_themselves():
    """The gap and the trace both fall with N, and at each N nothing goes together: only the pooled correlation is sure."""
    noise = np.random.default_rng(0)
    done = [
        TrainedNetworks("net", samples, noise.uniform(1, 1.1, 8), noise.uniform(1, 1.1, 8) / samples)
        for samples in aging_gap.SAMPLES
    ]
    first, *others = aging_gap.rows(done)
    assert first.verdict.holds is True
    assert all(isinstance(row.ours, Estimate) and row.ours.low < 0 < row.ours.high for row in others)
