import numpy as np
import pytest
import torch
from torch import nn

import thermograd as tg
from thermograd.dynamics import Adam
from thermograd.errors import MissingDataError
from thermograd.minibatching import WithoutReplacement
from thermograd.observables import Loss
from thermograd.problems import PhaseRetrieval
from thermograd.problems.data_folder import VARIABLE
from thermograd.problems.mnist_images import read_mnist
from thermograd.problems.phase_retrieval import magnitudes, nearer_square

SIDE = 8


def make_images(count, seed):
    """Whole numbers as pixels, so that squares and sums are exact in any order."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-8, 9, (count, SIDE, SIDE), generator=generator).double()


def rotated(images):
    """By 180°, on the last two axes."""
    return torch.rot90(images, 2, (-2, -1))


def check_invariant(loss, turn=rotated):
    outputs, images = make_images(20, 1), make_images(20, 2)
    value = loss(outputs.flatten(1), images.flatten(1))
    assert value.shape == (20,)
    assert torch.equal(loss(turn(outputs).flatten(1), images.flatten(1)), value)
    assert torch.equal(loss(outputs.flatten(1), turn(images).flatten(1)), value)


def test_loss_is_exactly_invariant_under_rotation_of_output_and_image():
    check_invariant(nearer_square)


def test_the_plain_square_and_the_quarter_turn_are_not():
    with pytest.raises(AssertionError):
        check_invariant(lambda outputs, images: (outputs - images).square().mean(-1))
    with pytest.raises(AssertionError):
        check_invariant(nearer_square, lambda images: torch.rot90(images, 1, (-2, -1)))


def test_loss_is_the_smaller_mean_square():
    outputs, images = make_images(20, 1), make_images(20, 2)
    expected = [
        min(((output - target) ** 2).mean() for target in (image, torch.rot90(image, 2)))
        for output, image in zip(outputs, images, strict=True)
    ]
    assert torch.equal(nearer_square(outputs.flatten(1), images.flatten(1)), torch.stack(expected))
    assert nearer_square(images.flatten(1), images.flatten(1)).abs().max() == 0
    assert nearer_square(rotated(images).flatten(1), images.flatten(1)).abs().max() == 0


def test_magnitudes_are_those_of_the_sum_and_do_not_see_the_rotation():
    image = make_images(1, 3)[0].numpy()
    wave = np.exp(-2j * np.pi * np.outer(np.arange(SIDE), np.arange(SIDE)) / SIDE)
    assert np.allclose(magnitudes(image), abs(wave @ image @ wave.T) / SIDE, rtol=0, atol=1e-12)
    assert np.allclose(magnitudes(np.rot90(image, 2)), magnitudes(image), rtol=0, atol=1e-12)
    assert not np.allclose(magnitudes(np.rot90(image)), magnitudes(image), rtol=0, atol=0.1)
    assert (magnitudes(image) ** 2).sum() == pytest.approx((image**2).sum(), rel=1e-12)


@pytest.fixture
def digits(monkeypatch):
    pytest.importorskip("sklearn")
    monkeypatch.delenv(VARIABLE, raising=False)


def test_without_data_the_digits_stand_in_and_it_is_said(digits):
    problem = PhaseRetrieval()
    assert problem.data == "digits"
    assert problem == PhaseRetrieval(data="digits")
    built = problem.build()
    assert built.name == "phase_retrieval (digits)"
    assert [tuple(part.shape) for part in (*built.train, *built.test)] == [(500, 64)] * 2 + [(1297, 64)] * 2
    shapes = {name: tuple(value.shape) for name, value in built.model().named_parameters()}
    assert shapes["0.weight"] == (32, 64)
    assert shapes["6.weight"] == (64, 32)
    whole = torch.cat([built.train[1], built.test[1]])
    assert abs(whole.mean()) < 1e-3
    assert abs(whole.std() - 1) < 1e-3
    with pytest.raises(MissingDataError, match="THERMOGRAD_DATA is not set"):
        PhaseRetrieval(data="mnist").build()


def test_mnist_trains_on_its_test_images(named_data):
    problem = PhaseRetrieval(train_samples=30, test_samples=50)
    assert problem.data == "mnist"
    built = problem.build()
    assert built.name == "phase_retrieval"
    splits = read_mnist()
    for part, images, count in ((built.train, splits.test.images, 30), (built.test, splits.train.images, 50)):
        pixels = images[:count].reshape(count, 784) / 255
        assert np.allclose(part[1].numpy(), (pixels - 0.1307) / 0.3081, rtol=0, atol=1e-12)
        assert np.allclose(
            part[0].numpy().reshape(count, 28, 28), magnitudes(part[1].numpy().reshape(count, 28, 28))
        )
    net = built.model()
    assert [layer.out_features for layer in net if isinstance(layer, nn.Linear)] == [256, 256, 784]
    assert [type(layer) for layer in net[1:3]] == [nn.BatchNorm1d, nn.PReLU]
    default = PhaseRetrieval().build()
    assert (len(default.train[0]), len(default.test[0])) == (1000, 5000)
    with pytest.raises(ValueError, match="train_samples is 10001; the files hold 10000"):
        PhaseRetrieval(train_samples=10_001).build()


def test_training_with_adam_lowers_the_loss_and_averages_are_each_trajectorys_own(digits):
    experiment = tg.Experiment(
        PhaseRetrieval(),
        WithoutReplacement(125),
        Adam(0.1),
        observe=[Loss(split="test")],
        trajectories=3,
        epochs=25,
        seed=2,
    )
    run = tg.run(experiment)
    assert run.reason.startswith("eager (loop)")
    loss = run["test_loss"]
    assert (loss[:, -1] < 0.8 * loss[:, 0]).all(), loss
    buffers = run.checkpoint(0).arrays["buffers/1.running_mean"]
    assert np.abs(buffers).min() > 0
    assert len(np.unique(buffers, axis=0)) == 3
    assert (run.checkpoint(0).arrays["buffers/1.num_batches_tracked"] == 100).all()


def test_training_losses_are_those_of_the_published_runs(named_data, data_folder):
    """The losses of the first epochs tell the scale of pixels and loss: by four times the published spread and
    three trajectories of ours. Recorded are means over the batches of an epoch, in training mode.
    """
    problem = PhaseRetrieval(train_samples=10_000, test_samples=1).build()
    experiment = tg.Experiment(problem, WithoutReplacement(1000), Adam(0.1), trajectories=1, epochs=4, seed=1)
    inputs, targets = experiment.functional.train
    net, starts = problem.model().float(), experiment.initial_weights([0])
    with torch.no_grad():
        for name, value in net.named_parameters():
            value.copy_(torch.from_numpy(starts[name][0]))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
    means = np.zeros(4)
    for step in range(40):
        batch = torch.from_numpy(experiment.indices(0, step))
        optimizer.zero_grad()
        loss = problem.loss(net(inputs[batch]), targets[batch]).mean()
        loss.backward()
        optimizer.step()
        means[step // 10] += loss.item() / 10
    file = data_folder / "firstpassage" / "dev" / "mnist_phase_retrieval_fc_adam_shrink_perturb.npz"
    with np.load(file) as recorded:
        published = np.log(recorded["unperturbed_train_loss"][:, :4])
    assert (np.abs(np.log(means) - published.mean(0)) < 4 * published.std(0)).all(), means


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"data": "fashion"}, "data is 'fashion'; use one of auto, mnist, digits"),
        ({"hidden": (0,)}, "layer widths"),
        ({"train_samples": 1}, "train_samples is 1; it must be a whole number, 2 or larger"),
        ({"test_samples": 1.5}, "test_samples is 1.5"),
    ],
)
def test_bad_settings_are_named(options, says):
    with pytest.raises(ValueError, match=says):
        PhaseRetrieval(**options)


def test_more_digits_than_there_are_are_refused(digits):
    with pytest.raises(ValueError, match="train_samples is 501; data='digits' has 500"):
        PhaseRetrieval(data="digits", train_samples=501).build()
