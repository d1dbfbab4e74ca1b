"""Whether a folder can be written to, said before hours of work."""

from __future__ import annotations

import os
from pathlib import Path

from thermograd.errors import ConfigError


def check_output_folder(folder: Path) -> None:
    """Refuse a folder in which nothing could be written; nothing is made.

    Args:
        folder: what `--out` names; it may not exist yet, nor the folders above it.

    Raises:
        ConfigError: a file stands there or above, or it may not be written to.
    """
    nearest = folder
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if not nearest.is_dir():
        message = f"--out {folder}: {nearest} is a file; give a folder, a new one or one that is there"
        raise ConfigError(message)
    if not os.access(nearest, os.W_OK | os.X_OK):
        message = f"--out {folder}: you may not write in {nearest}; give a folder of your own"
        raise ConfigError(message)
