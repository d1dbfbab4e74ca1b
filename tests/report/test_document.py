from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
import urllib.parse
from html.parser import HTMLParser

import numpy as np
import pytest

from thermograd.errors import MissingExtraError
from thermograd.quantities import Advice, Verdict
from thermograd.report.chapter import Chapter
from thermograd.report.document import Document
from thermograd.report.ensemble import spread
from thermograd.report.figure import Figure
from thermograd.report.look import layout, line

pytest.importorskip("plotly")
HOSTILE = (
    "\"><script>document.body.dataset.injected='1'</script><img src=x onerror=alert(1)>' <b>bold</b> \x1b[31m"
)
ALLOWED = {
    "html", "head", "meta", "title", "link", "style", "body", "a", "header", "h1", "h2", "h3", "button", "main",
    "section", "ul", "li", "span", "p", "dl", "dt", "dd", "figure", "div", "details", "summary", "table", "thead",
    "tbody", "tr", "th", "td", "pre", "noscript", "script",
}  # fmt: skip


class Reader(HTMLParser):
    """Tags, attributes and scripts of a page, as a parser sees them."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.scripts, self.policy = [], [], ""
        self._in_script = False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.tags.append((tag, values))
        if values.get("http-equiv") == "Content-Security-Policy":
            self.policy = values["content"]
        self._in_script = tag == "script"
        if self._in_script:
            self.scripts.append([values.get("type", "text/javascript"), ""])

    def handle_endtag(self, tag):
        self._in_script = False

    def handle_data(self, text):
        if self._in_script:
            self.scripts[-1][1] += text


def curve(count=5, name="curve", stem="ensemble"):
    x = np.arange(count)
    return Figure(
        stem,
        name,
        "A curve",
        "It rises.",
        (line(x, x, "a"),),
        layout("time (epochs)", "value"),
        {"x": x.tolist()},
    )


def hostile():
    figure = Figure(
        "ensemble", HOSTILE, HOSTILE, HOSTILE, (line([0, 1], [0, 1], HOSTILE),), layout(HOSTILE, HOSTILE),
        {HOSTILE: [HOSTILE, "=1+1"]},
    )  # fmt: skip
    return Document(
        HOSTILE,
        advice=Advice(HOSTILE, (HOSTILE,), (Verdict(False, "k", HOSTILE),), (HOSTILE,)),
        verdicts=[Verdict(None, HOSTILE, HOSTILE)],
        facts=[(HOSTILE, HOSTILE)],
        figures=[figure],
        config=HOSTILE + "\n</pre>",
        commands=[HOSTILE],
        chapters=[
            Chapter(
                HOSTILE,
                HOSTILE,
                {HOSTILE: HOSTILE},
                [Verdict(True, "k", HOSTILE)],
                {HOSTILE: [HOSTILE]},
                [(HOSTILE, HOSTILE, HOSTILE)],
                [HOSTILE],
            )
        ],
    )


def test_the_policy_allows_exactly_the_two_scripts_that_are_there():
    page = Reader(Document("t", figures=[curve()]).html())
    scripts = [text for kind, text in page.scripts if kind == "text/javascript"]
    digests = {base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts}
    assert len(scripts) == 2
    assert set(re.findall(r"'sha256-([^']+)'", page.policy)) == digests
    assert page.policy.startswith("default-src 'none'; script-src 'sha256-")
    directives = dict(part.strip().split(" ", 1) for part in page.policy.split(";"))
    assert "unsafe" not in directives["script-src"]
    assert directives["style-src"] == "'unsafe-inline'"
    assert directives["img-src"] == "data: blob:"


def test_hostile_text_stays_text_everywhere():
    page = Reader(hostile().html())
    assert {tag for tag, _ in page.tags} <= ALLOWED
    assert not [name for _, values in page.tags for name in values if name.startswith("on")]
    assert not [values for tag, values in page.tags if tag == "script" and "src" in values]
    assert len(page.scripts) == 3
    content = next(text for kind, text in page.scripts if kind == "application/json")
    assert not set("<>&") & set(content)
    assert "<b>" not in json.loads(content)[0]["data"][0]["name"]


def test_the_parser_would_see_an_injection():
    text = Document("t").html().replace("<title>t", "<title>t</title><img onerror=alert(1)>")
    assert "img" in {tag for tag, _ in Reader(text).tags}


def test_order_is_conclusions_run_figures_config_commands():
    document = Document(
        "t",
        verdicts=[Verdict(True, "k", "v")],
        facts=[("a", "b")],
        figures=[curve(), curve(stem="first_passage"), curve(name="later")],
        config="c",
        commands=["d"],
    )
    sections = [values["id"] for tag, values in Reader(document.html()).tags if tag == "section"]
    assert sections == ["verdicts", "run", "ensemble", "first_passage", "config", "reproduce"]


def test_figures_and_their_data_are_in_the_same_order():
    figures = [curve(3, stem="ensemble"), curve(4, stem="first_passage"), curve(5, stem="ensemble")]
    page = Reader(Document("t", figures=figures).html())
    content = json.loads(next(text for kind, text in page.scripts if kind == "application/json"))
    assert [len(entry["data"][0]["x"]) for entry in content] == [3, 5, 4]


def test_every_chapter_is_in_the_contents_and_leads_to_its_heading():
    chapters = [
        Chapter(
            name, name.upper(), {"what": name, "rows": "3"}, links=[(f"{name}/x.html", "X", "It is seen.")]
        )
        for name in ("a", "b")
    ]
    text = Document("t", chapters=chapters, commands=["again"]).html()
    tags = Reader(text).tags
    sections = [values["id"] for tag, values in tags if tag == "section"]
    assert sections == ["contents", "a", "b", "reproduce"]
    links = [values["href"] for tag, values in tags if tag == "a"]
    assert links == ["#main", "#a", "#b", "a/x.html", "b/x.html"]
    assert "X</a>. It is seen." in text


def test_every_figure_has_its_sentence_numbers_and_csv():
    text = Document("t", figures=[curve()]).html()
    (link,) = [values for tag, values in Reader(text).tags if values.get("class") == "download"]
    assert link["download"] == "ensemble-curve.csv"
    head, content = link["href"].split(",", 1)
    assert head == "data:text/csv;charset=utf-8"
    assert list(csv.reader(io.StringIO(urllib.parse.unquote(content))))[1:] == [
        [str(row)] for row in range(5)
    ]
    assert "<p class='conclusion'>It rises.</p>" in text
    assert "The numbers (5 rows)" in text


def test_formulas_are_defused_in_the_link_too():
    (link,) = [values for _, values in Reader(hostile().html()).tags if values.get("class") == "download"]
    assert "'=1+1" in urllib.parse.unquote(link["href"])


def test_size_stays_below_6_mb_and_traces_below_2000_points():
    figures = [curve(30_000, name=str(number)) for number in range(24)]
    page = Document("t", figures=figures).html()
    assert len(page.encode()) < 6_000_000
    content = json.loads(next(text for kind, text in Reader(page).scripts if kind == "application/json"))
    for entry in content:
        assert 20 <= len(entry["data"][0]["x"]) <= 2000
        assert entry["data"][0]["x"][-1] == 29_999


def test_a_small_figure_is_not_thinned():
    content = Reader(Document("t", figures=[curve(1990)]).html()).scripts[0][1]
    assert len(json.loads(content)[0]["data"][0]["x"]) == 1990


def test_a_page_carries_the_licence_of_what_it_copies():
    page = Document("t", figures=[curve()]).html()
    assert "Permission is hereby granted, free of charge" in page
    assert page.index("Plotly Technologies Inc.") < page.index("* plotly.js v")
    assert "Permission is hereby granted" not in Document("t").html()


def test_a_page_without_figures_needs_no_plotly(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert len(Document("t", verdicts=[Verdict(None, "k", "v")]).html()) < 50_000
    with pytest.raises(MissingExtraError, match="plotly"):
        Document("t", figures=[curve()]).html()


def tampered(text, more, *, policy):
    """The page with `more` run by an allowed script, and an injected inline script; optionally without policy."""
    own = Reader(text).scripts[-1][1]
    old, new = (
        base64.b64encode(hashlib.sha256(code.encode()).digest()).decode() for code in (own, own + more)
    )
    text = text.replace(own, own + more).replace(old, new)
    text = text.replace("</main>", "<script>document.documentElement.dataset.injected = '1'</script></main>")
    return text if policy else re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)


FETCH = """
fetch("data:text/plain,x").then(
  () => { document.documentElement.dataset.fetched = "yes"; },
  () => { document.documentElement.dataset.fetched = "no"; });
"""


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 500])
def test_plotly_draws_under_the_policy(browse, tmp_path, run_of, width):
    values = np.random.default_rng(0).normal(size=(8, 12)).cumsum(axis=1)
    figures = [*spread(run_of({"loss": values, "test_accuracy": values})), curve(stem="first_passage")]
    page = tmp_path / "page.html"
    page.write_text(Document("t", figures=figures).html(), "utf-8")
    seen = browse(page, picture=tmp_path / "page.png", width=width)
    assert seen.ready
    assert seen.console == ()
    assert len(re.findall(r'class="plot [^"]*js-plotly-plot', seen.dom)) == 3
    assert seen.dom.count('class="js-line"') >= 3
    assert (tmp_path / "page.png").stat().st_size > 10_000


@pytest.mark.browser
def test_hostile_text_runs_nothing(browse, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(hostile().html(), "utf-8")
    seen = browse(page)
    assert seen.ready
    assert "data-injected" not in seen.dom.split("<main", 1)[0]
    assert not re.search(r"<img(?![^>]*data:)", seen.dom)
    assert "&lt;b&gt;bold" in seen.dom


@pytest.mark.browser
@pytest.mark.parametrize(("policy", "injected", "fetched"), [(True, False, "no"), (False, True, "yes")])
def test_the_policy_blocks_an_injected_script_and_a_fetch(browse, tmp_path, policy, injected, fetched):
    page = tmp_path / "page.html"
    page.write_text(tampered(Document("t", figures=[curve()]).html(), FETCH, policy=policy), "utf-8")
    seen = browse(page)
    root = re.search(r"<html[^>]*>", seen.dom).group()
    assert ('data-injected="1"' in root) is injected
    assert f'data-fetched="{fetched}"' in root
    assert bool(seen.console) is policy  # the browser reports what it blocked
    assert seen.ready


@pytest.mark.browser
def test_both_themes_and_the_toggle(browse, tmp_path):
    text = Document("t", figures=[curve()]).html()
    plain, clicked = tmp_path / "plain.html", tmp_path / "clicked.html"
    plain.write_text(text, "utf-8")
    click = 'document.getElementById("theme").click();'
    own = Reader(text).scripts[-1][1]
    old, new = (
        base64.b64encode(hashlib.sha256(code.encode()).digest()).decode() for code in (own, own + click)
    )
    clicked.write_text(text.replace(own, own + click).replace(old, new), "utf-8")
    light, dark = "rgb(27, 27, 27)", "rgb(236, 236, 236)"
    for page, prefers_dark, ink, offered in (
        (plain, True, dark, "Light theme"),
        (clicked, False, dark, "Light theme"),
        (clicked, True, light, "Dark theme"),
    ):
        seen = browse(page, dark=prefers_dark)
        drawing = seen.dom.split('class="plot', 1)[1]
        assert ink in drawing, (page.name, prefers_dark)
        assert ({light, dark} - {ink}).pop() not in drawing
        assert f">{offered}</button>" in seen.dom
        assert seen.console == ()
