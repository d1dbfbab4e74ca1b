"""The five largest eigenvalues to 1e-3."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from posterior_peers_parts.row import Row

from curvature_parts.compared import compared
from curvature_parts.product import installed
from curvature_parts.task import SIZES, batch, ours

OVER_PEER, TOLERANCE = 1.0, 1e-3
RIGHT = 1e-2  # the largest relative error of an eigenvalue


def rows(quick: bool) -> Iterator[Row]:
    """Times of all, and the ratio to the fastest whose values are right."""
    for size in SIZES:
        data = [batch(size)]
        exact = ours(data).eigenvalues(5, tol=1e-7, max_steps=300).values
        values = ", ".join(f"{value:.4f}" for value in exact)
        yield Row(f"five largest, {size} images, to 1e-7", exact[0], note=values)
        calls = {"ours": lambda data=data: ours(data).eigenvalues(5, tol=TOLERANCE).values}
        for peer in installed():
            for way, call in peer.top.items():
                calls[f"{peer.name}, {way}"] = lambda call=call, data=data: call(data)
        errors = {name: float(np.abs(call() / exact - 1).max()) for name, call in calls.items()}
        notes = {name: f"off by up to {100 * error:.2g} %" for name, error in errors.items()}
        wrong = {name for name, error in errors.items() if error > RIGHT}
        yield from compared(
            f"five largest, {size} images", calls, bar=OVER_PEER, quick=quick, notes=notes, wrong=wrong
        )
