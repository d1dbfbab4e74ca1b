import numpy as np
import pytest

import thermograd as tg
from thermograd.dynamics import SGD
from thermograd.numerics.log_times import Every
from thermograd.observables import Displacement
from thermograd.problems import Quadratic


@pytest.mark.parametrize("centre", ["start", "zero"])
def test_mean_square_per_parameter(centre):
    run = tg.run(
        tg.Experiment(
            Quadratic(),
            dynamics=SGD(0.1),
            trajectories=3,
            steps=4,
            save_weights=Every(1),
            observe=[Displacement(centre=centre, at=Every(1))],
        )
    )
    start = run.weights(0)["position"] if centre == "start" else 0.0
    for step in range(5):
        expected = ((run.weights(step)["position"] - start) ** 2).mean(axis=1)
        assert np.allclose(run["displacement"][:, step], expected, rtol=1e-14, atol=1e-300)


def test_unknown_centre():
    with pytest.raises(ValueError, match="use 'start' or 'zero'"):
        Displacement(centre="minimum")
