"""The command line that goes on with a run, in the same words wherever it is proposed."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from thermograd.store.printable import printable


def resume_command(run: Path | str, executor: Sequence[str] = ()) -> str:
    """What to type.

    Args:
        run: the run directory.
        executor: words that choose who trains the blocks; of a run on disk those of its manifest.

    Returns:
        One line for a shell.

    >>> resume_command("runs/a", ("--executor", "process", "--workers", "8"))
    'thermograd resume runs/a --executor process --workers 8'
    """
    return printable(shlex.join(["thermograd", "resume", str(run), *executor]))
