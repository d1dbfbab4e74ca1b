"""The pages of trust are what the measurements on disk say, and none of what was missed or outside is lost on the way."""

from __future__ import annotations

import ast
import dataclasses
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "thermograd"


@pytest.fixture(scope="module")
def trust(benchmark_script):
    return benchmark_script("trust")


@pytest.fixture(scope="module")
def sources(trust):
    return trust.sources()


@pytest.mark.parametrize("name", ["trust.md", "benchmarks.md", "coverage.md"])
def test_a_page_is_up_to_date(trust, sources, name):
    found = (ROOT / "docs" / name).read_text("utf-8")
    assert found == trust.pages(sources)[name], f"docs/{name} is out of date: make trust"


@pytest.mark.parametrize("name", ["coverage", "agreement", "reliability", "benchmarks"])
def test_a_changed_source_is_noticed(trust, sources, name):
    """Negative control: another count, or another bar."""
    text = getattr(sources, name)
    found = {"coverage": " of 400", "agreement": "| yes |", "reliability": "| 0 |", "benchmarks": "<= 2 |"}[
        name
    ]
    other = {
        "coverage": " of 401",
        "agreement": "| **no** |",
        "reliability": "| 1 |",
        "benchmarks": "<= 3 |",
    }[name]
    assert found in text
    changed = dataclasses.replace(sources, **{name: text.replace(found, other)})
    assert trust.pages(changed) != trust.pages(sources)


def test_every_missed_bar_is_on_the_page(trust, sources):
    """In the tables of the benchmarks as on the page, each missed bar has one mark."""
    marked = sources.benchmarks.count("**missed")
    assert marked > 30
    assert trust.pages(sources)["benchmarks.md"].count("**missed") == marked
    assert trust.pages(sources)["trust.md"].count("**") > 0


def test_a_page_that_is_laid_out_keeps_every_row_and_sums_up_every_law(trust, sources):
    """A law whose interval is too narrow shows in what stands before the fold, and no row of a law is lost."""
    plain = "# Title\n\nMade.\n\n## A thing\n\n" + "\n\n".join(
        f"**Law {place}**\n\n| interval of | truth | covered in | wanted |\n|---|---|---|---|\n"
        f"| mean at t = {place} | 1 | 1 of 2 = **{share} %** (0 to 1) | 93 to 97 %: {answer} |"
        for place, share, answer in ((1, 95.0, "yes"), (2, 88.1, "**no**: few"), (3, 99.0, "**no**: whole"))
    )
    page = trust.laid_out(plain)
    before, _, below = page.partition("<details")
    assert "| mean | 3 | 88.1 to 99.0 | 93 to 97 | **1 narrow**, **1 wide** | few; whole |" in before
    assert "| all | 3 | 1 | 1 | 1 | 0 | 0 |" in before
    assert [line for line in plain.splitlines() if line.startswith("| mean")] == [
        line for line in below.splitlines() if line.startswith("| mean")
    ]
    assert trust.laid_out(page) == page
    assert sum(len(one.rows) for one in trust.tables(sources.coverage) if "wanted" in one.head[-1:]) > 300


def test_every_bar_says_where_when_and_how(trust, sources):
    for bar in trust.bars(sources.benchmarks):
        assert bar.command.startswith("python benchmarks/"), bar
        assert bar.when.startswith("2026-"), bar
        assert "cores" in bar.when, bar


def test_every_row_outside_its_range_is_on_the_page(trust, sources):
    """Those of verdicts one by one, those of intervals by number."""
    page = trust.pages(sources)["trust.md"]
    for table in trust.tables(sources.coverage):
        outside = [row for row in table.rows if "**no**" in row[-1]]
        if table.head[0].endswith(" says"):
            assert all(row[-1] in page for row in outside)
    assert "not explained" not in page


def test_every_module_that_speaks_verdicts_is_counted_or_says_why_not(trust, sources):
    """So that a new verdict does not go by uncounted; reproductions compare with papers and have their own page."""
    counted = sys.modules["trust_parts.not_counted"]
    speaking = {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        for path in PACKAGE.rglob("*.py")
        if "reproductions" not in path.parts and path.name != "quantities.py" and makes_verdicts(path)
    }
    assert speaking == set(counted.COUNTED) | set(counted.NOT_COUNTED)
    assert {f"| `{name}` says |" in sources.coverage for name in counted.COUNTED.values()} == {True}


def makes_verdicts(path):
    text = path.read_text("utf-8")
    return "Verdict(" in text and any(
        isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Verdict"
        for node in ast.walk(ast.parse(text))
    )
