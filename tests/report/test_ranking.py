from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pytest

from thermograd.advisor.candidate import Candidate
from thermograd.quantities import Estimate
from thermograd.report.ranking import number_text, ranking_table


@dataclass(frozen=True)
class Entry:
    name: str
    interval: int | None
    predicted_mean: Estimate


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.2, "0.2"),
        (1234.5, "1234"),
        (1e7, "1e+07"),
        (0, "0"),
        (0.0, "0"),
        (-np.inf, "−∞"),
        (np.nan, "–"),
        (Estimate(np.inf, (np.inf, np.inf)), "∞"),
        (100.0, "100"),
    ],
)
def test_numbers_show_three_digits(value, text):
    assert number_text(value) == text


def test_a_table_has_a_row_for_each_entry_and_units_in_its_headings():
    entries = [
        Entry("shrink", 20, Estimate(18.7, (18.4, 19.1))),
        Entry("nothing", None, Estimate(77.0, (72, 82), note="at least")),
    ]
    table = ranking_table(entries, "epoch")
    assert table.count("<tr>") == 3
    assert "predicted mean (epochs)" in table
    assert "18.7 (18.4–19.1)" in table
    assert "77 (72–82), at least" in table


def test_hostile_names_stay_text():
    table = ranking_table([Entry("<script>alert(1)</script>\"'", 1, Estimate(1.0, (1.0, 1.0)))])
    assert "<script" not in table
    assert "&lt;script&gt;" in table


def test_nothing_to_rank_is_no_table():
    assert ranking_table([]) == ""


def test_entries_of_no_dataclass_are_one_cell():
    assert '<td data-heading="alternative">wait</td>' in ranking_table(["wait"])


@pytest.mark.parametrize("optimistic", [True, False])
def test_a_mean_that_is_a_bound_says_so_where_its_speed_up_would_stand(optimistic):
    entry = Candidate("kick", 5, Estimate(8.35, (7.9, 8.8)), None, None, 0.9, None, None, optimistic)
    table = ranking_table([entry], "epoch")
    assert ("no speed-up can be stated: its mean is a lower bound" in table) is optimistic
    assert (">at most 90 % of resamples<" in table) is optimistic
    assert "at best" not in table
    assert ">optimistic<" not in table


def cells(table, heading):
    """The texts of one column, best alternative first."""
    return re.findall(rf'data-heading="{re.escape(heading)}">([^<]*)<', table)


def test_what_was_measured_and_what_is_predicted_have_columns_of_their_own():
    """One number under the other's heading would say that a prediction was made which nobody made."""
    tried, alone = Estimate(20.6, (16.8, 25.9)), Estimate(42.7, (34.0, 51.9), note="a lower bound")
    entries = [
        Candidate("reset", 9, Estimate(23.8, (16.7, 38.9)), None, None, 1.0, 9, tried, measured_mean=tried),
        Candidate("nothing", None, alone, None, None, 0.0, None, None, optimistic=True),
        Candidate("kick", 80, Estimate(61.5, (45.9, 76.0)), None, None, 0.0, 40, alone),
        Candidate("other", 5, None, None, None, 0.0, None, None, measured_mean=Estimate(70.0, (60.0, 80.0))),
    ]
    table = ranking_table(entries, "epoch")
    assert cells(table, "measured mean (epochs)") == [
        "20.6 (16.8–25.9)",
        "42.7 (34–51.9), a lower bound",
        "–",
        "70 (60–80)",
    ]
    assert cells(table, "predicted mean (epochs)") == ["23.8 (16.7–38.9)", "–", "61.5 (45.9–76)", "–"]
    assert cells(table, "worth one test: interval (epochs)") == ["–", "–", "40", "–"]
    assert "residual" not in table  # nobody has one


def test_columns_that_say_nothing_are_left_out():
    table = ranking_table([Entry("wait", None, Estimate(1.0, (0.5, 2.0)))])
    assert cells(table, "interval") == []
    assert cells(table, "predicted mean") == ["1 (0.5–2)"]
