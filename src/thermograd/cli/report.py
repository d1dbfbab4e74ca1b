"""`thermograd report`: a page of a run, or of several compared."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from thermograd.cli import terminal
from thermograd.cli.exit_codes import DONE
from thermograd.errors import ConfigError, DamagedRunError, ThermogradError


def report(
    run: Annotated[tuple[Path, ...], Parameter(negative=(), show_default=False)],
    /,
    *,
    out: Annotated[Path | None, Parameter(name="--out")] = None,
    salvage: Annotated[bool, Parameter(name="--salvage", negative=())] = False,
) -> int:
    """Write one self-contained HTML page about a run; several runs are compared in one.

    The last line on stdout is the path of the page. Exit code 0 also when nothing is committed yet: the
    page then says so.

    Args:
        run: run directories; several are compared.
        out: file to write; RUN/report.html of the first run if it is not given.
        salvage: of a damaged run show what can be trusted, and name what cannot.

    Returns:
        The exit code.

    Raises:
        ConfigError: `out` is a folder, or in none.
        DamagedRunError: a run cannot be trusted; says how to repair it, and how to see the rest.
    """
    if out is not None and (out.is_dir() or not out.parent.is_dir()):
        message = f"--out {out}: it must be a file in a folder that exists, as {out / 'report.html' if out.is_dir() else out.name}"
        raise ConfigError(message)
    from thermograd.report.page import report_run  # here, so that `--help` needs no numpy

    try:
        page = report_run(run, out, salvage=salvage)
    except DamagedRunError as error:
        if salvage or not _readable(run):
            raise
        message = f"{error}; with --salvage the page shows what is left"
        raise DamagedRunError(message, error.damage) from error
    terminal.result(str(page))
    return DONE


def _readable(folders: Iterable[Path]) -> bool:
    """Whether all of them can be opened without what is damaged."""
    from thermograd.store.reader import open_run  # here, so that `--help` needs no numpy

    try:
        for folder in folders:
            open_run(folder, salvage=True)
    except ThermogradError:
        return False
    return True
