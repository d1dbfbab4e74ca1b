"""The Hessian of a live model against dense algebra, closed forms and an independent program; and that nothing changes."""

from __future__ import annotations

import copy
import itertools
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss

import thermograd as tg
from thermograd.errors import ConfigError
from thermograd.problems.nonlinear_regression import NonlinearRegression

SPECTRUM = np.concatenate([[-9.0, -4.0, -1.0], np.linspace(-0.2, 0.5, 110), [2, 3, 5, 8, 20, 60, 61.0]])


def turned(values, seed=0):
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(len(values), len(values))))[0]
    return torch.from_numpy(turn @ np.diag(values) @ turn.T)


def quadratic(values=SPECTRUM, seed=0):
    """H = the matrix, of a parameter in two pieces."""
    matrix = turned(values, seed)
    generator = torch.Generator().manual_seed(1)
    size = len(values)
    pieces = [
        torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)
        for shape in ((2, size // 2 - 1), (size - 2 * (size // 2 - 1),))
    ]

    def loss():
        place = torch.cat([piece.reshape(-1) for piece in pieces])
        return place @ matrix @ place / 2

    return tg.Hessian(pieces, loss), matrix.numpy()


def network(*sizes, seed=0):
    torch.manual_seed(seed)
    layers = [part for a, b in itertools.pairwise(sizes) for part in (nn.Linear(a, b), nn.Tanh())]
    return nn.Sequential(*layers[:-1]).double()


def classes(samples=40, features=4, kinds=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(samples, features, generator=generator, dtype=torch.float64)
    return x, torch.randint(kinds, (samples,), generator=generator)


def naive(parameters, loss):
    """Row by row from a fresh graph each time."""
    parameters = list(parameters)
    rows = []
    for index in range(sum(value.numel() for value in parameters)):
        slopes = torch.autograd.grad(loss(), parameters, create_graph=True, materialize_grads=True)
        flat = torch.cat([slope.reshape(-1) for slope in slopes])
        found = torch.autograd.grad(flat[index], parameters, materialize_grads=True)
        rows.append(torch.cat([part.reshape(-1) for part in found]))
    return torch.stack(rows).detach()


# Eigenvalues


def test_full_spectrum_of_a_quadratic():
    hessian, matrix = quadratic()
    assert hessian.shape == (120, 120)
    found = hessian.eigenvalues(vectors=True)
    np.testing.assert_allclose(found.values, np.sort(SPECTRUM), atol=1e-9)
    np.testing.assert_allclose(
        matrix @ found.vectors.numpy(), found.vectors.numpy() * found.values, atol=1e-9
    )
    assert found.converged
    assert found.matvecs == hessian.matvecs == 120
    np.testing.assert_allclose(hessian.dense(block=7).numpy(), matrix, atol=1e-12)


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        ("largest", [61, 60, 20]),
        ("smallest", [-9, -4, -1]),
        ("magnitude", [61, 60, 20]),
        ("both", [-9, -4, -1, 20, 60, 61]),
    ],
)
def test_outermost_of_a_quadratic(which, expected):
    hessian, matrix = quadratic()
    found = hessian.eigenvalues(3, which, vectors=True)
    assert found.converged
    np.testing.assert_allclose(found.values, expected, rtol=1e-6)
    assert (np.abs(found.values - expected) <= found.residuals + 1e-12).all()
    vectors = found.vectors.numpy()
    assert np.linalg.norm(matrix @ vectors - vectors * found.values, axis=0).max() <= 1e-6 * 61
    assert found.matvecs == hessian.matvecs < 120


def test_too_few_steps_are_said_to_be_too_few():
    hessian, _ = quadratic()
    with pytest.warns(RuntimeWarning, match="3 eigenvalues have not converged in 5 steps"):
        found = hessian.eigenvalues(3, max_steps=5)
    assert not found.converged
    assert "not converged" in str(found)
    for value, residual in zip(found.values, found.residuals, strict=True):
        assert np.abs(SPECTRUM - value).min() <= residual


def test_curvatures_of_several_outputs_count_as_often_as_there_are_outputs():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(200, 30, generator=generator, dtype=torch.float64) * torch.linspace(3, 1, 30)
    model = nn.Linear(30, 3, bias=False).double()
    hessian = tg.Hessian(model, lambda batch: mse_loss(model(batch[0]), batch[1]), [(x, x[:, :3])])
    expected = np.sort(np.repeat(np.linalg.eigvalsh((x.T @ x).numpy() * 2 / 600), 3))[::-1]
    np.testing.assert_allclose(hessian.eigenvalues(7).values, expected[:7], rtol=1e-6)


def test_seven_parameters_at_their_recorded_minimum(recorded_regression):
    """Numbers of an independent program."""
    x, y, minimum = recorded_regression
    problem = NonlinearRegression(x=x, y=y).build()
    model = problem.model().double()
    nn.utils.vector_to_parameters(torch.from_numpy(minimum), model.parameters())

    def loss(batch):
        decay = problem.regulariser * sum(value.square().sum() for value in model.parameters())
        return problem.loss(model(batch[0]), batch[1]).mean() + decay

    hessian = tg.Hessian(model, loss, [problem.train])
    known = [
        55.02366428,
        58.51554271,
        397.25436874,
        1848.56410047,
        3097.66637326,
        24658.45687005,
        28317.70872413,
    ]
    np.testing.assert_allclose(hessian.eigenvalues().values, known, rtol=1e-9)
    np.testing.assert_allclose(hessian.eigenvalues(7, "smallest").values, known, rtol=1e-7)
    trace = hessian.trace()
    assert trace.value == pytest.approx(sum(known), rel=1e-9)
    assert trace.low == trace.high


def test_softmax_regression():
    """Trace = mean (1 − Σp²)(|x|² + 1); outermost eigenvalues against a product in numpy."""
    x, y = classes(samples=300, features=20, kinds=7)
    torch.manual_seed(0)
    model = nn.Linear(20, 7).double()
    hessian = tg.Hessian(model, lambda batch: cross_entropy(model(batch[0]), batch[1]), [(x, y)])
    with torch.no_grad():
        p = torch.softmax(model(x), 1).numpy()
    wide = np.concatenate([x.numpy(), np.ones((300, 1))], axis=1)
    blocks = np.einsum("ia,ab->iab", p, np.eye(7)) - np.einsum("ia,ib->iab", p, p)
    dense = np.einsum("iab,if,ig->afbg", blocks, wide, wide) / 300  # class, feature and bias
    order = [(a, f) for a in range(7) for f in range(20)] + [(a, 20) for a in range(7)]
    places = [a * 21 + f for a, f in order]
    matrix = dense.reshape(147, 147)[np.ix_(places, places)]
    exact = float(((1 - np.square(p).sum(1)) * np.square(wide).sum(1)).mean())
    assert hessian.trace(matvecs=147).value == pytest.approx(exact, rel=1e-12)
    np.testing.assert_allclose(hessian.dense().numpy(), matrix, atol=1e-13)
    np.testing.assert_allclose(hessian.eigenvalues(5).values, np.linalg.eigvalsh(matrix)[::-1][:5], rtol=1e-6)
    estimate = hessian.trace()
    assert estimate.low < exact < estimate.high
    assert estimate.high - estimate.low < exact


# Trace and density


def test_sixty_traces_cover_and_scatter_little():
    values = np.concatenate([[400, 250, -120, 80, 60.0], np.linspace(-0.3, 0.5, 295)])
    hessian, matrix = quadratic(values)
    found = [hessian.trace(matvecs=60, seed=seed) for seed in range(60)]
    assert hessian.matvecs == 60 * 60
    assert sum(trace.low <= values.sum() <= trace.high for trace in found) >= 51
    generator = np.random.default_rng(0)
    alone = []
    for _ in range(60):
        signs = generator.choice([-1.0, 1.0], (60, 300))
        alone.append(((signs @ matrix) * signs).sum(1).mean())
    assert np.std([trace.value for trace in found]) < 0.35 * np.std(alone)


def test_the_trace_of_few_directions_is_exact():
    """Rows that depend on each other: more random vectors than directions."""
    hessian, _ = quadratic(np.concatenate([[70.0, -20.0], np.zeros(118)]))
    trace = hessian.trace(matvecs=30)
    assert trace.value == pytest.approx(50, rel=1e-9)
    assert trace.high - trace.low < 1e-8


def test_density_gives_the_moments():
    hessian, matrix = quadratic()
    density = hessian.density(steps=20, probes=10)
    assert hessian.matvecs == 200
    for power in (1, 2, 3):
        exact = np.power(SPECTRUM, power).sum() / 120
        many = np.linalg.matrix_power(matrix, power)
        scatter = np.sqrt(2 * (np.square(many).sum() - np.square(np.diag(many)).sum())) / (120 * np.sqrt(10))
        moment = density.moment(power)
        assert abs(moment.value - exact) < 4.5 * scatter
        assert (moment.high - moment.low) / 2 < 6 * scatter


def test_fractions_below_hold_the_truth():
    hessian, _ = quadratic()
    for steps in (8, 20, 120):
        density = hessian.density(steps=steps, probes=8)
        assert density.complete == (steps == 120)
        for bound in (-3.0, -0.5, 0.0, 0.3, 1.0, 10.0):
            share = density.fraction_below(bound)
            assert share.low <= (SPECTRUM < bound).mean() <= share.high


def test_zero_curvature():
    place = torch.ones(12, requires_grad=True)
    for loss in (lambda: 3 * place.sum(), lambda: (0 * place.square()).sum()):
        hessian = tg.Hessian([place], loss)
        trace = hessian.trace(matvecs=9)
        assert (trace.value, trace.low, trace.high) == (0, 0, 0)
        found = hessian.eigenvalues(2, "both")
        assert found.converged
        assert not found.values.any()
        assert hessian.density(steps=5, probes=2).moment(1).value == 0


# Several batches, blocks, products


def test_batches_weigh_as_much_as_their_samples():
    x, y = classes(50)
    model = network(4, 3, 3)
    parts = [(x[:7], y[:7]), (x[7:30], y[7:30]), (x[30:], y[30:])]

    def loss(batch):
        return cross_entropy(model(batch[0]), batch[1]) + 0.01 * model[0].weight.square().sum()

    whole = tg.Hessian(model, loss, [(x, y)]).dense()
    calls = []

    def counted(batch):
        calls.append(1)
        return loss(batch)

    for keep, graphs in ((True, 1 + 3), (False, 1 + 3 * 3)):
        calls.clear()
        hessian = tg.Hessian(model, counted, parts, keep_graphs=keep)
        torch.testing.assert_close(hessian.dense(), whole, rtol=0, atol=1e-13)
        torch.testing.assert_close(
            hessian @ torch.eye(whole.shape[0], dtype=torch.float64), whole, rtol=0, atol=1e-13
        )
        hessian.matvecs = 0
        assert hessian @ np.ones(whole.shape[0]) == pytest.approx(whole.sum(1).numpy(), abs=1e-12)
        assert hessian.matvecs == 1
        assert len(calls) == graphs  # a second look at the first batch, and one for each call or once for all
    equal = tg.Hessian(model, loss, parts, weights=[1, 1, 1]).dense()
    thirds = sum(tg.Hessian(model, loss, [part]).dense() for part in parts) / 3
    torch.testing.assert_close(equal, thirds, rtol=0, atol=1e-13)


def test_dictionaries_and_loaders_are_batches():
    x, y = classes(30)
    model = network(4, 3, 3)
    whole = tg.Hessian(model, lambda batch: cross_entropy(model(batch[0]), batch[1]), [(x, y)]).dense()
    named = [{"x": x[:10], "y": y[:10]}, {"x": x[10:], "y": y[10:]}]
    found = tg.Hessian(model, lambda batch: cross_entropy(model(batch["x"]), batch["y"]), named)
    torch.testing.assert_close(found.dense(), whole, rtol=0, atol=1e-13)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=8, shuffle=True)
    state = torch.get_rng_state()
    found = tg.Hessian(model, lambda batch: cross_entropy(model(batch[0]), batch[1]), loader)
    torch.testing.assert_close(found.dense(), whole, rtol=0, atol=1e-13)
    assert torch.equal(torch.get_rng_state(), state)


def test_blocks_of_layers_and_tensors():
    x, y = classes()
    model = network(4, 5, 3)
    hessian = tg.Hessian(model, lambda batch: cross_entropy(model(batch[0]), batch[1]), [(x, y)])
    dense = hessian.dense()
    torch.testing.assert_close(hessian.block("0").dense(), dense[:25, :25], rtol=0, atol=1e-14)
    torch.testing.assert_close(hessian.block("2.bias").dense(), dense[40:, 40:], rtol=0, atol=1e-14)
    last = hessian.block("2")
    assert last.shape == (18, 18)
    assert last.trace(matvecs=18).value == pytest.approx(float(dense[25:, 25:].trace()))
    assert last.matvecs == 18
    with pytest.raises(ConfigError, match=r"called '1'; there are '0\.weight', '0\.bias'"):
        hessian.block("1")


def test_tensors_arrays_and_columns():
    hessian, matrix = quadratic()
    vector = torch.randn(120, 3)
    found = hessian @ vector
    assert found.dtype == torch.float64
    np.testing.assert_allclose(found.numpy(), matrix @ vector.double().numpy(), atol=1e-12)
    array = hessian @ vector.numpy()[:, 0]
    assert isinstance(array, np.ndarray)
    np.testing.assert_allclose(array, found[:, 0].numpy(), atol=1e-12)
    with pytest.raises(ConfigError, match=r"shape \(119,\); the Hessian is \(120, 120\)"):
        hessian @ torch.ones(119)


def test_the_weights_are_those_of_the_moment():
    x, y = classes()
    model = network(4, 3, 3)

    def loss(batch):
        return cross_entropy(model(batch[0]), batch[1])

    hessian = tg.Hessian(model, loss, [(x, y)])
    hessian.dense()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    loss((x, y)).backward()
    optimizer.step()
    torch.testing.assert_close(hessian.dense(), tg.Hessian(model, loss, [(x, y)]).dense(), rtol=0, atol=0)
    with hessian as same:
        assert same is hessian
    assert hessian.trace().value == pytest.approx(float(hessian.dense().trace()))


def test_weights_that_diverge_later_are_noticed():
    x, y = classes()
    model = network(4, 3, 3)
    hessian = tg.Hessian(model, lambda batch: cross_entropy(model(batch[0]), batch[1]), [(x, y)])
    hessian.trace()
    with torch.no_grad():
        model[0].weight[0, 0] = torch.nan
    with pytest.raises(ConfigError, match="the loss is nan, batch 0"):
        hessian.trace()


def test_without_gradients_and_in_inference_mode():
    hessian, matrix = quadratic()
    with torch.no_grad():
        np.testing.assert_allclose((hessian @ torch.ones(120)).numpy(), matrix.sum(1), atol=1e-12)
    hessian, matrix = quadratic()
    with torch.inference_mode():
        np.testing.assert_allclose((hessian @ torch.ones(120)).numpy(), matrix.sum(1), atol=1e-12)


@pytest.mark.parametrize("kind", ["float32", "bfloat16", "mixed"])
def test_other_types_of_numbers(kind):
    x, y = classes()
    reference = network(4, 3, 3)
    model = copy.deepcopy(reference)
    if kind == "mixed":
        model[0].float()

        def loss(batch):
            return cross_entropy(model[2](model[1](model[0](batch[0].float()).double())), batch[1])
    else:
        dtype = getattr(torch, kind)
        model.to(dtype)

        def loss(batch):
            return cross_entropy(model(batch[0].to(dtype)), batch[1])

    dense = tg.Hessian(model, loss, [(x, y)]).dense()
    assert dense.dtype == (torch.float64 if kind == "mixed" else torch.float32)
    exact = tg.Hessian(
        reference, lambda batch: cross_entropy(reference(batch[0]), batch[1]), [(x, y)]
    ).dense()
    error = float((dense.double() - exact).norm() / exact.norm())
    assert error < (0.1 if kind == "bfloat16" else 1e-5)
    some = tg.Hessian(model, loss, [(x, y)]).eigenvalues(3)
    truth = np.linalg.eigvalsh(exact.numpy())[::-1][:3]
    assert (
        np.abs(some.values - truth) < some.residuals + 1e-6
    ).all()  # in bfloat16 rounding, not Lanczos, is the limit


def test_the_loss_of_another_model_is_noticed():
    x, y = classes()
    model, other = network(4, 3, 3), network(4, 3, 3)
    hessian = tg.Hessian(other, lambda batch: cross_entropy(model(batch[0]), batch[1]), [(x, y)])
    for ask in (hessian.trace, hessian.eigenvalues, hessian.density):
        with pytest.raises(ConfigError, match=r"none of them is in it.*another model, or of a copy"):
            ask()


def test_parameters_frozen_later_are_noticed():
    x, y = classes()
    model = network(4, 3, 3)
    hessian = tg.Hessian(model, lambda batch: cross_entropy(model(batch[0]), batch[1]), [(x, y)])
    hessian.trace()
    model[0].bias.requires_grad_(False)
    with pytest.raises(ConfigError, match=r"'0\.bias' does not require a gradient any more"):
        hessian.trace()


def test_pairs_of_names_and_parameters_are_a_model():
    x, y = classes()
    model = network(4, 3, 3)

    def loss(batch):
        return cross_entropy(model(batch[0]), batch[1])

    named = tg.Hessian(model.named_parameters(), loss, [(x, y)])
    assert named.block("2").trace().value == tg.Hessian(model, loss, [(x, y)]).block("2").trace().value


def test_parameters_that_do_not_matter_have_zero_rows():
    x, y = classes()
    model = network(4, 3, 3)
    model.register_parameter("unused", nn.Parameter(torch.ones(2, dtype=torch.float64)))
    model.register_parameter("straight", nn.Parameter(torch.ones(1, dtype=torch.float64)))
    model[0].bias.requires_grad_(False)

    def loss(batch):
        return cross_entropy(model(batch[0]), batch[1]) + model.straight.sum()

    hessian = tg.Hessian(model, loss, [(x, y)])
    dense = hessian.dense()
    assert dense.shape == (2 + 1 + 12 + 12, 27)
    assert not dense[:3].any()
    assert dense[3:, 3:].diagonal().all()
    assert (hessian.eigenvalues(2, "both").values != 0).all()


# Nothing changes


class Awkward(nn.Module):
    """Batch normalisation, dropout, a layer in evaluation mode, a tied buffer."""

    def __init__(self):
        super().__init__()
        self.first, self.norm = nn.Linear(4, 6), nn.BatchNorm1d(6)
        self.fixed, self.drop, self.last = nn.BatchNorm1d(6), nn.Dropout(0.3), nn.Linear(6, 3)
        self.fixed.running_mean += 0.2
        self.register_buffer("same", self.norm.running_mean)

    def forward(self, x):
        hidden = self.fixed(torch.tanh(self.norm(self.first(x))))
        return self.last(self.drop(hidden))


def awkward():
    torch.manual_seed(5)
    model = Awkward().double().train()
    model.fixed.eval()
    x, y = classes()
    for value in model.parameters():
        value.grad = torch.randn_like(value)
    model.last.bias.grad = None
    return model, x, y


def everything(model):
    """All that may not change: values by bits, objects by identity, modes, hooks, generators."""
    values = {name: (id(value), value.clone()) for name, value in model.state_dict(keep_vars=True).items()}
    grads = {
        name: None if value.grad is None else (id(value.grad), value.grad.clone())
        for name, value in model.named_parameters()
    }
    needs = {name: value.requires_grad for name, value in model.named_parameters()}
    modes = [layer.training for layer in model.modules()]
    hooks = [(len(layer._forward_hooks), len(layer._forward_pre_hooks)) for layer in model.modules()]
    return values, grads, needs, modes, hooks, torch.get_rng_state()


def assert_same(before, after):
    for one, other in zip(before[:2], after[:2], strict=True):
        assert one.keys() == other.keys()
        for name, value in one.items():
            if value is None:
                assert other[name] is None
            else:
                assert value[0] == other[name][0], name
                assert torch.equal(value[1], other[name][1]), name
    assert before[2:5] == after[2:5]
    assert torch.equal(before[5], after[5])


def seeded(model, criterion):
    """The loss as one fixed function, on a copy that may do as it likes."""
    alone = copy.deepcopy(model)

    def loss():
        alone.norm.load_state_dict(model.norm.state_dict())
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return criterion(alone)

    return alone, loss


def test_two_hessians_of_an_awkward_model_and_nothing_changes():
    model, x, y = awkward()
    criteria = [
        lambda m: cross_entropy(m(x), y),
        lambda m: m(x).square().mean() + 0.1 * m.first.weight.pow(4).sum(),
    ]
    before = everything(model)
    both = [
        tg.Hessian(model, lambda batch, criterion=criterion: criterion(model), [(x, y)])
        for criterion in criteria
    ]
    found = [hessian.dense() for hessian in both]
    for hessian in both:
        hessian.eigenvalues(2)
        hessian.trace(9)
        hessian.density(5, 2)
    assert_same(before, everything(model))
    for criterion, dense in zip(criteria, found, strict=True):
        alone, loss = seeded(model, criterion)
        exact = naive(alone.parameters(), loss)
        torch.testing.assert_close(dense, exact, rtol=0, atol=1e-12)
        assert float((exact - exact.T).abs().max()) < 1e-12  # dropout is one function


def accumulated(model, losses):
    """Negative control: gradients made beforehand by `backward`, in the place where gradients of training are kept."""
    for loss in losses:
        loss().backward(create_graph=True)
    flat = torch.cat([value.grad.reshape(-1) for value in model.parameters()])
    return [
        torch.cat(
            [
                part.reshape(-1)
                for part in torch.autograd.grad(
                    flat[index], list(model.parameters()), retain_graph=True, materialize_grads=True
                )
            ]
        )
        for index in range(len(flat))
    ]


@pytest.mark.filterwarnings("ignore:Using backward")
def test_an_accumulation_through_backward_is_noticed():
    model = network(4, 3, 3)
    x, y = classes()
    losses = [lambda: cross_entropy(model(x), y), lambda: model(x).square().mean()]
    exact = naive(model.parameters(), losses[1])
    wrong = torch.stack(accumulated(model, losses))
    assert float((wrong - exact).norm()) > 0.1 * float(exact.norm())
    assert all(value.grad is not None for value in model.parameters())
    for value in model.parameters():
        value.grad = None  # breaks the cycle that create_graph made
    built = [tg.Hessian(model, lambda loss=loss: loss()) for loss in losses]
    torch.testing.assert_close(built[1].dense(), exact, rtol=0, atol=1e-12)


def test_hooks_of_gradients_do_not_bend_curvatures():
    model = network(4, 3, 3)
    x, y = classes()

    def loss(batch):
        return cross_entropy(model(batch[0]), batch[1])

    plain = tg.Hessian(model, loss, [(x, y)]).dense()
    calls = []
    for value in model.parameters():
        value.register_hook(lambda grad: (calls.append(1), grad.clamp(-1e-3, 1e-3))[1])
    clipped = tg.Hessian(model, loss, [(x, y)]).dense()
    torch.testing.assert_close(clipped, plain, rtol=0, atol=0)
    assert not calls
    loss((x, y)).backward()
    assert len(calls) == 4


def test_attention():
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    x = torch.randn(3, 5, 8)
    hessian = tg.Hessian(layer, lambda batch: layer(batch).pow(3).mean(), [x])
    assert hessian.eigenvalues(1).converged


def test_what_is_random_beyond_torch_is_noticed():
    x, y = classes()
    model = network(4, 3, 3)
    generator = np.random.default_rng(0)

    def loss(batch):
        return cross_entropy(model(batch[0] + torch.from_numpy(generator.normal(size=(40, 4)))), batch[1])

    hessian = tg.Hessian(model, loss, [(x, y)])
    with pytest.warns(RuntimeWarning, match="not deterministic"):
        hessian.trace(6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hessian.trace(6)  # said once


# Bad input


@pytest.mark.parametrize(
    ("loss", "told"),
    [
        (lambda out, y: cross_entropy(out, y, reduction="none"), r"shape \(40,\), batch 0.*reduction='mean'"),
        (lambda out, y: cross_entropy(out, y).item(), "gave float, batch 0"),
        (lambda out, y: cross_entropy(out, y).detach(), "does not depend on the parameters, batch 0"),
        (lambda out, y: cross_entropy(out, y) * float("nan"), "the loss is nan, batch 0"),
        (
            lambda out, y: cross_entropy(out, y) + (0 * out).square().sum().sqrt(),
            "NaN or infinite in '0.weight', batch 0",
        ),
        (
            lambda out, y: (out[0] - out[0].detach()).abs().pow(1.5).sum(),
            "second derivative of the loss is NaN",
        ),
    ],
)
def test_losses_that_are_none(loss, told):
    x, y = classes()
    model = network(4, 3, 3)
    hessian = tg.Hessian(model, lambda batch: loss(model(batch[0]), batch[1]), [(x, y)])
    with pytest.raises(ConfigError, match=told):
        hessian @ torch.ones(27)


class Once(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.square()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, slope):
        return 2 * ctx.saved_tensors[0] * slope


@pytest.mark.parametrize("after", [lambda out: out.mean(), lambda out: out.square().mean()])
def test_operations_without_second_derivatives_are_named(after):
    model = network(4, 3, 3)
    x, _ = classes()
    hessian = tg.Hessian(model, lambda batch: after(Once.apply(model(batch))), [x])
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"operation Once .* cannot be differentiated twice"):
            hessian @ torch.ones(27)


def test_torchs_own_operations_without_second_derivatives_are_named():
    torch.manual_seed(0)
    model = nn.Linear(4, 5)
    targets = torch.tensor([[1, 2], [3, 4]])
    lengths = torch.tensor([6, 6]), torch.tensor([2, 2])

    def loss(batch):
        return nn.functional.ctc_loss(model(batch).log_softmax(2), targets, *lengths)

    hessian = tg.Hessian(model, loss, [torch.randn(6, 2, 4)])
    with pytest.raises(ConfigError, match=r"cannot be differentiated twice .*ctc_loss"):
        hessian.trace()


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (lambda h: h.eigenvalues(121), "k is 121.*120 parameters"),
        (lambda h: h.eigenvalues(61, "both"), "k is 61"),
        (lambda h: h.eigenvalues(0), "k is 0"),
        (lambda h: h.eigenvalues(2.5), r"k is 2\.5; it must be a whole number"),
        (lambda h: h.eigenvalues(2, tol=0), "tol is 0; it must be a finite number, above 0"),
        (lambda h: h.eigenvalues(2, "top"), "'largest', 'smallest', 'magnitude', 'both'"),
        (lambda h: h.eigenvalues(4, max_steps=3), "max_steps is 3"),
        (lambda h: h.eigenvalues(max_parameters=100), r"all 120 eigenvalues need .* GB.*density\(\)"),
        (lambda h: h.trace(5), "matvecs is 5"),
        (lambda h: h.trace(9, level=95), "level is 95"),
        (lambda h: h.density(probes=1), "probes is 1"),
        (lambda h: h.density(steps=0), "steps is 0"),
        (lambda h: h.density(4, 2).moment(8), "moments 0 to 7"),
    ],
)
def test_questions_that_have_no_answer(ask, told):
    hessian, _ = quadratic()
    with pytest.raises(ConfigError, match=told):
        ask(hessian)


def test_arguments_that_do_not_fit():
    x, y = classes()
    model = network(4, 3, 3)

    def loss(batch):
        return cross_entropy(model(batch[0]), batch[1])

    with pytest.raises(ConfigError, match=r"a tuple, which looks like a single batch.*\[batch\]"):
        tg.Hessian(model, loss, (x, y))
    with pytest.raises(ConfigError, match="a Tensor, which looks"):
        tg.Hessian(model, loss, x)
    with pytest.raises(ConfigError, match="batches is empty"):
        tg.Hessian(model, loss, [])
    with pytest.raises(ConfigError, match="one positive number for each of the 1 batches"):
        tg.Hessian(model, loss, [(x, y)], weights=[1, 2])
    with pytest.raises(ConfigError, match="goes with batches"):
        tg.Hessian(model, loss, weights=[1])
    with pytest.raises(ConfigError, match="batch 0 cannot be counted"):
        tg.Hessian(model, loss, [3, 4])
    with pytest.raises(ConfigError, match="loss is NoneType; give a function"):
        tg.Hessian(model, None, [(x, y)])
    with pytest.raises(ConfigError, match="model is function; give a module"):
        tg.Hessian(loss, model, [(x, y)])
    with pytest.raises(ConfigError, match="entry '1' is none"):
        tg.Hessian([model[0].weight, x], loss, [(x, y)])
    model.requires_grad_(False)
    with pytest.raises(ConfigError, match="no parameter requires a gradient"):
        tg.Hessian(model, loss, [(x, y)])


def test_curvlinops_agrees():
    curvlinops = pytest.importorskip("curvlinops")
    x, y = classes()
    model = network(4, 5, 3)
    parts = [(x[:15], y[:15]), (x[15:], y[15:])]
    theirs = curvlinops.HessianLinearOperator(
        model, nn.CrossEntropyLoss(), [value for value in model.parameters()], parts
    )
    ours = tg.Hessian(model, lambda batch: cross_entropy(model(batch[0]), batch[1]), parts)
    vector = torch.randn(43, dtype=torch.float64)
    torch.testing.assert_close(ours @ vector, theirs @ vector, rtol=1e-10, atol=1e-12)
