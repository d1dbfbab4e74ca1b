from __future__ import annotations

import pytest

from thermograd.reproductions import running_reliability
from thermograd.reproductions.reproduction import PROMISE, Settings
from thermograd.reproductions.running_counted import Counted
from thermograd.reproductions.running_document import document
from thermograd.reproductions.running_plan import PLAN, PlannedRow
from thermograd.reproductions.running_reliability import PlayedRow, reproduce


@pytest.mark.parametrize(
    ("counted", "rate", "holds"),
    [
        (Counted("a", "b", 300), "failure rate < 1 % at 95 %", True),
        (Counted("a", "b", 15), "failure rate < 20 % at 95 %", True),
        (Counted("a", "b", 3), "held, in too few rounds for a rate", True),
        (Counted("a", "b", 157, exhaustive=True), "exhaustive: there is no other case", True),
        (Counted("a", "b", 9, ("x", "y")), "2 of 9 failed", False),
        (Counted("a", "b", 0, missing="no Dask"), "", None),
        (Counted("a", "b", 9, ("x",), control=True), "", True),
        (Counted("a", "b", 9, control=True), "", False),
    ],
)
def test_what_follows_from_counts(counted, rate, holds):
    assert counted.rate == rate
    assert counted.verdict.holds is holds
    assert counted.row().cells(PROMISE)[:2] == ("a", "b")


def test_failures_are_shown_and_the_rest_is_counted():
    shown = Counted("a", "b", 9, ("one", "two", "three", "four")).verdict.text
    assert shown == "one; two; three; and 1 more"


def test_counts_of_the_bound():
    """(1 − 3/n)ⁿ is at most 5 %: n rounds without a failure would be that improbable at the rate of the bound."""
    assert all((1 - 3 / n) ** n <= 0.05 for n in (4, 15, 300, 20_000))


def test_a_row_at_a_time_and_a_page(monkeypatch):
    """No run is made: rows that tell how often they were asked to be played."""

    def rounds(harness, count, seed):
        del harness, seed
        return Counted("some | thing", "must hold", count, detail="a detail")

    plan = {"one": PlannedRow(rounds, 5, 50), "two": PlannedRow(rounds, 7, 70)}
    monkeypatch.setattr(running_reliability, "PLAN", plan)
    monkeypatch.setattr(running_reliability, "harness", Nothing)
    first, second = reproduce(Settings())
    assert (first.complete, second.complete) == (False, True)
    assert second.columns()["found"] == ["0 of 5 rounds failed; a detail", "0 of 7 rounds failed; a detail"]
    assert second.conclusion().holds is True
    *_, night = reproduce(Settings(full=True))
    assert night.columns()["found"][0] == "0 of 50 rounds failed; a detail"

    page = document(list(running_reliability.play(Settings(full=True))), full=True)
    assert "| some \\| thing (a detail) | 50 | must hold | 0 | failure rate < 6 % at 95 % | holds |" in page
    failing = document([PlayedRow("bad", Counted("a", "b", 9, ("x",)), 1.0)], full=False)
    assert "| a | 9 | b | 1 | 1 of 9 failed | **fails**: x |" in failing


class Nothing:
    """In place of a harness."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


def test_a_plan_is_played_less_when_there_is_little_time():
    for row in PLAN.values():
        assert row.nightly is None or (row.quick is not None and row.quick < row.nightly)
