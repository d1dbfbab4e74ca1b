"""The tiny loop of the reliability tests, to drive a run directory without training."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "reliability"))
