"""The other packages, as far as they are installed; `peers.txt` beside the benchmark pins them."""

from __future__ import annotations

import importlib
import warnings
from types import ModuleType

NAMES = ("physfdt", "statopt", "cockpit", "backpack")


def found() -> tuple[dict[str, ModuleType], dict[str, str]]:
    """Modules that could be imported, and why the others could not."""
    modules, absent = {}, {}
    for name in NAMES:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                modules[name] = importlib.import_module(name)
        except ImportError as cause:
            absent[name] = str(cause)
    return modules, absent
