"""The quickstart as a newcomer meets it, no kernel built yet, over importing what it needs."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from running_parts.process_cost import processor_seconds
from running_parts.row import Row


def rows(*, quick: bool) -> Iterator[Row]:
    """Least of 3, with a cache of its own each time; left out if it has to be quick."""
    if quick:
        return
    imports = min(processor_seconds("-c", "import torch, sklearn.datasets") for _ in range(5))
    whole = min(_quickstart() for _ in range(3))
    yield Row("thermograd quickstart, over importing torch and sklearn.datasets", whole / imports, "<=", 15)


def _quickstart() -> float:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        environment = {**os.environ, "THERMOGRAD_CACHE": str(place / "cache")}
        words = ("-m", "thermograd", "--quiet", "quickstart", "--out", str(place / "run"))
        return processor_seconds(*words, environment=environment)
