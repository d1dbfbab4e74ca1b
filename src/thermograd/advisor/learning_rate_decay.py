"""Advice on the learning rate of a watched training: cut it, wait, or do not wait, and what that gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from thermograd.advisor.wording import number
from thermograd.errors import NotApplicableError
from thermograd.estimators.waiting_or_cutting import cutting as price_of
from thermograd.quantities import Advice, Estimate, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thermograd.training.watch import Watch

__all__ = ["Alternative", "advise"]

_LATE_CUT = 0.2


@dataclass(frozen=True, eq=False)
class Alternative:
    """One way to go on.

    Attributes:
        name: "cut", "wait", "wait, then cut".
        steps: optimiser steps it takes; 0 for a cut.
        gain: by how much it lowers the training loss.
        note: what it takes for granted.

    >>> print(Alternative("cut", 0, Estimate(0.056, (0.055, 0.0571), level=0.9)))
    cut: the training loss falls by 0.056 [0.055, 0.0571]
    """

    name: str
    steps: int
    gain: Estimate
    note: str = ""

    def __str__(self) -> str:
        takes = f" ({self.steps} steps)" if self.steps else ""
        why = f" ({self.note})" if self.note else ""
        return f"{self.name}{takes}: the training loss falls by {_brackets(self.gain)}{why}"


def advise(watch: Watch, factor: float = 0.1) -> Advice:
    """Whether to cut the learning rate now, to wait and how long, or not to wait.

    A cut takes about (1 − factor) O_R/2 off the training loss, with O_R the fluctuation term of Yaida
    (arXiv 1810.00004, Eq FDR1'); waiting takes off what the recorded losses promise for as long again as
    training has taken so far (`thermograd.estimators.waiting_or_cutting`). Where losses were recorded and the
    two differ, that decides; else the verdict of the watch does. "wait, then cut" is what a budget of twice the
    steps so far would give, with the cut when a fifth of the new steps is left, when it costs nothing.

    Args:
        watch: of a training.
        factor: the new rate over the old one.

    Returns:
        The recommendation, the ranking of `Alternative`s (what is recommended first, then by gain), the verdict of
        the watch and that of the weighing, and caveats.

    Raises:
        ValueError: a factor that is no cut.

    >>> import torch, thermograd as tg
    >>> watch = tg.watch(torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], lr=0.1), steps_per_epoch=5)
    >>> print(advise(watch).recommendation)
    Train on and ask again: nothing can be said yet.
    """
    settled = watch.verdict()
    waiting, cutting, weighed = _prices(watch, factor)
    alternatives = _alternatives(watch, waiting, cutting)
    found = _Found(watch, factor, settled, weighed, waiting, cutting)
    recommendation, first = found.recommend()
    ranking = sorted(alternatives, key=lambda one: (one.name != first, -float(one.gain.value)))
    return Advice(recommendation, tuple(ranking), (settled, weighed), tuple(_caveats(watch, cutting)))


@dataclass(frozen=True, eq=False)
class _Found:
    """What the recommendation is made of."""

    watch: Watch
    factor: float
    settled: Verdict
    weighed: Verdict
    waiting: Estimate | None
    cutting: Estimate | None

    def recommend(self) -> tuple[str, str]:
        """The sentence, and the name of the alternative it recommends ("" for none)."""
        kind, weighing = self.settled.kind, self.weighed.kind
        if kind in _NOTHING_TO_WEIGH:
            return _NOTHING_TO_WEIGH[kind], ""
        if weighing in {"cutting_pays", "waiting_pays", "nothing_to_gain", "loss_rises"}:
            return self._by_gain(weighing)
        if kind == "equilibrated":
            return (
                f"Cut the learning rate {self._to()}, or stop: training has equilibrated{self._gain()}.",
                "cut",
            )
        if kind == "drifting":
            return (
                "Do not wait for equilibrium: the drift is steady, so it will not come as it is; cut on a budget "
                f"{self._to()}{self._gain()}, or add weight decay.",
                "wait, then cut",
            )
        if kind == "warming_up":
            return f"Train on and ask again: {self._since()}.", ""
        if self.waiting is not None and self.cutting is not None:
            return (
                f"Wait about {self._soon()} steps and ask again: {_brackets(self.waiting)} off the training loss by "
                f"waiting for as long again cannot be told from {number(float(self.cutting.value))} by a cut "
                f"{self._to()} yet.",
                "wait",
            )
        more = self.watch.steps_to_equilibrium()
        if more is None:
            return f"Wait about {self._soon()} steps and ask again: not decided yet.", "wait"
        return (
            f"Wait about {_steps(more)} steps until training has equilibrated, then cut {self._to()}.",
            "wait",
        )

    def _soon(self) -> int:
        """A quarter of the steps so far: sooner the answer is the same."""
        return max(self.watch.step // 4, 1)

    def _by_gain(self, weighing: str) -> tuple[str, str]:
        assert self.waiting is not None
        assert self.cutting is not None
        again = f"waiting for as long again ({self.watch.step} steps)"
        if weighing == "cutting_pays":
            return (
                f"Cut the learning rate {self._to()}: expected to take {number(float(self.cutting.value))} off the "
                f"training loss at once, {again} only {_brackets(self.waiting)}.",
                "cut",
            )
        if weighing == "waiting_pays":
            more = self.watch.steps_to_equilibrium()
            until = "" if more is None else f"; equilibrium is about {_steps(more)} steps away"
            return (
                f"Wait: {again} is expected to take {_brackets(self.waiting)} off the training loss, a cut "
                f"{self._to()} only {number(float(self.cutting.value))}{until}.",
                "wait",
            )
        if weighing == "nothing_to_gain":
            return (
                f"Do not cut: it would take only {number(float(self.cutting.value))} off the training loss, less "
                "than 1e-4 of it; stop, or look for the rest elsewhere than in the learning rate.",
                "",
            )
        return (
            f"Do not wait: at this rate the training loss rises ({_brackets(self.waiting)} off it in as long "
            f"again); a cut {self._to()} would take off about {number(float(self.cutting.value))}.",
            "cut",
        )

    def _to(self) -> str:
        rates = [float(group["lr"]) for group in self.watch.optimizer.param_groups]
        before, after = (
            ", ".join(dict.fromkeys(f"{f * rate:.4g}" for rate in rates)) for f in (1, self.factor)
        )
        return f"from {before} to {after}"

    def _gain(self) -> str:
        if self.cutting is None:
            return ""
        return f" (a cut is expected to take {number(float(self.cutting.value))} off the training loss)"

    def _since(self) -> str:
        blocks = self.settled.evidence.get("blocks")
        needed = self.settled.evidence.get("needed")
        if not blocks or needed is None:
            return "nothing can be said yet"
        return f"{blocks} of the {needed} blocks that a first verdict takes have passed at this learning rate"


_NOTHING_TO_WEIGH = {
    "not_finite": (
        "Do not wait: training is not finite any more; go back to weights from before, at a lower learning rate."
    ),
    "learning_rate_changing": (
        "Do not cut on top of a schedule: hold the learning rate for 32 epochs and ask again, or follow the schedule."
    ),
    "no_noise": "Do not cut: there is no noise that a cut could take away; train on while the loss falls, else stop.",
}


def _prices(watch: Watch, factor: float) -> tuple[Estimate | None, Estimate | None, Verdict]:
    """Gain of waiting, gain of cutting, the verdict on the two; without losses, SGD still has a price of a cut."""
    sentence, found = watch.weighing(factor)
    if found is not None:
        verdict = Verdict(found.verdict.holds, found.verdict.kind, sentence, dict(found.verdict.evidence))
        return found.waiting, found.cutting, verdict
    verdict = Verdict(None, "not_weighed", f"Waiting was not weighed against cutting: {sentence}.")
    try:
        fluctuation = watch.fluctuation_dissipation(centre="origin", form="sgd").fluctuation
    except NotApplicableError:
        return None, None, verdict
    return None, price_of(fluctuation, factor=factor), verdict


def _alternatives(watch: Watch, waiting: Estimate | None, cutting: Estimate | None) -> list[Alternative]:
    found = []
    if cutting is not None:
        found.append(Alternative("cut", 0, cutting))
    if waiting is not None:
        found.append(Alternative("wait", watch.step, waiting))
    if waiting is not None and cutting is not None:
        # The last fifth of the doubled time is spent at the new rate; the loss falls with the logarithm of time.
        both = Estimate(
            waiting.value + cutting.value,
            (waiting.low + cutting.low, waiting.high + cutting.high),
            waiting.level,
            waiting.pieces,
            "loss",
        )
        note = f"at most, with the cut when {_LATE_CUT:.0%} of these steps are left: a plan for a budget of that many"
        found.append(Alternative("wait, then cut", watch.step, both, note))
    return found


def _caveats(watch: Watch, cutting: Estimate | None) -> Sequence[str]:
    found = []
    if not any(group.get("weight_decay") for group in watch.optimizer.param_groups):
        found.append(
            "there is no weight decay in the optimizer: with a cross-entropy loss the weights may grow for ever, and no "
            "stationary state need exist"
        )
    if cutting is not None:
        if watch.steps_per_epoch:
            found.append(
                "if batches are drawn without replacement a cut takes once to twice the gain off the recorded losses and "
                "the rest of twice the gain off the loss over all samples; where learning rate times curvature times the "
                f"{watch.steps_per_epoch} steps of an epoch is small, next to nothing off the latter"
            )
        found.append(
            "the gain of a cut assumes a valley that is locally a parabola, and losses are those of training: with "
            "dropout or augmentation on, they include its noise"
        )
    level = f"{100 * watch.window.settings['level']:g} %"
    found.append(f"intervals hold at {level} for one look, not for looking at every block end")
    return found


def _steps(more: Estimate) -> str:
    value, low, high = (number(float(f"{one:.2g}")) for one in (more.value, more.low, more.high))
    return f"{value} ({low} to {high})"


def _brackets(gain: Estimate) -> str:
    value, low, high = (number(float(one)) for one in (gain.value, gain.low, gain.high))
    return f"{value} [{low}, {high}]"
