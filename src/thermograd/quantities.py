"""What flows: `Estimate`, `Prediction`, `Verdict`, `Advice` - a value, its interval, and what it rests on."""

from __future__ import annotations

import html
from dataclasses import dataclass, field, fields
from importlib.metadata import entry_points
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import MissingExtraError

Array = npt.NDArray[Any]


def figure_of(thing: Any, name: str | None = None) -> Any:
    """The figure of a quantity or a run, found through the entry point `thermograd.plot`.

    Args:
        thing: what is drawn.
        name: which part of it, where it has several.

    Returns:
        A `plotly.graph_objects.Figure`.

    Raises:
        MissingExtraError: the requirements of the report layer are not installed.
    """
    for entry in entry_points(group="thermograd.plot", name="figure"):
        return entry.load()(thing, name)
    raise MissingExtraError(package="plotly", extra="lab", purpose="A figure")


class _Shown:
    """One line for people, a table for notebooks, a figure on demand; shared by all quantities."""

    def __str__(self) -> str:
        return type(self).__name__

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{html.escape(entry.name)}</th>"
            f"<td>{html.escape(_brief(getattr(self, entry.name)))}</td></tr>"
            for entry in fields(self)  # type: ignore[arg-type]  # every subclass is a dataclass
            if entry.name != "samples"
        )
        first, *rest = str(self).splitlines()
        lines = "".join(f"<br>{html.escape(line.strip())}" for line in rest)
        return f"<p><b>{html.escape(first)}</b>{lines}</p><table>{rows}</table>{self._sketch()}"

    def _sketch(self) -> str:
        return ""

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
        level: two-sided confidence of the interval.
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

    def __str__(self) -> str:
        text = _interval_text(self.value, self.interval, self.level)
        unit = f" {self.unit}" if self.unit else ""
        pieces = f", from {self.pieces:g} pieces" if np.isfinite(self.pieces) else ""
        return text + unit + pieces + (f" ({self.note})" if self.note else "")

    def _sketch(self) -> str:
        return _curve_svg(None, self.value, self.interval)


@dataclass(frozen=True, eq=False)
class Prediction(_Shown):
    """A number or curve that theory gives from parameters.

    Attributes:
        value: scalar, or one value per point of `at`.
        interval: `(low, high)` carried over from uncertain inputs, or None if they were exact.
        at: the points at which the curve is given.
        valid: per point, whether the assumptions hold there.
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
            return f"{_brief(self.value)} (exact{basis})"
        return _interval_text(self.value, self.interval, None) + (f" ({basis[2:]})" if basis else "")

    def _sketch(self) -> str:
        return _curve_svg(self.at, self.value, self.interval)


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


def _brief(value: Any) -> str:
    if isinstance(value, float | np.floating):
        return f"{value:.4g}"
    if isinstance(value, np.ndarray) and value.ndim == 0:
        return f"{value.item():.4g}"
    if isinstance(value, np.ndarray):
        if value.size == 0:
            return f"array of shape {value.shape}"
        if value.ndim == 1 and value.size <= 4:
            return "[" + ", ".join(_brief(entry.item()) for entry in value) + "]"
        if value.ndim == 1:
            return f"curve of {value.size} points, {_brief(value[0].item())} to {_brief(value[-1].item())}"
        return f"array of shape {value.shape}"
    if isinstance(value, tuple | list):
        return "(" + ", ".join(_brief(entry) for entry in value) + ")"
    return str(value)


def _interval_text(value: Any, interval: tuple[Any, Any], level: float | None) -> str:
    confidence = "" if level is None else f" at {100 * level:g} %"
    if np.ndim(value):
        return f"{_brief(np.asarray(value))} with band{confidence}"
    return f"{value:.4g} ({interval[0]:.4g} to {interval[1]:.4g}{confidence})"


def _curve_svg(at: Array | None, value: Any, interval: tuple[Any, Any] | None) -> str:
    """A static sketch of a curve and its band; nothing for scalars and matrices."""
    if np.ndim(value) != 1 or np.size(value) < 2:
        return ""
    curve = np.asarray(value, float)
    band = [curve, curve] if interval is None else [np.asarray(edge, float) for edge in interval]
    place = np.arange(curve.size, dtype=float) if at is None else np.asarray(at, float)
    shown = np.isfinite(curve) & np.isfinite(band[0]) & np.isfinite(band[1])
    if shown.sum() < 2:
        return ""
    low, high = min(band[0][shown].min(), curve[shown].min()), max(band[1][shown].max(), curve[shown].max())
    across = 310 * (place - place[shown].min()) / max(np.ptp(place[shown]), 1e-300) + 5

    def points(heights: Array, order: slice) -> str:
        down = 115 - 110 * (heights - low) / max(high - low, 1e-300)
        return " ".join(
            f"{x:.1f},{y:.1f}" for x, y in zip(across[shown][order], down[shown][order], strict=True)
        )

    forward, back = slice(None), slice(None, None, -1)
    return (
        "<svg width='320' height='120' role='img' aria-label='sketch of the curve'>"
        f"<polygon points='{points(band[1], forward)} {points(band[0], back)}' fill='#56B4E9' opacity='.4'/>"
        f"<polyline points='{points(curve, forward)}' fill='none' stroke='#0072B2' stroke-width='2'/></svg>"
    )
