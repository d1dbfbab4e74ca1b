"""Cut the learning rate when training has equilibrated, or when a cut gives more than waiting would."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler

from thermograd.errors import NotApplicableError
from thermograd.estimators.trajectory_pieces import student
from thermograd.quantities import Verdict
from thermograd.training.optimizer_view import unwrapped
from thermograd.training.same_settings import check_same_settings
from thermograd.training.schedulers.cut_rules import CutRule, Equivalence, Gain, Ratio, by_budget
from thermograd.training.watch import Watch

Rule = Literal["auto", "gain", "equivalence", "ratio"]
_REALISED_FROM, _REALISED_TO = 3, 12


class ReduceLROnStationarity(LRScheduler):
    """A torch scheduler that needs no metric and cuts by itself; give `step` the loss and it weighs.

    Rules: `gain` cuts when doubling the time at this rate would lower the loss by less than the cut does, as the
    fluctuation-dissipation relation prices it, or when the two cannot be told apart and it has equilibrated; `equivalence` when the watch says `equilibrated`; `ratio` is the
    rule of Yaida (arXiv 1810.00004, section 3.3): |O_L/O_R − 1| < threshold of half-running means about the
    origin. `auto` is `gain` where losses are given and the price is known (SGD without nesterov, Adam, AdamW,
    RMSprop), else `equivalence`. With `total_steps` a cut made late costs nothing, so it is cut when equilibrated,
    at the latest when 20 % and again when 10 % of the budget is left. Decisions fall at the ends of the watch's
    blocks; after a cut the watch begins anew, so no evidence is used twice.

    Under DistributedDataParallel give every rank its scheduler: rank 0, whose losses are as good as any other's,
    decides for all.

    Args:
        optimizer: the one that is watched.
        watch: from `tg.watch`.
        rule: see above.
        factor: the new rate over the old; 0.1, with `ratio` 0.9 (Y = 0.1 in the paper).
        threshold: X of the rule `ratio`.
        min_lr: no group goes below it; one number, or one per group.
        cooldown: epochs after a cut in which none is tested.
        max_reductions: how many cuts at most.
        total_steps: optimiser steps of the whole training, if that is known.
        strict: `equivalence` asks for relaxed slow directions.

    Attributes:
        reductions: (step, rates before, rates after, text of the verdict) of every cut.
        gains: one `Verdict` per cut that compares the fall of the loss with the predicted one.

    Raises:
        ValueError: another optimizer than the watch's, or an argument that cannot be used.

    >>> import torch, thermograd as tg
    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
    >>> scheduler = ReduceLROnStationarity(optimizer, tg.watch(optimizer, steps_per_epoch=10))
    >>> scheduler.step()
    >>> scheduler.get_last_lr(), scheduler.reductions
    ([0.1], [])
    """

    def __init__(
        self,
        optimizer: Any,
        watch: Watch,
        *,
        rule: Rule = "auto",
        factor: float | None = None,
        threshold: float = 0.01,
        min_lr: float | Sequence[float] = 0.0,
        cooldown: int = 0,
        max_reductions: int | None = None,
        total_steps: int | None = None,
        strict: bool = False,
    ) -> None:
        given: object = watch
        if not isinstance(given, Watch):
            message = (
                f"watch is of type {type(given).__name__}; give what tg.watch(optimizer) returned, as in "
                "ReduceLROnStationarity(optimizer, watch)"
            )
            raise TypeError(message)
        # LRScheduler's own constructor would wrap optimizer.step, and step once.
        self.optimizer = optimizer
        self._inner = unwrapped(optimizer)
        if self._inner is not watch.optimizer:
            message = (
                f"the scheduler was given {_named(self._inner)}, but the watch is of {_named(watch.optimizer)}; "
                "give both the same optimizer"
            )
            raise ValueError(message)
        _check(rule, factor, threshold, cooldown, max_reductions, total_steps)
        self.watch, self.rule = watch, rule
        self.factor = (0.9 if rule == "ratio" else 0.1) if factor is None else float(factor)
        self.threshold, self.strict = threshold, strict
        self.cooldown, self.max_reductions, self.total_steps = cooldown, max_reductions, total_steps
        self.min_lrs = _per_group(min_lr, len(self._inner.param_groups))
        self.reductions: list[tuple[int, list[float], list[float], str]] = []
        self.gains: list[Verdict] = []
        self._pending: dict[str, Any] | None = None
        self._seen = watch.window.blocks_ended
        self.last_epoch = 0
        self._last_lr: list[float | Tensor] = [*self._rates()]
        self.base_lrs = [*self._rates()]

    def step(self, loss: float | Tensor | None = None) -> None:
        """Call once after every `optimizer.step()`.

        Args:
            loss: training loss of the step, optional; a tensor stays on its device.
        """
        self.last_epoch += 1
        if loss is not None:
            self.watch.record_loss(loss)
        if self.watch.window.blocks_ended == self._seen and not self._budget_due():
            return
        self._seen = self.watch.window.blocks_ended
        self._compare()
        if self._may_cut():
            verdict = self._decision()
            if self._agreed(bool(verdict.holds)):
                self._cut(verdict)
        self._last_lr = [*self._rates()]

    def get_last_lr(self) -> list[float | Tensor]:
        """The present rate of every group."""
        return list(self._last_lr)

    def get_lr(self) -> list[float | Tensor]:
        """The present rate of every group."""
        return [*self._rates()]

    def decision(self) -> Verdict:
        """What the rule says now; `holds` means cut."""
        return self._decision()

    def state_dict(self) -> dict[str, Any]:
        """Of the scheduler alone; save the watch's too."""
        return {
            "settings": self._settings(),
            "reductions": [[step, list(old), list(new), text] for step, old, new, text in self.reductions],
            "gains": [[gain.holds, gain.kind, gain.text, dict(gain.evidence)] for gain in self.gains],
            "pending": self._pending,
            "seen": self._seen,
            "last_epoch": self.last_epoch,
            "last_lr": list(self._last_lr),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where another scheduler of the same settings was.

        Args:
            state_dict: from `state_dict`.

        Raises:
            ValueError: the settings differ; names them.
        """
        check_same_settings(state_dict["settings"], self._settings(), "scheduler")
        self.reductions = [
            (int(step), list(old), list(new), str(text)) for step, old, new, text in state_dict["reductions"]
        ]
        self.gains = [
            Verdict(holds, kind, text, evidence) for holds, kind, text, evidence in state_dict["gains"]
        ]
        self._pending = state_dict["pending"]
        self._seen = int(state_dict["seen"])
        self.last_epoch, self._last_lr = int(state_dict["last_epoch"]), [*state_dict["last_lr"]]

    def _settings(self) -> dict[str, Any]:
        names = (
            "rule",
            "factor",
            "threshold",
            "min_lrs",
            "cooldown",
            "max_reductions",
            "total_steps",
            "strict",
        )
        return {name: getattr(self, name) for name in names}

    def _decision(self) -> Verdict:
        if self.watch.window.not_finite is not None:
            return self.watch.verdict()
        if self.total_steps is not None:
            latest = by_budget(self.watch.step, self.total_steps, [step for step, *_ in self.reductions])
            return latest if latest.holds else self._equivalence().decide(self.watch)
        return self._rule().decide(self.watch)

    def _rule(self) -> CutRule:
        if self.rule == "ratio":
            return Ratio(self.threshold)
        known = self.watch.window.view.is_sgd or self.watch.window.view.is_preconditioned
        if self.rule == "gain" or (self.rule == "auto" and self.watch.window.has_losses and known):
            return Gain(self.factor)
        return self._equivalence()

    def _equivalence(self) -> CutRule:
        return Equivalence(self.strict)

    def _may_cut(self) -> bool:
        if self.max_reductions is not None and len(self.reductions) >= self.max_reductions:
            return False
        last = self.reductions[-1][0] if self.reductions else -math.inf
        if self.watch.step - last < self.cooldown * self.watch.epoch:
            return False
        return any(rate > low for rate, low in zip(self._rates(), self._lows(), strict=True))

    def _agreed(self, cut: bool) -> bool:
        """What rank 0 decides: each rank has losses of its own, and ranks that cut apart would train apart."""
        distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
        if not distributed or not self.watch.window.has_losses:
            return cut
        first = torch.tensor(int(cut), device=self.watch.window.view.parameters[0].device)
        torch.distributed.broadcast(first, src=0)
        return bool(first)

    def _lows(self) -> list[float]:
        """`min_lr` of every group; of one added later, the lowest."""
        added = len(self._inner.param_groups) - len(self.min_lrs)
        return self.min_lrs + [min(self.min_lrs)] * added

    def _budget_due(self) -> bool:
        """Whether a share of the budget has just run out in mid-block."""
        if self.total_steps is None:
            return False
        return bool(
            by_budget(self.watch.step, self.total_steps, [step for step, *_ in self.reductions]).holds
        )

    def _cut(self, verdict: Verdict) -> None:
        before = self._rates()
        predicted = self._predicted()
        for group, low in zip(self._inner.param_groups, self._lows(), strict=True):
            rate = float(group["lr"])
            new = max(self.factor * rate, min(low, rate))
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(new)
            else:
                group["lr"] = new
        self.reductions.append((self.watch.step, before, self._rates(), verdict.text))
        self._pending = None if predicted is None else predicted | {"cut": self.watch.step}
        self.watch.restart(f"learning rate cut by {self.factor:g}")

    def _predicted(self) -> dict[str, Any] | None:
        """The fall of the loss a cut is predicted to bring, and the loss before it."""
        try:
            price = self.watch.waiting_or_cutting(self.factor).cutting
        except NotApplicableError:
            return None
        losses = [row["loss"] for row in self.watch.window.rows[-4:] if row["loss"] is not None]
        if price is None or not losses:
            return None
        predicted = [float(price.value), float(price.low), float(price.high)]
        return {"predicted": predicted, "before": losses}

    def _compare(self) -> None:
        """Compare a cut with its prediction, when 12 epochs have passed."""
        pending = self._pending
        if pending is None or self.watch.step < pending["cut"] + _REALISED_TO * self.watch.epoch:
            return
        first = pending["cut"] + _REALISED_FROM * self.watch.epoch
        losses = [
            row["loss"] for row in self.watch.window.rows if row["step"] > first and row["loss"] is not None
        ]
        self._pending = None
        if not losses:
            return
        level = self.watch.window.settings["level"]
        realised, low, high = _difference(pending["before"], losses, level)
        predicted, least, most = pending["predicted"]
        text = (
            f"the cut at step {pending['cut']} lowered the training loss by {realised:.2g} [{low:.2g}, {high:.2g}] within "
            f"{_REALISED_TO} epochs; predicted {predicted:.2g} [{least:.2g}, {most:.2g}]"
        )
        evidence = {
            "step": pending["cut"],
            "realised": realised,
            "realised_low": low,
            "realised_high": high,
            "predicted": predicted,
            "predicted_low": least,
            "predicted_high": most,
        }
        self.gains.append(Verdict(realised > 0, "gain_of_cut", text, evidence))
        self.watch.notes.append(text)

    def _rates(self) -> list[float]:
        return [float(group["lr"]) for group in self._inner.param_groups]


def _difference(before: Sequence[float], after: Sequence[float], level: float) -> tuple[float, float, float]:
    """Mean before less mean after, with Welch's standard error and Student's t; infinite ends if one has one entry."""
    value = float(np.mean(before) - np.mean(after))
    if min(len(before), len(after)) < 2:
        return value, -math.inf, math.inf
    error = math.sqrt(sum(float(np.var(losses, ddof=1)) / len(losses) for losses in (before, after)))
    half = student(level, len(before) + len(after) - 1) * error
    return value, value - half, value + half


def _named(optimizer: Any) -> str:
    return f"{type(optimizer).__name__} at {id(optimizer):#x}"


def _per_group(min_lr: float | Sequence[float], groups: int) -> list[float]:
    lows = [float(low) for low in min_lr] if isinstance(min_lr, Sequence) else [float(min_lr)] * groups
    if len(lows) != groups or any(low < 0 for low in lows):
        message = f"min_lr is {min_lr!r}; it must be one number, or one for each of the {groups} groups, 0 or larger"
        raise ValueError(message)
    return lows


def _check(
    rule: str,
    factor: float | None,
    threshold: float,
    cooldown: int,
    max_reductions: int | None,
    total_steps: int | None,
) -> None:
    if rule not in {"auto", "gain", "equivalence", "ratio"}:
        message = f"rule is {rule!r}; it must be one of auto, gain, equivalence, ratio"
        raise ValueError(message)
    if factor is not None and not 0 < factor < 1:
        message = f"factor is {factor!r}; it multiplies the learning rate and must be between 0 and 1"
        raise ValueError(message)
    if threshold <= 0:
        message = f"threshold is {threshold!r}; it must be positive"
        raise ValueError(message)
    for name, value, least in (
        ("cooldown", cooldown, 0),
        ("max_reductions", max_reductions, 0),
        ("total_steps", total_steps, 1),
    ):
        if value is not None and (value != int(value) or value < least):
            message = f"{name} is {value!r}; it must be a whole number, {least} or larger"
            raise ValueError(message)
