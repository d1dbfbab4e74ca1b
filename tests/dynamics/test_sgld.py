"""The Langevin update by hand."""

from types import SimpleNamespace

import pytest
import torch

import thermograd as tg
from thermograd.dynamics import SGLD
from thermograd.minibatching import WithReplacement
from thermograd.numerics import philox
from thermograd.problems import Quadratic


def test_an_update_is_a_step_down_and_a_step_of_noise():
    oracle = SimpleNamespace(
        gradient=lambda weights: {"w": 3 * weights["w"]}, normal=lambda: {"w": torch.tensor([1.0, -2.0])}
    )
    moved, state = SGLD(0.02, temperature=4.0).step({"w": torch.tensor([1.0, 10.0])}, {}, oracle, 5)
    assert state == {}
    assert moved["w"].tolist() == pytest.approx([1 - 0.06 + 0.4, 10 - 0.6 - 0.8])


def test_the_normal_numbers_are_those_of_the_trajectory():
    experiment = tg.Experiment(
        Quadratic(), minibatching=WithReplacement(20), dynamics=SGLD(1e-2), trajectories=2, steps=1, seed=5
    )
    silent = tg.Experiment(
        Quadratic(),
        minibatching=WithReplacement(20),
        dynamics=SGLD(1e-2, 0.0),
        trajectories=2,
        steps=1,
        seed=5,
    )
    noise = tg.run(experiment).weights()["position"] - tg.run(silent).weights()["position"]
    assert noise == pytest.approx((2e-2) ** 0.5 * philox.normal(5, philox.DYNAMICS, (0, 1), 0, 3))


@pytest.mark.parametrize(
    "options", [{"learning_rate": -1.0}, {"temperature": float("nan")}, {"temperature": "1"}]
)
def test_numbers_that_cannot_be(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        SGLD(**options)
