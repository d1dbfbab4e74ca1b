"""Does it age, and how: what the interval of an aging exponent says."""

from __future__ import annotations

import numpy as np

_SENTENCES = {
    "stationary": "The weights wander at the same pace at every age",
    "subaging": "The weights wander ever more slowly, though less than in proportion to age",
    "simple": "The weights wander ever more slowly, in proportion to age",
    "superaging": "The weights wander ever more slowly, by more than in proportion to age",
    "accelerating": "The weights wander ever faster",
    "undetermined": "Whether the weights slow down with age cannot be told",
}
OUTCOMES = tuple(_SENTENCES)
"""All that can come out."""


def aging_outcome(low: float, high: float, margin: float) -> str:
    """The outcome that an interval of the exponent μ of t* ~ t_w^μ allows.

    Stationary within ±margin, simple aging within 1 ± margin, whatever side of 0 or 1 they lie on; else subaging between
    0 and 1, superaging above 1, accelerating below 0; undetermined if several are possible.

    Args:
        low: lower end of the interval.
        high: upper end.
        margin: how near to 0 or to 1 counts as there.

    >>> [aging_outcome(*ends, 0.05) for ends in ((-0.01, 0.02), (0.66, 0.76), (0.96, 0.99), (0.9, 1.1))]
    ['stationary', 'subaging', 'simple', 'undetermined']
    """
    if -margin <= low and high <= margin:
        return "stationary"
    if 1 - margin <= low and high <= 1 + margin:
        return "simple"
    if low > 0 and high < 1:
        return "subaging"
    if low > 1:
        return "superaging"
    if high < 0:
        return "accelerating"
    return "undetermined"


def holds(outcome: str) -> bool | None:
    """Whether it ages: True, False, or None where that is undecided or the wrong question.

    >>> holds("subaging"), holds("stationary"), holds("undetermined")
    (True, False, None)
    """
    return {"subaging": True, "simple": True, "superaging": True, "stationary": False}.get(outcome)


def sentence(outcome: str, low: float, high: float) -> str:
    """The outcome in words.

    >>> sentence("undetermined", 0.4, 1.2)
    'The weights wander ever more slowly, but whether by less or more than in proportion to age cannot be told'
    """
    if outcome == "undetermined" and low > 0:
        return (
            "The weights wander ever more slowly, but whether by less or more than in proportion to age "
            "cannot be told"
        )
    if outcome == "undetermined" and high < 1 and np.isfinite(low):
        return "The weights slow down less than in proportion to age, if at all"
    return _SENTENCES[outcome]
