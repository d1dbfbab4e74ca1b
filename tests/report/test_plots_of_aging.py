"""What aging is read from draws itself."""

import pytest

from thermograd.estimators import aging


@pytest.mark.parametrize(
    "made",
    [
        lambda table: table,
        lambda table: aging.aging_exponent(table),
        lambda table: aging.diffusion(table, lags="short"),
        lambda table: aging.curve_spread(table),
    ],
)
def test_plot_gives_a_figure(made, walk):
    pytest.importorskip("plotly")
    assert made(walk).plot().data
