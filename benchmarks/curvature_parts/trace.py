"""The trace from 99 products."""

from __future__ import annotations

from collections.abc import Iterator

from posterior_peers_parts.row import Row

from curvature_parts.compared import compared
from curvature_parts.product import installed
from curvature_parts.task import SIZES, batch, ours

OVER_PEER, PRODUCTS = 1.0, 99


def rows(quick: bool) -> Iterator[Row]:
    """Times and ratios, beside what came out."""
    for size in SIZES:
        data = [batch(size)]
        best = ours(data).trace(1500 if size == SIZES[0] and not quick else 300)
        yield Row(f"trace, {size} images, from many products", best.value, note=str(best))
        calls = {"ours": lambda data=data: ours(data).trace(PRODUCTS)}
        notes = {"ours": str(ours(data).trace(PRODUCTS))}
        for peer in installed():
            calls[peer.name] = lambda peer=peer, data=data: peer.trace(data, PRODUCTS)
            notes[peer.name] = f"{calls[peer.name]():.4g}"
        yield from compared(f"trace, {size} images", calls, bar=OVER_PEER, quick=quick, notes=notes)
