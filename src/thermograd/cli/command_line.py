"""From words to an exit code."""

from __future__ import annotations

import errno
import sys
import traceback
from collections.abc import Sequence

from thermograd import __version__
from thermograd.cli import terminal
from thermograd.cli.exit_codes import DONE, INTERRUPTED, RESOURCE, USAGE, exit_code_of, report_bug
from thermograd.errors import InterruptedRunError, MissingExtraError, ThermogradError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb.

    Args:
        arguments: the words after `thermograd`; those of this process if None.

    Returns:
        The exit code: 0 done, 1 something is missing or contradicted, 2 wrong usage or config, 3 run
        directory refused, 4 resource, 70 our bug, 130 and 143 interrupted.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    show_traceback = "--traceback" in words
    terminal.set_quiet("--quiet" in words)
    words = [word for word in words if word not in {"--traceback", "--quiet"}]
    if words == ["--version"]:  # needs nothing but the core
        terminal.result(__version__)
        return DONE
    try:
        from thermograd.cli.application import UsageError, run_verb
    except ImportError as absent:
        terminal.complain(
            str(MissingExtraError(package=absent.name or "cyclopts", extra="lab", purpose="The command line"))
        )
        return RESOURCE
    try:
        return run_verb(words)
    except UsageError as error:
        terminal.complain(str(error))
        return USAGE
    except (ThermogradError, InterruptedRunError) as error:
        if show_traceback:
            traceback.print_exception(error)
        else:
            terminal.complain(str(error))
        return exit_code_of(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return terminal.reader_left()
    except Exception as error:
        if show_traceback:
            traceback.print_exception(error)
        return _refused_path(error) if isinstance(error, OSError) else report_bug(error)


def _refused_path(error: OSError) -> int:
    """The exit code of what the system said about a file, said in one sentence."""
    from thermograd.store.disk_space import is_disk_error, refused_by_disk  # here, for a quick --help

    if error.filename is None and error.errno == errno.ENOSPC:
        terminal.discard_output()
    if is_disk_error(error):
        terminal.complain(refused_by_disk(error))
        return RESOURCE
    if error.filename is None or error.strerror is None:
        return report_bug(error)
    terminal.complain(f"cannot use {error.filename}: {error.strerror}")
    return USAGE
