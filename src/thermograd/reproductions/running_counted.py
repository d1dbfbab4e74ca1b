"""How often something was tried, how often it failed, and what follows from that."""

from __future__ import annotations

from dataclasses import dataclass

from thermograd.quantities import Verdict
from thermograd.reproductions.reproduction import Row

NOTICED = "some round fails: the harness notices"
"""What must hold of a negative control."""
_SHOWN = 3


@dataclass(frozen=True)
class Counted:
    """The outcome of the rounds of one row.

    Attributes:
        what: what was done to a run.
        must_hold: what must hold in every round.
        rounds: how many rounds were played.
        failures: one line for each round in which it did not hold.
        exhaustive: whether there are no other rounds than these.
        control: whether something was broken on purpose, so that rounds must fail.
        detail: what else was counted.
        missing: why not a single round could be played here, "" if they were.

    >>> counted = Counted("SIGKILL at a random time", "final numbers equal", 300)
    >>> counted.rate, counted.verdict.holds
    ('failure rate < 1 % at 95 %', True)
    """

    what: str
    must_hold: str
    rounds: int
    failures: tuple[str, ...] = ()
    exhaustive: bool = False
    control: bool = False
    detail: str = ""
    missing: str = ""

    @property
    def rate(self) -> str:
        """What the number of rounds says about all others: (1 − p)ⁿ = 0.05 for p = 3/n, nearly."""
        if self.control or not self.rounds:
            return ""
        if self.failures:
            return f"{len(self.failures)} of {self.rounds} failed"
        if self.exhaustive:
            return "exhaustive: there is no other case"
        bound = 300 / self.rounds
        return (
            f"failure rate < {bound:.2g} % at 95 %" if bound < 100 else "held, in too few rounds for a rate"
        )

    @property
    def verdict(self) -> Verdict:
        """Whether the promise was kept; of a control, whether the harness noticed."""
        evidence = {"rounds": self.rounds, "failures": len(self.failures), "exhaustive": self.exhaustive}
        if not self.rounds:
            return Verdict(None, "reliability", self.missing or "no round was played", evidence)
        if self.control:
            text = "caught" if self.failures else "not caught: the harness is blind to this fault"
            return Verdict(bool(self.failures), "negative_control", text, evidence)
        if self.failures:
            shown = "; ".join(self.failures[:_SHOWN])
            more = len(self.failures) - _SHOWN
            return Verdict(False, "reliability", shown + (f"; and {more} more" if more > 0 else ""), evidence)
        return Verdict(True, "reliability", self.rate, evidence)

    @property
    def found(self) -> str:
        """Rounds and failures in words."""
        if not self.rounds:
            return "not run"
        if self.control:
            return f"noticed in {len(self.failures)} of {self.rounds} rounds"
        return f"{len(self.failures)} of {self.rounds} rounds failed" + (
            f"; {self.detail}" if self.detail else ""
        )

    def row(self) -> Row:
        """The row of a table."""
        return Row(self.what, self.must_hold, self.found, self.verdict)
