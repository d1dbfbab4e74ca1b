"""The harness behind docs/coverage.md: it flags intervals that are too narrow, and the page is that of its cases."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
RUNS, HAZARD, HORIZON = 400, 0.02, 45


@pytest.fixture(scope="module")
def harness(benchmark_script):
    return benchmark_script("coverage")


def normal_mean(harness, width, why=""):
    """The mean of 25 normal numbers of variance 1, plus and minus `width` standard errors."""

    def estimate(values):
        return [(values.mean() - width / 5, values.mean() + width / 5)]

    row = harness.Row("mean", 0.0, why_fewer=why)
    return harness.coverage_cases.case.Coverage(
        "normal", (row,), lambda generator: generator.normal(size=25), estimate, 2000
    )


def result(harness, case):
    return harness.results(case, harness.observed(case, 0, case.sets), case.sets)[0]


def test_an_exact_interval_passes(harness):
    # 2000 data sets know 95 % to 0.5 %: 4 sigma from either end of the range.
    found = result(harness, normal_mean(harness, 1.96))
    assert found.inside
    assert found.interval[0] < 0.95 < found.interval[1]
    assert "93 to 97 %: yes" in harness.line(found)


@pytest.mark.parametrize("width", [1.6, 2.6])
def test_an_interval_that_is_too_narrow_or_too_wide_is_flagged(harness, width):
    """Negative controls: true coverage 89 % and 99 %."""
    found = result(harness, normal_mean(harness, width))
    assert not found.inside
    assert found.unexplained
    assert "**no**: not explained" in harness.line(found)


def test_a_reason_holds_for_one_side_only(harness):
    assert not result(harness, normal_mean(harness, 1.6, why="on purpose")).unexplained
    assert result(harness, normal_mean(harness, 2.6, why="on purpose")).unexplained


def test_taking_the_censoring_time_for_an_arrival_is_flagged(harness):
    def naive(times):
        seen = np.minimum(times, HORIZON)
        half = 2 * seen.std() / np.sqrt(RUNS)
        return [(seen.mean() - half, seen.mean() + half)]

    row = harness.Row("mean", 1 / HAZARD)
    case = harness.coverage_cases.case.Coverage(
        "geometric", (row,), lambda draw: draw.geometric(HAZARD, RUNS), naive, 100
    )
    assert result(harness, case).share < 0.05


def test_an_interval_that_is_not_given_does_not_cover(harness):
    case = harness.coverage_cases.case.Coverage(
        "any", (harness.Row("none", 0.0),), lambda _: 0.0, lambda _: [None], 3
    )
    assert result(harness, case).observed == 0


def test_blocks_of_data_sets_add_up(harness):
    case = normal_mean(harness, 1.0)
    parts = harness.observed(case, 0, 7) + harness.observed(case, 7, 20)
    assert (parts == harness.observed(case, 0, 20)).all()


def test_every_case_runs_and_the_page_is_theirs(harness):
    page = (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8")
    for cases in harness.phenomena().values():
        for case in cases:
            counts = harness.observed(case, 0, 2)
            assert counts.shape == (len(case.rows),)
            assert case.sets >= 400
            assert case.law[1:] in page
            assert all(f"| {row.quantity} |" in page for row in case.rows)
    assert "not explained" not in page


def test_cases_that_are_counted_anew_leave_the_rest_of_the_page(harness):
    page = (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8")
    tables = harness.blocks_of(page)
    assert {title for _, title in tables} == {
        harness.titled(case.law) for cases in harness.phenomena().values() for case in cases
    }
    kept = harness.page(tables, "Made")
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    assert [line for line in kept.splitlines() if line.startswith("| ")] == rows
