"""All reproductions together: what was made, what could not be, what is to come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from thermograd.quantities import Verdict
from thermograd.reproductions.reproduction import Reproduction

TO_COME = "to come"


@dataclass(frozen=True, eq=False)
class Part:
    """One reproduction among all.

    Attributes:
        name: of the reproduction, "first_passage".
        experiment: which of its experiments.
        subject: what it is about, and whose.
        full: at the paper's full size.
        commands: command lines that give it again, and its other experiments.
        found: its table; None as long as there is none.
        missing: why it could not be made; "" if it could, or is to come.
    """

    name: str
    experiment: str
    subject: str
    full: bool = False
    commands: Sequence[str] = ()
    found: Reproduction | None = None
    missing: str = ""

    @property
    def folder(self) -> str:
        """Where its own page lies, beside the page of all."""
        return f"{self.name}-{self.experiment}"

    @property
    def state(self) -> str:
        """How far it is, in words."""
        if self.missing:
            return f"not made: {self.missing}"
        if self.found is None:
            return TO_COME
        return "made" if self.found.complete else "still under way"

    def counts(self) -> dict[str, int]:
        """How many of its rows agree or hold, differ or fail, and are open."""
        answers = Counter(row.verdict.holds for row in (self.found.rows if self.found else ()))
        return {"agrees or holds": answers[True], "differs or fails": answers[False], "open": answers[None]}


@dataclass(frozen=True, eq=False)
class Overview:
    """Every reproduction, in the order of the page.

    Attributes:
        parts: one each.
    """

    parts: tuple[Part, ...]

    def updated(self, place: int, **changes: Any) -> Overview:
        """The same with fields of one part replaced."""
        parts = list(self.parts)
        parts[place] = replace(parts[place], **changes)
        return replace(self, parts=tuple(parts))

    @property
    def complete(self) -> bool:
        """Whether nothing is under way or to come."""
        return all(part.missing or (part.found and part.found.complete) for part in self.parts)

    @property
    def flawless(self) -> bool:
        """Whether all could be made and no row contradicts."""
        return not any(part.missing or (part.found and part.found.contradicted) for part in self.parts)

    def conclusion(self) -> Verdict:
        """Whether anything contradicts, as one sentence."""
        counts: Counter[str] = sum((Counter(part.counts()) for part in self.parts), Counter())
        agree, differ, open_ = (counts[name] for name in self.parts[0].counts()) if self.parts else (0, 0, 0)
        missing = sum(bool(part.missing) for part in self.parts)
        coming = sum(not part.missing and part.state != "made" for part in self.parts)
        text = f"{len(self.parts)} reproductions: {agree} rows agree or hold, {open_} cannot be decided, "
        text += f"{differ} differ or fail."
        text += f" {missing} could not be made." if missing else ""
        text += f" {coming} still to come." if coming else ""
        holds = False if differ else True if agree and not missing and not coming else None
        return Verdict(holds, "reproduced", text, dict(counts) | {"missing": missing, "to_come": coming})

    def content(self) -> dict[str, Any]:
        """Everything but the figures, for programs, of plain types."""
        return {
            "complete": self.complete,
            "reproductions": [part.found.content() for part in self.parts if part.found],
            "missing": [
                {"reproduction": part.name, "experiment": part.experiment, "why": part.missing}
                for part in self.parts
                if part.missing
            ],
        }
