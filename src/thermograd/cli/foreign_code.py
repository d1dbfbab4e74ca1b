"""Whether an exception came from somebody else's code, such as a plug-in, and from which line of it."""

from __future__ import annotations

import sysconfig
import traceback
from importlib.metadata import entry_points
from pathlib import Path

import thermograd

_OURS = Path(thermograd.__file__).resolve().parent


def foreign_line(error: BaseException) -> str | None:
    """Where code that is neither ours nor a library's raised.

    Frames of libraries are passed over from the innermost on: who called them is asked. Code of an installed
    package counts as a plug-in's if the package names one in its metadata.

    Args:
        error: an exception that was raised.

    Returns:
        "FUNCTION, FILE:LINE", None if it is ours or nobody's.
    """
    libraries = [Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "purelib", "platlib")]
    plugged = {entry.module.partition(".")[0] for entry in entry_points(group="thermograd.plugins")} - {
        "thermograd"
    }
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        file = Path(frame.f_code.co_filename).resolve()
        if file.is_relative_to(_OURS):
            return None
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if file.is_file() and (package in plugged or not any(map(file.is_relative_to, libraries))):
            return f"{frame.f_code.co_name}, {file}:{line}"
    return None
