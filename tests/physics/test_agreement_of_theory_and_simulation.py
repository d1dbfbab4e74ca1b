"""The harness behind docs/agreement.md: it flags a theory that is off, and the page is that of its comparisons."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
COVARIANCE = np.array([[2.0, 0.6], [0.6, 1.0]])


@pytest.fixture(scope="module")
def harness(benchmark_script):
    return benchmark_script("agreement")


def compared(harness, covariance, why=""):
    """Mean and covariance of 4000 normal points against those given; fixed seed."""
    comparison = importlib.import_module("agreement_cases.comparison")
    points = np.random.default_rng(0).multivariate_normal([1.0, -1.0], COVARIANCE, size=(4000, 1))
    scores = comparison.from_moments(points, np.array([1.0, -1.0]), covariance)
    return harness.Compared(comparison.Comparison("theory", "simulation", lambda: scores, why), scores)


def test_the_right_theory_agrees(harness):
    found = compared(harness, COVARIANCE)
    assert found.scores.size == 5
    assert found.agrees
    assert harness.line(found).endswith("| yes |")


def test_a_theory_that_is_ten_per_cent_off_is_flagged(harness):
    """Negative control: the standard error of a variance from 4000 points is 2.2 %."""
    found = compared(harness, 1.1 * COVARIANCE)
    assert not found.agrees
    assert harness.line(found).endswith("**no**: not explained |")
    assert "on purpose" in harness.line(compared(harness, 1.1 * COVARIANCE, why="on purpose"))


def test_the_chance_is_that_of_the_largest_of_so_many(harness):
    """Of n normal numbers the largest is beyond z with probability 1 − (1 − p)ⁿ, so this is uniform: mean ½ within 4 σ."""
    comparison = compared(harness, COVARIANCE).comparison
    drawn = np.random.default_rng(1).normal(size=(500, 7))
    chances = [harness.Compared(comparison, scores).chance for scores in drawn]
    assert abs(np.mean(chances) - 0.5) < 4 / np.sqrt(12 * 500)


def test_the_page_is_that_of_the_comparisons(harness):
    page = (ROOT / "docs" / "agreement.md").read_text(encoding="utf-8")
    for comparisons in harness.phenomena().values():
        for one in comparisons:
            assert f"| {one.theory} | {one.simulation} |" in page
    assert "not explained" not in page
