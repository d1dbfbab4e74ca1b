"""Draws the figure of the tutorial on theory beside simulation with Chromium: a part of `make tutorials`."""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from thermograd.report.figure import Figure

sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[2] / "benchmarks")]
from gallery_parts.drawing import drawings
from gallery_parts.small_svg import small_svg
from write_outputs import FOLDER, played

PAGE = "theory_beside_simulation"
_HEIGHT = 400

if __name__ == "__main__":
    names: dict[str, object] = {}
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as made:
        os.chdir(made)
        try:
            for _ in played((FOLDER / f"{PAGE}.md").read_text("utf-8"), names):
                pass
        finally:
            os.chdir(before)
    shown = names["figure"]
    assert isinstance(shown, Figure)
    (drawn,) = drawings([replace(shown, layout={**shown.layout, "height": _HEIGHT})])
    (FOLDER / f"{PAGE}.svg").write_text(small_svg(drawn, shown.title, shown.conclusion), "utf-8")
