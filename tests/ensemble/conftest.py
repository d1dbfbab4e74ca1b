"""The tiny loop of the reliability tests, to drive a run directory without training."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

_PLACE = Path(__file__).parents[1] / "reliability" / "logistic_map.py"
if "logistic_map" not in sys.modules:
    _spec = importlib.util.spec_from_file_location("logistic_map", _PLACE)
    assert _spec is not None
    assert _spec.loader is not None
    sys.modules["logistic_map"] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules["logistic_map"])
