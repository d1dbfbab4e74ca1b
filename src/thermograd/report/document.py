"""One self-contained page: verdicts, what was run, figures, configuration, how to reproduce."""

from __future__ import annotations

import base64
import hashlib
import html
import importlib.util
import json
import urllib.parse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from thermograd.errors import MissingExtraError
from thermograd.quantities import Advice, Verdict
from thermograd.report.chapter import Chapter
from thermograd.report.figure import Figure
from thermograd.report.ranking import number_text, ranking_table, text_table
from thermograd.report.shell import page_file, shell
from thermograd.store.printable import printable

_DATA_BYTES = 900_000
_POINTS = (2000, 1000, 500, 250, 100, 50, 20)
_ANSWERS = {True: ("yes", "✓", "yes"), False: ("no", "✗", "no"), None: ("undecided", "?", "cannot decide")}
_HEADINGS = {
    "ensemble": "The ensemble",
    "first_passage": "First passage to the target",
    "fluctuation_dissipation": "Fluctuation and dissipation",
    "posterior": "Posterior sampling",
}


@dataclass(frozen=True, eq=False)
class Document:
    """What a page says, from the conclusions down to how to reproduce it. All text is plain text.

    Attributes:
        title: heading of the page.
        advice: what to do, if that was asked.
        verdicts: what was decided, besides the verdicts of the advice.
        table: column heading -> cells, the result where that is a table.
        facts: (name, value) of what was run.
        figures: in the order shown, grouped by their stem.
        config: configuration, as a file's text.
        commands: command lines that give this page again.
        unit: unit of times in the ranking.
        table_heading: what stands above the table.
        chapters: results with a heading each, below a table of contents.
    """

    title: str
    advice: Advice | None = None
    verdicts: Sequence[Verdict] = ()
    table: Mapping[str, Sequence[str]] = field(default_factory=dict)
    facts: Sequence[tuple[str, str]] = ()
    figures: Sequence[Figure] = ()
    config: str = ""
    commands: Sequence[str] = ()
    unit: str = ""
    table_heading: str = "Row by row"
    chapters: Sequence[Chapter] = ()

    def html(self) -> str:
        """The page as one file that needs nothing else, and runs no script but its own two.

        Returns:
            HTML below 6 MB: figures are thinned until their data take at most 0.9 MB.

        Raises:
            MissingExtraError: there are figures and plotly is not installed.
        """
        figures = _fitting(_grouped(self.figures))
        script = page_file("theme.js") + page_file("page.js")
        scripts = ([plotly_script()] if figures else []) + [script]
        body = "".join(
            (
                self._verdicts(),
                _section("contents", "Contents", _contents(self.chapters)),
                *map(_chapter, self.chapters),
                _section("table", self.table_heading, text_table(self.table)),
                _section("run", "What was run", _facts(self.facts)),
                *_figure_sections(figures),
                _section("config", "Configuration", _preformatted(self.config)),
                _section("reproduce", "How to reproduce", _preformatted("\n".join(self.commands))),
            )
        )
        content = f"<script type='application/json' id='figures'>{_json(figures)}</script>\n"
        policy = f'<meta http-equiv="Content-Security-Policy" content="{_policy(scripts)}">'
        without = "<noscript><p>The figures need JavaScript; their numbers are in the tables.</p></noscript>"
        elements = "\n".join(f"<script>{text}</script>" for text in scripts)
        return shell(self.title, body, scripts=without + content + elements, head=policy)

    def _verdicts(self) -> str:
        advice = self.advice
        recommendation = f"<p class='recommendation'>{_text(advice.recommendation)}</p>" if advice else ""
        ranking = ranking_table(advice.ranking, self.unit) if advice else ""
        verdicts = map(_verdict, (*self.verdicts, *(advice.verdicts if advice else ())))
        caveats = "".join(f"<li>{_text(caveat)}</li>" for caveat in (advice.caveats if advice else ()))
        return _section(
            "verdicts",
            "What to conclude",
            recommendation
            + ranking
            + _list("verdicts", verdicts)
            + (f"<h3>Keep in mind</h3><ul class='caveats'>{caveats}</ul>" if caveats else ""),
        )


def plotly_script() -> str:
    """The JavaScript of plotly from the installed Python package, which is not imported, under its licence.

    Raises:
        MissingExtraError: plotly is not installed.
    """
    found = importlib.util.find_spec("plotly")
    if found is None or not found.submodule_search_locations:
        raise MissingExtraError(package="plotly", extra="lab", purpose="A report with figures")
    bundle = Path(found.submodule_search_locations[0]) / "package_data" / "plotly.min.js"
    # A carriage return or a closing tag inside would change the bytes the browser hashes.
    script = f"{_licence('plotly')}{bundle.read_text('utf-8')}"
    return script.replace("\r\n", "\n").replace("</script", "<\\/script")


def _licence(package: str) -> str:
    """The licence text of an installed package as a comment, "" where it came without: each copy has to carry it."""
    try:
        text = metadata.distribution(package).read_text("licenses/LICENSE.txt") or ""
    except metadata.PackageNotFoundError:
        text = ""
    return f"/*\n{text.replace('*/', '')}*/\n" if text else ""


def _policy(scripts: Sequence[str]) -> str:
    hashes = (base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode() for text in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def _grouped(figures: Sequence[Figure]) -> list[Figure]:
    """Page order, stem by stem; the drawings find their data by position."""
    stems = list(dict.fromkeys(figure.stem for figure in figures))
    return sorted(figures, key=lambda figure: stems.index(figure.stem))


def _fitting(figures: Sequence[Figure]) -> list[Figure]:
    """The figures with as many points as fit into the page's budget of data."""
    for points in _POINTS:
        thinned = [figure.thinned(points) for figure in figures]
        if len(_json(thinned)) + sum(len(_numbers(figure)) for figure in thinned) <= _DATA_BYTES:
            break
    return thinned


def _json(figures: Sequence[Figure]) -> str:
    content = [{"data": figure.traces, "layout": figure.layout} for figure in figures]
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _figure_sections(figures: Sequence[Figure]) -> list[str]:
    stems = dict.fromkeys(figure.stem for figure in figures)
    return [
        _section(
            stem,
            _HEADINGS.get(stem, stem.replace("_", " ").capitalize()),
            "".join(_figure(figure) for figure in figures if figure.stem == stem),
        )
        for stem in stems
    ]


def _figure(figure: Figure) -> str:
    label = _text(f"{figure.title}. {figure.conclusion}")
    return (
        f"<figure><h3>{_text(figure.title)}</h3><p class='conclusion'>{_text(figure.conclusion)}</p>"
        f'<div class="plot"{_height(figure)} role="img" aria-label="{label}"></div>{_numbers(figure)}</figure>'
    )


def _height(figure: Figure) -> str:
    """A drawing of several panels brings its own height; all others share that of the page."""
    height = figure.layout.get("height")
    return f' style="height: {float(height):g}px"' if height else ""


def _numbers(figure: Figure) -> str:
    rows = figure.rows()
    head = "".join(f"<th scope='col'>{_text(name)}</th>" for name in figure.table)
    body = "".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in rows)
    link = "data:text/csv;charset=utf-8," + urllib.parse.quote(figure.csv(), safe=" ,.;:/()*+-_~=")
    name = f"{figure.stem}-{figure.name}.csv"
    return (
        f"<details><summary>The numbers ({len(rows)} rows)</summary>"
        f"<div class='wide' tabindex='0' role='region' aria-label='The numbers'><table><thead><tr>{head}</tr>"
        f"</thead><tbody>{body}</tbody></table></div></details>"
        f'<a class="download" href="{_text(link)}" download="{_text(name)}">Download as CSV</a>'
    )


def _cell(value: Any) -> str:
    shown = _text(number_text(value))
    return f"<td>{shown}</td>" if isinstance(value, str) else f"<td class='number'>{shown}</td>"


def _verdict(verdict: Verdict) -> str:
    style, sign, answer = _ANSWERS[verdict.holds]
    return (
        f"<li><span class='answer {style}' aria-hidden='true'>{sign}</span>"
        f"<span class='spoken'>{answer}: </span>{_text(verdict.text)}</li>"
    )


def _list(style: str, items: Iterable[str]) -> str:
    body = "".join(items)
    return f"<ul class='{style}'>{body}</ul>" if body else ""


def _contents(chapters: Sequence[Chapter]) -> str:
    """One row per chapter, which leads to it."""
    headings = dict.fromkeys(heading for chapter in chapters for heading in chapter.summary)
    columns = {heading: [chapter.summary.get(heading, "") for chapter in chapters] for heading in headings}
    return text_table(columns, [f"#{chapter.name}" for chapter in chapters])


def _chapter(chapter: Chapter) -> str:
    links = (
        f'<li><a href="{_text(address)}">{_text(text)}</a>. {_text(sentence)}</li>'
        for address, text, sentence in chapter.links
    )
    return _section(
        chapter.name,
        chapter.title,
        _list("verdicts", map(_verdict, chapter.verdicts))
        + text_table(chapter.table)
        + _list("caveats", links)
        + _preformatted("\n".join(chapter.commands)),
    )


def _facts(facts: Sequence[tuple[str, str]]) -> str:
    if not facts:
        return ""
    return (
        "<dl>" + "".join(f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>" for name, value in facts) + "</dl>"
    )


def _preformatted(text: str) -> str:
    lines = "\n".join(map(printable, text.expandtabs(4).splitlines()))
    return f"<pre tabindex='0'>{html.escape(lines, quote=True)}</pre>" if text else ""


def _section(name: str, heading: str, body: str) -> str:
    return f"<section id='{_text(name)}'><h2>{_text(heading)}</h2>{body}</section>\n" if body else ""


def _text(text: object) -> str:
    return html.escape(printable(text), quote=True)
