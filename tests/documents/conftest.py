"""The writers of pages beside these tests are imported by name, as they import one another when they are run."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
