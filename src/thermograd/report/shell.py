"""What all pages share: head, heading, theme button, and where the scripts go."""

from __future__ import annotations

import html
import importlib.resources

from thermograd.store.printable import printable


def shell(title: str, main: str, *, scripts: str, head: str = "", look: str = "") -> str:
    """A page.

    Args:
        title: heading, plain text.
        main: HTML of the content.
        scripts: HTML of the script elements.
        head: more HTML for the head.
        look: more CSS.

    Returns:
        HTML.
    """
    named = html.escape(printable(title), quote=True)
    return (
        f"<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>{head}"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{named}</title><link rel='icon' href='data:,'><style>{page_file('page.css')}{look}</style></head>\n"
        "<body><a class='skip' href='#main'>Skip to the conclusions</a>"
        f"<header><h1>{named}</h1><button id='theme' type='button' hidden></button></header>"
        f"<main id='main'>{main}</main>{scripts}</body></html>\n"
    )


def page_file(name: str) -> str:
    """The text of a script or style sheet of the pages."""
    return importlib.resources.files("thermograd.report").joinpath(name).read_text("utf-8")
