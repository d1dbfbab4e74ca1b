"""tg.landscape against finite differences, dense derivatives of torch, and numbers from an independent program."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.utils.data import DataLoader, TensorDataset

import thermograd as tg
from thermograd.errors import ConfigError
from thermograd.observables.landscape import (
    effective_loss,
    gradients,
    hessian_vector,
    landscape,
    minimize_effective_loss,
    sample_hessian_vectors,
)
from thermograd.problems.digits_linear import DigitsLinear
from thermograd.problems.mnist_linear import MnistLinear
from thermograd.problems.nonlinear_regression import NonlinearRegression


def small_network(seed=0, inputs=3, classes=3):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(inputs, 4), nn.Tanh(), nn.Linear(4, classes))


@pytest.fixture
def classified():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(12, 3, generator=generator), torch.randint(0, 3, (12,), generator=generator)


def naive(model, data, decay=0.0):
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


def test_gradients_and_hessians_of_every_sample(classified):
    model = small_network()
    land = landscape(
        model, classified, criterion=cross_entropy, weight_decay=0.1, sample_hessians=True, chunk=5
    )
    slopes, bends = naive(model, classified, 0.1)
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


def test_third_derivatives_against_differences(classified):
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


def test_module_function_and_problem_agree(classified):
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


def test_top_directions_are_those_of_the_whole_hessian(classified):
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


def test_a_whole_answer_for_a_network_that_was_trained(classified):
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


def test_refinement_finds_the_minimum_from_far(classified):
    land = landscape(small_network(), classified, criterion=cross_entropy, weight_decay=0.05, refine=True)
    assert np.linalg.norm(land.gradient) < 1e-10
    assert np.linalg.eigvalsh(land.hessian).min() > 0
    start = landscape(small_network(), classified, criterion=cross_entropy, weight_decay=0.05)
    assert land.loss < start.loss


def test_refinement_without_the_hessian(classified, monkeypatch):
    dense = landscape(small_network(), classified, criterion=cross_entropy, weight_decay=0.05, refine=True)
    monkeypatch.setattr("thermograd.observables.landscape.DENSE", 5)
    sparse = landscape(small_network(), classified, criterion=cross_entropy, weight_decay=0.05, refine=True)
    assert np.linalg.norm(sparse.gradient) < 1e-7
    assert sparse.loss == pytest.approx(dense.loss, rel=1e-6)


def test_gradients_at_many_points(classified):
    problem = tg.Problem(model=small_network, loss=nn.CrossEntropyLoss(reduction="none"), train=classified)
    points = np.random.default_rng(0).normal(size=(2, 3, 31))
    found = gradients(problem, points=points)
    assert found.shape == points.shape
    for place in np.ndindex(2, 3):
        expected = landscape(problem, parameters=torch.from_numpy(points[place])).gradient
        np.testing.assert_allclose(found[place], expected, atol=1e-12)


def test_products_where_arrays_would_be_large(classified, monkeypatch):
    monkeypatch.setattr("thermograd.observables.landscape.SMALL", 8)
    products = landscape(small_network(), classified, criterion=cross_entropy, sample_hessians=True)
    assert products.sample_hessians is None
    array = landscape(small_network(), classified, criterion=cross_entropy, sample_hessians="array")
    vector = np.random.default_rng(0).normal(size=31)
    np.testing.assert_allclose(
        products.sample_hessian_products(vector), array.sample_hessians @ vector, atol=1e-12
    )


def test_effective_loss_is_the_mean_epoch_to_first_order(classified):
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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"criterion": None}, "criterion="),
        ({"data": (torch.zeros(3, 3), torch.zeros(4))}, "3, 4 samples"),
        ({"directions": 40}, "from 1 to 31"),
        ({"directions": 2, "sample_hessians": True}, "do not go together"),
        ({"sample_hessians": "all"}, "'array'"),
        ({"parameters": torch.zeros(5)}, "31 numbers"),
        ({"chunk": 0}, "chunk is 0"),
        ({"loss": 3}, "give a function"),
        ({"loss": lambda p, b: p.sum()}, "parameters="),
        ({"loss": nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))}, "model.eval"),
        ({"data": None}, "data is a NoneType"),
        ({"data": DataLoader(TensorDataset(torch.zeros(4, 3), torch.zeros(4)))}, "default_collate"),
        ({"criterion": lambda out, y, reduction: cross_entropy(out, y)}, "one number per sample"),
        ({"criterion": nn.CrossEntropyLoss(reduction="sum")}, "reduction 'sum'"),
        (
            {"loss": nn.Linear(3, 1), "data": (torch.ones(4, 3), torch.arange(4.0)), "criterion": mse_loss},
            "same shape",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:Using a target size")  # torch's own, beside our refusal
def test_what_is_refused(classified, change, message):
    arguments = {"loss": small_network(), "data": classified, "criterion": cross_entropy} | change
    if callable(arguments["loss"]) and not isinstance(arguments["loss"], nn.Module):
        arguments["criterion"] = None
    with pytest.raises(ConfigError, match=message):
        landscape(arguments.pop("loss"), arguments.pop("data"), **arguments)


def test_a_gradient_that_is_not_finite_names_its_sample(classified):
    inputs = classified[0].clone()
    inputs[7] = torch.nan
    for refine in (False, True):
        with pytest.raises(ConfigError, match="sample 7"):
            landscape(
                small_network(), (inputs, classified[1]), criterion=cross_entropy, chunk=3, refine=refine
            )


def test_a_gradient_can_be_infinite_where_the_loss_is_not():
    def root(point, batch):
        return (point[0] + batch).abs().sqrt()

    with pytest.raises(ConfigError, match="gradient of sample 2"):
        landscape(root, torch.tensor([1.0, 2.0, 0.0]), torch.zeros(1))


def test_weights_of_classes_go_with_the_model(classified):
    weighted = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 5.0]))
    land = landscape(small_network(), classified, criterion=weighted)
    each = nn.CrossEntropyLoss(weight=weighted.weight, reduction="none")
    assert land.loss == pytest.approx(
        each(small_network()(classified[0]), classified[1]).mean().item(), rel=1e-5
    )


def test_directions_know_that_the_rest_is_no_minimum(classified):
    """At the initial weights, where the whole Hessian has negative curvatures; and not at the minimum."""
    some = landscape(small_network(), classified, criterion=cross_entropy, weight_decay=0.05, directions=3)
    whole = landscape(small_network(), classified, criterion=cross_entropy, weight_decay=0.05)
    assert np.linalg.eigvalsh(whole.hessian)[0] < -0.01
    assert "no minimum yet" in tg.stationary_state(some, learning_rate=0.1, batch_size=3).note
    there = landscape(
        small_network(), classified, criterion=cross_entropy, weight_decay=0.05, directions=3, refine=True
    )
    assert there.note == ""


def test_what_is_left_out_is_said(classified):
    model = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5))
    land = landscape(model, classified, criterion=cross_entropy, weight_decay=0.1, refine=True)
    assert "dropout switched off" in repr(land)
    assert "12 samples, 12 parameters" in repr(land)
    state = tg.stationary_state(land, learning_rate=0.1, batch_size=3)
    assert "note: dropout switched off" in str(state)
    assert "dropout switched off" in state.prediction("covariance").rests_on
    some = landscape(model, classified, criterion=cross_entropy, weight_decay=0.1, directions=2)
    assert "of these 2 directions" in str(tg.stationary_state(some, learning_rate=0.1, batch_size=3))


def test_regression_with_seven_parameters(recorded_regression):
    """From the recorded minimum; numbers of an independent program."""
    x, y, minimum = recorded_regression
    problem = NonlinearRegression(x=x, y=y)
    land = landscape(
        problem, parameters=torch.from_numpy(minimum), sample_hessians=True, third_derivative=True
    )
    assert land.loss == pytest.approx(153.6228639284, rel=1e-12)
    spectrum = [
        55.02366428,
        58.51554271,
        397.25436874,
        1848.56410047,
        3097.66637326,
        24658.45687005,
        28317.70872413,
    ]
    np.testing.assert_allclose(np.linalg.eigvalsh(land.hessian), spectrum, rtol=1e-9)
    shift = (
        minimize_effective_loss(
            problem, None, torch.from_numpy(minimum), learning_rate=1e-7, batch_size=10
        ).numpy()
        - minimum
    )
    expected = [4.493254e-5, 2.945617e-5, 4.546668e-5, -2.918966e-5, -4.240289e-5, 4.177577e-5, 4.478984e-6]
    np.testing.assert_allclose(shift, expected, rtol=2e-4)


def test_linear_classifier_of_digits():
    """Numbers of an independent program: landscape and stationary state of 160 weights."""
    land = landscape(DigitsLinear(), refine=True)
    assert land.loss == pytest.approx(0.5799013955, rel=1e-9)
    values = np.linalg.eigvalsh(land.hessian)
    np.testing.assert_allclose(values[[0, -1]], [0.02169024, 4.92741813], rtol=1e-6)
    discrete = tg.stationary_state(land, learning_rate=1e-2, batch_size=20)
    continuous = tg.stationary_state(land, learning_rate=1e-2, batch_size=20, time="continuous")
    assert np.trace(discrete.covariance) == pytest.approx(2.2817415e-3, rel=1e-6)
    assert np.trace(continuous.covariance) == pytest.approx(2.2741206e-3, rel=1e-6)
    assert np.linalg.norm(continuous.circulation) == pytest.approx(1.2703206e-6, rel=1e-6)
    assert discrete.excess_loss == pytest.approx(7.6208306e-4, rel=1e-6)
    assert continuous.entropy_production == pytest.approx(3.15646554, rel=1e-6)
    slow = tg.stationary_state(land, learning_rate=1e-4, batch_size=20, time="continuous")
    assert slow.entropy_production == pytest.approx(0.0315646554, rel=1e-6)


def test_linear_classifier_of_a_small_mnist(named_data):
    """10 weights belong to a pixel that is always 0 and move with the regulariser only."""
    land = landscape(MnistLinear(train_samples=5000), refine=True)
    state = tg.stationary_state(land, learning_rate=1e-2, batch_size=100, time="continuous")
    assert np.trace(state.covariance) == pytest.approx(9.6481709e-4, rel=1e-6)
    still = np.diagonal(state.covariance) < 1e-20
    assert still.sum() == 10
    assert land.sample_gradients.shape == (5000, 490)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_linear_classifier_of_mnist(named_data):
    land = landscape(MnistLinear(train_samples=60_000), refine=True)
    assert land.loss == pytest.approx(0.569153267, rel=1e-8)
    np.testing.assert_allclose(np.linalg.eigvalsh(land.hessian)[[0, -1]], [0.02000016, 4.44337176], rtol=1e-6)
    state = tg.stationary_state(land, learning_rate=1e-4, batch_size=100, time="continuous")
    assert np.trace(state.covariance) == pytest.approx(1.0138961e-5, rel=1e-6)
    assert np.linalg.norm(state.circulation) == pytest.approx(2.7151765e-11, rel=1e-5)
    assert state.entropy_production == pytest.approx(1.379e-2, rel=1e-2)


class Recurrent(nn.Module):
    """A layer that cannot be batched over samples."""

    def __init__(self):
        super().__init__()
        self.cell, self.out = nn.LSTM(2, 3, batch_first=True), nn.Linear(3, 2)

    def forward(self, inputs):
        return self.out(self.cell(inputs)[0][:, -1])


@pytest.mark.parametrize("kind", ["attention", "recurrent"])
def test_operations_without_forward_mode_or_batching(kind):
    """Fused attention and recurrent cells, against derivatives of torch, sample by sample."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        attention = nn.TransformerEncoderLayer(2, 1, 2, batch_first=True, dropout=0.0)
        model = (
            Recurrent() if kind == "recurrent" else nn.Sequential(attention, nn.Flatten(), nn.Linear(6, 2))
        )
        inputs, targets = torch.randn(3, 3, 2), torch.tensor([0, 1, 0])
    model.eval()
    land = landscape(model, TensorDataset(inputs, targets), criterion=cross_entropy)
    double = copy.deepcopy(model).double()
    weights = list(double.parameters())
    loss = cross_entropy(double(inputs.double()[1:2]), targets[1:2])
    slope = torch.cat([part.reshape(-1) for part in torch.autograd.grad(loss, weights)])
    np.testing.assert_allclose(land.sample_gradients[1], slope, atol=1e-10)
    point, vector = torch.from_numpy(land.parameters), torch.linspace(-1, 1, land.parameters.size).double()
    up, down = (
        landscape(model, (inputs, targets), point + sign * 1e-7 * vector, criterion=cross_entropy).gradient
        for sign in (1, -1)
    )
    np.testing.assert_allclose(land.hessian @ vector.numpy(), (up - down) / 2e-7, rtol=1e-5, atol=1e-6)


def test_mean_square_error_is_averaged_over_outputs():
    inputs, targets = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)), torch.ones(5, 2)
    model = small_network(classes=2)
    land = landscape(model, (inputs, targets), criterion=mse_loss)
    assert land.loss == pytest.approx(mse_loss(model(inputs), targets).item(), rel=1e-5)


def test_the_inputs_of_a_model_without_targets_are_named():
    inputs = torch.zeros(5, 3)
    for data in (inputs, (inputs,), torch.utils.data.TensorDataset(inputs)):
        with pytest.raises(ConfigError, match=r"\(inputs, targets\), got one tensor of shape \(5, 3\)"):
            landscape(torch.nn.Linear(3, 2), data, criterion=torch.nn.functional.cross_entropy)
