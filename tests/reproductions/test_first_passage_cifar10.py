"""The published numbers of the main text, from the recorded runs."""

from __future__ import annotations

import numpy as np
import pytest

from thermograd.estimators.first_passage import FirstPassageTimes
from thermograd.reproductions import first_passage_cifar10

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def training(data_folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("THERMOGRAD_DATA", str(data_folder))
        return first_passage_cifar10.load()


@pytest.fixture(scope="module")
def rows(training):
    return {row.quantity: row for row in first_passage_cifar10.table(training)}


@pytest.mark.parametrize(("target", "ours", "paper"), [(75, 18, "17"), (72, 29, "28"), (71.5, 27, "26")])
def test_relaxation_times_come_out_exactly_in_both_countings(rows, target, ours, paper):
    row = rows[f"relaxation time by the K–S test, target {target:g} % (epochs)"]
    assert (row.ours.value, row.paper, row.verdict.holds) == (ours, paper, True)
    assert f"{paper} counting from 0" in row.ours.note


@pytest.mark.parametrize(("target", "ours"), [(75, 14), (72, 13), (71.5, 22)])
def test_relaxation_times_by_distance(rows, target, ours):
    row = rows[f"relaxation time by distance 0.1, target {target:g} % (epochs)"]
    assert (row.ours.value, row.paper, row.verdict.holds) == (ours, "not stated", None)


def test_the_residual_time_rounds_to_the_published_one(rows):
    row = rows["mean residual time, shrink and perturb (epochs)"]
    assert row.ours.value == pytest.approx(3.711, abs=0.02)
    assert row.verdict.holds
    assert rows["mean residual time, partial reset (epochs)"].verdict.holds is None


def test_the_plateau_is_constant_within_30_per_cent_but_not_constant(rows):
    row = rows["trend of the residual time (share of it, per decade of P)"]
    assert row.ours.value == pytest.approx(0.185, abs=0.01)
    assert row.verdict.kind == "plateau_within_30_percent"


@pytest.mark.parametrize(
    ("interval", "measured", "predicted", "holds"),
    [
        (2, 5.828, 6.170, None),
        (5, 8.177, 9.170, None),
        (30, 21.689, 22.680, True),
        (100, 44.33, 47.114, True),
    ],
)
def test_equation_9_beside_brute_force(rows, interval, measured, predicted, holds):
    row = rows[f"mean epochs, shrink and perturb every {interval} epochs"]
    assert row.ours.value == pytest.approx(measured, abs=5e-3)
    assert f"Eq. 9 predicts {predicted:.3g} (" in row.verdict.text
    assert row.verdict.holds is holds


@pytest.mark.parametrize(
    ("what", "at_least", "extrapolated", "implied"),
    [
        ("Eq. 9, shrink and perturb every 3 epochs", 10.7, 44.3, 99),
        ("measured, shrink and perturb every 2 epochs", 13.2, 54.5, 101),
        ("restarts at the best P, Eq. 5", 2.53, 10.4, 88),
    ],
)
def test_speed_ups_depend_on_a_mean_the_paper_does_not_state(rows, what, at_least, extrapolated, implied):
    verdict = rows[f"speed-up, {what}"].verdict
    assert verdict.holds is None
    assert verdict.text.startswith("depends on E[T], which the paper does not state")
    assert verdict.evidence["at_least"] == pytest.approx(at_least, abs=0.05)
    assert verdict.evidence["extrapolated"] == pytest.approx(extrapolated, abs=0.5)
    assert verdict.evidence["implied"] == pytest.approx(implied, abs=0.5)


def test_counting_from_0_the_predicted_one_is_at_least_12_3(rows):
    assert (
        "≥ 10.7 (12.3 counting from 0); 44.3"
        in rows["speed-up, Eq. 9, shrink and perturb every 3 epochs"].ours
    )


def test_the_tail_contradicts_the_single_exponential(rows):
    evidence = rows["mean first-passage time, unperturbed, at least (epochs)"].verdict.evidence
    assert evidence["single_exponential"] == pytest.approx(107, abs=0.5)
    assert evidence["tails"] == pytest.approx([279.5, 317.8, 323.3], abs=0.1)


def test_restarts_have_their_optimum_where_the_paper_says(rows):
    row = rows["best interval of restarts (epochs)"]
    assert (row.ours.value, row.verdict.holds) == (18, True)


def test_nothing_contradicts_the_paper(rows):
    assert [row.quantity for row in rows.values() if row.verdict.holds is False] == []


def test_another_number_contradicts_it(training, monkeypatch):
    """The negative control: with one relaxation time misquoted, and with other restarts, rows must differ."""
    monkeypatch.setattr(first_passage_cifar10, "RELAXATION", {72.0: 27})
    (row, _) = first_passage_cifar10._relaxation(training)
    assert row.verdict.holds is False
    late = FirstPassageTimes(np.full(1000, 60), np.ones(1000, bool), 200)
    wrong = first_passage_cifar10.brute_force_rows("kick", training.prediction, {30: late}, "Eq. 9")
    assert wrong[0].verdict.holds is False


def test_every_figure_of_the_paper_is_drawn(training):
    figures = {figure.name: figure for figure in training.figures([5, 30, 100], 30)}
    assert set(figures) == {
        "survival", "survivors", "quasi_steady", "quantile_deviation", "cramer_von_mises", "branches",
        "branches_centred", "plateau", "speed_up", "mean_values",
    }  # fmt: skip
    assert "from epoch 13 (" in figures["quasi_steady"].conclusion
    assert "first exceeds 0.05 at epoch 29" in figures["quasi_steady"].conclusion
    assert figures["plateau"].table["in the test"] == ["no", "yes", "yes", "yes", "yes"]
    assert "29.3 %" in figures["speed_up"].title
    tried = [
        at for what, at in zip(*list(figures["speed_up"].table.values())[1:3], strict=True) if what == "tried"
    ]
    assert tried == [2, 5, 10, 30, 100]
