"""Where a loop of one's own is in its epochs, each of which it goes through to the end."""

from __future__ import annotations


class EpochPlace:
    """The number of the epoch, and how many updates of it were made.

    Args:
        batches: updates in one epoch.

    >>> place = EpochPlace(2)
    >>> place.begin(); place.advance(); place.advance(); place.end()
    >>> place.epoch, place.inside
    (1, False)
    """

    def __init__(self, batches: int) -> None:
        self.batches = batches
        self.epoch = 0
        self._updates: int | None = None

    @property
    def inside(self) -> bool:
        """Whether an epoch has begun and not ended."""
        return self._updates is not None

    @property
    def updates(self) -> int:
        """Updates made in this epoch; 0 between two."""
        return self._updates or 0

    def begin(self) -> None:
        """An epoch begins; that before has ended, see `check_ended`."""
        self._updates = 0

    def advance(self) -> None:
        """An update was made."""
        self._updates = self.updates + 1

    def end(self) -> None:
        """The epoch ends.

        Raises:
            RuntimeError: not every batch had its update; the epoch is given up, and does not count.
        """
        made, self._updates = self.updates, None
        if made != self.batches:
            message = (
                f"step() was called {made} times in an epoch of {self.batches} batches; call it once for each batch of "
                "sampler.epoch() (a GradScaler leaves steps out where gradients overflow: use bfloat16 or float32)"
            )
            raise RuntimeError(message)
        self.epoch += 1

    def go_on_after(self, epoch: int) -> None:
        """So many epochs have ended."""
        self.epoch, self._updates = epoch, None

    def check_ended(self) -> None:
        """Refuse to begin an epoch inside another.

        Raises:
            RuntimeError: the epoch before was not ended.
        """
        if self.inside:
            message = (
                f"epoch {self.epoch} was not gone through to its end: step() was called {self.updates} times for "
                f"{self.batches} batches; go through all of sampler.epoch(), or call end_epoch()"
            )
            raise RuntimeError(message)

    def check_inside(self) -> None:
        """Refuse an update that belongs to no batch.

        Raises:
            RuntimeError: outside an epoch, or after its last batch.
        """
        if not self.inside or self.updates >= self.batches:
            where = f"more than {self.batches} times in an epoch" if self.inside else "outside an epoch"
            message = f"step() was called {where}; call it once for each batch of sampler.epoch()"
            raise RuntimeError(message)

    def check_drawn(self) -> None:
        """Refuse to call weights a draw where they are none.

        Raises:
            RuntimeError: inside an epoch, or before the first.
        """
        if self.inside or self.epoch == 0:
            where = (
                f"after {self.updates} of {self.batches} batches" if self.inside else "before the first epoch"
            )
            message = f"record() was called {where}; weights are draws at the ends of epochs only"
            raise RuntimeError(message)
