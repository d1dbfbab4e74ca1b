import numpy as np
import pytest
import torch

import thermograd as tg
from thermograd.problems import Quadratic


def test_loss_is_the_sum_of_parabolas():
    experiment = tg.Experiment(Quadratic((2.0, 0.5), samples=7, seed=3), epochs=1)
    problem = experiment.functional
    centres = np.random.default_rng(3).standard_normal((7, 2))
    position = np.array([0.3, -1.0])
    expected = (0.5 * np.array([2.0, 0.5]) * (position - centres) ** 2).sum(1).mean()
    weights = {"position": torch.from_numpy(position)}
    assert float(problem.mean_loss(weights, problem.train)) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"curvatures": ()}, "curvatures is"),
        ({"curvatures": (1.0, -1.0)}, "0 or larger"),
        ({"samples": 0}, "samples is 0"),
    ],
)
def test_bad_settings_are_named(options, says):
    with pytest.raises(ValueError, match=says):
        Quadratic(**options)
