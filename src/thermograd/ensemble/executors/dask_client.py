"""Blocks through a Dask client that the caller made."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from thermograd.ensemble.executors.dask_blocks import DaskBlocks, worker_died
from thermograd.errors import ConfigError


@dataclass(frozen=True)
class DaskClient:
    """A `distributed.Client`, left open; its workers must see the run directory under the same path.

    Attributes:
        client: the client.
    """

    client: Any

    remote: ClassVar[bool] = True
    survives_loss: ClassVar[bool] = True

    @property
    def workers(self) -> int:
        """How many worker processes there are now."""
        return len(self.client.nthreads())

    def check(self) -> None:
        """Refuse a client that has lost its scheduler, or was closed.

        Raises:
            ConfigError: it is.
        """
        if self.client.status != "running":
            message = f"the Dask client is {self.client.status}; give one that is connected to its scheduler"
            raise ConfigError("executor: " + message, (("executor", message),))

    @contextlib.contextmanager
    def open(self, run: Path) -> Generator[DaskBlocks]:
        """The client as it is.

        Args:
            run: the run directory.

        Yields:
            The executor.
        """
        yield DaskBlocks(self.client, run)

    def alone(self, run: Path) -> contextlib.AbstractContextManager[DaskBlocks]:
        """The same: which worker has the block is for its scheduler to say."""
        return self.open(run)

    def lost(self, error: BaseException) -> bool:
        """Whether workers died each time they had the block."""
        return worker_died(error)
