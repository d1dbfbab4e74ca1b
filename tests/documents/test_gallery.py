"""docs/gallery.md shows what `make gallery` made: figures that exist, commands that parse, nothing left out."""

from __future__ import annotations

import importlib
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from types import SimpleNamespace

import pytest

from thermograd.cli.application import application
from thermograd.quantities import Verdict
from thermograd.report.figure import Figure
from thermograd.report.look import layout, line
from thermograd.reproductions.catalogue import available
from thermograd.reproductions.page import write_reproduction
from thermograd.reproductions.reproduction import Reproduction, Row

ROOT = Path(__file__).parents[2]
PAGE, FOLDER = ROOT / "docs" / "gallery.md", ROOT / "docs" / "gallery"
FILES = sorted(FOLDER.iterdir())
PARTS = ("document", "drawing", "page_figures", "selection", "shown", "small_svg")


@pytest.fixture(scope="module")
def gallery():
    """The parts of `benchmarks/gallery.py`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks")
        yield SimpleNamespace(**{part: importlib.import_module(f"gallery_parts.{part}") for part in PARTS})


@pytest.fixture(scope="module")
def text():
    return PAGE.read_text("utf-8")


def test_the_page_is_up_to_date(gallery, text):
    assert gallery.document.document(FOLDER) == text, "docs/gallery.md is out of date: make gallery"


def test_every_drawing_is_shown_once_and_exists(text):
    shown = re.findall(r"^!\[.+\]\(gallery/(.+)\)$", text, re.MULTILINE)
    assert sorted(shown) == [file.name for file in FILES]


def test_every_experiment_has_figures_or_a_reason(gallery):
    selection = gallery.selection.SELECTION
    assert {name: set(experiments) for name, experiments in selection.items()} == {
        name: set(experiments) for name, experiments in available().items()
    }
    assert all(chosen for experiments in selection.values() for chosen in experiments.values())


def test_every_sentence_is_one(gallery):
    for experiments in gallery.selection.SELECTION.values():
        for chosen in experiments.values():
            for shown in () if isinstance(chosen, str) else chosen:
                assert re.fullmatch(r"[A-Z][^.]+\.", shown.seen), shown.seen


def test_commands_parse(text):
    commands = re.findall(r"^thermograd (.+)$|^\| `thermograd (.+?)` \|", text, re.MULTILINE)
    known = available()
    for words in ("".join(command).split() for command in commands):
        _, bound, unused = application().parse_known_args(words)[:3]
        assert not unused
        assert bound.arguments["experiment"] in known[bound.arguments["name"]]
    assert len(commands) == sum(map(len, known.values()))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_drawing_is_small_and_says_what_it_shows(gallery, file):
    svg = file.read_text("utf-8")
    assert 1_000 < len(svg.encode()) < 60_000
    assert all(gallery.small_svg.words_of(svg))
    tags = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(svg).iter()}
    assert not tags & {"script", "foreignObject", "image", "a", "use"}
    assert {"svg", "title", "desc", "style", "text", "path"} <= tags


def test_all_drawings_together_are_small():
    assert sum(file.stat().st_size for file in FILES) < 800_000


RAW = (
    '<svg class="main-svg" width="500.004" style=""><defs id="defs-0eb5e6"><clipPath id="clip0eb5e6"/></defs>'
    '<g class="a"><g/></g><path style="fill: red;" d="M0,203.599609375v1e2" clip-path="url(#clip0eb5e6)"/>'
    '<path style="fill: red;" d="M-0.04,1"/><path style="fill: red;"/><path style="fill: blue;"/>'
    '<text x="1.23456">0.00123</text></svg>'
)


def test_small_drawings_keep_their_words_and_styles(gallery):
    """Coordinates are rounded and labels are not; what repeats is written once; no two runs differ by chance."""
    svg = gallery.small_svg.small_svg(RAW, "A <title>", "It & that.")
    assert gallery.small_svg.words_of(svg) == ("A <title>", "It & that.")
    assert svg == gallery.small_svg.small_svg(RAW.replace("0eb5e6", "123abc"), "A <title>", "It & that.")
    assert '<text x="1.2">0.00123</text>' in svg
    assert 'd="M0,203.6v1e2"' in svg
    assert svg.count("fill:red;") == 1
    assert svg.count('class="s0"') == 3
    assert '<path style="fill: blue;"/>' in svg
    assert "<g" not in svg
    with pytest.raises(ValueError, match="no title"):
        gallery.small_svg.words_of(RAW)


def curve(name, title):
    x = [1.0, 2.0, 3.0]
    return Figure(
        "aging", name, title, f"{title} rises & falls.", (line(x, x, "a"),), layout("x", "y"), {"x": x}
    )


@pytest.fixture
def page(tmp_path):
    """A page with two figures, as `thermograd reproduce` writes it."""
    pytest.importorskip("plotly")
    rows = (Row("mean", "2", "3", Verdict(True, "kind", "Because.")),)
    figures = (curve("one", "<First>"), curve("an-other", "Second"))
    return write_reproduction(Reproduction("paper", "part", "A paper", rows, figures), tmp_path)


def test_figures_are_found_on_a_page(gallery, page):
    found = gallery.page_figures.page_figures(page)
    assert list(found) == ["one", "an-other"]
    assert found["one"].title == "<First>"
    assert found["an-other"].conclusion == "Second rises & falls."
    assert found["an-other"].traces[0]["x"] == [1, 2, 3]
    page.write_text(page.read_text("utf-8").replace("<figure>", "<div>", 1), "utf-8")
    with pytest.raises(ValueError, match="1 figures with 2 drawings"):
        gallery.page_figures.page_figures(page)


@pytest.mark.browser
def test_a_figure_is_drawn(gallery, page, tmp_path):
    figure = gallery.shown.Shown("one", "It is seen.", height=300).of(
        gallery.page_figures.page_figures(page)["one"]
    )
    try:
        (drawn,) = gallery.drawing.drawings([figure])
    except RuntimeError as error:
        if "no Chromium" not in str(error):
            raise
        pytest.skip(str(error))
    svg = gallery.small_svg.small_svg(drawn, figure.title, figure.conclusion)
    root = ElementTree.fromstring(svg)
    assert (root.get("width"), root.get("height")) == ("500", "300")
    assert "&lt;First&gt;" in svg
    assert len(svg) < 10_000
