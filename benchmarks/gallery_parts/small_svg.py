"""What plotly draws, as a small file that is the same every time."""

from __future__ import annotations

import html
import re
from collections import Counter

_CLASS = re.compile(r' class="[^"]*"')
_COORDINATES = re.compile(r' (?:d|transform|x|y|width|height)="[^"]*"')
_LONG = re.compile(r"-?\d+\.\d{2,}(?:e-?\d+)?")
_STYLE = re.compile(r' style="([^"]*)"')
_IDENTIFIER = re.compile(r'id="defs-([0-9a-f]{6})"')
_EMPTY = re.compile(r"<g(?: [^<>]*)?(?:/>|></g>)")
_WORDS = re.compile(r"<title>(.*?)</title><desc>(.*?)</desc>", re.DOTALL)
_OFTEN = 3


def small_svg(text: str, title: str, description: str) -> str:
    """A drawing with coordinates to 0.1 px, styles that repeat written once, and its title and description.

    Args:
        text: SVG of `Plotly.toImage`.
        title: what it shows.
        description: the sentence it supports.

    Returns:
        SVG that looks the same.
    """
    for identifier in _IDENTIFIER.findall(text):  # drawn by chance, so that files would differ
        text = text.replace(identifier, "drawn")
    text = _COORDINATES.sub(lambda found: _LONG.sub(_rounded, found[0]), _CLASS.sub("", text))
    while (shorter := _EMPTY.sub("", text)) != text:
        text = shorter
    text, styles = _with_classes(text.replace(' style=""', ""))
    words = f"<title>{html.escape(title)}</title><desc>{html.escape(description)}</desc>"
    head, body = text.split(">", 1)
    return f"{head}>{words}<style>{styles}</style>{body}\n"


def words_of(svg: str) -> tuple[str, str]:
    """Title and description of a drawing.

    Raises:
        ValueError: `small_svg` did not make it.
    """
    found = _WORDS.search(svg)
    if found is None:
        message = "this drawing has no title and description; make it with `make gallery`"
        raise ValueError(message)
    return html.unescape(found[1]), html.unescape(found[2])


def _rounded(found: re.Match[str]) -> str:
    return f"{float(found[0]):.1f}".removesuffix(".0")


def _with_classes(text: str) -> tuple[str, str]:
    """The text with a class in place of every style that repeats, and those classes as CSS."""
    counts = Counter(_STYLE.findall(text))
    names = {
        style: f"s{place}" for place, style in enumerate(style for style in counts if counts[style] >= _OFTEN)
    }
    short = _STYLE.sub(
        lambda found: f' class="{names[found[1]]}"' if found[1] in names else found[0],
        text,
    )
    return short, "".join(
        f".{name}{{{style.replace(': ', ':').replace('; ', ';')}}}" for style, name in names.items()
    )
