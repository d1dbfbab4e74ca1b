import numpy as np
import pytest

from thermograd.theory.mean_field_losses import MixtureLoss
from thermograd.theory.mean_field_mixture import Mixture


def loss(kind, clusters):
    known = {"sample_ratio": 2.0, "cluster_variance": 0.5, "door_width": 0.7, "margin": 1.3}
    rest = {"weight_decay": 0.1, "initial_norm_squared": 1.0, "initial_overlap": 0.0}
    return MixtureLoss(Mixture(loss=kind, clusters=clusters, **known | rest))


@pytest.mark.parametrize("clusters", [2, 3])
@pytest.mark.parametrize("kind", ["logistic", "square", "squared_hinge"])
def test_derivatives_are_those_of_the_value(kind, clusters):
    """By central differences, away from the corner of the hinge."""
    found = loss(kind, clusters)
    points = np.concatenate([np.linspace(-2, 2, 37) + 0.0123] * 2)
    labels = np.repeat([1.0, -1.0], 37)
    step = 1e-5
    value, first, second = found.derivatives(points, labels)
    above, below = (found.derivatives(points + move, labels) for move in (step, -step))
    np.testing.assert_allclose(first, (above[0] - below[0]) / (2 * step), atol=1e-8)
    np.testing.assert_allclose(second, (above[1] - below[1]) / (2 * step), atol=1e-8)
    assert (value >= 0).all()


def test_the_logistic_loss_is_finite_far_out():
    value, first, second = loss("logistic", 2).derivatives(np.array([-1e4, 1e4]), np.array([1.0, 1.0]))
    assert value.tolist() == [1e4, 0.0]
    assert first.tolist() == [-1.0, 0.0]
    assert second.tolist() == [0.0, 0.0]


def test_square_is_the_square_of_the_difference():
    found = loss("square", 3)
    points, labels = np.array([0.1, 0.9]), np.array([1.0, -1.0])
    np.testing.assert_allclose(found.derivatives(points, labels)[0], (points**2 - 0.49 - labels) ** 2 / 2)
