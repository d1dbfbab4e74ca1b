"""The page docs/gallery.md: every figure with one sentence and the command that made it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gallery_parts.selection import SELECTION
from gallery_parts.shown import Shown
from gallery_parts.small_svg import words_of
from thermograd.reproductions import catalogue

_HEAD = """# Gallery

What `thermograd reproduce` draws: papers about training as a stochastic process, done again. Every figure is made by the command
above it; on the page that the command writes it can be zoomed, and its numbers are there as a table. Numbers beside the papers':
[Reproduce published numbers](reproduce.md). Made by `make gallery`.
"""


def document(drawings: Path) -> str:
    """The page.

    Args:
        drawings: folder of the SVG files.

    Returns:
        Markdown.
    """
    parts = [_HEAD]
    for name, experiments in SELECTION.items():
        shown = {key: figures for key, figures in experiments.items() if not isinstance(figures, str)}
        if shown:
            parts.append(f"## {name}\n\n{catalogue.subject(name)}.\n")
        for experiment, figures in shown.items():
            parts.append(f"```bash\n{shell_line(name, experiment)}\n```\n")
            parts += [_figure(drawings, name, experiment, figure) for figure in figures]
    return "\n".join([*parts, _skipped(SELECTION)])


def shell_line(name: str, experiment: str) -> str:
    """What makes the figures of an experiment."""
    return f"thermograd reproduce {name} --experiment {experiment}"


def drawing(drawings: Path, name: str, experiment: str, figure: str) -> Path:
    """The file of a figure."""
    return drawings / f"{name}-{experiment}-{figure}.svg".replace("_", "-")


def _figure(drawings: Path, name: str, experiment: str, figure: Shown) -> str:
    file = drawing(drawings, name, experiment, figure.name)
    title, conclusion = words_of(file.read_text("utf-8"))
    words = f"{title}. {conclusion}".replace("[", "(").replace("]", ")").replace("|", "/")
    return f"### {title}\n\n{figure.seen}\n\n![{words}]({drawings.name}/{file.name})\n"


def _skipped(selection: Mapping[str, Mapping[str, tuple[Shown, ...] | str]]) -> str:
    rows = [
        f"| `{shell_line(name, experiment)}` | {reason} |"
        for name, experiments in selection.items()
        for experiment, reason in experiments.items()
        if isinstance(reason, str)
    ]
    return "\n".join(["## Not shown\n", "| command | why |", "|---|---|", *rows]) + "\n"
