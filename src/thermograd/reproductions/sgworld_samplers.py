"""The six samplers by their names in theory: which dynamics, on which batches."""

from __future__ import annotations

from typing import Any

from thermograd.dynamics.sgld import SGLD
from thermograd.dynamics.sgworld import SGWORLD
from thermograd.minibatching.with_replacement import WithReplacement
from thermograd.minibatching.without_replacement import WithoutReplacement

NAMES = {
    "sgld": "SGLD",
    "sgld_without_replacement": "SGLD, reshuffled",
    "sgworld": "SGWORLD",
    "sgworld_uncorrected": "SGWORLD uncorrected",
    "sgworld_published": "SGWORLD as published",
    "sgworld_published_uncorrected": "SGWORLD as published, uncorrected",
}
"""How a sampler is called in tables and legends."""


def sampler(algorithm: str, learning_rate: float, batch_size: int) -> tuple[Any, Any]:
    """Dynamics and minibatching of an algorithm.

    Args:
        algorithm: one of `theory.posterior.ALGORITHMS`.
        learning_rate: η, which multiplies ∇U.
        batch_size: m.

    >>> sampler("sgworld_uncorrected", 1e-6, 10)[0]
    SGWORLD(learning_rate=1e-06, temperature=1.0, variant='corrected', correction=False)
    """
    reshuffled = WithoutReplacement(batch_size=batch_size, remainder="spread")
    if algorithm == "sgld":
        return SGLD(learning_rate), WithReplacement(batch_size=batch_size)
    if algorithm == "sgld_without_replacement":
        return SGLD(learning_rate), reshuffled
    variant = "published" if "published" in algorithm else "corrected"
    return SGWORLD(
        learning_rate, variant=variant, correction=not algorithm.endswith("uncorrected")
    ), reshuffled
