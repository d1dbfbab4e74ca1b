"""A live watch against the same decision on positions that were recorded beside it: equal, to rounding."""

import numpy as np
import pytest
import torch
from torch import nn

import thermograd as tg
from thermograd.estimators.block_ends import BlockEnds, block_ends
from thermograd.estimators.stationarity import blocks_in_window, stationarity

EPOCH, BATCH = 4, 10
OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, weight_decay=0.05),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, weight_decay=0.05),
    "nesterov": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, nesterov=True),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.05),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.05),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01, weight_decay=0.05),
}
MEMORY = {"momentum": 0.9, "nesterov": 0.9, "adam": 0.9, "adamw": 0.9}


def task():
    draw = torch.Generator().manual_seed(11)
    inputs = torch.randn(EPOCH * BATCH, 6, generator=draw, dtype=torch.float64)
    labels = torch.randint(3, (EPOCH * BATCH,), generator=draw)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return inputs, labels, nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3)).double()


def flat(model):
    return torch.cat([p.detach().reshape(-1) for p in model.parameters()]).numpy().copy()


def epochs_of(model, optimizer, inputs, labels, epochs):
    """Trains, and gives the weights after every step."""
    draw = torch.Generator().manual_seed(12)
    for _ in range(epochs):
        order = torch.randperm(len(inputs), generator=draw)
        for first in range(0, len(inputs), BATCH):
            rows = order[first : first + BATCH]
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(inputs[rows]), labels[rows]).backward()
            optimizer.step()
            yield flat(model)


def recorded(places, epochs, momentum):
    """From all positions: the record of `block_ends`."""
    steps = (np.diff(places[: epochs * EPOCH + 1], axis=0) ** 2).sum(1)
    ends = places[: epochs * EPOCH + 1 : EPOCH]
    return block_ends(ends, steps.reshape(-1, EPOCH).sum(1), steps_per_block=EPOCH, momentum=momentum)


def without_sketch(record):
    names = ("steps", "squared_distance", "anchor", "squared_norm", "squared_update", "measured", "epoch")
    return BlockEnds(**{name: getattr(record, name) for name in names})


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_look_of_a_live_watch_is_that_of_the_recorded_positions(name):
    inputs, labels, model = task()
    optimizer = OPTIMIZERS[name](model.parameters())
    watch = tg.watch(optimizer, steps_per_epoch=EPOCH, slow_directions=0)
    places, compared, earlier = [flat(model)], 0, []
    for step, place in enumerate(epochs_of(model, optimizer, inputs, labels, 140), 1):
        places.append(place)
        if watch.window.blocks_ended and step % EPOCH == 0 and watch.window.rows[-1]["step"] == step:
            record = without_sketch(recorded(np.array(places), step // EPOCH, MEMORY.get(name, 0.0)))
            found = stationarity(record, earlier=earlier)
            verdict = watch.verdict()
            assert verdict.kind == found.verdict.kind
            known = {k: v for k, v in found.verdict.evidence.items() if v is not None}
            assert {k: verdict.evidence[k] for k in known} == pytest.approx(known, rel=1e-6, abs=1e-9)
            if found.ratio is not None:
                compared += 1
                row = watch.window.rows[-1]
                assert row["ratio"] == pytest.approx(found.ratio.value, rel=1e-9, abs=1e-9)
                assert row["ratio_high"] == pytest.approx(found.ratio.high, rel=1e-9, abs=1e-9)
                origin = found.ratio_about_origin
                assert row["ratio_origin"] == pytest.approx(origin.value, rel=1e-9, abs=1e-9)
                if (step // EPOCH) & (step // EPOCH - 1) == 0:
                    half = (found.ratio.high - found.ratio.low) / 2
                    earlier.append((step, 1 - found.ratio.value, half))
    assert compared > 60


@pytest.mark.parametrize("name", ["sgd", "momentum", "adam"])
def test_the_sketch_is_linear_in_the_weights_and_keeps_distances(name):
    """Coverage of the slowest direction: the sketch of 53 weights in 256 buckets hardly mixes any."""
    inputs, labels, model = task()
    optimizer = OPTIMIZERS[name](model.parameters())
    watch = tg.watch(optimizer, steps_per_epoch=EPOCH, slow_directions=4096)
    places = [flat(model), *epochs_of(model, optimizer, inputs, labels, 80)]
    found = stationarity(recorded(np.array(places), 80, MEMORY.get(name, 0.0)))
    assert watch.window.decision.slowest.coverage == pytest.approx(found.slowest.coverage, rel=0.02)
    assert watch.window.decision.slowest.share == pytest.approx(found.slowest.share, rel=0.02)


@pytest.mark.parametrize("name", ["sgd", "momentum", "adam"])
def test_measuring_one_step_of_seven_changes_the_normaliser_alone(name):
    inputs, labels, model = task()
    optimizer = OPTIMIZERS[name](model.parameters())
    watches = [tg.watch(optimizer, steps_per_epoch=EPOCH, every=every) for every in (1, 7)]
    for _ in epochs_of(model, optimizer, inputs, labels, 200):
        pass
    gains, per_step = [], []
    for watch in watches:
        ends = watch.window.record.ends[-1 - blocks_in_window(watch.window.record.blocks)[0] :]
        measured = ends[-1].measured[0] - ends[0].measured[0]
        per_step.append((ends[-1].updates[0] - ends[0].updates[0]) / measured)
        gains.append((1 - watch.window.decision.ratio.value) * per_step[-1])
        assert measured == pytest.approx(
            (ends[-1].step - ends[0].step) / watch.window.settings["every"], rel=0.1
        )
    assert gains[1] == pytest.approx(gains[0], rel=1e-9)
    assert per_step[1] == pytest.approx(per_step[0], rel=0.3)


def softmax_on(name, batch):
    datasets = pytest.importorskip("sklearn.datasets")
    features, labels = getattr(datasets, f"load_{name}")(return_X_y=True)
    features = (features - features.mean(0)) / features.std(0)
    draw = np.random.default_rng(5)
    redrawn = draw.random(len(labels)) < 0.1
    labels[redrawn] = draw.integers(0, labels.max() + 1, redrawn.sum())
    inputs = torch.from_numpy(np.c_[features, np.ones(len(features))])
    model = nn.Linear(inputs.shape[1], int(labels.max()) + 1, bias=False).double()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        nn.init.normal_(model.weight, std=0.05)
    return inputs, torch.from_numpy(labels), model, len(labels) // batch


@pytest.mark.parametrize(("momentum", "rate", "truth", "every"), [(0.0, 0.1, 2020, 1), (0.9, 0.01, 1970, 7)])
def test_a_real_training_fires_when_its_ensemble_has_equilibrated(momentum, rate, truth, every):
    """Wine, whose truth test_equilibration knows; between 0.9 and 2.3 times."""
    inputs, labels, model, epoch = softmax_on("wine", 20)
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=momentum, weight_decay=0.01)
    watch = tg.watch(optimizer, steps_per_epoch=epoch, every=every)
    draw = torch.Generator().manual_seed(0)
    while not watch.equilibrated and watch.step < 2.3 * truth:
        order = torch.randperm(len(inputs), generator=draw)
        for rows in order[: epoch * 20].split(20):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(inputs[rows]), labels[rows]).backward()
            optimizer.step()
    assert watch.equilibrated
    assert watch.step >= 0.9 * truth
