"""The page of a run that goes on, in a browser."""

from __future__ import annotations

import re
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

pytest.importorskip("zarr")
pytest.importorskip("plotly")
sys.path.append(str(Path(__file__).parent))
from growing_run import GrowingRun
from live_serving import HOSTILE, serving

from thermograd.report import live
from thermograd.report.live import LiveServer
from thermograd.report.live_run import LiveRun
from thermograd.report.look import layout


@pytest.mark.browser
def test_the_page_draws_while_the_run_goes_on(browse, server, growing, tmp_path):
    growing.train(1, 4)
    seen = browse(server.url, picture=tmp_path / "page.png")
    assert seen.ready
    assert seen.console == ()
    assert len(re.findall(r'class="plot [^"]*js-plotly-plot', seen.dom)) == 2
    assert seen.dom.count('class="js-line"') >= 2
    assert "Running: 0 of 3 blocks finished." in seen.dom
    assert "over 4 of 10 trajectories; earlier times rest on up to 8" in seen.dom
    assert len(re.findall(r'class="cell working"', seen.dom)) == 2
    assert (tmp_path / "page.png").stat().st_size > 10_000


@pytest.mark.browser
def test_the_page_of_a_run_that_ended_fits_a_narrow_window(browse, server, growing, monkeypatch):
    script = live.live_script
    measured = """
setTimeout(() => { const page = document.documentElement; page.dataset.fits = page.scrollWidth <= page.clientWidth; }, 4000);
"""
    monkeypatch.setattr(live, "live_script", lambda: script() + measured)
    growing.fail(2, HOSTILE)
    for block in (0, 1):
        growing.train(block)
    growing.set_state("failed")
    seen = browse(server.url, dark=True, width=500)
    assert seen.ready
    assert seen.console == ()
    assert 'data-fits="true"' in seen.dom.split("<head", 1)[0]
    assert "Failed: 2 of 3 blocks finished, 2 trajectories are missing." in seen.dom
    assert "block 2, tried 2 times" in seen.dom
    assert "&lt;b&gt;bold" in seen.dom
    assert "data-hostile" not in seen.dom.split("<head", 1)[0]
    assert ">Light theme</button>" in seen.dom


@pytest.mark.browser
def test_nothing_committed_is_said_and_hostile_text_runs_nothing(browse, tmp_path):
    with GrowingRun(tmp_path / "run", name=HOSTILE, notes=[HOSTILE]) as growing:
        with serving(LiveServer(LiveRun(growing.path))) as server:
            seen = browse(server.url)
    assert seen.ready
    assert seen.console == ()
    assert "Nothing is committed yet." in seen.dom
    assert "js-plotly-plot" not in seen.dom
    assert "data-hostile" not in seen.dom.split("<head", 1)[0]
    assert seen.dom.count("&lt;b&gt;bold") >= 2
    assert not re.search(r"<img(?![^>]*data:)", seen.dom.split("<body", 1)[1])


@pytest.mark.browser
def test_text_given_to_plotly_stays_text(browse, server, monkeypatch):
    about = LiveRun._about

    def hostile(run):
        found = about(run)
        for figure in found["figures"].values():
            figure["title"], figure["layout"] = HOSTILE, layout(HOSTILE, HOSTILE)
        return found

    monkeypatch.setattr(LiveRun, "_about", hostile)
    seen = browse(server.url)
    assert seen.ready
    assert seen.console == ()
    assert "data-hostile" not in seen.dom.split("<head", 1)[0]
    drawing = seen.dom.split('class="plot', 1)[1]
    assert "font-weight:bold" not in drawing.replace(" ", "")
    assert "&lt;b&gt;bold" in drawing


class Foreign(BaseHTTPRequestHandler):
    """Another server, which would let anybody read its answer; remembers who asked."""

    asked: list[str]

    def do_GET(self):
        self.asked.append(self.path)
        self.send_response(200)
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.mark.browser
@pytest.mark.parametrize("policy", [True, False])
def test_the_policy_blocks_an_injected_script_and_a_foreign_request(browse, server, monkeypatch, policy):
    Foreign.asked = []
    with serving(HTTPServer(("127.0.0.1", 0), Foreign)) as foreign:
        page, script = live.live_page, live.live_script
        address = f"http://127.0.0.1:{foreign.server_address[1]}/stolen"
        injected = "<script>document.documentElement.dataset.injected = '1'</script>"
        fetching = f"""
fetch("{address}").then(() => {{ document.documentElement.dataset.fetched = "yes"; }},
  () => {{ document.documentElement.dataset.fetched = "no"; }});
"""
        monkeypatch.setattr(
            live, "live_page", lambda *both: page(*both).replace("</main>", f"{injected}</main>")
        )
        monkeypatch.setattr(live, "live_script", lambda: script() + fetching)
        if not policy:
            monkeypatch.delitem(live._HEADERS, "Content-Security-Policy")
        seen = browse(server.url)
    root = re.search(r"<html[^>]*>", seen.dom).group()
    assert ('data-injected="1"' in root) is not policy
    assert f'data-fetched="{"no" if policy else "yes"}"' in root
    assert bool(Foreign.asked) is not policy
    assert bool(seen.console) is policy  # the browser reports what it blocked
    assert seen.ready


@pytest.mark.browser
def test_a_server_that_is_gone_is_said(browse, server, monkeypatch):
    answers = iter([True])
    data = server.run.data

    def once(since):
        if next(answers, False):
            return data(since)
        raise ZeroDivisionError

    monkeypatch.setattr(server.run, "data", once)
    seen = browse(server.url)
    assert seen.ready
    assert "The server of this page is gone (it answers 500)." in seen.dom
    assert "start it again with: thermograd watch" in seen.dom


def counting(monkeypatch, server, act=lambda number: None):
    """The versions asked for; before each answer something may happen to the run."""
    asked_for, data = [], server.run.data

    def counted(since):
        asked_for.append(since)
        act(len(asked_for))
        server.run.refresh()
        return data(since)

    monkeypatch.setattr(server.run, "data", counted)
    return asked_for


@pytest.mark.browser
def test_the_page_passes_the_secret_on_and_stops_asking_when_the_run_is_finished(
    browse, open_server, growing, monkeypatch
):
    def go_on(number):
        if number == 2:
            growing.train(1, 6)
        elif number == 3:
            growing.finish()

    asked_for = counting(monkeypatch, open_server, go_on)
    seen = browse(f"http://127.0.0.1:{open_server.server_port}/{open_server.query}")
    assert len(asked_for) == 3
    assert asked_for[0] == -1 < asked_for[1] < asked_for[2]
    assert "Finished: 9 trajectories reached the end, 1 diverged." in seen.dom
    assert "at epoch 5, over 9 of 10 trajectories." in seen.dom
    assert len(re.findall(r'class="cell finished"', seen.dom)) == 3
    assert seen.console == ()


@pytest.mark.browser
def test_the_page_asks_rarely_while_nobody_looks(browse, server, monkeypatch):
    """In the test before, which looks, it asks three times."""
    script = live.live_script
    covered = "Object.defineProperty(document, 'hidden', { get: () => true });\n"
    monkeypatch.setattr(live, "live_script", lambda: covered + script())
    asked_for = counting(monkeypatch, server)
    assert browse(server.url).ready
    assert len(asked_for) == 1
