"""The command line that goes on with a run, in the same words wherever it is proposed."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from thermograd.store.printable import printable


def resume_command(run: Path | str, executor: Sequence[str] = (), python_objects: Sequence[str] = ()) -> str:
    """What to type; of an experiment that no text can name, what to call.

    Args:
        run: the run directory.
        executor: words that choose who trains the blocks; of a run on disk those of its manifest.
        python_objects: what no text can name; then only the program that has them can go on.

    Returns:
        One line for a shell, or for Python.

    >>> resume_command("runs/a", ("--executor", "process", "--workers", "8"))
    'thermograd resume runs/a --executor process --workers 8'
    >>> resume_command("runs/a", python_objects=["problem.model"])
    "the same script again, or in Python: thermograd.resume('runs/a', experiment=...)"
    """
    if python_objects:
        return printable(
            f"the same script again, or in Python: thermograd.resume({str(run)!r}, experiment=...)"
        )
    return printable(shlex.join(["thermograd", "resume", str(run), *executor]))
