"""A call that is given a folder of its own each time."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path


def in_fresh_folder(call: Callable[[Path], object]) -> Callable[[], None]:
    """The call with an empty folder, which is removed afterwards."""

    def fresh() -> None:
        with tempfile.TemporaryDirectory() as folder:
            call(Path(folder))

    return fresh
