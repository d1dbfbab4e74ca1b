"""What a reproduction gives: rows `paper | ours | verdict`, figures, and what was run."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from thermograd.quantities import Estimate, Verdict
from thermograd.report.figure import Figure
from thermograd.report.ranking import number_text


@dataclass(frozen=True)
class Wording:
    """What the columns of a table are called, and its answers.

    Attributes:
        headings: of the four columns.
        true: the answer where the verdict holds, in one word.
        false: where it does not.
        counted: how many rows do, for a sentence: "3 of 4 rows agree".
    """

    headings: tuple[str, str, str, str]
    true: str
    false: str
    counted: tuple[str, str]

    def answer(self, verdict: Verdict) -> str:
        """A verdict in one word."""
        return {True: self.true, False: self.false, None: "open"}[verdict.holds]


PAPER = Wording(("quantity", "paper", "ours", "verdict"), "agrees", "differs", ("agree", "differ"))
"""A paper's numbers beside ours."""
PROMISE = Wording(("what", "must hold", "found", "verdict"), "holds", "fails", ("hold", "fail"))
"""What we promise beside what was found."""


@dataclass(frozen=True, eq=False)
class Row:
    """One number: what the paper says, what we find, and whether the two agree.

    Attributes:
        quantity: what it is, with its unit.
        paper: what the paper says, in its words; "not stated" if it does not.
        ours: what we find: a number with its interval, or words.
        verdict: True where ours covers the paper's, False where it does not, None where that cannot be decided.
    """

    quantity: str
    paper: str
    ours: Estimate | str
    verdict: Verdict

    def cells(self, wording: Wording = PAPER) -> tuple[str, str, str, str]:
        """The row as text, in the order of the headings."""
        return self.quantity, self.paper, self._ours(), f"{wording.answer(self.verdict)}: {self.verdict.text}"

    def content(self) -> dict[str, Any]:
        """The row for programs, of plain types; what is not finite is None."""
        ours: dict[str, Any] = {"text": self._ours()}
        if isinstance(self.ours, Estimate):
            low, high = self.ours.interval
            ours |= {"value": _finite(self.ours.value), "interval": [_finite(low), _finite(high)]}
            ours["level"] = self.ours.level
        verdict = {"holds": self.verdict.holds, "kind": self.verdict.kind, "text": self.verdict.text}
        return {"quantity": self.quantity, "paper": self.paper, "ours": ours, "verdict": verdict}

    def _ours(self) -> str:
        if isinstance(self.ours, str):
            return self.ours
        known = not np.isnan(self.ours.low) or not np.isnan(self.ours.high)
        text = number_text(self.ours) if known else number_text(float(self.ours.value))
        return f"{text}; {self.ours.note}" if self.ours.note else text


@dataclass(frozen=True, eq=False)
class Reproduction:
    """The table of one experiment with its figures; one that is still under way says so.

    Attributes:
        name: of the reproduction, "first_passage".
        experiment: which of its experiments.
        title: heading of the page.
        rows: the table.
        figures: drawings, in the order of the page.
        facts: (name, value) of what was run, or read.
        complete: whether anything is still to come.
        wording: what the columns and answers are called.
    """

    name: str
    experiment: str
    title: str
    rows: Sequence[Row] = ()
    figures: Sequence[Figure] = ()
    facts: Sequence[tuple[str, str]] = ()
    complete: bool = True
    wording: Wording = PAPER

    @property
    def contradicted(self) -> tuple[Row, ...]:
        """The rows in which ours does not cover the paper's."""
        return tuple(row for row in self.rows if row.verdict.holds is False)

    def conclusion(self) -> Verdict:
        """Whether anything contradicts the paper, as one sentence."""
        words = self.wording
        answers = [words.answer(row.verdict) for row in self.rows]
        counts = {answer: answers.count(answer) for answer in (words.true, words.false, "open")}
        agree, differ = words.counted
        text = f"{counts[words.true]} of {len(answers)} rows {agree}, {counts['open']} cannot be decided, "
        text += f"{counts[words.false]} {differ}" + ("" if self.complete else "; more rows are to come") + "."
        if self.contradicted:
            return Verdict(False, "reproduced", text, counts)
        return Verdict(True if self.complete and counts[words.true] else None, "reproduced", text, counts)

    def columns(self) -> dict[str, list[str]]:
        """The table column by column, as text."""
        cells = [row.cells(self.wording) for row in self.rows]
        return {name: [row[place] for row in cells] for place, name in enumerate(self.wording.headings)}

    def content(self) -> dict[str, Any]:
        """Everything but the figures, for programs, of plain types."""
        return {
            "reproduction": self.name,
            "experiment": self.experiment,
            "complete": self.complete,
            "contradicted": len(self.contradicted),
            "rows": [row.content() for row in self.rows],
            "facts": dict(self.facts),
        }


@dataclass(frozen=True)
class Settings:
    """How a reproduction is asked for.

    Attributes:
        live: train, instead of reading recorded runs.
        full: at the paper's full size.
        changes: what is to differ from the experiment as it is, name to text, of what it says can be set.
        seed: seed of all randomness.
        say: told what is being done.
    """

    live: bool = False
    full: bool = False
    changes: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    say: Callable[[str], None] = field(default=lambda _: None)


Stages = Iterator[Reproduction]
"""A reproduction in stages, each holding all of the one before; the last is complete."""


@dataclass(frozen=True)
class ReproductionExperiment:
    """One experiment of a reproduction.

    Attributes:
        summary: one line for a list.
        run: what runs it.
        options: which of "live" and "full" it knows.
        settable: names of what can be set.
    """

    summary: str
    run: Callable[[Settings], Stages]
    options: frozenset[str] = frozenset()
    settable: frozenset[str] = frozenset()


Experiments = Mapping[str, ReproductionExperiment]
"""The experiments of a reproduction by name; the first one is the default."""


def _finite(value: Any) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None
