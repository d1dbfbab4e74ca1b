"""Which samples the peers' chains see: indices of an epoch, `(chain, step, sample)`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Loader = Callable[[np.random.Generator, int, int, int], np.ndarray]


def reshuffled(generator: np.random.Generator, chains: int, samples: int, batch: int) -> np.ndarray:
    """A random order of all samples, cut into batches."""
    return generator.random((chains, samples)).argsort(axis=1).reshape(chains, -1, batch)


def independent(generator: np.random.Generator, chains: int, samples: int, batch: int) -> np.ndarray:
    """Batches drawn independently, each of distinct samples."""
    drawn = generator.integers(samples, size=(chains * (samples // batch), batch))
    while True:
        ordered = np.sort(drawn, axis=1)
        repeats = np.flatnonzero((np.diff(ordered, axis=1) == 0).any(axis=1))
        if not repeats.size:
            return drawn.reshape(chains, -1, batch)
        drawn[repeats] = generator.integers(samples, size=(repeats.size, batch))


LOADERS: dict[str, Loader] = {"with replacement": independent, "reshuffled": reshuffled}
