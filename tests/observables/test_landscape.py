"""tg.landscape against finite differences and dense derivatives of torch, and that nothing of the user's is changed."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import thermograd as tg
from thermograd.observables.landscape import (
    effective_loss,
    gradients,
    hessian_vector,
    landscape,
    minimize_effective_loss,
    sample_hessian_vectors,
)


def naive_derivatives(model, data, decay=0.0):
    """G_i and K_i by loops over samples and reverse mode twice."""
    model = copy.deepcopy(model).double()
    weights = list(model.parameters())
    slopes, bends = [], []
    for x, y in zip(data[0].double(), data[1], strict=True):
        loss = cross_entropy(model(x[None]), y[None]) + decay / 2 * sum(w.square().sum() for w in weights)
        slope = torch.cat([g.reshape(-1) for g in torch.autograd.grad(loss, weights, create_graph=True)])
        rows = [torch.autograd.grad(one, weights, retain_graph=True) for one in slope]
        bends.append(torch.stack([torch.cat([g.reshape(-1) for g in row]) for row in rows]))
        slopes.append(slope.detach())
    return torch.stack(slopes).numpy(), torch.stack(bends).numpy()


def test_gradients_and_hessians_of_every_sample(classified, small_network):
    model = small_network()
    land = landscape(
        model, classified, criterion=cross_entropy, weight_decay=0.1, sample_hessians=True, chunk=5
    )
    slopes, bends = naive_derivatives(model, classified, 0.1)
    np.testing.assert_allclose(land.sample_gradients, slopes, atol=1e-12)
    np.testing.assert_allclose(land.sample_hessians, bends, atol=1e-12)
    np.testing.assert_allclose(land.hessian, bends.mean(0), atol=1e-12)
    np.testing.assert_allclose(land.gradient, slopes.mean(0), atol=1e-12)
    assert land.shapes == {name: tuple(value.shape) for name, value in model.named_parameters()}
    vector = torch.linspace(-1, 1, 31).double()
    found = hessian_vector(model, classified, None, vector, criterion=cross_entropy, weight_decay=0.1)
    np.testing.assert_allclose(found, bends.mean(0) @ vector.numpy(), atol=1e-12)
    each = sample_hessian_vectors(model, classified, None, vector, criterion=cross_entropy, weight_decay=0.1)
    np.testing.assert_allclose(each, bends @ vector.numpy(), atol=1e-12)
    own = torch.from_numpy(slopes)
    along = sample_hessian_vectors(model, classified, None, own, criterion=cross_entropy, weight_decay=0.1)
    np.testing.assert_allclose(along, np.einsum("iab,ib->ia", bends, slopes), atol=1e-12)


def test_third_derivatives_against_differences(classified, small_network):
    model = small_network(classes=2)
    data = (classified[0][:6], classified[1][:6] % 2)
    land = landscape(model, data, criterion=cross_entropy, sample_hessians=True, third_derivative=True)
    point = torch.from_numpy(land.parameters)
    for place in (0, 7, 20):
        shift = torch.zeros_like(point)
        shift[place] = 1e-4
        up, down = (
            landscape(model, data, point + sign * shift, criterion=cross_entropy, sample_hessians=True)
            for sign in (1, -1)
        )
        np.testing.assert_allclose(
            land.third_derivative[place], (up.hessian - down.hessian) / 2e-4, atol=1e-7
        )
    bent = np.zeros_like(land.hessian)
    for sample, slope in enumerate(land.sample_gradients):
        up, down = (
            landscape(
                model,
                tuple(part[sample : sample + 1] for part in data),
                point + sign * 1e-4 * torch.from_numpy(slope),
                criterion=cross_entropy,
            ).hessian
            for sign in (1, -1)
        )
        bent += (up - down) / 2e-4 / 6
    np.testing.assert_allclose(land.third_derivative_gradient, bent, atol=1e-7)


def test_module_function_and_problem_agree(classified, small_network):
    model = small_network()
    double = copy.deepcopy(model).double()

    def by_name(weights, batch):
        outputs = torch.func.functional_call(double, weights, (batch[0],))
        return cross_entropy(outputs, batch[1], reduction="none")

    weights = dict(double.named_parameters())
    problem = tg.Problem(
        model=lambda: small_network(),
        loss=nn.CrossEntropyLoss(reduction="none"),
        train=classified,
        regulariser=0.05,
    )
    first = landscape(model, classified, criterion=nn.CrossEntropyLoss(), weight_decay=0.1)
    second = landscape(by_name, classified, weights, regulariser=0.05)
    third = landscape(problem, parameters=weights)
    flat = landscape(
        lambda point, batch: by_name(
            {
                "0.weight": point[:12].reshape(4, 3),
                "0.bias": point[12:16],
                "2.weight": point[16:28].reshape(3, 4),
                "2.bias": point[28:],
            },
            batch,
        ),
        classified,
        torch.from_numpy(first.parameters),
        regulariser=lambda point: 0.05 * point.square().sum(),
    )
    for other in (second, third, flat):
        np.testing.assert_allclose(other.sample_gradients, first.sample_gradients, atol=1e-13)
        np.testing.assert_allclose(other.hessian, first.hessian, atol=1e-13)
        assert other.loss == pytest.approx(first.loss, rel=1e-13)


def test_nothing_of_the_users_is_changed(classified):
    model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 3)).train()
    cross_entropy(model(classified[0]), classified[1]).backward()
    before = copy.deepcopy(model.state_dict())
    slopes = [parameter.grad.clone() for parameter in model.parameters()]
    state, numbers = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # ruff: ignore[numpy-legacy-random]
    criterion = nn.CrossEntropyLoss()
    landscape(model, classified, criterion=criterion, sample_hessians=True, directions=None, refine=False)
    landscape(model, classified, criterion=criterion, weight_decay=0.1, directions=2)
    assert model.training
    assert criterion.reduction == "mean"
    assert all(value.dtype == torch.float32 for value in model.parameters())
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
    for parameter, slope in zip(model.parameters(), slopes, strict=True):
        assert torch.equal(parameter.grad, slope)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], numbers)  # ruff: ignore[numpy-legacy-random]


def test_top_directions_are_those_of_the_whole_hessian(classified, small_network):
    classified = (classified[0][:, :1], classified[1] % 2)
    model = small_network(inputs=1, classes=2)  # 18 weights
    whole = landscape(model, classified, criterion=cross_entropy, weight_decay=0.05, third_derivative=True)
    some = landscape(
        model, classified, criterion=cross_entropy, weight_decay=0.05, directions=4, third_derivative=True
    )
    values, vectors = np.linalg.eigh(whole.hessian)
    np.testing.assert_allclose(np.diagonal(some.hessian), values[::-1][:4], rtol=1e-10)
    overlap = np.abs(vectors[:, ::-1][:, :4].T @ some.directions)
    np.testing.assert_allclose(overlap, np.eye(4), atol=1e-6)
    np.testing.assert_allclose(some.sample_gradients, whole.sample_gradients @ some.directions, atol=1e-12)
    np.testing.assert_allclose(some.gradient, whole.gradient @ some.directions, atol=1e-12)
    trace = np.trace(whole.gradient_covariance)
    assert some.gradient_covariance_trace == pytest.approx(trace, rel=1e-10)
    turned = np.einsum("abc,ai,bj,ck->ijk", whole.third_derivative, *[some.directions] * 3)
    np.testing.assert_allclose(some.third_derivative, turned, atol=1e-10)


def test_a_whole_answer_for_a_network_that_was_trained(classified, small_network):
    """What the documentation promises a practitioner: two calls, a state in the stiff directions of a network."""
    model = small_network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5, weight_decay=0.05)
    for _ in range(400):
        optimizer.zero_grad()
        cross_entropy(model(classified[0]), classified[1]).backward()
        optimizer.step()
    land = tg.landscape(model, classified, criterion=cross_entropy, weight_decay=0.05, directions=5)
    state = tg.stationary_state(land, learning_rate=0.05, batch_size=3)
    assert not isinstance(state, tg.Verdict)
    whole = tg.landscape(model, classified, criterion=cross_entropy, weight_decay=0.05, refine=True)
    full = tg.stationary_state(whole, learning_rate=0.05, batch_size=3)
    inside = some_directions = state.directions
    np.testing.assert_allclose(
        inside.T @ full.covariance @ some_directions, state.covariance, rtol=0.05, atol=1e-4
    )


def test_refinement_finds_the_minimum_from_far(classified, small_network):
    land = landscape(small_network(), classified, criterion=cross_entropy, weight_decay=0.05, refine=True)
    assert np.linalg.norm(land.gradient) < 1e-10
    assert np.linalg.eigvalsh(land.hessian).min() > 0
    start = landscape(small_network(), classified, criterion=cross_entropy, weight_decay=0.05)
    assert land.loss < start.loss


def test_refinement_without_the_hessian(classified, monkeypatch, small_network):
    dense = landscape(small_network(), classified, criterion=cross_entropy, weight_decay=0.05, refine=True)
    monkeypatch.setattr("thermograd.observables.landscape.DENSE", 5)
    sparse = landscape(small_network(), classified, criterion=cross_entropy, weight_decay=0.05, refine=True)
    assert np.linalg.norm(sparse.gradient) < 1e-7
    assert sparse.loss == pytest.approx(dense.loss, rel=1e-6)


def test_gradients_at_many_points(classified, small_network):
    problem = tg.Problem(model=small_network, loss=nn.CrossEntropyLoss(reduction="none"), train=classified)
    points = np.random.default_rng(0).normal(size=(2, 3, 31))
    found = gradients(problem, points=points)
    assert found.shape == points.shape
    for place in np.ndindex(2, 3):
        expected = landscape(problem, parameters=torch.from_numpy(points[place])).gradient
        np.testing.assert_allclose(found[place], expected, atol=1e-12)


def test_products_where_arrays_would_be_large(classified, monkeypatch, small_network):
    monkeypatch.setattr("thermograd.observables.landscape.SMALL", 8)
    products = landscape(small_network(), classified, criterion=cross_entropy, sample_hessians=True)
    assert products.sample_hessians is None
    array = landscape(small_network(), classified, criterion=cross_entropy, sample_hessians="array")
    vector = np.random.default_rng(0).normal(size=31)
    np.testing.assert_allclose(
        products.sample_hessian_products(vector), array.sample_hessians @ vector, atol=1e-12
    )


def test_effective_loss_is_the_mean_epoch_to_first_order(classified, small_network):
    """−η∇L̂ against the displacement over an epoch, averaged over many orders; and its minimum."""
    model, data = small_network(), (classified[0][:6], classified[1][:6])
    options = {"criterion": cross_entropy, "weight_decay": 0.05}
    land = landscape(model, data, **options, sample_hessians=True)
    point = torch.from_numpy(land.parameters).requires_grad_()
    value = effective_loss(model, data, point, learning_rate=0.1, batch_size=2, **options)
    (slope,) = torch.autograd.grad(value, point)
    rate, count = 0.1, 6
    g, k = land.gradient, np.einsum("iab,ib->ia", land.sample_hessians, land.sample_gradients).sum(0)
    expected = 3 * g - rate * 3 * 2 / 2 * (count / 5 * land.hessian @ g - k / (count * 5))
    np.testing.assert_allclose(slope.numpy(), expected, atol=1e-12)
    found = minimize_effective_loss(model, data, learning_rate=0.02, batch_size=2, **options)
    flat = torch.cat([part.reshape(-1) for part in found.values()]).requires_grad_()
    at_minimum = effective_loss(model, data, flat, learning_rate=0.02, batch_size=2, **options)
    assert torch.autograd.grad(at_minimum, flat)[0].norm() < 1e-9
