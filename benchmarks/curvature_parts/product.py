"""H v of one batch by an object in use."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from engines_parts.peer import AbsentError
from posterior_peers_parts.row import Row
from posterior_peers_parts.timing import seconds_each

from curvature_parts.compared import compared
from curvature_parts.peers import Peer, peers
from curvature_parts.task import SIZES, bare, batch, ours, vector

OVER_PEER, OVER_BARE = 0.7, 1.1


def rows(quick: bool) -> Iterator[Row]:
    """Times, ratios, and that all agree."""
    for size in SIZES:
        data, v = [batch(size)], vector()
        hessian, plain = ours(data), bare(data[0])
        exact, calls = hessian @ v, {"ours": lambda hessian=hessian, v=v: hessian @ v}
        for peer in installed():
            if peer.product is not None:
                product = peer.product(data)
                torch.testing.assert_close(product(v), exact, rtol=1e-3, atol=1e-4)
                calls[peer.name] = lambda product=product, v=v: product(v)
        yield from compared(f"product, {size} images", calls, bar=OVER_PEER, quick=quick)
        torch.testing.assert_close(plain(), exact, rtol=1e-3, atol=1e-4)
        both = {"ours": calls["ours"], "bare": plain}
        taken = seconds_each(both, repeats=3 if quick else 21, seconds=0.01 if quick else 0.3)
        yield Row(f"product, {size} images: bare double backward, ms", 1e3 * taken["bare"])
        yield Row(f"product, {size} images: ours / bare", taken["ours"] / taken["bare"], "<=", OVER_BARE)


def installed() -> list[Peer]:
    """The peers; none if none is installed."""
    try:
        return peers()
    except AbsentError:
        return []
