"""The density from 100 steps of one random vector; ours, which takes two for an error, at half its time."""

from __future__ import annotations

from collections.abc import Iterator

from posterior_peers_parts.row import Row

from curvature_parts.compared import compared
from curvature_parts.product import installed
from curvature_parts.task import SIZES, batch, ours

OVER_PEER, STEPS = 0.9, 100


def rows(quick: bool) -> Iterator[Row]:
    """Times and ratios."""
    for size in SIZES:
        data = [batch(size)]
        calls = {"ours": lambda data=data: ours(data).density(STEPS, 2)}
        for peer in installed():
            if peer.density is None:
                yield Row(
                    f"density, {size} images: {peer.name}",
                    note="fails: torch.eig, which it calls, is gone since torch 2.0",
                )
            else:
                calls[peer.name] = lambda peer=peer, data=data: peer.density(data, STEPS)
        yield from compared(
            f"density, {size} images", calls, bar=OVER_PEER, quick=quick, shares={"ours": 0.5}
        )
