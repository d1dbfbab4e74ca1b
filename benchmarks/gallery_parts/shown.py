"""A figure of the gallery."""

from __future__ import annotations

from dataclasses import dataclass, replace

from thermograd.report.figure import Figure


@dataclass(frozen=True)
class Shown:
    """One figure of a page.

    Attributes:
        name: of the figure.
        seen: one sentence that says what is seen; without numbers that another run would change.
        height: in px.
        top: margin in px; pages leave more for the buttons of plotly.
    """

    name: str
    seen: str
    height: int = 340
    top: int = 14

    def of(self, figure: Figure) -> Figure:
        """The figure at this height."""
        margin = {**figure.layout.get("margin", {}), "t": self.top}
        return replace(figure, layout={**figure.layout, "height": self.height, "margin": margin})
