"""A step of the temperature probe, three copies and their response, over a plain step of one copy."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from paired_seconds import paired_seconds
from torch import Tensor, nn

import thermograd as tg
from thermograd.ensemble.block import BlockState
from thermograd.ensemble.coupled_copies import Forward, Given
from thermograd.ensemble.engines.one_thread import one_thread
from thermograd.ensemble.temperature_windows import TemperatureWindows, WindowPlan, random_signs
from thermograd.minibatching import WithReplacement
from thermograd.observables.response import response

SAMPLES, INPUTS, STEPS, FIELD = 2000, 60, 40, 1e-3


def square(outputs: Tensor, targets: Tensor) -> Tensor:
    return ((outputs - targets) ** 2)[:, 0] / 2


def windows(model: nn.Module, batch: int, number: int) -> TemperatureWindows:
    torch.manual_seed(0)
    data = torch.randn(SAMPLES, INPUTS), torch.randn(SAMPLES, 1)
    problem = tg.Problem(
        forward=Forward(model),
        initial=Given({name: value.detach().clone() for name, value in model.named_parameters()}),
        loss=square,
        train=data,
        regulariser=0.01,
    )
    return TemperatureWindows(
        problem=problem,
        minibatching=WithReplacement(batch),
        learning_rate=0.01,
        temperature=0.0,
        plan=WindowPlan.of(burn_in=0, windows=number, lags=STEPS, epoch=1),
        field=FIELD,
        dtype="float32",
        seed=0,
    )


def network(hidden: int) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(INPUTS, hidden), nn.Tanh(), nn.Linear(hidden, 1))


def step_ratio(hidden: int, batch: int, number: int) -> tuple[float, float]:
    """Seconds of a plain step of all windows, and a step of the probe over it: three copies and their response."""
    probe = windows(network(hidden), batch, number)
    state = probe.alone.engine.start(range(number))
    started = probe._started(state, FIELD)  # the copies as the probe itself makes them
    signs = random_signs(probe.shapes, 0, state.trajectories, torch.float32)

    def respond(current: BlockState) -> BlockState:
        above, below = ({name: value[:, k] for name, value in current.weights.items()} for k in (1, 2))
        response(above, below, signs, FIELD)
        return current

    with one_thread():
        ours, theirs = paired_seconds(
            lambda: probe.coupled.follow(started, until=STEPS, visit=respond, every=1),
            lambda: probe.alone.follow(state, until=STEPS, visit=lambda current: current, every=1),
        )
    return theirs / STEPS, ours / theirs


def own_loop(hidden: int, batch: int) -> Callable[[], object]:
    """As a practitioner trains: one model, `torch.optim.SGD`."""
    model, (inputs, targets) = network(hidden), (torch.randn(SAMPLES, INPUTS), torch.randn(SAMPLES, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, weight_decay=0.02)

    def train() -> None:
        for _ in range(STEPS):
            chosen = torch.randint(SAMPLES, (batch,))
            optimizer.zero_grad()
            square(model(inputs[chosen]), targets[chosen]).mean().backward()
            optimizer.step()

    return train


def whole(hidden: int, batch: int, number: int) -> float:
    """Seconds of a whole reading per update counted in `steps_used`, over a step of a loop of one's own."""
    data = torch.randn(SAMPLES, INPUTS), torch.randn(SAMPLES, 1)
    settings = {"learning_rate": 0.01, "weight_decay": 0.02, "burn_in": 50, "lags": 50, "dtype": "float32"}
    counted: list[int] = []

    def read() -> None:
        model = network(hidden)
        reading = tg.measure_temperature(
            model, square, data, minibatching=WithReplacement(batch), windows=number, **settings
        )
        counted.append(reading.steps_used)

    with one_thread():
        ours, theirs = paired_seconds(read, own_loop(hidden, batch), repeats=3)
    return (ours / counted[0]) / (theirs / STEPS)


def rows() -> Iterator[tuple[str, float, str, float]]:
    """What, measured, sense, bar."""
    for hidden, batch, number, bar in ((160, 100, 1, 3.5), (160, 100, 8, 3.5), (16, 100, 8, 0.0)):
        seconds, ratio = step_ratio(hidden, batch, number)
        what = f"N = {hidden * (INPUTS + 2) + 1}, batches of {batch}, {number} windows"
        yield f"{what}, plain step, milliseconds", 1e3 * seconds, "", 0.0
        yield f"{what}, probe step over plain step (limit 3)", ratio, "<=" if bar else "", bar
    what = "N = 9921, batches of 100, 8 windows, whole reading per update over a step of one's own loop"
    yield what, whole(160, 100, 8), "", 0.0
