"""The limit of stability: on one side a parabola holds the weights, on the other it does not."""

import numpy as np
import pytest

import thermograd as tg
from thermograd.dynamics import SGLD, SGWORLD
from thermograd.dynamics.stability import check_stability, largest_learning_rate
from thermograd.errors import UnstableStepSizeError
from thermograd.minibatching import WithoutReplacement
from thermograd.problems import Quadratic


@pytest.mark.parametrize("sampler", [SGLD, SGWORLD])
@pytest.mark.parametrize(("side", "holds"), [(0.97, True), (1.03, False)])
def test_parabolas_hold_the_weights_up_to_the_limit(sampler, side, holds):
    experiment = tg.Experiment(
        Quadratic(curvatures=(2.0,), samples=40),
        minibatching=WithoutReplacement(10),
        dynamics=sampler(side * largest_learning_rate(sampler(), 2.0, 4)),
        trajectories=8,
        epochs=400,
        observe=(),
    )
    spread = float(np.abs(tg.run(experiment).weights()["position"]).max())
    assert (spread < 1e3) == holds


@pytest.mark.parametrize(("side", "holds"), [(0.97, True), (1.03, False)])
def test_published_epochs_hold_the_weights_up_to_their_limit(side, holds):
    """All samples curved alike, so that nothing but the map of an epoch decides."""
    dynamics = SGWORLD(variant="published", temperature=0.0)
    rate = side * largest_learning_rate(dynamics, 2.0, 8)
    experiment = tg.Experiment(
        Quadratic(curvatures=(2.0,), samples=40),
        minibatching=WithoutReplacement(5),
        dynamics=SGWORLD(rate, variant="published", temperature=0.0),
        trajectories=4,
        epochs=300,
        observe=(),
    )
    spread = float(np.abs(tg.run(experiment).weights()["position"]).max())
    assert (spread < 1e3) == holds


def test_beyond_the_limit_it_is_refused_with_the_numbers():
    check_stability(SGLD(0.0199), 100.0, 10)
    with pytest.raises(
        UnstableStepSizeError, match=r"ηh = 2 >= 2.*largest stable learning_rate is 0.02"
    ) as caught:
        check_stability(SGLD(0.02), 100.0, 10)
    assert (caught.value.limit, caught.value.curvature, caught.value.got) == (0.02, 100.0, 0.02)
    with pytest.raises(UnstableStepSizeError, match=r"nηh = 2\.5 >= 1\.6"):
        check_stability(SGWORLD(2.5e-3, variant="published"), 100.0, 10)
    check_stability(SGWORLD(2.5e-3, variant="published", correction=False), 100.0, 10)
    check_stability(SGLD(1.0), -3.0, 10)
