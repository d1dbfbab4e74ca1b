"""What watching costs a step, against the same loop without it, in turn and in processor time."""

from __future__ import annotations

import contextlib
import statistics
import time
import warnings
from collections.abc import Callable, Generator
from types import ModuleType
from unittest import mock

import torch
from torch import Tensor, nn

import thermograd as tg
from fluctuation_dissipation_parts.networks import perceptron

WIDTHS, BATCH, EPOCH, CHUNK = (64, 200, 200, 10), 100, 600, 100
OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "SGD": lambda weights: torch.optim.SGD(weights, lr=0.1, weight_decay=1e-3),
    "SGD, momentum": lambda weights: torch.optim.SGD(weights, lr=0.01, momentum=0.9, weight_decay=1e-3),
    "Adam": lambda weights: torch.optim.Adam(weights, lr=1e-3, weight_decay=1e-3),
}
READS = ("item", "tolist", "cpu", "numpy", "__float__", "__int__", "__bool__")
Loop = Callable[[int], None]


def batch(seed: int = 0) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(BATCH, WIDTHS[0], generator=draw), torch.randint(0, 10, (BATCH,), generator=draw)


def loop(model: nn.Module, optimizer: torch.optim.Optimizer, step: Callable[[Tensor], object]) -> Loop:
    """So many steps of ordinary training."""
    inputs, labels = batch()

    def run(steps: int) -> None:
        for _ in range(steps):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(inputs), labels)
            loss.backward()
            step(loss)

    return run


def bare(optimizer_name: str) -> Loop:
    model = perceptron(*WIDTHS)()
    optimizer = OPTIMIZERS[optimizer_name](model.parameters())
    return loop(model, optimizer, lambda loss: optimizer.step())


def watched(optimizer_name: str, every: int, steps_per_epoch: int = EPOCH, scheduled: bool = False) -> Loop:
    model = perceptron(*WIDTHS)()
    optimizer = OPTIMIZERS[optimizer_name](model.parameters())
    watch = tg.watch(optimizer, every=every, steps_per_epoch=steps_per_epoch)
    if not scheduled:
        return loop(model, optimizer, lambda loss: optimizer.step())
    scheduler = tg.ReduceLROnStationarity(optimizer, watch, max_reductions=0)

    def step(loss: Tensor) -> None:
        optimizer.step()
        scheduler.step(loss)

    return loop(model, optimizer, step)


def physfdt_loop(physfdt: ModuleType, optimizer_name: str, every: int) -> Loop:
    model = perceptron(*WIDTHS)()
    optimizer = OPTIMIZERS[optimizer_name](model.parameters())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        monitor = physfdt.FDRMonitor(optimizer, physfdt.FDRConfig(warn_nonstationary=False), every=every)

    def step(loss: Tensor) -> None:
        with monitor.measure():
            optimizer.step()

    return loop(model, optimizer, step)


def sasa_loop(statopt: ModuleType, momentum: float) -> Loop:
    model = perceptron(*WIDTHS)()
    rate = 0.1 if momentum == 0 else 0.01 / (1 - momentum)
    optimizer = statopt.SASA(model.parameters(), lr=rate, momentum=momentum, weight_decay=1e-3)
    return loop(model, optimizer, lambda loss: optimizer.step())


def cockpit_loop(cockpit: ModuleType, backpack: ModuleType, configuration: str) -> Loop:
    """Every quantity of a configuration at every step, as its page has it."""
    from cockpit.utils.configuration import configuration as quantities

    model = backpack.extend(perceptron(*WIDTHS)())
    mean, each = backpack.extend(nn.CrossEntropyLoss()), nn.CrossEntropyLoss(reduction="none")
    optimizer = OPTIMIZERS["SGD"](model.parameters())
    recorder = cockpit.Cockpit(model.parameters(), quantities=quantities(configuration))
    inputs, labels = batch()
    done = 0

    def run(steps: int) -> None:
        nonlocal done
        for _ in range(steps):
            optimizer.zero_grad()
            outputs = model(inputs)
            information = {
                "batch_size": BATCH,
                "individual_losses": each(outputs, labels),
                "loss": mean(outputs, labels),
                "optimizer": optimizer,
            }
            with recorder(done, info=information):
                information["loss"].backward(create_graph=recorder.create_graph(done))
            optimizer.step()
            done += 1

    return run


def ratio(ours: Loop, other: Loop, rounds: int, steps: int = CHUNK) -> float:
    """Median over rounds of processor time per step, ours over the other's; the order changes each round."""
    ratios = []
    ours(steps), other(steps)
    for number in range(rounds):
        taken = {}
        for run in (ours, other) if number % 2 else (other, ours):
            start = time.process_time()
            run(steps)
            taken[run] = time.process_time() - start
        ratios.append(taken[ours] / taken[other])
    return statistics.median(ratios)


def block_end_milliseconds(optimizer_name: str, blocks: int = 200) -> float:
    """Processor time of a block end with its decision: a training with one step a block, less one with none.

    The first 64 blocks are left out, so that a decision is made at every one that is counted.
    """
    ending = watched(optimizer_name, 1, 1, scheduled=True)
    meter = watched(optimizer_name, 1, 10**9, scheduled=True)
    taken = {}
    for run in (ending, meter):
        run(64)
        start = time.process_time()
        run(blocks)
        taken[run] = (time.process_time() - start) / blocks
    return 1e3 * (taken[ending] - taken[meter])


@contextlib.contextmanager
def counted_reads() -> Generator[list[str]]:
    """Calls that bring numbers from a tensor to the host.

    What is done to a tensor just read is no second read. The step counts of Adam are read too, by torch itself and
    by the watch where it corrects the second moment; they live on the host unless the optimizer is capturable.
    """
    reads: list[str] = []
    on_host: list[Tensor] = []

    def counting(name: str, original: Callable[..., object]) -> Callable[..., object]:
        def read(self: Tensor, *arguments: object, **named: object) -> object:
            if not any(self is known for known in on_host[-4:]):
                reads.append(name)
            result = original(self, *arguments, **named)
            on_host.append(result if isinstance(result, Tensor) else self)
            return result

        return read

    with contextlib.ExitStack() as stack:
        for name in READS:
            stack.enter_context(mock.patch.object(Tensor, name, counting(name, getattr(Tensor, name))))
        yield reads


def host_reads(run: Loop, steps: int) -> int:
    """Reads in that many steps."""
    with counted_reads() as reads:
        run(steps)
    return len(reads)
