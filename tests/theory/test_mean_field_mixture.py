from types import SimpleNamespace

import numpy as np
import pytest

from thermograd.theory.mean_field import generalization_error
from thermograd.theory.mean_field_mixture import Mixture


def mixture(**fields):
    known = {"sample_ratio": 2.0, "cluster_variance": 0.5, "clusters": 2, "door_width": 0.7, "loss": "square"}
    rest = {"margin": 1.0, "weight_decay": 0.1, "initial_norm_squared": 1.0, "initial_overlap": 0.0}
    return Mixture(**known | rest | fields)


@pytest.mark.parametrize("clusters", [2, 3])
def test_generalization_error_is_the_share_of_new_samples_that_are_misclassified(clusters):
    problem = mixture(clusters=clusters)
    generator = np.random.default_rng(0)
    count, overlap, norm = 400_000, 0.6, 1.7
    centres, labels = problem.centres_and_labels(count)
    preactivation = centres * overlap + np.sqrt(0.5 * norm) * generator.standard_normal(count)
    output = preactivation if clusters == 2 else preactivation**2 - 0.7**2
    wrong = np.mean(output * labels < 0)
    error = float(generalization_error(overlap, norm, problem))
    assert abs(wrong - error) < 4 * np.sqrt(error * (1 - error) / count)
    assert generalization_error([overlap] * 3, norm, problem).shape == (3,)


@pytest.mark.parametrize("clusters", [2, 3])
def test_every_beginning_of_the_samples_is_balanced(clusters):
    centres, labels = mixture(clusters=clusters).centres_and_labels(400)
    for count in (40, 100, 400):
        assert abs(centres[:count].sum()) <= 1
        assert abs(labels[:count].sum()) <= 1
    assert set(labels) == {-1.0, 1.0}
    if clusters == 3:
        assert ((centres == 0) == (labels == -1)).all()
        assert [(centres == centre).sum() for centre in (-1, 0, 1)] == [100, 200, 100]


@pytest.mark.parametrize(
    ("ratio", "variance", "clusters"),
    [(4.0, 0.5, 2), (2.0, 0.5, 2), (0.5, 0.5, 2), (4.0, 0.5, 3), (0.5, 2.0, 3)],
)
def test_largest_covariance_is_that_of_drawn_samples(ratio, variance, clusters):
    problem = mixture(sample_ratio=ratio, cluster_variance=variance, clusters=clusters)
    dimension = 1000
    generator = np.random.default_rng(1)
    centres, _ = problem.centres_and_labels(round(ratio * dimension))
    inputs = np.sqrt(variance) * generator.standard_normal((len(centres), dimension))
    inputs[:, 0] += centres
    largest = np.linalg.norm(inputs, 2) ** 2 / dimension
    assert largest == pytest.approx(problem.largest_covariance, rel=0.04)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"loss": "hinge"}, "loss is 'hinge'. Known: logistic, square, squared_hinge"),
        ({"clusters": 4}, r"clusters is 4; use 2 \(linear output\) or 3 \(door\)"),
        ({"sample_ratio": 0.0}, "sample_ratio is 0.0; give a finite number above 0"),
        ({"cluster_variance": -1.0}, "cluster_variance is -1.0"),
        ({"weight_decay": -0.1}, "weight_decay is -0.1; give a finite number, 0 or larger"),
        ({"margin": float("nan")}, "margin is nan"),
        ({"door_width": "wide"}, "door_width is 'wide'"),
        ({"initial_overlap": True}, "initial_overlap is True; give a finite number"),
        ({"initial_overlap": 2.0}, "Give initial_norm_squared >= 4"),
    ],
)
def test_bad_fields_are_named(fields, says):
    with pytest.raises(ValueError, match=says):
        mixture(**fields)


def test_a_negative_squared_norm_and_a_foreign_object_are_refused():
    with pytest.raises(ValueError, match="norm_squared is -1 somewhere"):
        generalization_error(0.0, [1.0, -1.0], mixture())
    with pytest.raises(ValueError, match="without sample_ratio"):
        generalization_error(0.0, 1.0, SimpleNamespace())
