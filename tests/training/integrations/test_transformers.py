"""The callback in the real Trainer of Transformers, against a loop of one's own."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import Dataset, IterableDataset

from thermograd.errors import ConfigError, DamagedRunError, MissingExtraError
from thermograd.training.integrations import trainer_watch
from thermograd.training.schedulers.reduce_lr_on_stationarity import ReduceLROnStationarity
from thermograd.training.watch import Watch, watch

transformers = pytest.importorskip("transformers")
WatchCallback = pytest.importorskip("thermograd.training.integrations.transformers").WatchCallback

BATCH, SAMPLES = 8, 80


class Examples(Dataset):
    def __init__(self):
        generator = torch.Generator().manual_seed(0)
        self.inputs = torch.randn(SAMPLES, 5, generator=generator)
        self.labels = torch.randn(SAMPLES, 1, generator=generator)

    def __len__(self):
        return SAMPLES

    def __getitem__(self, place):
        return {"inputs": self.inputs[place], "labels": self.labels[place]}


class Stream(IterableDataset):
    def __iter__(self):
        return iter([Examples()[place] for place in range(SAMPLES)])


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.layers = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 1))

    def forward(self, inputs, labels):
        return {"loss": nn.functional.mse_loss(self.layers(inputs), labels)}


def make_optimizer(network):
    return torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.5, weight_decay=0.01)


def make_trainer(folder, *callbacks, data=None, **options):
    options = {"save_strategy": "no", "logging_steps": 1, "num_train_epochs": 10} | options
    arguments = transformers.TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=BATCH,
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
        max_grad_norm=0.0,
        dataloader_pin_memory=False,
        **options,
    )
    network = Network()
    optimizer = make_optimizer(network)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _step: 1.0)
    trainer = transformers.Trainer(
        network,
        arguments,
        train_dataset=data or Examples(),
        callbacks=list(callbacks),
        optimizers=(optimizer, schedule),
    )
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer


def train(folder, *callbacks, resume=None, **options):
    trainer = make_trainer(folder, *callbacks, **options)
    trainer.train(resume_from_checkpoint=resume)
    return trainer


def own_loop(folder, epochs=10, accumulation=1):
    loader = make_trainer(folder).get_train_dataloader()
    network = Network()
    optimizer = make_optimizer(network)
    own = watch(optimizer, steps_per_epoch=-(-len(loader) // accumulation))
    for epoch in range(epochs):
        loader.set_epoch(epoch)
        batches = list(loader)
        for begin in range(0, len(batches), accumulation):
            parts = batches[begin : begin + accumulation]
            total = torch.tensor(0.0)
            for part in parts:
                loss = network(**part)["loss"] / len(parts)
                loss.backward()
                total += loss.detach()
            optimizer.step()
            optimizer.zero_grad()
            own.record_loss(total.item())
    own.detach()
    return own, network


def weights(network):
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


@pytest.mark.parametrize("accumulation", [1, 4])
def test_the_verdict_is_that_of_a_loop_of_ones_own(accumulation, tmp_path):
    """10 batches, of which the last optimizer step has 2 of 4."""
    callback = WatchCallback()
    trainer = train(tmp_path, callback, num_train_epochs=40, gradient_accumulation_steps=accumulation)
    own, network = own_loop(tmp_path, 40, accumulation)
    assert own.verdict().kind != "warming_up"
    assert torch.equal(weights(trainer.model), weights(network))
    assert callback.watch.report() == own.report()
    assert callback.watch.to_dict() == own.to_dict()
    assert list(tmp_path.iterdir()) == []


def test_training_is_bit_identical_without(tmp_path):
    watched, bare = train(tmp_path, WatchCallback(every=3)), train(tmp_path)
    assert torch.equal(weights(watched.model), weights(bare.model))


@pytest.mark.parametrize("save_steps", [200, 237])
def test_a_resumed_training_says_the_same(save_steps, tmp_path):
    """Checkpoints at an epoch's end, and within one."""
    whole, resumed = WatchCallback(), WatchCallback()
    saving = {"save_strategy": "steps", "save_steps": save_steps, "num_train_epochs": 40}
    train(tmp_path / "whole", whole, **saving)
    folder = tmp_path / "whole" / f"checkpoint-{save_steps}"
    assert (folder / "thermograd_watch.pt").is_file()
    train(tmp_path / "whole", resumed, resume=str(folder), **saving)
    assert resumed.watch.report() == whole.watch.report()
    assert resumed.watch.to_dict() == whole.watch.to_dict()


def scheduled(folder, callback, **options):
    trainer = make_trainer(folder, callback, **options)
    optimizer = trainer.optimizer
    optimizer.param_groups[0]["weight_decay"] = 0.1
    trainer.lr_scheduler = ReduceLROnStationarity(
        optimizer, watch(optimizer, steps_per_epoch=10), rule="gain"
    )
    return trainer


def test_the_watch_of_a_scheduler_sees_the_losses_and_resumes(tmp_path):
    """The rule that weighs losses cuts within 80 epochs; without the callback there are no losses to weigh."""
    whole, resumed = WatchCallback(), WatchCallback()
    saving = {"save_strategy": "steps", "save_steps": 237, "num_train_epochs": 80}
    trainer, again = (scheduled(tmp_path, callback, **saving) for callback in (whole, resumed))
    trainer.train()
    assert whole.watch is trainer.lr_scheduler.watch
    assert trainer.lr_scheduler.reductions
    again.train(resume_from_checkpoint=str(tmp_path / "checkpoint-237"))
    assert again.lr_scheduler.reductions == trainer.lr_scheduler.reductions
    assert resumed.watch.to_dict() == whole.watch.to_dict()
    with pytest.raises(ConfigError, match="has a watch already: give every to the"):
        scheduled(tmp_path, WatchCallback(every=2)).train()


@pytest.fixture
def checkpoint(tmp_path):
    train(tmp_path / "saved", WatchCallback(), save_strategy="steps", save_steps=100)
    return tmp_path / "saved" / "checkpoint-100"


def test_a_checkpoint_from_elsewhere_has_to_be_named(checkpoint, tmp_path):
    lost, named = WatchCallback(), WatchCallback(checkpoint=checkpoint)
    with pytest.warns(
        UserWarning, match=r"no thermograd_watch\.pt in .*the watch begins here.*checkpoint=folder"
    ):
        train(tmp_path / "new", lost, resume=str(checkpoint), num_train_epochs=20)
    train(tmp_path / "new", named, resume=str(checkpoint), num_train_epochs=20)
    assert named.watch.to_dict() != lost.watch.to_dict()


def test_a_damaged_state_is_named(checkpoint):
    file = checkpoint / "thermograd_watch.pt"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(DamagedRunError, match=r"thermograd_watch\.pt cannot be read"):
        train(checkpoint.parent, WatchCallback(), resume=str(checkpoint), num_train_epochs=20)


@pytest.fixture
def asked(monkeypatch):
    seen = []

    def asked_watch(optimizer, **options):
        seen.append(options["steps_per_epoch"])
        return watch(optimizer, **options)

    monkeypatch.setattr(trainer_watch, "watch", asked_watch)
    return seen


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, 10),
        ({"gradient_accumulation_steps": 4}, 3),
        ({"data": Stream(), "max_steps": 20}, None),
        ({"max_steps": 25}, 10),
    ],
)
def test_steps_per_epoch_are_those_of_the_optimizer(options, expected, tmp_path, asked):
    trainer = train(tmp_path, WatchCallback(), **{"num_train_epochs": 3} | options)
    assert asked == [expected]
    assert trainer.state.global_step == options.get("max_steps", 3 * (expected or 0))


def test_a_wrong_number_of_steps_per_epoch_is_noticed(tmp_path):
    with pytest.raises(
        ValueError, match=r"steps_per_epoch is 12, .* had 10 .*WatchCallback\(steps_per_epoch=10\)"
    ):
        train(tmp_path, WatchCallback(steps_per_epoch=12))
    train(tmp_path, WatchCallback(steps_per_epoch=12), max_steps=5)  # no whole epoch, no complaint
    train(tmp_path, WatchCallback(steps_per_epoch=None))


@pytest.mark.parametrize("logging_steps", [1, 5, 20])
def test_the_loss_of_an_epoch_is_the_mean_of_its_steps(logging_steps, tmp_path, monkeypatch):
    """Recorded as means over 5 steps it is the same, over more than the 10 of an epoch it is not recorded."""
    recorded = []
    monkeypatch.setattr(Watch, "record_loss", lambda _watch, loss: recorded.append(loss))
    trainer = train(tmp_path, WatchCallback(), logging_steps=logging_steps)
    steps = [entry["loss"] for entry in train(tmp_path).state.log_history if "loss" in entry]
    assert len(steps) == trainer.state.global_step == 100
    if logging_steps > 10:
        assert recorded == []
    else:
        assert recorded == pytest.approx(np.reshape(steps, (-1, logging_steps)).mean(1), rel=1e-6)


def test_a_sink_gets_the_blocks(tmp_path):
    steps = []
    train(tmp_path, WatchCallback(sink=lambda _values, step: steps.append(step)))
    assert steps == list(range(10, 110, 10))


def test_the_optimizer_is_let_go_and_the_watch_stays(tmp_path):
    callback = WatchCallback()
    with pytest.raises(RuntimeError, match="nothing is watched yet"):
        _ = callback.watch
    trainer = train(tmp_path, callback)
    inner = trainer.optimizer.optimizer
    assert not inner._optimizer_step_post_hooks
    assert not inner._optimizer_step_pre_hooks
    assert callback.watch.report()
    trainer.train()
    assert not inner._optimizer_step_post_hooks


def test_without_the_library_the_extra_is_named(monkeypatch):
    file = Path(sys.modules["thermograd.training.integrations.transformers"].__file__)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r"WatchCallback .* pip install 'thermograd\[transformers\]'"):
        runpy.run_path(str(file))
