"""An own training loop, per step: `PosteriorSampler` beside a bare SGD loop and `posteriors`, and the memory it holds.

All read their batches from a `DataLoader` (ours from `epoch()`, which takes its place), with everything an epoch brings: the
correction, the looks at stability. Whole epochs in turn, divided by their steps. Draws are recorded in a row of its own only,
since the others record none.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import torch
from engines_parts.peer import AbsentError
from torch.utils.data import DataLoader, TensorDataset

from posterior_peers_parts import posteriors_peer
from posterior_peers_parts.networks import Training, training
from posterior_peers_parts.ours import CORRECTION
from posterior_peers_parts.row import Row
from posterior_peers_parts.timing import seconds_each
from thermograd.dynamics import SGLD, SGWORLD

try:
    from thermograd.training.posterior import PosteriorSampler
except ImportError:
    PosteriorSampler = None

NAMES = {"linear": "3 weights", "network": "7 weights", "classifier": "101 770 weights"}
OVER_BARE, OVER_POSTERIORS, BUFFERS = 1.3, 0.8, 1.0


def rows(quick: bool) -> Iterator[Row]:
    """Times, ratios, memory."""
    if PosteriorSampler is None:
        yield Row("own loop", note="thermograd.training.posterior is not there")
        return
    torch.set_num_threads(1)
    for name, size in NAMES.items():
        chosen = training(name)
        loops = _loops(chosen)
        taken = seconds_each(loops, repeats=3 if quick else 7, seconds=0.1 if quick else 1.0)
        steps = chosen.steps_per_epoch
        for loop, seconds in taken.items():
            yield Row(f"{size}: {loop}, ms a step", 1e3 * seconds / steps)
        theirs = min((taken[loop] for loop in taken if loop.startswith("posteriors")), default=None)
        for own in ("SGLD", "SGWORLD"):
            yield Row(f"{size}: {own} / bare SGD", taken[own] / taken["bare SGD"], "<=", OVER_BARE)
            what = f"{size}: {own} / posteriors, the faster"
            if theirs is None:
                yield Row(what, note="posteriors is not installed")
            else:
                yield Row(what, taken[own] / theirs, "<=", OVER_POSTERIORS)
        yield from _cost_of_correction(chosen, size, quick)
    yield _memory(training("classifier"))


def _loops(chosen: Training) -> dict[str, Callable[[], object]]:
    """One epoch of each; posteriors only if it is installed."""
    loops = {
        "bare SGD": _bare(chosen),
        "SGLD": _own(chosen, SGLD(chosen.rate)),
        "SGWORLD": _own(chosen, SGWORLD(chosen.rate)),
        "SGWORLD, record() each epoch": _own(chosen, SGWORLD(chosen.rate), record=True),
    }
    try:
        loops["posteriors"] = _posteriors(chosen, inplace=False)
        loops["posteriors, in place"] = _posteriors(chosen, inplace=True)
    except AbsentError:
        return loops
    return loops


def _loader(chosen: Training) -> DataLoader:
    return DataLoader(TensorDataset(*chosen.data), batch_size=chosen.batch_size, shuffle=True)


def _bare(chosen: Training) -> Callable[[], None]:
    model, loader = chosen.make(), _loader(chosen)
    optimizer = torch.optim.SGD(model.parameters(), lr=chosen.rate * chosen.samples)

    def epoch() -> None:
        for batch in loader:
            optimizer.zero_grad()
            chosen.of_module(model, batch).backward()
            optimizer.step()

    return epoch


def _sampler(chosen: Training, model: torch.nn.Module, dynamics: Any, **options: Any) -> Any:
    data = TensorDataset(*chosen.data)
    return PosteriorSampler(
        model,
        chosen.of_module,
        data,
        batch_size=chosen.batch_size,
        dynamics=dynamics,
        prior_precision=chosen.precision,
        **options,
    )


def _own(chosen: Training, dynamics: Any, *, record: bool = False) -> Callable[[], None]:
    model = chosen.make()
    sampler = _sampler(chosen, model, dynamics)

    def epoch() -> None:
        for batch in sampler.epoch():
            sampler.zero_grad()
            chosen.of_module(model, batch).backward()
            sampler.step()
        if record:
            sampler.record()

    return epoch


def _posteriors(chosen: Training, *, inplace: bool) -> Callable[[], None]:
    model, loader = chosen.make(), _loader(chosen)
    sampler = posteriors_peer.of_module(
        model, chosen.loss, samples=chosen.samples, precision=chosen.precision, rate=chosen.rate
    )
    held = [sampler.init({name: value.detach().clone() for name, value in model.named_parameters()})]

    def epoch() -> None:
        state = held[0]
        for batch in loader:
            state, _ = sampler.update(state, batch, inplace=inplace)
        held[0] = state

    return epoch


def _cost_of_correction(chosen: Training, size: str, quick: bool) -> Iterator[Row]:
    """Epochs with the correction less epochs without, over a gradient of a batch at hand, and over a bare step with its loader."""
    model = chosen.make()

    def epoch(sampler: Any) -> None:
        for one in sampler.epoch():
            sampler.zero_grad()
            chosen.of_module(model, one).backward()
            sampler.step()

    samplers = {
        on: _sampler(chosen, model, SGWORLD(chosen.rate, correction=on), check_every=0)
        for on in (True, False)
    }
    batch = tuple(part[: chosen.batch_size] for part in chosen.data)

    def gradient() -> None:
        model.zero_grad()
        chosen.of_module(model, batch).backward()

    calls = {
        "with": lambda: epoch(samplers[True]),
        "without": lambda: epoch(samplers[False]),
        "gradient": gradient,
        "bare": _bare(chosen),
    }
    taken = seconds_each(calls, repeats=3 if quick else 9, seconds=0.1 if quick else 1.0)
    more, step = taken["with"] - taken["without"], taken["bare"] / chosen.steps_per_epoch
    note = f"{1e3 * more:.3g} ms over {1e3 * taken['gradient']:.3g} ms"
    yield Row(
        f"{size}: correction / gradient of a batch at hand", more / taken["gradient"], "<=", CORRECTION, note
    )
    yield Row(f"{size}: correction / step of bare SGD with its DataLoader", more / step)


def _memory(chosen: Training) -> Row:
    """Tensors held after an epoch beyond model, gradients and data, in units of the weights."""
    model = chosen.make()
    weights = sum(value.nbytes for value in model.parameters())
    before = _bytes()
    sampler = _sampler(chosen, model, SGWORLD(chosen.rate))
    for batch in sampler.epoch():
        sampler.zero_grad()
        chosen.of_module(model, batch).backward()
        sampler.step()
    sampler.zero_grad()
    del batch
    held = (_bytes() - before) / weights
    note = "1 is the pending noise; gradients are None"
    return Row("101 770 weights: tensors held between epochs, in weights", held, "<=", 1.05 * BUFFERS, note)


def _bytes() -> int:
    """Of all living tensors, each storage once."""
    gc.collect()
    storages = {}
    for one in gc.get_objects():
        if issubclass(type(one), torch.Tensor):  # isinstance would ask lazy modules
            storage = one.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
    return sum(storages.values())
