"""When to cut the learning rate: by gain, by equivalence, by the ratio of the paper, by a budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from thermograd.errors import NotApplicableError
from thermograd.quantities import Verdict

if TYPE_CHECKING:
    from thermograd.training.watch import Watch

_BUDGET_LEFT = (0.2, 0.1)


class CutRule(Protocol):
    """Reads a watch; a verdict that holds means cut."""

    def decide(self, watch: Watch) -> Verdict:
        """Whether to cut now."""


@dataclass(frozen=True)
class Equivalence:
    """Cut when training has equilibrated.

    Attributes:
        strict: with relaxed slow directions.

    >>> import torch, thermograd as tg
    >>> weight = torch.nn.Parameter(torch.zeros(1))
    >>> Equivalence(strict=True).decide(tg.watch(torch.optim.SGD([weight], lr=0.1))).kind
    'warming_up'
    """

    strict: bool = False

    def decide(self, watch: Watch) -> Verdict:
        """Whether to cut now."""
        return watch.verdict(self.strict)


@dataclass(frozen=True)
class Gain:
    """Cut when it takes more off the loss than doubling the time at this rate would.

    Where the two cannot be told apart, training that has equilibrated is cut.

    Attributes:
        factor: the new rate over the old one.

    >>> import torch, thermograd as tg
    >>> weight = torch.nn.Parameter(torch.zeros(1))
    >>> print(Gain(factor=0.5).decide(tg.watch(torch.optim.SGD([weight], lr=0.1))))
    undecided: 0 epochs with losses at this learning rate so far; 16 are needed.
    """

    factor: float = 0.1

    def decide(self, watch: Watch) -> Verdict:
        """Whether to cut now."""
        sentence, found = watch.weighing(self.factor)
        if found is None:
            return Verdict(None, "warming_up", sentence)
        settled = watch.verdict()
        if found.verdict.kind == "undecided" and settled.holds:
            return Verdict(True, "equilibrated", f"{sentence} But: {settled.text}", found.verdict.evidence)
        return Verdict(found.verdict.holds, found.verdict.kind, sentence, found.verdict.evidence)


@dataclass(frozen=True)
class Ratio:
    """Cut when half-running means about the origin agree (Yaida, arXiv 1810.00004, section 3.3).

    Attributes:
        threshold: X, of |O_L/O_R − 1|.

    >>> import torch, thermograd as tg
    >>> weight = torch.nn.Parameter(torch.zeros(1))
    >>> optimizer = torch.optim.SGD([weight], lr=0.5)
    >>> watch = tg.watch(optimizer, steps_per_epoch=1)
    >>> for kick in torch.randn(40, generator=torch.Generator().manual_seed(0)):  # a shaken parabola
    ...     weight.grad = weight.detach() + kick
    ...     optimizer.step()
    >>> Ratio(threshold=0.05).decide(watch).kind, Equivalence().decide(watch).kind  # few steps
    ('ratio_near_1', 'undecided')
    """

    threshold: float = 0.01

    def decide(self, watch: Watch) -> Verdict:
        """Whether to cut now."""
        try:
            ratio = watch.fluctuation_dissipation(centre="origin").ratio
        except NotApplicableError as error:
            return Verdict(None, "warming_up", str(error))
        near = abs(ratio.value - 1) < self.threshold
        text = f"O_L/O_R = {ratio.value:.4f} about the origin, {'' if near else 'not '}within {self.threshold:g} of 1"
        return Verdict(near, "ratio_near_1" if near else "ratio_not_near_1", text, {"ratio": ratio.value})


def by_budget(step: int, total_steps: int, cuts: Sequence[int]) -> Verdict:
    """Whether the budget asks for a cut: a first one when 20 % of it is left, a second when 10 % is.

    Args:
        step: optimiser steps done.
        total_steps: the budget.
        cuts: steps of the cuts so far.

    Returns:
        The verdict; it does not hold where there were as many cuts already.

    >>> by_budget(80, 100, []).holds, by_budget(81, 100, [80]).holds, by_budget(90, 100, [80]).holds
    (True, False, True)
    """
    due = [left for left in _BUDGET_LEFT if step >= round((1 - left) * total_steps)]
    if len(cuts) < len(due):
        text = f"{100 * due[-1]:.0f} % of the {total_steps} steps are left: cut on the budget"
        return Verdict(True, "budget", text, {"step": step, "total_steps": total_steps})
    return Verdict(False, "budget", "more of the budget is left", {"step": step, "total_steps": total_steps})
