from dataclasses import replace

import numpy as np
import pytest
import torch

import thermograd as tg
from thermograd.dynamics import SGD
from thermograd.ensemble.engines.kernel import compiler
from thermograd.minibatching import Persistent, WithoutReplacement
from thermograd.problems import GaussianMixture
from thermograd.theory.mean_field_losses import MixtureLoss
from thermograd.theory.mean_field_mixture import Mixture

LOSSES = ("logistic", "square", "squared_hinge")
SMALL = GaussianMixture(
    dimension=20, sample_ratio=4.0, initial_overlap=0.3, initial_norm_squared=1.2, weight_decay=0.2
)


@pytest.mark.parametrize("clusters", [2, 3])
def test_data_are_the_clusters_they_should_be(clusters):
    problem = GaussianMixture(dimension=200, sample_ratio=10.3, cluster_variance=0.02, clusters=clusters)
    inputs, labels, direction = problem.draw(7)
    assert inputs.shape == (2060, 200)
    assert inputs.dtype == labels.dtype == direction.dtype == np.float64
    assert direction @ direction == pytest.approx(200)
    along = inputs @ direction / np.sqrt(200)
    assert labels.sum() == 0
    if clusters == 2:
        centres = labels
    else:
        centres = np.round(along).clip(-1, 1) * (labels == 1)
        assert [(centres == centre).sum() for centre in (-1, 0, 1)] == [515, 1030, 515]
    assert np.std(along - centres) == pytest.approx(np.sqrt(0.02), rel=0.07)
    rest = inputs - np.outer(centres, direction) / np.sqrt(200)
    assert np.var(rest) == pytest.approx(0.02, rel=0.02)
    again, other = problem.draw(7), problem.draw(8)
    assert np.array_equal(inputs, again[0])
    assert not np.array_equal(inputs, other[0])


@pytest.mark.parametrize(
    ("clusters", "samples", "counts"), [(2, 11, (6, 5)), (3, 11, (7, 4)), (3, 12, (6, 6))]
)
def test_what_does_not_divide_goes_to_the_cluster_that_is_said(clusters, samples, counts):
    labels = GaussianMixture(dimension=samples, sample_ratio=1.0, clusters=clusters).draw(0)[1]
    assert ((labels == -1).sum(), (labels == 1).sum()) == counts


@pytest.mark.parametrize("clusters", [2, 3])
@pytest.mark.parametrize("loss", LOSSES)
def test_one_update_is_that_of_the_sum_of_losses_with_half_the_decay(loss, clusters):
    """w − η[λw + Σ s l′ x/√d] with s = 1/b in the batch, from the derivatives of the theory."""
    problem = replace(SMALL, loss=loss, clusters=clusters)
    experiment = tg.Experiment(problem, WithoutReplacement(8), SGD(0.05), trajectories=1, steps=1, seed=3)
    before = experiment.initial_weights([0])["weights"][0]
    inputs, labels, direction = problem.draw(0)
    assert before @ direction / 20 == pytest.approx(0.3)
    assert before @ before / 20 == pytest.approx(1.2)
    chosen = np.zeros(80)
    chosen[experiment.indices(0, 0)] = 80 / 8
    slope = MixtureLoss(Mixture.of(problem)).derivatives(inputs @ before / np.sqrt(20), labels)[1]
    expected = before - 0.05 * (0.2 * before + (chosen * slope) @ inputs / np.sqrt(20))
    np.testing.assert_allclose(tg.run(experiment).weights()["weights"][0], expected, rtol=1e-12)


def test_the_mean_loss_is_n_times_the_mean_of_a_sample_and_the_decay():
    functional = tg.Experiment(SMALL, steps=1).functional
    weights, _ = functional.draw_initial(2)
    inputs, labels, _ = SMALL.draw(0)
    vector = weights["weights"].numpy()
    losses = np.logaddexp(0, -labels * (inputs @ vector) / np.sqrt(20))
    expected = losses.sum() + 0.2 / 2 * vector @ vector
    assert float(functional.mean_loss(weights, functional.train)) == pytest.approx(expected, rel=1e-12)


def test_starts_differ_and_have_the_norm_and_overlap_that_are_asked_for():
    experiment = tg.Experiment(SMALL, trajectories=4, steps=1)
    starts = experiment.initial_weights(range(4))["weights"]
    direction = SMALL.draw(0)[2]
    np.testing.assert_allclose(starts @ direction / 20, 0.3)
    np.testing.assert_allclose((starts**2).sum(1) / 20, 1.2)
    assert len(np.unique(starts[:, 0])) == 4


@pytest.mark.skipif(compiler.compiler() is None, reason="no C++ compiler")
@pytest.mark.parametrize("clusters", [2, 3])
@pytest.mark.parametrize("loss", LOSSES)
def test_the_kernel_engine_takes_it(loss, clusters):
    problem = replace(SMALL, loss=loss, clusters=clusters)
    experiment = tg.Experiment(problem, Persistent(0.3, 8), SGD(0.01), trajectories=5, steps=20)
    eager, kernel = (tg.run(replace(experiment, engine=engine)) for engine in ("eager", "kernel"))
    assert kernel.engine == "kernel"
    first, second = eager.weights()["weights"], kernel.weights()["weights"]
    assert np.isfinite(first).all()
    np.testing.assert_allclose(second, first, rtol=1e-12, atol=1e-13)


@pytest.mark.skipif(compiler.compiler() is None, reason="no C++ compiler")
def test_the_logistic_loss_is_finite_far_out_in_both_engines():
    problem = replace(SMALL, initial_norm_squared=1e8)
    experiment = tg.Experiment(problem, WithoutReplacement(20), SGD(0.01), trajectories=2, steps=4)
    eager, kernel = (tg.run(replace(experiment, engine=engine)) for engine in ("eager", "kernel"))
    assert np.isfinite(eager["train_loss"]).all()
    np.testing.assert_allclose(kernel["train_loss"], eager["train_loss"], rtol=1e-10)


def test_the_built_problem_is_in_the_type_that_is_asked_for():
    built = replace(SMALL, dtype="float32").build()
    assert built.dtype == "float32"
    assert built.name == "gaussian_mixture"
    assert built.regulariser == pytest.approx(0.1)
    assert built.train[0].dtype == torch.float64


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"dimension": 1}, "dimension is 1; it must be a whole number, 2 or larger"),
        ({"dimension": 2.5}, "dimension is 2.5"),
        ({"data_seed": -1}, "data_seed is -1"),
        ({"loss": "hinge"}, "Known: logistic, square, squared_hinge"),
        ({"clusters": 1}, "clusters is 1"),
        ({"initial_overlap": -2.0}, "Give initial_norm_squared >= 4"),
        ({"weight_decay": float("inf")}, "weight_decay is inf"),
        ({"dimension": 10, "sample_ratio": 0.1}, "is 1 samples, fewer than the 2 clusters"),
    ],
)
def test_bad_fields_are_named(fields, says):
    with pytest.raises(ValueError, match=says):
        GaussianMixture(**fields)
