"""The figures of the documentation: `make gallery`, that is `python benchmarks/gallery.py`.

Runs every reproduction that has a figure in `gallery_parts/selection.py`, one at a time, draws its figures with Chromium
into `docs/gallery/` and writes `docs/gallery.md`. About ten minutes of one core. What cannot be made here, for want of data for
example, keeps the drawings it has; exit code 1 then.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from gallery_parts.document import document, drawing
from gallery_parts.drawing import drawings
from gallery_parts.page_figures import page_figures
from gallery_parts.selection import SELECTION
from gallery_parts.shown import Shown
from gallery_parts.small_svg import small_svg

DOCS = Path(__file__).parents[1] / "docs"
FOLDER = DOCS / "gallery"
_POINTS = 200
_MADE = (0, 1)
"""Exit codes of a reproduction that was made; 1 if a row differs."""


def main() -> int:
    """Reproduce, draw, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pages", type=Path, default=Path("reproduced"), help="where the pages are written")
    parser.add_argument("--drawn-only", action="store_true", help="draw pages that are there already")
    options = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    missing = []
    for name, experiments in SELECTION.items():
        for experiment, figures in experiments.items():
            if isinstance(figures, str):
                continue
            page = options.pages / f"{name}-{experiment}" / "report.html"
            if page.exists() if options.drawn_only else _reproduced(name, experiment, page):
                _draw(page, name, experiment, figures)
            else:
                missing.append(f"{name} {experiment}")
    (DOCS / "gallery.md").write_text(document(FOLDER), encoding="utf-8")
    print(f"{DOCS / 'gallery.md'}: not made anew: {', '.join(missing) or 'nothing'}")
    return 1 if missing else 0


def _reproduced(name: str, experiment: str, page: Path) -> bool:
    words = [name, "--experiment", experiment, "--out", str(page.parent)]
    print("thermograd reproduce", *words, flush=True)
    done = subprocess.run(
        [sys.executable, "-m", "thermograd", "reproduce", *words], stdout=subprocess.DEVNULL, check=False
    )
    return done.returncode in _MADE


def _draw(page: Path, name: str, experiment: str, figures: tuple[Shown, ...]) -> None:
    known = page_figures(page)
    chosen = [shown.of(known[shown.name]).thinned(_POINTS) for shown in figures]
    for shown, figure, text in zip(figures, chosen, drawings(chosen), strict=True):
        file = drawing(FOLDER, name, experiment, shown.name)
        file.write_text(small_svg(text, figure.title, figure.conclusion), encoding="utf-8")
        print(f"  {file.name}: {file.stat().st_size / 1000:.0f} kB", flush=True)


if __name__ == "__main__":
    sys.exit(main())
