"""Every figure of first passage on one page, in a browser: it draws, on a narrow screen too."""

from __future__ import annotations

import re

import numpy as np
import pytest

from thermograd.advisor.perturbation_evidence import gather_evidence
from thermograd.estimators.first_passage import first_passage_times, quasi_steady_state
from thermograd.report.branches import branches, branches_of
from thermograd.report.page import write_page
from thermograd.report.protocols import mean_values
from thermograd.report.relaxation import cramer_von_mises, quantile_deviation
from thermograd.report.study import recorded
from thermograd.store.trajectories import Trajectories

pytest.importorskip("plotly")


def every_figure():
    """Half of the runs stall below the target, 1; a kick lowers the value and lets them arrive."""
    generator = np.random.default_rng(0)

    def arriving(times, kick=None, length=80):
        time = np.arange(1, length + 1)
        values = 0.8 + generator.normal(0, 0.05, (len(times), length)).clip(-0.15, 0.15)
        if kick is not None:
            values -= np.where(time > kick, 0.3 * np.exp(-np.maximum(time - kick, 0) / 5), 0)
        return np.where(time >= times[:, None], 1.0, values)

    plain = arriving(np.where(generator.random(80) < 0.5, generator.geometric(0.2, 80), 10_000))
    kicked = {
        interval: arriving(interval + generator.geometric(0.3, 60), interval) for interval in (3, 20, 40)
    }
    runs = Trajectories(plain, np.arange(1, 81), tuple(map(str, range(80))))
    found = gather_evidence(runs, {"kick": [(kicked[at], at) for at in kicked]}, target=1.0)
    steady = quasi_steady_state(plain, found.passages)
    shown = {
        f"P = {at}": branches_of(f"P = {at}", values, first_passage_times(values, 1.0).time > at, at)
        for at, values in kicked.items()
    }
    return [
        *recorded(found, runs),
        quantile_deviation(steady),
        cramer_von_mises(steady),
        *branches(shown),
        mean_values({"left alone": plain, "kicked": kicked[20]}, 1.0),
    ]


def test_each_has_a_sentence_axes_with_units_and_numbers():
    figures = every_figure()
    assert len({figure.name for figure in figures}) == 10
    for figure in figures:
        assert figure.conclusion.endswith(".")
        assert figure.points <= 2000
        assert figure.rows()
        for axis in ("xaxis", "yaxis"):
            assert figure.layout[axis]["title"]["text"]


@pytest.mark.browser
def test_the_page_draws_every_figure(browse, tmp_path):
    figures = every_figure()
    page = write_page(tmp_path / "page.html", title="First passage", figures=figures)
    assert page.stat().st_size < 6e6
    seen = browse(page, picture=tmp_path / "page.png", width=500)
    assert seen.ready
    assert seen.console == ()
    assert len(re.findall(r'class="plot [^"]*js-plotly-plot', seen.dom)) == len(figures)
    # A violin, a band or a shaded range is a filled path.
    assert seen.dom.count('class="js-fill"') > 20
