"""`blocks/N/progress.json`: how far a block at work elsewhere has come. Never needed to go on with a run."""

from __future__ import annotations

import contextlib
import json
import math
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from thermograd.store.failures import block_folder

FILE = "progress.json"


@dataclass(frozen=True)
class BlockProgress:
    """A moment of a block.

    Attributes:
        generation: which start of the run works on it.
        step: last step whose records were taken.
        committed: last step that was committed by this owner, -1 before the first.
        mean: mean of the first observable over the finite members of the block, NaN where nothing is known.
        diverged: trajectories that diverged.
    """

    generation: int
    step: int = 0
    committed: int = -1
    mean: float = math.nan
    diverged: int = 0


def write_progress(run: Path, block: int, progress: BlockProgress) -> None:
    """Replace the file, without waiting for the disk; a disk that refuses is passed over."""
    file = block_folder(run, block) / FILE
    temporary = file.with_name(f".{FILE}.{os.getpid()}.tmp")
    content = asdict(progress) | {"mean": progress.mean if math.isfinite(progress.mean) else None}
    with contextlib.suppress(OSError):
        temporary.write_text(json.dumps(content), encoding="ascii")
        os.replace(temporary, file)


def read_progress(run: Path, block: int, generation: int) -> BlockProgress | None:
    """How far a block is; None if nobody of this start works on it."""
    try:
        content = json.loads((block_folder(run, block) / FILE).read_bytes())
        mean = content["mean"]
        found = BlockProgress(
            int(content["generation"]),
            int(content["step"]),
            int(content["committed"]),
            math.nan if mean is None else float(mean),
            int(content["diverged"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if found.generation == generation else None


def clear_progress(run: Path, block: int) -> None:
    """Remove the file: nobody works on the block any more."""
    with contextlib.suppress(OSError):
        (block_folder(run, block) / FILE).unlink(missing_ok=True)
