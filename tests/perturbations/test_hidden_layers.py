import copy

import pytest
import torch
from torch import nn

from thermograd.perturbations.hidden_layers import HiddenLayers


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(3, 4), nn.Linear(4, 2)

    def forward(self, x):
        return self.two(torch.relu(self.one(x)))


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.act, self.two, self.three = (
            nn.Linear(3, 3),
            nn.Tanh(),
            nn.Linear(3, 3),
            nn.Linear(3, 2),
        )

    def forward(self, x):
        first = self.act(self.one(x))
        return self.three(self.act(self.two(first) + first))


def test_convolutions_with_everything_between():
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 3, 3, padding=1),
        nn.GELU(),
        nn.Dropout(0.5),
        nn.Flatten(),
        nn.Linear(3 * 16, 5),
        nn.Tanh(),
        nn.Linear(5, 2),
    )
    watching = HiddenLayers(net)
    seen = {}
    for name in ("4", "8", "10"):
        net.get_submodule(name).register_forward_pre_hook(lambda m, x, name=name: seen.update({name: x[0]}))
    net(torch.randn(6, 1, 8, 8))
    layers = watching.last()
    assert [(layer.incoming, layer.norm, layer.outgoing) for layer in layers] == [
        ("0", "1", "4"),
        ("4", None, "8"),
        ("8", None, "10"),
    ]
    assert [tuple(layer.activation.shape) for layer in layers] == [(6, 4, 16), (6, 3, 16), (6, 5, 1)]
    assert torch.equal(layers[0].activation, seen["4"].flatten(2))
    assert torch.equal(layers[1].activation, seen["8"].reshape(6, 3, 16))
    assert not any(layer.activation.requires_grad for layer in layers)


@pytest.mark.parametrize(
    ("net", "says"),
    [
        (Functional(), "'two' does not take what module 'one' gave"),
        (Residual(), "'act' does not take what module 'two' gave"),
        (nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)), "no activation between modules '0' and '1'"),
        (
            nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.BatchNorm1d(4), nn.Linear(4, 2)),
            r"'2' \(BatchNorm1d\)",
        ),
        (nn.Sequential(nn.Linear(3, 2)), "no hidden layer was seen"),
    ],
)
def test_networks_that_are_no_chain(net, says):
    watching = HiddenLayers(net)
    net(torch.randn(5, 3))
    with pytest.raises(ValueError, match=says):
        watching.last()


@pytest.mark.parametrize(
    ("net", "shape", "says"),
    [
        (
            nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2)),
            (5, 2, 3),
            r"'2' \(Flatten\)",
        ),
        (nn.Sequential(nn.Conv1d(2, 8, 1), nn.GLU(dim=1), nn.Conv1d(4, 2, 1)), (5, 2, 7), r"'1' \(GLU\)"),
        (nn.Sequential(nn.Conv1d(2, 4, 1), nn.ReLU(), nn.Linear(8, 2)), (5, 2, 8), "nn.Flatten missing"),
        (
            nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.AdaptiveAvgPool1d(8), nn.Linear(8, 2)),
            (5, 3),
            "AdaptiveAvg",
        ),
        (nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Conv1d(4, 2, 1)), (5, 4, 3), "one by one"),
    ],
)
def test_layouts_that_mix_units_are_refused(net, shape, says):
    watching = HiddenLayers(net)
    net(torch.randn(shape))
    with pytest.raises(ValueError, match=says):
        watching.last()


def test_a_module_used_twice_is_refused():
    layer = nn.Linear(3, 3)
    net = nn.Sequential(layer, nn.Tanh(), layer, nn.Tanh(), nn.Linear(3, 1))
    watching = HiddenLayers(net)
    net(torch.randn(5, 3))
    with pytest.raises(ValueError, match="'0' is used twice"):
        watching.last()


def test_copies_do_not_report_and_saved_models_are_whole(tmp_path):
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    watching = HiddenLayers(net)
    net(torch.ones(5, 3))
    kept = watching.last()[0].activation
    average = copy.deepcopy(net)
    average(torch.zeros(7, 3))
    assert watching.last()[0].activation is kept
    torch.save(net, tmp_path / "model.pt")
    loaded = torch.load(tmp_path / "model.pt", weights_only=False)
    loaded(torch.zeros(7, 3))
    assert watching.last()[0].activation is kept
    del watching
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in net.modules())


def test_grouped_convolutions_are_refused():
    net = nn.Sequential(nn.Conv1d(2, 4, 3), nn.ReLU(), nn.Conv1d(4, 4, 3, groups=2))
    watching = HiddenLayers(net)
    net(torch.randn(5, 2, 9))
    with pytest.raises(ValueError, match="'2' is a grouped convolution"):
        watching.last()


def test_evaluation_passes_and_copies_do_not_count_and_removal_leaves_nothing():
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    watching = HiddenLayers(net)
    net(torch.ones(5, 3))
    kept = watching.last()[0].activation
    net.eval()
    net(torch.zeros(5, 3))
    assert watching.last()[0].activation is kept
    copy.deepcopy(net)
    watching.remove()
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in net.modules())


def test_no_graph_is_kept_alive():
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    watching = HiddenLayers(net)
    import weakref

    output = net(torch.ones(5, 3))
    alive = weakref.ref(output)
    del output
    assert alive() is None
    assert watching.last()
