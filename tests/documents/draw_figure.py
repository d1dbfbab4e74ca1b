"""Draws the figure of the tutorial on theory beside simulation with Chromium: a part of `make tutorials`."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

from write_outputs import FOLDER, played

from thermograd.report.document import plotly_script
from thermograd.report.figure import Figure
from thermograd.report.shell import page_file, shell

PAGE = "theory_beside_simulation"
_WIDTH, _HEIGHT = 560, 420
_DRAW = """
document.documentElement.dataset.theme = "light";
const figure = JSON.parse(document.getElementById("figure").textContent);
const { data, layout } = pageTheme.themed(figure, WIDTH);
Object.assign(layout, { paper_bgcolor: "#ffffff", plot_bgcolor: "#ffffff", width: WIDTH, height: HEIGHT });
layout.font.family = "Helvetica, Arial, sans-serif";
layout.font.size = 12;
Plotly.toImage({ data, layout }, { format: "svg", width: WIDTH, height: HEIGHT }).then((address) => {
  const element = document.createElement("pre");
  element.className = "svg";
  element.textContent = decodeURIComponent(address.slice(address.indexOf(",") + 1));
  document.body.append(element);
});
"""


def drawn(figure: Figure) -> str:
    """The figure as a small SVG with its title and its sentence.

    Raises:
        RuntimeError: there is no Chromium, or it drew nothing.
    """
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        message = "no Chromium found; on Debian: apt-get install chromium"
        raise RuntimeError(message)
    content = json.dumps({"data": figure.traces, "layout": figure.layout}).replace("<", "\\u003c")
    script = _DRAW.replace("WIDTH", str(_WIDTH)).replace("HEIGHT", str(_HEIGHT))
    scripts = f"<script type='application/json' id='figure'>{content}</script>" + "".join(
        f"<script>{text}</script>" for text in (plotly_script(), page_file("theme.js"), script)
    )
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        page.write_text(shell("drawing", "", scripts=scripts), "utf-8")
        flags = f"--headless --no-sandbox --disable-gpu --user-data-dir={folder}/profile --dump-dom".split()
        command = [program, *flags, "--virtual-time-budget=60000", page.as_uri()]
        dom = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True).stdout
    found = re.search(r'<pre class="svg">(.*?)</pre>', dom, re.DOTALL)
    if found is None:
        message = "Chromium drew nothing"
        raise RuntimeError(message)
    return _small(html.unescape(found[1]), figure)


def _small(svg: str, figure: Figure) -> str:
    """Without identifiers drawn by chance, in tenths of a pixel, with styles that repeat written once."""
    for identifier in re.findall(r'id="defs-([0-9a-f]{6})"', svg):
        svg = svg.replace(identifier, "drawn")
    svg = re.sub(r' class="[^"]*"', "", svg)
    svg = re.sub(
        r' (?:d|transform|x|y|width|height)="[^"]*"',
        lambda place: re.sub(r"-?\d+\.\d{2,}", lambda number: f"{float(number[0]):.1f}", place[0]),
        svg,
    )
    counts = Counter(re.findall(r' style="([^"]+)"', svg))
    styles = [style for style, count in counts.items() if count > 2]
    for place, style in enumerate(styles):
        svg = svg.replace(f' style="{style}"', f' class="s{place}"')
    rules = "".join(f".s{place}{{{html.unescape(style)}}}" for place, style in enumerate(styles))
    head, body = svg.split(">", 1)
    words = f"<title>{html.escape(figure.title)}</title><desc>{html.escape(figure.conclusion)}</desc>"
    return f"{head}>{words}<style>{rules}</style>{body}\n"


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
    (FOLDER / f"{PAGE}.svg").write_text(drawn(shown), "utf-8")
