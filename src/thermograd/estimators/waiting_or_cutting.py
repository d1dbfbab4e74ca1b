"""What waiting at this learning rate would still give, against what a cut removes at once.

The relation prices a cut: in a valley that is locally a parabola the noise holds the loss O_R/2 above its floor,
with O_R the fluctuation term of Yaida (arXiv 1810.00004, Eq FDR1'), and cutting the rate by a factor f removes
about (1 − f) O_R/2. That is of independent batches. At rest, by FDR1' over whole epochs, the recorded losses and the
loss over all samples lie together O_R above the floor, whatever the batches; with reshuffled epochs the recorded ones
take more than half of it, as each sample's loss is seen before the step it causes: their fall is once to twice the
price, that of the loss over all samples the rest of twice the price.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from thermograd.counted import counted
from thermograd.errors import ConfigError
from thermograd.estimators.fall_to_come import fall_to_come
from thermograd.estimators.trajectory_pieces import checked_level
from thermograd.numerics.argument_kind import check_has, check_number
from thermograd.numerics.real_numbers import real_numbers
from thermograd.quantities import Estimate, Verdict

Array = npt.NDArray[np.float64]
_FEWEST_GROUPS, _MOST_GROUPS = 8, 32
_NOTHING_LEFT = 1e-4
BLOCKS_NEEDED = 2 * _FEWEST_GROUPS


@dataclass(frozen=True, eq=False)
class WaitingOrCutting:
    """Both prices, in units of the loss.

    Attributes:
        waiting: fall of the training loss if the whole training so far were doubled at this rate.
        cutting: fall of the training loss that a cut brings about.
        verdict: kinds `cutting_pays`, `waiting_pays`, `nothing_to_gain`, `loss_rises`, `undecided`,
            `warming_up`, `not_finite`.

    >>> steps = np.arange(1, 65)
    >>> gains = waiting(2 - 0.1 * np.log(steps), steps), cutting(Estimate(0.02, (0.01, 0.03), level=0.9))
    >>> found = WaitingOrCutting(*gains, waiting_or_cutting(*gains, blocks=64, loss=1.6))
    >>> round(found.waiting.value, 2), round(found.cutting.value, 3)  # 0.1 ln 2 and 0.9 · 0.02/2
    (0.07, 0.009)
    >>> found.verdict.kind
    'waiting_pays'
    """

    waiting: Estimate | None
    cutting: Estimate | None
    verdict: Verdict

    def __str__(self) -> str:
        gains = (("waiting", self.waiting), ("cutting", self.cutting))
        return "\n".join(
            [str(self.verdict), *(f"  {name}: {gain}" for name, gain in gains if gain is not None)]
        )


def waiting(
    losses: npt.ArrayLike, steps: npt.ArrayLike, *, level: float = 0.90, age: int = 0
) -> Estimate | None:
    """Fall of the loss if the training so far were doubled.

    Foretold from the last half of the record, in 8 to 32 groups, as `fall_to_come` does: the loss creeps with the
    logarithm of the step, falls by a power of it, or relaxes, and the interval reaches from the fall if it goes on
    slowing down as it did to the fall if it keeps its present rate against ln(step). A straight line through
    losses that slow down gives several times what waiting then brings. Slow modes at rest keep the losses of
    neighbouring blocks alike, which looks like a slope; the interval allows for it. Doubling is the only horizon
    without a scale of its own.

    Args:
        losses: mean training loss of each block since the learning rate was last changed, (n,).
        steps: optimiser step at the end of each block, (n,), counted like `age`.
        level: two-sided, of the interval.
        age: steps of training done before step 0.

    Returns:
        None with fewer than 16 blocks; NaN if a loss is not finite.

    Raises:
        ConfigError: a ValueError: the arrays differ in length, or steps that are not positive and rising.

    >>> import numpy as np
    >>> steps = np.arange(1, 65)
    >>> float(round(waiting(2 - 0.1 * np.log(steps - 0.5), steps).value / np.log(2), 3))
    0.1
    """
    checked_level(level)
    check_number("age", age)
    heights, ends = real_numbers("losses", losses), real_numbers("steps", steps) + age
    if heights.shape != ends.shape or heights.ndim != 1:
        message = f"losses {heights.shape} and steps {ends.shape} must be two sequences of equal length"
        raise ConfigError(message)
    if len(heights) < BLOCKS_NEEDED:
        return None
    if not np.isfinite(heights).all():
        return Estimate(math.nan, (math.nan, math.nan), level, 0, "loss", "a recorded loss is not finite")
    half = len(heights) // 2
    size = -(-half // _MOST_GROUPS)
    groups = half // size
    middles = ends - np.diff(ends, prepend=2 * ends[0] - ends[1]) / 2
    if not (middles[-groups * size :] > 0).all():
        message = f"steps from {ends[0]:g} to {ends[-1]:g} with age {age}; they must be positive and rise: ends of equal blocks"
        raise ConfigError(message)
    height = heights[-groups * size :].reshape(groups, size).mean(1)
    times = np.exp(np.log(middles[-groups * size :]).reshape(groups, size).mean(1))
    found = fall_to_come(times, height, now=ends[-1], until=2 * ends[-1], level=level)
    note = f"if the {ends[-1]:.0f} steps so far were doubled; from slowing on to keeping the present rate"
    return Estimate(found.value, found.interval, level, found.pieces, "loss", note)


def cutting(fluctuation: Estimate, *, factor: float = 0.1) -> Estimate:
    """What cutting the learning rate by a factor takes off the loss, (1 − factor) O_R/2.

    Args:
        fluctuation: O_R, in units of the loss.
        factor: the new rate over the old one.

    Returns:
        Of the loss over all samples an upper bound under reshuffling, of the recorded losses a lower one.

    >>> print(cutting(Estimate(0.2, (0.1, 0.3), level=0.9), factor=0.5).value)
    0.05
    """
    check_has("fluctuation", fluctuation, "interval", "an Estimate of O_R")
    check_number("factor", factor)
    share = (1 - factor) / 2
    interval = (share * fluctuation.low, share * fluctuation.high)
    note = "(1 - factor) O_R / 2 of a parabola; with reshuffled epochs once to twice that off the recorded losses, the rest off the loss over all samples"
    return Estimate(share * fluctuation.value, interval, fluctuation.level, fluctuation.pieces, "loss", note)


def waiting_or_cutting(
    gain_of_waiting: Estimate | None,
    gain_of_cutting: Estimate | None,
    *,
    blocks: int,
    loss: float = 0.0,
) -> Verdict:
    """Whether to cut: when even the upper end of waiting lies below what a cut gives.

    Waiting that comes out negative counts as 0, since the interval has to resolve the price of a cut: noisy
    losses would else cut by chance, being looked at again and again.

    A cut that would give less than 1e-4 of the loss is not worth making; where waiting is not shown to give more, nothing
    is left to gain.

    Args:
        gain_of_waiting: from `waiting`.
        gain_of_cutting: from `cutting`.
        blocks: shortest blocks (epochs) since the learning rate was last changed.
        loss: the present training loss.

    Returns:
        Kinds `cutting_pays`, `waiting_pays`, `nothing_to_gain`, `loss_rises`, `undecided`, `warming_up`,
            `not_finite`.

    Raises:
        ConfigError: a ValueError: gains that are no estimates.

    >>> low, high = Estimate(0.01, (0.0, 0.02)), Estimate(0.05, (0.04, 0.06))
    >>> waiting_or_cutting(low, high, blocks=20).kind
    'cutting_pays'
    """
    check_number("blocks", blocks)
    for name, gain in (("gain_of_waiting", gain_of_waiting), ("gain_of_cutting", gain_of_cutting)):
        if gain is not None:
            check_has(name, gain, "interval", "an Estimate, or None where it is not known")
    if gain_of_waiting is None or gain_of_cutting is None or blocks < BLOCKS_NEEDED:
        text = (
            f"{counted(blocks, 'epoch')} with losses at this learning rate so far; {BLOCKS_NEEDED} are needed"
        )
        return Verdict(None, "warming_up", text, {"blocks": blocks, "needed": BLOCKS_NEEDED})
    numbers = [gain_of_waiting.value, gain_of_waiting.low, gain_of_waiting.high, gain_of_cutting.value]
    evidence = dict(zip(("waiting", "waiting_low", "waiting_high", "cutting"), numbers, strict=True))
    if not all(map(math.isfinite, numbers)):
        return Verdict(None, "not_finite", "the recorded losses are not finite", {})
    if gain_of_waiting.low > gain_of_cutting.value:
        return Verdict(False, "waiting_pays", "waiting takes more off the loss than a cut would", evidence)
    if gain_of_cutting.value < _NOTHING_LEFT * abs(loss):
        return Verdict(False, "nothing_to_gain", "a cut would give less than 1e-4 of the loss", evidence)
    if gain_of_waiting.high < 0:
        return Verdict(None, "loss_rises", "the loss rises, so time at this rate has no price", evidence)
    half_width = gain_of_waiting.high - gain_of_waiting.value
    if max(gain_of_waiting.value, 0.0) + half_width < gain_of_cutting.value:
        return Verdict(True, "cutting_pays", "a cut takes more off the loss than waiting would", evidence)
    return Verdict(None, "undecided", "waiting and cutting cannot be told apart yet", evidence)
