"""Persistent batches for a `DataLoader` beside the plain random sampler of torch."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from paired_seconds import paired_seconds
from torch.utils.data import BatchSampler, RandomSampler

from thermograd.minibatching.persistent import Persistent

SAMPLES, BATCH, EPOCHS = 2000, 200, 50


def rows() -> Iterator[tuple[str, float, str, float]]:
    """What, measured, sense, bar."""
    plain = BatchSampler(
        RandomSampler(range(SAMPLES), generator=torch.Generator().manual_seed(0)), BATCH, drop_last=True
    )
    for name, persistence, fixed_size, bar in (
        ("fixed size, persistence 50", 50.0, True, 3.0),
        ("fixed size, independent batches", None, True, 3.0),
        ("independent samples, persistence 50", 50.0, False, 0.0),
    ):
        rule = Persistent(BATCH / SAMPLES, persistence, fixed_size)
        sampler = rule.batch_sampler(samples=SAMPLES)
        ours, theirs = paired_seconds(lambda sampler=sampler: epochs(sampler), lambda: epochs(plain))
        batches = EPOCHS * len(plain)
        what = f"batch of {BATCH} of {SAMPLES}, {name}"
        yield f"{what}, microseconds", 1e6 * ours / batches, "", 0.0
        yield f"{what}, time over BatchSampler(RandomSampler)", ours / theirs, "<=" if bar else "", bar


def epochs(sampler: torch.utils.data.Sampler[list[int]]) -> int:
    """Indices of some epochs."""
    return sum(len(batch) for _ in range(EPOCHS) for batch in sampler)
