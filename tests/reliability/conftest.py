"""One harness for all tests of a process: starting its servers takes seconds."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from thermograd.reproductions.running_harness import Harness
from thermograd.reproductions.running_harness import harness as warm

SERVERS = 1 if "PYTEST_XDIST_WORKER" in os.environ else 2


@pytest.fixture(scope="session")
def harness() -> Iterator[Harness]:
    with warm(SERVERS) as found:
        yield found


@pytest.fixture(scope="session")
def nightly() -> bool:
    """Whether there is time: THERMOGRAD_NIGHTLY=1."""
    return bool(os.environ.get("THERMOGRAD_NIGHTLY"))
