"""What flows: `Estimate`, `Prediction`, `Verdict`, `Advice` - a value, its interval, what it rests on - and `Landscape`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.counted import counted
from thermograd.quantity_agreement import z_score
from thermograd.quantity_figure import figure_of
from thermograd.quantity_html import advice_html, estimate_html, prediction_html, verdict_html
from thermograd.quantity_landscape import Landscape as Landscape
from thermograd.quantity_text import brief, interval_text

Array = npt.NDArray[Any]


class _Shown:
    """A figure on demand; shared by all quantities."""

    def plot(self) -> Any:
        """The figure of this quantity (a plotly `Figure`).

        Returns:
            A `plotly.graph_objects.Figure`.

        Raises:
            MissingExtraError: the requirements of the report layer are not installed.
        """
        return figure_of(self)


@dataclass(frozen=True, eq=False)
class Estimate(_Shown):
    """A number or curve measured from recorded data, with its interval.

    Attributes:
        value: scalar, curve or matrix.
        interval: `(low, high)`, each of the shape of `value`, at confidence `level`.
        level: two-sided confidence of the interval; NaN of a range that is a rule of thumb.
        pieces: number of independent pieces (trajectories, blocks) the value rests on.
        unit: unit of the value, "" if it is a pure number.
        note: what a reader should know, one sentence.
        samples: resamples of the value on axis 0, or None.

    >>> print(Estimate(38.2, (34.1, 42.3), pieces=64, unit="epoch"))
    38.2 (34.1 to 42.3 at 95 %) epoch, from 64 pieces
    """

    value: Any
    interval: tuple[Any, Any]
    level: float = 0.95
    pieces: float = float("nan")
    unit: str = ""
    note: str = ""
    samples: Array | None = None

    @property
    def low(self) -> Any:
        """Lower end of the interval."""
        return self.interval[0]

    @property
    def high(self) -> Any:
        """Upper end of the interval."""
        return self.interval[1]

    def z_score(self, other: Any, *, level: float = 0.95) -> Any:
        """How far this is from a prediction: (value − predicted) / √(s² + s′²), of the shape of `value`.

        The standard errors s, and s′ where the prediction is uncertain itself, are those with which a normal distribution
        has these intervals, on the side where the other value lies. So |z| > 1.96 says that an exact prediction is outside
        the interval at 95 %. NaN where the prediction does not hold (`valid`); ±∞ where two exact values differ.

        Args:
            other: a `Prediction`, another independent `Estimate`, or an exact number or array.
            level: of the interval of a `Prediction`.

        Raises:
            ConfigError: a ValueError: the shapes differ, or it is no number.

        >>> round(Estimate(38.2, (34.1, 42.3)).z_score(Prediction(40.0)), 2)
        -0.86
        """
        return z_score(self, other, level)

    def __str__(self) -> str:
        text = interval_text(self.value, self.interval, self.level)
        unit = f" {self.unit}" if self.unit else ""
        pieces = f", from {counted(float(f'{self.pieces:g}'), 'piece')}" if np.isfinite(self.pieces) else ""
        return text + unit + pieces + (f" ({self.note})" if self.note else "")

    def _repr_html_(self) -> str:
        return estimate_html(self)


@dataclass(frozen=True, eq=False)
class Prediction(_Shown):
    """A number or curve that theory gives from parameters.

    Attributes:
        value: scalar, or one value per point of `at`.
        interval: `(low, high)` carried over from uncertain inputs, or None if they were exact.
        at: the points at which the curve is given, `(point,)`.
        valid: `(point,)`, whether the assumptions hold there.
        rests_on: the assumptions, in words.
        samples: values from resampled inputs on axis 0, or None.

    >>> print(Prediction(20.0, rests_on="independent restarts"))
    20 (exact; rests on independent restarts)
    """

    value: Any
    interval: tuple[Any, Any] | None = None
    at: Array | None = None
    valid: Array | None = None
    rests_on: str = ""
    samples: Array | None = None

    def __str__(self) -> str:
        basis = f"; rests on {self.rests_on}" if self.rests_on else ""
        if self.interval is None:
            return f"{brief(self.value)} (exact{basis})"
        return interval_text(self.value, self.interval, None) + (f" ({basis[2:]})" if basis else "")

    def _repr_html_(self) -> str:
        return prediction_html(self)


@dataclass(frozen=True)
class Verdict(_Shown):
    """A foreseen physical outcome.

    Attributes:
        holds: True, False, or None when the data cannot decide.
        kind: stable snake-case word for programs.
        text: the sentence a person reads.
        evidence: the numbers behind it.

    >>> print(Verdict(None, "plateau_assumed", "One interval only: a plateau is assumed."))
    undecided: One interval only: a plateau is assumed.
    """

    holds: bool | None
    kind: str
    text: str
    evidence: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        answer = {True: "yes", False: "no", None: "undecided"}[self.holds]
        return f"{answer}: {self.text}"

    def _repr_html_(self) -> str:
        return verdict_html(self)


@dataclass(frozen=True, eq=False)
class Advice(_Shown):
    """What to do, ranked alternatives, and what to keep in mind.

    Attributes:
        recommendation: one sentence.
        ranking: alternatives, best first.
        verdicts: what was decided on the way.
        caveats: what weakens the advice, one sentence each.

    >>> print(Advice("Leave it alone.", caveats=("n = 7",)))
    Leave it alone.
      caveat: n = 7
    """

    recommendation: str
    ranking: tuple[Any, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    caveats: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [self.recommendation]
        lines += [f"  {place}. {entry}" for place, entry in enumerate(self.ranking, start=1)]
        lines += [f"  {verdict}" for verdict in self.verdicts]
        lines += [f"  caveat: {caveat}" for caveat in self.caveats]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return advice_html(self)
