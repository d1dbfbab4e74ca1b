"""Draws from a posterior as notebooks show them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thermograd.quantity_html import cells_table, escaped
from thermograd.quantity_sketch import curve_sketch

if TYPE_CHECKING:
    from thermograd.estimators.posterior_draws import PosteriorDraws

_MOST = 20


def draws_html(draws: PosteriorDraws) -> str:
    """What was drawn in words, the potential along the chains with the range they span, and the parameters.

    Args:
        draws: of any number of chains.

    Returns:
        Well-formed HTML without script.
    """
    first, *rest = str(draws).splitlines()
    lines = "".join(f"<br/>{escaped(line.strip())}" for line in rest)
    rows = [[escaped(name), escaped(value.shape)] for name, value in list(draws.parameters.items())[:_MOST]]
    rows += [["...", f"{len(draws.parameters) - _MOST} more"]] if len(draws.parameters) > _MOST else []
    table = cells_table(["parameter", "chain, draw, shape"], rows)
    return f"<p><b>{escaped(first)}</b>{lines}</p>{_potential(draws)}{table}"


def _potential(draws: PosteriorDraws) -> str:
    known = draws.potential
    if known.shape[1] < 2:
        return ""
    band = (known.min(axis=0), known.max(axis=0))
    drawing = curve_sketch(draws.epochs[draws.measured], known.mean(axis=0), band)
    return f"<p>Potential against epochs, mean and range of the chains:</p>{drawing}" if drawing else ""
