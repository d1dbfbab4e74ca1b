"""The batches of a posterior sampler in one's own loop: which samples, in which order, how much each counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset, default_collate

_ORDER, _PAIR, _SUBSET = range(3)
_PASS = 512
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class EpochBatches:
    """Batches of all epochs as functions of (seed, epoch), fit for a `DataLoader` (`batch_sampler=`).

    Attributes:
        samples: M.
        size: m, the largest batch.
        reshuffled: one permutation an epoch, cut into n = ⌈M/m⌉ batches whose sizes differ by 1 at most and read the same
            from both ends; else n
            independent batches of m distinct samples.
        seed: of all of them.

    >>> batches = EpochBatches(7, 3, reshuffled=True, seed=0)
    >>> batches.sizes, sorted(place for batch in batches.epoch(4) for place in batch)
    ([2, 3, 2], [0, 1, 2, 3, 4, 5, 6])
    """

    samples: int
    size: int
    reshuffled: bool
    seed: int

    @property
    def steps(self) -> int:
        """Batches in an epoch, n."""
        return -(-self.samples // self.size)

    @property
    def sizes(self) -> list[int]:
        """m_t of the batches of an epoch."""
        if not self.reshuffled:
            return [self.size] * self.steps
        steps = self.steps
        ends = [(2 * place * self.samples + steps) // (2 * steps) for place in range(steps + 1)]
        return np.diff(ends).tolist()

    def epoch(self, epoch: int) -> list[list[int]]:
        """The samples of each batch of an epoch."""
        generator = np.random.default_rng([self.seed, _ORDER, epoch])
        if not self.reshuffled:
            return [
                generator.choice(self.samples, self.size, replace=False).tolist() for _ in range(self.steps)
            ]
        order = generator.permutation(self.samples)
        return [part.tolist() for part in np.split(order, np.cumsum(self.sizes)[:-1])]

    def pair(self, epoch: int) -> tuple[Indices, Indices]:
        """Two disjoint batches of m samples, independent of the epoch's order."""
        order = np.random.default_rng([self.seed, _PAIR, epoch]).permutation(self.samples)
        return order[: self.size], order[self.size : 2 * self.size]

    def subset(self, largest: int) -> Indices:
        """All samples, or `largest` random ones of more."""
        if self.samples <= largest:
            return np.arange(self.samples)
        return np.random.default_rng([self.seed, _SUBSET]).choice(self.samples, largest, replace=False)


class _OfTheEpoch:
    """What a `DataLoader` asks for its batches; the sampler says which epoch it is."""

    def __init__(self, batches: EpochBatches) -> None:
        self._batches, self.epoch = batches, 0

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self._batches.epoch(self.epoch))

    def __len__(self) -> int:
        return self._batches.steps


class Supply:
    """Samples of a map-style dataset as batches, on the device of the model where they are asked for by us.

    Args:
        data: the dataset.
        batches: which samples.
        num_workers: of the `DataLoader` of epochs.
        collate: samples -> batch; torch's own if None.
        device: of the model.

    Raises:
        ValueError: an iterable dataset, a `DataLoader`, or one without a length.
    """

    def __init__(
        self,
        data: Dataset[Any],
        batches: EpochBatches,
        num_workers: int,
        collate: Callable[[list[Any]], Any] | None,
        device: torch.device,
    ) -> None:
        self._data, self._batches, self._workers = data, batches, num_workers
        self._whole = type(data) is TensorDataset and collate in (None, default_collate)
        self._collate = default_collate if collate is None else collate
        self._device = device
        self._current = _OfTheEpoch(batches)
        self._loader = DataLoader(
            data,
            batch_sampler=self._current,
            num_workers=num_workers,
            collate_fn=self._collate,
            persistent_workers=num_workers > 0,
            generator=torch.Generator(),  # of its own, so that torch's global one stays as it is
        )

    def epoch(self, epoch: int) -> Iterator[Any]:
        """The batches of an epoch, as a loop gets them: slices where the data are tensors, else by a `DataLoader`."""
        if self._whole and not self._workers:
            return (self._sliced(chosen) for chosen in self._batches.epoch(epoch))
        self._current.epoch = epoch
        return iter(self._loader)

    def _sliced(self, indices: Sequence[int] | Indices) -> list[Any]:
        return list(self._data[torch.as_tensor(indices)])

    def batch(self, indices: Sequence[int] | Indices) -> Any:
        """Some samples as one batch, on the model's device."""
        if self._whole:
            return moved(self._sliced(indices), self._device)
        return moved(self._collate([self._data[int(place)] for place in indices]), self._device)

    def passes(self, indices: Indices) -> Iterator[tuple[Any, int]]:
        """Samples as batches of a few hundred, with their numbers."""
        for first in range(0, len(indices), _PASS):
            chosen = indices[first : first + _PASS]
            yield self.batch(chosen), len(chosen)


def moved(batch: Any, device: torch.device) -> Any:
    """A batch with its tensors on a device.

    Args:
        batch: a tensor, or tuples, lists and dicts of such.
        device: where.
    """
    if isinstance(batch, Tensor):
        return batch.to(device)
    if isinstance(batch, dict):
        return {key: moved(value, device) for key, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(moved(value, device) for value in batch))
    if isinstance(batch, tuple | list):
        return type(batch)(moved(value, device) for value in batch)
    return batch


def check_data(data: Any) -> int:
    """The number of samples of a dataset that can be asked for any of them.

    Args:
        data: what was given.

    Raises:
        ValueError: it is something else.
    """
    if isinstance(data, DataLoader):
        message = (
            "data is a DataLoader, which draws batches of its own; give its dataset: data=loader.dataset"
        )
        raise ValueError(message)
    if isinstance(data, IterableDataset) or not hasattr(data, "__getitem__") or not hasattr(data, "__len__"):
        message = (
            f"data is a {type(data).__name__}, which cannot be asked for single samples; give a map-style dataset, for "
            "example TensorDataset(inputs, targets)"
        )
        raise ValueError(message)
    if isinstance(data, tuple | list | Tensor):
        message = (
            f"data is a {type(data).__name__}; give a dataset, for example TensorDataset(inputs, targets)"
        )
        raise ValueError(message)
    return len(data)
