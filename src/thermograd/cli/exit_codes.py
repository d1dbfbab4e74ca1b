"""What the command line ends with, and what it says about a bug of ours."""

from __future__ import annotations

import tempfile
import traceback
from pathlib import Path

from thermograd.cli import terminal
from thermograd.errors import InterruptedRunError, ThermogradError

DONE, INCOMPLETE, USAGE, REFUSED, RESOURCE, BUG = 0, 1, 2, 3, 4, 70
INTERRUPTED, TERMINATED = 130, 143
MEANINGS = {
    DONE: "done; trajectories that diverged are a result too",
    INCOMPLETE: "finished, but something is missing or contradicted: a failed block, a row outside its interval, a fault found",
    USAGE: "wrong usage or config, or a plug-in that raised while it was tried; nothing was written",
    REFUSED: "run directory refused: in use, of another experiment, foreign, damaged, of a newer format, environment changed",
    RESOURCE: "resource: disk or memory full, an extra, a data set or a compiler missing",
    BUG: "a bug of ours: two lines, and the path of the log with the traceback",
    INTERRUPTED: "interrupted by Ctrl-C: a run is checkpointed and can be resumed",
    TERMINATED: "ended by SIGTERM: a run is checkpointed and can be resumed",
}
"""What each code says to a script."""


def exit_code_of(error: ThermogradError | InterruptedRunError) -> int:
    """The exit code of a foreseen error."""
    return error.exit_code


def report_bug(error: Exception) -> int:
    """Two lines for a person, the traceback in a file.

    Args:
        error: what nobody foresaw, raised by us or by a plug-in.

    Returns:
        The exit code.
    """
    from thermograd.cli.foreign_code import foreign_line  # here, for a quick --help

    with tempfile.NamedTemporaryFile(
        "w", prefix="thermograd-traceback-", suffix=".log", delete=False, encoding="utf-8"
    ) as log:
        log.write("".join(traceback.format_exception(error)))
    first = (str(error).splitlines() or [""])[0][:300]
    raised = f"{type(error).__name__}: {first}"
    if (line := foreign_line(error)) is not None:
        terminal.complain(f"{raised}, in code that is not thermograd's: {line}")
        terminal.complain(f"the traceback is in {Path(log.name)} (or run again with --traceback)")
        return USAGE
    terminal.complain(f"thermograd has a bug: {raised}")
    terminal.complain(f"please report it with {Path(log.name)} (or run again with --traceback)")
    return BUG
