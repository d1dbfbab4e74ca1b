"""One number by three ways: what an ensemble dissipates, how far it moves, and what a probe of one model reads."""

import copy
from functools import cache
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

import thermograd as tg
from thermograd.dynamics import SGD
from thermograd.ensemble.engines.kernel.compiler import compiler, no_compiler
from thermograd.estimators import aging, effective_temperature
from thermograd.minibatching import WithReplacement
from thermograd.numerics.log_times import At, Every
from thermograd.observables import DissipationAndFluctuation, TwoTimeDisplacement

pytestmark = pytest.mark.skipif(compiler() is None, reason=no_compiler())
RATE, DECAY, BATCH, SAMPLES = 0.1, 0.1, 12, 48
TRAJECTORIES, SETTLED, STEPS = 128, 400, 2000


class Temperatures(NamedTuple):
    """At lag 1, one number per trajectory, but the last: D of the table at lags 1 ... 4, per trajectory and lag."""

    dissipated: np.ndarray
    plain: np.ndarray
    half_step: np.ndarray
    table: np.ndarray


def data():
    generator = torch.Generator().manual_seed(3)
    inputs = torch.randn(SAMPLES, 4, generator=generator, dtype=torch.float64)
    noise = torch.randn(SAMPLES, 1, generator=generator, dtype=torch.float64)
    return inputs, torch.tanh(inputs[:, :1]) + 0.5 * noise


def square(outputs, targets):
    return ((outputs - targets) ** 2)[:, 0] / 2


def line():
    return nn.Linear(4, 1, bias=False)


def network():
    return nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 1))


@cache
def trained(build):
    """Near the minimum of the loss of all samples."""
    torch.manual_seed(0)
    model = build().double()
    inputs, targets = data()
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, weight_decay=DECAY)
    for _ in range(2000):
        optimizer.zero_grad()
        square(model(inputs), targets).mean().backward()
        optimizer.step()
    return model


def parameters(build):
    return sum(value.numel() for value in build().parameters())


def probe(build, *, model=None, burn_in=200, lags=60):
    """Of the trained model, with the batches of the ensemble."""
    return tg.measure_temperature(
        model or trained(build),
        square,
        data(),
        learning_rate=RATE,
        weight_decay=DECAY,
        minibatching=WithReplacement(BATCH),
        burn_in=burn_in,
        windows=16,
        lags=lags,
    )


@cache
def ensemble(build, *, settled=SETTLED, steps=STEPS, momentum=0.0, far=0.0):
    """All start near the minimum, `far` away from it."""
    start = {name: value.detach() + far for name, value in trained(build).named_parameters()}
    between = At((settled, settled + steps))
    done = tg.run(
        tg.Experiment(
            tg.Problem(model=build, loss=square, train=data(), regulariser=DECAY / 2, dtype="float64"),
            WithReplacement(BATCH),
            SGD(RATE, momentum=momentum),
            observe=[
                DissipationAndFluctuation(at=between),
                DissipationAndFluctuation(every=Every(2), at=between, name="of_two_steps"),
                TwoTimeDisplacement(waiting_per_decade=200, first_waiting=settled, max_anchors=512),
            ],
            trajectories=TRAJECTORIES,
            steps=settled + steps,
            start=start,
            engine="kernel",
            seed=1,
        )
    )
    count = parameters(build)
    sums = {
        field: np.diff(done[f"{name}/{part}"])[:, 0]
        for field, name, part in (
            ("dissipated", "dissipation_and_fluctuation", "dissipation"),
            ("one", "dissipation_and_fluctuation", "squared_displacement"),
            ("two", "of_two_steps", "squared_displacement"),
        )
    }
    table = aging.table(done)
    assert table.lags[:4].tolist() == [1, 2, 3, 4]
    return Temperatures(
        dissipated=sums["dissipated"] / (steps * count),
        plain=sums["one"] / (2 * RATE * steps * count),
        half_step=sums["two"] / (4 * RATE * (steps // 2) * count),
        table=np.nanmean(table.mean_square()[:, :, :4, 0], axis=1) / 2,
    )


def apart(some, others):
    """Standard errors of the difference, trajectory by trajectory."""
    difference = some - others
    return abs(difference.mean()) / (difference.std(ddof=1) / np.sqrt(len(difference)))


@pytest.mark.parametrize("build", [line, network])
def test_what_is_dissipated_is_how_far_one_step_goes(build):
    """⟨(θ − c)·∇L⟩/N = η⟨|g|²⟩/(2N) = ⟨|Δ|²⟩/(2ηN), N weights, and the table's; two steps over 4η are less."""
    found = ensemble(build)
    assert apart(found.dissipated, found.plain) < 4
    assert apart(found.table[:, 0] / RATE, found.plain) < 4
    assert apart(found.table[:, 1] / (2 * RATE), found.half_step) < 4
    assert apart(found.plain, found.half_step) > 4
    assert apart(found.dissipated, 1.01 * found.plain) > 4


@pytest.mark.parametrize("build", [line, network])
def test_a_probe_reads_what_the_ensemble_shows(build):
    """`short` is two steps over 4η; without the half step the estimator gives what is dissipated, 4 standard errors."""
    found = ensemble(build)
    reading = probe(build)
    error = reading.short.samples.std()
    assert abs(reading.short.value - found.half_step.mean()) < 4 * error
    assert error < 0.05 * found.half_step.mean()
    response = np.tile(reading.response[:4], (TRAJECTORIES, 1))
    halved, plain = (
        effective_temperature.estimate(found.table, response, half_step=how) for how in (True, False)
    )
    assert apart(found.table[:, 1] / (2 * reading.response[0]), found.half_step) < 4
    assert halved.short.value == pytest.approx(found.table[:, 1].mean() / (2 * RATE), rel=1e-9)
    assert abs(plain.short.value - found.dissipated.mean()) < 4 * plain.short.samples.std()
    assert abs(halved.short.value - found.dissipated.mean()) > 4 * halved.short.samples.std()


def test_momentum_breaks_it_and_its_own_factor_mends_it():
    """FDR1': with momentum μ it is (1 + μ)|Δ|²/(2η) that agrees."""
    found = ensemble(line, momentum=0.5)
    assert apart(found.dissipated, found.plain) > 40
    assert apart(found.dissipated, 1.5 * found.plain) < 4


def test_what_still_moves_has_no_such_temperature():
    """40 steps from 1 off in every weight: far apart, and the probe says that it is not stationary."""
    found = ensemble(network, settled=1, steps=40, far=1.0)
    assert apart(found.dissipated, found.plain) > 40
    moving = copy.deepcopy(trained(network))
    with torch.no_grad():
        for value in moving.parameters():
            value += 1.0
    reading = probe(network, model=moving, burn_in=0, lags=20)
    assert reading.verdict.kind == "not_stationary"
    assert reading.short is None
