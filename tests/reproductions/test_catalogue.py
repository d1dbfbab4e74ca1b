from __future__ import annotations

import pytest

from thermograd.errors import ConfigError
from thermograd.reproductions.catalogue import stages
from thermograd.reproductions.reproduction import Settings


@pytest.mark.parametrize(
    ("name", "experiment", "said"),
    [
        ("fluctuation_dissipation", "fig2", "Figure 2: rates or rates-cnn. Known"),
        ("fluctuation_dissipation", "2a", "Figure 2a: rates. Known"),
        ("stationary_state", "figure 3", "Figure 3: regression or digits or mnist. Known"),  # Figs 2 to 4
        ("fluctuation_dissipation", "fig9", "no experiment 'fig9'. Known"),
        ("stationary", None, "no reproduction 'stationary'. Did you mean 'stationary_state'? Known"),
        ("ratio-mlp", None, "thermograd reproduce fluctuation_dissipation --experiment ratio-mlp"),
    ],
)
def test_a_figure_or_half_a_name_leads_to_what_is_meant(name, experiment, said):
    with pytest.raises(ConfigError) as refused:
        stages(name, experiment, Settings())
    assert said in str(refused.value)
