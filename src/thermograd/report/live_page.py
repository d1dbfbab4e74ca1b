"""The page of a run that goes on: empty places, which its script fills with text."""

from __future__ import annotations

import html

from thermograd.report.shell import page_file, shell

_MAIN = """
<p id='gone' class='gone' role='alert' hidden></p>
<section id='now'><h2>Now</h2>
<p class='recommendation' id='text' aria-live='polite'>Waiting for the first answer.</p>
<div class='done'><progress id='progress' max='1' value='0' aria-label='Share of all trajectory-steps that is committed'></progress>
<span id='share'></span></div>
<ul class='tiles' id='outcome' aria-label='Outcome of the trajectories'></ul>
<dl><dt>Last change</dt><dd id='age'>not known yet</dd></dl><dl id='facts'></dl>
</section>
<section id='failed' hidden><h2>What failed</h2><ul class='caveats' id='failures'></ul></section>
<section id='map'><h2>Blocks</h2><p id='legend' class='legend'></p>
<div id='blocks' class='blocks' role='img' aria-labelledby='legend'></div></section>
<section id='observables'><h2>What is measured</h2><p id='nothing' hidden></p><div id='figures'></div></section>
<section id='noted' hidden><h2>Keep in mind</h2><ul class='caveats' id='notes'></ul></section>
<section id='events'><h2>What happened last</h2>
<div class='wide' tabindex='0' role='region' aria-label='Events'><table><tbody id='happened'></tbody></table></div>
</section>
"""


def live_page(title: str, query: str = "") -> str:
    """HTML that draws a run with the script and the data of the same server.

    Args:
        title: heading until the first answer, plain text.
        query: what every request has to carry, `?token=...`; "" if nothing.

    Returns:
        HTML without an inline script.
    """
    carried = html.escape(query, quote=True)
    sources = "".join(f'<script src="/{name}{carried}" defer></script>' for name in ("plotly.js", "page.js"))
    without = (
        "<noscript><p>This page needs JavaScript; thermograd watch RUN --terminal does not.</p></noscript>"
    )
    return shell(title, _MAIN, scripts=without + sources, look=page_file("live.css"))


def live_script() -> str:
    """The script of the page."""
    return page_file("theme.js") + page_file("live.js")
