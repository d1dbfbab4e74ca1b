"""Has training equilibrated? The decision, on what is known at the ends of its blocks.

Per step of SGD the fluctuation-dissipation relation of Yaida (arXiv 1810.00004, Eqs FDR1, FDR1') equates
(θ − c)·g with (1 + μ)/(2(1 − ν)) |Δ|²/η on average in the stationary state. Summed over steps the two differ by
exactly what |θ − c|² (and (θ − c)·v) has gained, for any order of the batches, loss or noise. So the relation
holds if and only if |θ − c|² no longer drifts, and

    ratio = 1 − (gain of |θ − c|²) / (κ Σ|Δ|²),  κ = (1 + β)/(1 − β),

needs positions at two times only. It is 1 in equilibrium, 0 for a free random walk, negative for directed drift.
The centre c is where the weights were before the window; about the mean of the window itself even a free random
walk has ratio 1, by time reversal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from thermograd.errors import ConfigError
from thermograd.estimators.block_ends import BlockEnds
from thermograd.estimators.relaxation_of_a_direction import SlowestDirection, slowest_direction
from thermograd.estimators.trajectory_pieces import checked_level
from thermograd.numerics.argument_kind import check_has, check_number
from thermograd.quantities import Estimate, Verdict

Array = npt.NDArray[np.float64]
_FEWEST, _MOST = 8, 16
_RULES_OUT_DRIFT, _SHOWS_RELAXATION = 3.0, 14.0
_DOUBLINGS, _NOT_FALLEN = 3, 0.8
_NO_NOISE, _NO_SHARE = 1e-12, 0.01
BLOCKS_NEEDED = 4 * _FEWEST


@dataclass(frozen=True, eq=False)
class Stationarity:
    """The decision and the numbers it rests on; what could not be computed yet is None.

    Attributes:
        verdict: kinds `warming_up`, `approaching`, `equilibrated`, `slow_directions_remain`, `drifting`,
            `undecided`, `no_noise`.
        ratio: dissipation over fluctuation about the anchor.
        ratio_about_origin: the same about 0, as in the paper; noisy, so only evidence against.
        slowest: the slowest visible direction, in blocks.
        steps_to_equilibrium: more steps until the slowest visible direction has relaxed; the interval is a
            factor 2 each way.
        steps: (first, last) step of the window.

    >>> from thermograd.estimators.block_ends import block_ends
    >>> straight = block_ends(np.arange(65.0)[:, None], np.full(64, 0.1), steps_per_block=10)
    >>> found = stationarity(straight)
    >>> found.verdict.kind, found.ratio.high < 0, found.steps
    ('approaching', True, (320, 640))
    """

    verdict: Verdict
    ratio: Estimate | None = None
    ratio_about_origin: Estimate | None = None
    slowest: SlowestDirection | None = None
    steps_to_equilibrium: Estimate | None = None
    steps: tuple[int, int] = (0, 0)


def stationarity(
    ends: BlockEnds,
    *,
    tolerance: float = 0.1,
    level: float = 0.90,
    strict: bool = False,
    earlier: Sequence[tuple[int, float, float]] = (),
) -> Stationarity:
    """Whether training has equilibrated at its present learning rate.

    The window is the last half of the record, cut into 8 to 16 groups of equal size. `equilibrated` takes
    evidence for (the whole interval of the ratio about the anchor within 1 ± tolerance), no evidence against
    (the interval about the origin not outside), and a window of at least 3 relaxation times of the slowest
    visible direction, 14 under `strict`. At level 0.90 the first is a two one-sided tests procedure at 5 %.
    Intervals are per look, not corrected for repeated looks.

    Args:
        ends: since the learning rate was last changed.
        tolerance: half-width of the equivalence band on ratio − 1.
        level: two-sided, of every interval.
        strict: ask for evidence that the slowest direction has relaxed, as sampling does.
        earlier: (step since the start of the record, 1 − ratio, half-width) of earlier looks; what has not
            fallen over three doublings of time is `drifting`.

    Returns:
        The decision with its numbers.

    Raises:
        ConfigError: a ValueError: a level that is not between 0 and 1.

    >>> import numpy as np
    >>> from thermograd.estimators.block_ends import block_ends
    >>> noise = np.random.default_rng(0).normal(size=(201, 8))  # a walk that forgets at once
    >>> print(stationarity(block_ends(noise, np.full(200, 16.0), steps_per_block=10)).verdict.kind)
    equilibrated
    """
    checked_level(level)
    check_number("tolerance", tolerance, 0)
    check_has("earlier", earlier, "__len__", "a sequence of (step, gain, width) of looks before this one")
    check_has("ends", ends, "blocks", "what block_ends(weights, sums) returns, or ask tg.watch(...)")
    blocks, groups = blocks_in_window(ends.blocks)
    window = ends.last(blocks)
    if groups < _FEWEST:
        return Stationarity(_warming_up(ends))
    steps = (int(window.steps[0]), int(window.steps[-1]))
    if window.measured[-1] == window.measured[0]:
        return Stationarity(_not_measured(steps), steps=steps)
    if _silent(window):
        return Stationarity(_no_noise(steps), steps=steps)
    share = _noise_share(window)
    if share is not None and share < _NO_SHARE:
        return Stationarity(_one_line(steps, share), steps=steps)
    anchor = anchor_of(int(ends.steps[0]), int(window.steps[0]), ends.epoch)
    gain, width = _gain(window.about(anchor), window, groups, level)
    gain_origin, width_origin = _gain(window.squared_norm, window, groups, level)
    slowest = None if window.sketch is None else slowest_direction(window.sketch, level)
    measured = _Measured(
        gain=gain,
        width=width,
        vetoed=abs(gain_origin) - width_origin > tolerance,
        fallen=_fallen(int(ends.steps[-1] - ends.steps[0]), gain, width, earlier),
        slowest=slowest,
        steps=steps,
        tolerance=tolerance,
        strict=strict,
        more=None if slowest is None else _more_steps(ends, window, slowest),
        level=level,
    )
    kind = measured.kind()
    return Stationarity(
        verdict=Verdict(_HOLDS[kind], kind, measured.text(kind), measured.evidence()),
        ratio=_ratio(gain, width, level, groups, f"about the weights at step {anchor}"),
        ratio_about_origin=_ratio(gain_origin, width_origin, level, groups, "about the origin"),
        slowest=slowest,
        steps_to_equilibrium=measured.more,
        steps=steps,
    )


_HOLDS = {
    "equilibrated": True,
    "approaching": False,
    "slow_directions_remain": False,
    "drifting": False,
    "undecided": None,
}


@dataclass(frozen=True)
class _Measured:
    """What the decision is made of."""

    gain: float
    width: float
    vetoed: bool
    fallen: bool | None
    slowest: SlowestDirection | None
    steps: tuple[int, int]
    tolerance: float
    strict: bool
    more: Estimate | None
    level: float

    def kind(self) -> str:
        within = abs(self.gain) + self.width < self.tolerance
        if within and not self.vetoed:
            needed = _SHOWS_RELAXATION if self.strict else _RULES_OUT_DRIFT
            if self.slowest is None:
                return "slow_directions_remain" if self.strict else "equilibrated"
            return "equilibrated" if self.slowest.coverage >= needed else "slow_directions_remain"
        outside = abs(self.gain) - self.width > self.tolerance
        if outside and self.fallen is False:
            return "drifting"
        return "undecided" if not within and not outside and self.width > self.tolerance else "approaching"

    def text(self, kind: str) -> str:
        ratio, half = 1 - self.gain, self.width
        first, last = self.steps
        numbers = f"FDR ratio {ratio:.2f} [{ratio - half:.2f}, {ratio + half:.2f}] over steps {first}-{last}"
        band = f"{1 - self.tolerance:g} to {1 + self.tolerance:g}"
        if kind == "equilibrated":
            return f"{numbers}. {self._coverage()}"
        if kind == "slow_directions_remain":
            return f"{numbers}, but slow directions are still moving. {self._coverage()}"
        if kind == "drifting":
            return (
                f"{numbers}: the drift is steady; the distance to where the weights were has not fallen behind "
                f"the noise over three doublings of time. {self._coverage()}"
            )
        if kind == "undecided":
            return f"{numbers}: too noisy to tell it from {band}. {self._coverage()}"
        against = "; the norm of the weights still changes" if self.vetoed else ""
        return f"{numbers}, wanted {band}{against}. {self._coverage()}"

    def _coverage(self) -> str:
        if self.slowest is None:
            return "Slow directions were not looked at (slow_directions=0)."
        coverage = self.slowest.coverage
        shown = "over 100" if coverage > 100 else f"{coverage:.1f}"
        sentence = f"The window covers {shown} relaxation times of the slowest visible direction"
        if coverage < _RULES_OUT_DRIFT:
            return f"{sentence}: it may be drifting (needs 3)."
        if coverage < _SHOWS_RELAXATION:
            return f"{sentence}: not shown relaxed (needs 14)."
        return f"{sentence}."

    def evidence(self) -> dict[str, float | int | None]:
        slowest = self.slowest
        return {
            "ratio": 1 - self.gain,
            "ratio_low": 1 - self.gain - self.width,
            "ratio_high": 1 - self.gain + self.width,
            "tolerance": self.tolerance,
            "level": self.level,
            "coverage": None if slowest is None else slowest.coverage,
            "fit": None if slowest is None else slowest.fit,
            "first_step": self.steps[0],
            "last_step": self.steps[1],
        }


def blocks_in_window(blocks: int) -> tuple[int, int]:
    """How many of the last blocks of a record make the window, and into how many groups they fall.

    Args:
        blocks: of the record.

    Returns:
        At most half of the blocks, a multiple of the groups; 1 to 16 groups, or 0 of both.

    >>> blocks_in_window(63), blocks_in_window(32), blocks_in_window(1)
    ((30, 15), (16, 8), (0, 0))
    """
    half = blocks // 2
    groups = min(_MOST, max(half // 2, 1)) if half else 0
    return half // groups * groups if groups else 0, groups


def anchor_of(start: int, window_start: int, epoch: int) -> int:
    """The step of the last power-of-two epoch that does not lie after the start of a window.

    Args:
        start: step at which the record begins.
        window_start: step at which the window does, an epoch or more later.
        epoch: steps of an epoch.

    >>> anchor_of(100, 100 + 13 * 10, 10)  # epoch 8
    180
    """
    return start + epoch * (1 << int(math.log2((window_start - start) // epoch)))


def _gain(squares: Array, window: BlockEnds, groups: int, level: float) -> tuple[float, float]:
    """Mean gain of a squared distance per group over κ Σ|Δ|² per group, and the half-width of its interval."""
    at = slice(None, None, window.blocks // groups)
    per_step = (window.squared_update[-1] - window.squared_update[0]) / (
        window.measured[-1] - window.measured[0]
    )
    normaliser = per_step * (window.steps[-1] - window.steps[0]) / groups
    gains = np.diff(squares[at]) / normaliser
    quantile = float(special.stdtrit(groups - 1, (1 + level) / 2))
    return float(gains.mean()), quantile * float(gains.std(ddof=1)) / math.sqrt(groups)


def _silent(window: BlockEnds) -> bool:
    measured = int(window.measured[-1] - window.measured[0])
    squared = (window.squared_update[-1] - window.squared_update[0]) / measured * window.block
    return bool(squared <= _NO_NOISE * window.squared_norm[-1])


def _noise_share(window: BlockEnds) -> float | None:
    """Of |Δ|², from neighbouring steps; None where no pair was measured."""
    if window.noise is None:
        return None
    turned, whole = window.noise[-1] - window.noise[0]
    return float(turned / whole) if whole > 0 else None


def _fallen(now: int, gain: float, width: float, earlier: Sequence[tuple[int, float, float]]) -> bool | None:
    """Whether the gain has fallen over the last three doublings of time; None if they are not on record."""
    if not all(isinstance(entry, tuple | list) and len(entry) == 3 for entry in earlier):
        message = f"earlier is {earlier!r}; give (step, gain, width) of looks before this one"
        raise ConfigError(message)
    before = [entry for entry in earlier if entry[0] <= now / 2**_DOUBLINGS]
    if not before:
        return None
    _, gain_then, width_then = before[-1]
    lowest = abs(gain_then) - width_then
    return lowest > 0 and (abs(gain) + width) / lowest < _NOT_FALLEN


def _more_steps(ends: BlockEnds, window: BlockEnds, slowest: SlowestDirection) -> Estimate | None:
    if slowest.settled is None:
        return None
    settled = int(window.steps[0] - ends.steps[0]) + slowest.settled * window.block
    more = max(settled - int(ends.steps[-1] - ends.steps[0]), float(window.block))
    return Estimate(
        more,
        (more / 2, more * 2),
        level=math.nan,
        unit="step",
        note=f"a factor 2 either way; from a + b exp(-t/tau) of the slowest visible direction, R² {slowest.fit:.3f}",
    )


def _ratio(gain: float, width: float, level: float, groups: int, note: str) -> Estimate:
    return Estimate(1 - gain, (1 - gain - width, 1 - gain + width), level=level, pieces=groups, note=note)


def _warming_up(ends: BlockEnds) -> Verdict:
    text = (
        f"{ends.blocks} block{'' if ends.blocks == 1 else 's'} of {ends.block} steps at this learning rate so far; a first verdict takes "
        f"{BLOCKS_NEEDED}."
    )
    return Verdict(None, "warming_up", text, {"blocks": ends.blocks, "needed": BLOCKS_NEEDED})


def _not_measured(steps: tuple[int, int]) -> Verdict:
    text = f"none of the steps {steps[0]}-{steps[1]} was measured."
    return Verdict(None, "undecided", text, {"first_step": steps[0], "last_step": steps[1]})


def _no_noise(steps: tuple[int, int]) -> Verdict:
    text = (
        f"the weights hardly moved over steps {steps[0]}-{steps[1]} (Σ|Δ|² below 1e-12 |θ|² per block): "
        "there is no noise to compare with, the relation is 0/0."
    )
    return Verdict(None, "no_noise", text, {"first_step": steps[0], "last_step": steps[1]})


def _one_line(steps: tuple[int, int], share: float) -> Verdict:
    text = (
        f"the steps {steps[0]}-{steps[1]} follow one line, with less than {100 * _NO_SHARE:g} % of |Δ|² as noise: the "
        "weights go downhill, and there is nothing that the drift could come to balance."
    )
    evidence = {"first_step": steps[0], "last_step": steps[1], "noise_share": share}
    return Verdict(None, "no_noise", text, evidence)
