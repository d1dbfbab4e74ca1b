"""H v of 15 batches, their graphs made anew or kept."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from posterior_peers_parts.row import Row

from curvature_parts.compared import compared
from curvature_parts.product import installed
from curvature_parts.task import batches, ours, vector

OVER_PEER = 1.0


def rows(quick: bool) -> Iterator[Row]:
    """Times and ratios; the bar is for graphs made anew, as the peers do."""
    data, v = batches(), vector()
    anew, kept = ours(data), ours(data, keep_graphs=True)
    exact, calls = anew @ v, {"ours": lambda: anew @ v}
    torch.testing.assert_close(kept @ v, exact, rtol=1e-3, atol=1e-4)
    for peer in installed():
        if peer.product is not None:
            product = peer.product(data)
            torch.testing.assert_close(product(v), exact, rtol=1e-3, atol=1e-4)
            calls[peer.name] = lambda product=product: product(v)
    yield from compared("product, 15 batches of 100", calls, bar=OVER_PEER, quick=quick)
    yield from compared(
        "the same, our graphs kept",
        {"ours": lambda: kept @ v} | {n: c for n, c in calls.items() if n != "ours"},
        bar=OVER_PEER,
        quick=quick,
    )
