"""Figures drawn by Chromium, as the pages draw them, taken out as SVG."""

from __future__ import annotations

import contextlib
import html
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from thermograd.report.document import plotly_script
from thermograd.report.figure import Figure
from thermograd.report.shell import page_file, shell

WIDTH = 500
"""In px. A telephone shrinks it by a third at most, so that text of 12 px stays readable."""
_SECONDS = 120
_DRAWN = re.compile(r'<pre class="svg">(.*?)</pre>', re.DOTALL)
_SCRIPT = """
document.documentElement.dataset.theme = "light";
const figures = JSON.parse(document.getElementById("figures").textContent);
const draw = async ([figure, width, height]) => {
  const { data, layout } = pageTheme.themed(figure, width);
  Object.assign(layout, { paper_bgcolor: "#ffffff", plot_bgcolor: "#ffffff", width, height });
  layout.font.family = "Helvetica, Arial, sans-serif";
  layout.font.size = 12;
  for (const name of Object.keys(layout).filter((key) => key.startsWith("yaxis"))) {
    layout[name].automargin = true;
    layout[name].title = { standoff: 8, ...layout[name].title };
  }
  const address = await Plotly.toImage({ data, layout }, { format: "svg", width, height });
  const element = document.createElement("pre");
  element.className = "svg";
  element.textContent = decodeURIComponent(address.slice(address.indexOf(",") + 1));
  document.body.append(element);
};
(async () => { for (const figure of figures) await draw(figure); })();
"""


def drawings(figures: Sequence[Figure]) -> list[str]:
    """Every figure as SVG, in the light theme on white paper.

    Args:
        figures: what to draw; `height` stands in their layout.

    Returns:
        The text of one SVG file each, as plotly makes it.

    Raises:
        RuntimeError: there is no Chromium, or it did not draw all of them.
    """
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        message = "no Chromium found; on Debian: apt-get install chromium"
        raise RuntimeError(message)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        page.write_text(_page(figures), "utf-8")
        dom = _opened(program, page, Path(folder) / "profile")
    found = [html.unescape(text) for text in _DRAWN.findall(dom)]
    if len(found) != len(figures):
        message = f"Chromium drew {len(found)} of {len(figures)} figures"
        raise RuntimeError(message)
    return found


def _page(figures: Sequence[Figure]) -> str:
    content = [
        ({"data": figure.traces, "layout": figure.layout}, WIDTH, int(figure.layout["height"]))
        for figure in figures
    ]
    text = json.dumps(content, allow_nan=False).replace("<", "\\u003c")
    data = f"<script type='application/json' id='figures'>{text}</script>"
    scripts = (plotly_script(), page_file("theme.js"), _SCRIPT)
    return shell("drawings", "", scripts=data + "".join(f"<script>{script}</script>" for script in scripts))


def _opened(program: str, page: Path, profile: Path) -> str:
    """The page after its scripts have run; no process is left behind."""
    flags = f"--headless --no-sandbox --disable-gpu --no-first-run --user-data-dir={profile}".split()
    flags += ["--virtual-time-budget=60000", "--dump-dom"]
    process = subprocess.Popen(
        [program, *flags, page.as_uri()],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        return process.communicate(timeout=_SECONDS)[0]
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
