"""The callback in the real Trainer of Lightning, against a loop of one's own."""

from __future__ import annotations

import logging
import runpy
import sys

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, DistributedSampler, IterableDataset, TensorDataset

from thermograd.errors import ConfigError, MissingExtraError
from thermograd.training.integrations import trainer_watch
from thermograd.training.schedulers.reduce_lr_on_stationarity import ReduceLROnStationarity
from thermograd.training.watch import watch

lightning = pytest.importorskip("lightning.pytorch")
WatchCallback = pytest.importorskip("thermograd.training.integrations.lightning").WatchCallback

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*isinstance.treespec, LeafSpec.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore:The 'train_dataloader' does not have many workers"),
    pytest.mark.filterwarnings("ignore:The number of training batches"),
]
BATCH, SAMPLES = 8, 80


@pytest.fixture(autouse=True)
def quiet():
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


def make_data():
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(SAMPLES, 5, generator=generator)
    return TensorDataset(inputs, torch.randn(SAMPLES, 1, generator=generator))


def make_loader():
    data = make_data()
    # one replica: a shuffle that depends on the epoch alone, so that a resumed training sees the same one
    return DataLoader(data, BATCH, sampler=DistributedSampler(data, num_replicas=1, rank=0, seed=3))


def make_network():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 1))


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.05, momentum=0.5, weight_decay=0.01)


def adamw(parameters):
    return torch.optim.AdamW(parameters, lr=0.01, weight_decay=0.1)


class Module(lightning.LightningModule):
    def __init__(self, optimizers=1, build=sgd):
        super().__init__()
        self.network, self._count, self._build = make_network(), optimizers, build
        self.automatic_optimization = optimizers == 1

    def training_step(self, batch, batch_idx):
        loss = nn.functional.mse_loss(self.network(batch[0]), batch[1])
        if self._count > 1:
            self.manual_backward(loss)
            for optimizer in self.optimizers():
                optimizer.step()
                optimizer.zero_grad()
        return loss

    def configure_optimizers(self):
        halves = (
            [self.network.parameters()]
            if self._count == 1
            else [layer.parameters() for layer in self.network[::2]]
        )
        self.made = [self._build(half) for half in halves]
        return self.made


def fit(tmp_path, *callbacks, epochs=10, module=None, loader=None, ckpt_path=None, **options):
    options = {"logger": False, "enable_checkpointing": False} | options
    trainer = lightning.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        callbacks=list(callbacks),
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
        **options,
    )
    module = module or Module()
    data = make_loader() if loader is None else loader
    trainer.fit(module, data, ckpt_path=ckpt_path)
    return trainer, module


def own_loop(epochs=10, accumulation=1, build=sgd):
    network, loader = make_network(), make_loader()
    optimizer = build(network.parameters())
    own = watch(optimizer, steps_per_epoch=-(-len(loader) // accumulation))
    for epoch in range(epochs):
        loader.sampler.set_epoch(epoch)
        losses = []
        for place, (inputs, outputs) in enumerate(loader, start=1):
            loss = nn.functional.mse_loss(network(inputs), outputs)
            (loss / accumulation).backward()
            losses.append(loss.detach())
            if place % accumulation == 0 or place == len(loader):
                optimizer.step()
                optimizer.zero_grad()
                own.record_loss(torch.stack(losses).mean())
                losses = []
    own.detach()
    return own, network


def weights(network):
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


@pytest.mark.parametrize(("accumulation", "build"), [(1, sgd), (4, sgd), (1, adamw)])
def test_the_verdict_is_that_of_a_loop_of_ones_own(accumulation, build, tmp_path):
    """10 batches, of which the last optimizer step has 2 of 4. The trainer steps with a closure."""
    callback, module = WatchCallback(), Module(build=build)
    fit(tmp_path, callback, epochs=40, accumulate_grad_batches=accumulation, module=module)
    own, network = own_loop(40, accumulation, build)
    assert own.verdict().kind != "warming_up"
    assert torch.equal(weights(module.network), weights(network))
    assert callback.watch.report() == own.report()
    assert callback.watch.to_dict() == own.to_dict()


def test_training_is_bit_identical_without(tmp_path):
    _, watched = fit(tmp_path, WatchCallback(every=3))
    _, bare = fit(tmp_path)
    assert torch.equal(weights(watched.network), weights(bare.network))


def saved_fit(tmp_path, module=None, **saving):
    folder = tmp_path / "saved"
    saver = lightning.callbacks.ModelCheckpoint(folder, save_last=True, **saving)
    fit(tmp_path, WatchCallback(), saver, epochs=20, enable_checkpointing=True, module=module)
    return folder / "last.ckpt"


@pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`, callbacks used to create")
def test_a_resumed_training_says_the_same(tmp_path):
    whole, resumed = WatchCallback(), WatchCallback()
    fit(tmp_path, whole, epochs=40)
    fit(tmp_path, resumed, epochs=40, ckpt_path=saved_fit(tmp_path))
    assert resumed.watch.report() == whole.watch.report()
    assert resumed.watch.to_dict() == whole.watch.to_dict()


@pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`, callbacks used to create")
@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch ended")
def test_an_epoch_that_was_resumed_within_is_not_taken_for_a_short_one(tmp_path):
    trainer, _ = fit(
        tmp_path, WatchCallback(), epochs=22, ckpt_path=saved_fit(tmp_path, every_n_train_steps=197)
    )
    assert trainer.global_step == 220


class Scheduled(Module):
    def configure_optimizers(self):
        (optimizer,) = super().configure_optimizers()
        optimizer.param_groups[0]["weight_decay"] = 0.1
        self.scheduler = ReduceLROnStationarity(optimizer, watch(optimizer, steps_per_epoch=10), rule="gain")
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": self.scheduler, "interval": "step"}}


@pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`, callbacks used to create")
def test_the_watch_of_a_scheduler_sees_the_losses_and_resumes(tmp_path):
    """The rule that weighs losses cuts within 80 epochs; without the callback there are no losses to weigh."""
    callback, resumed = WatchCallback(), WatchCallback()
    _, module = fit(tmp_path, callback, epochs=80, module=Scheduled())
    assert callback.watch is module.scheduler.watch
    assert module.scheduler.reductions
    saved = saved_fit(tmp_path, module=Scheduled())
    _, again = fit(tmp_path, resumed, epochs=80, module=Scheduled(), ckpt_path=saved)
    assert again.scheduler.reductions == module.scheduler.reductions
    assert resumed.watch.to_dict() == callback.watch.to_dict()
    with pytest.raises(ConfigError, match="has a watch already: give every to the"):
        fit(tmp_path, WatchCallback(every=2), module=Scheduled())


@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, 10), ({"accumulate_grad_batches": 4}, 3), ({"limit_train_batches": 7}, 7)],
)
def test_steps_per_epoch_are_those_of_the_optimizer(options, expected, tmp_path, asked):
    trainer, _ = fit(tmp_path, WatchCallback(), epochs=3, **options)
    assert asked == [expected]
    assert trainer.global_step == 3 * expected


class Stream(IterableDataset):
    def __iter__(self):
        return iter(make_data())


def test_a_stream_has_no_epochs(tmp_path, asked):
    fit(tmp_path, WatchCallback(), epochs=2, loader=DataLoader(Stream(), BATCH))
    assert asked == [None]


@pytest.fixture
def asked(monkeypatch):
    seen = []

    def asked_watch(optimizer, **options):
        seen.append(options["steps_per_epoch"])
        return watch(optimizer, **options)

    monkeypatch.setattr(trainer_watch, "watch", asked_watch)
    return seen


def test_a_wrong_number_of_steps_per_epoch_is_noticed(tmp_path):
    with pytest.raises(
        ValueError, match=r"steps_per_epoch is 12, .* had 10 .*WatchCallback\(steps_per_epoch=10\)"
    ):
        fit(tmp_path, WatchCallback(steps_per_epoch=12))
    fit(tmp_path, WatchCallback(steps_per_epoch=12), max_steps=5)  # no whole epoch, no complaint
    fit(tmp_path, WatchCallback(steps_per_epoch=None))


def test_several_optimizers(tmp_path):
    with pytest.raises(ConfigError, match=r"returns 2 optimizers .* WatchCallback\(optimizer=0\)"):
        fit(tmp_path, WatchCallback(), module=Module(optimizers=2))
    with pytest.raises(
        ConfigError, match="optimizer is 2, but configure_optimizers returns 2, counted from 0"
    ):
        fit(tmp_path, WatchCallback(optimizer=2), module=Module(optimizers=2))


class Logger(lightning.loggers.logger.DummyLogger):
    def __init__(self):
        super().__init__()
        self.rows = []

    def log_metrics(self, metrics, step=None):
        self.rows.append((step, metrics))


def test_one_watch_for_each_of_several_optimizers(tmp_path):
    logger = Logger()
    callbacks = [WatchCallback(optimizer=place, steps_per_epoch=None) for place in (0, 1)]
    _, module = fit(tmp_path, *callbacks, module=Module(optimizers=2), logger=logger)
    assert callbacks[0].state_key != callbacks[1].state_key
    assert [callback.watch.optimizer for callback in callbacks] == module.made
    names = {name for step, row in logger.rows for name in row}
    assert any(name.startswith("thermograd/1/") for name in names)
    assert any(name.startswith("thermograd/") and not name.startswith("thermograd/1/") for name in names)


def test_blocks_go_to_the_loggers_of_the_trainer(tmp_path):
    rows = {}
    for log in (True, False):
        logger = Logger()
        fit(tmp_path, WatchCallback(log=log), logger=logger)
        rows[log] = [(step, row) for step, row in logger.rows if any("thermograd/" in name for name in row)]
    assert rows[False] == []
    assert [step for step, _ in rows[True]] == list(range(10, 110, 10))
    assert all(isinstance(value, float | int) for _, row in rows[True] for value in row.values())


class Failing(lightning.Callback):
    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.global_step == 15:
            message = "enough"
            raise RuntimeError(message)


@pytest.mark.parametrize("fails", [False, True])
def test_the_optimizer_is_let_go_and_the_watch_stays(fails, tmp_path):
    callback = WatchCallback()
    with pytest.raises(RuntimeError, match="nothing is watched yet"):
        _ = callback.watch
    module = Module()
    if fails:
        with pytest.raises(RuntimeError, match="enough"):
            fit(tmp_path, callback, Failing(), module=module)
    else:
        fit(tmp_path, callback, module=module)
    (optimizer,) = module.made
    assert not optimizer._optimizer_step_post_hooks
    assert not optimizer._optimizer_step_pre_hooks
    assert callback.watch.report()


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "lightning.pytorch", None)
    with pytest.raises(MissingExtraError, match=r"WatchCallback .* pip install 'thermograd\[lightning\]'"):
        runpy.run_path(sys.modules["thermograd.training.integrations.lightning"].__file__)


@pytest.mark.parametrize("scheduled", [False, True])
def test_from_a_checkpoint_without_a_watch_the_age_is_the_trainers(tmp_path, scheduled):
    """10 batches an epoch: the watch begins at step 50, whoever made it."""
    trainer, _ = fit(tmp_path, epochs=5)
    trainer.save_checkpoint(tmp_path / "plateau.ckpt")
    module, callback = Module(), WatchCallback()
    if scheduled:
        plain = module.configure_optimizers

        def configure():
            (optimizer,) = plain()
            made = ReduceLROnStationarity(optimizer, watch(optimizer, steps_per_epoch=10))
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": made, "interval": "step"}}

        module.configure_optimizers = configure
    fit(tmp_path, callback, epochs=8, module=module, ckpt_path=tmp_path / "plateau.ckpt")
    assert callback.watch.step == 80
    assert callback.watch.history()[0]["step"] == 60
