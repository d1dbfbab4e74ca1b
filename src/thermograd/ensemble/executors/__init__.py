"""What runs the blocks of a run directory. A class is found in the file of its name in snake case."""

from thermograd.discover import lazy_exports

__getattr__ = lazy_exports(__name__)
