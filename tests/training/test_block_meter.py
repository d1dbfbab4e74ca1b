"""The fluctuation term in the metric of the preconditioner, against a copy of every step."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import thermograd as tg
from thermograd.training.random_stride import RandomStride

STEPS, EPOCH, RATE = 96, 6, 0.01


def second_moment(state: dict[str, Any], group: dict[str, Any]) -> Tensor:
    if "square_avg" in state:
        mean = state["grad_avg"] if group["centered"] else torch.zeros(())
        return state["square_avg"] - mean**2
    moment = state["max_exp_avg_sq"] if group["amsgrad"] else state["exp_avg_sq"]
    return moment / (1 - group["betas"][1] ** float(state["step"]))


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (torch.optim.Adam, {"weight_decay": 0.1}),
        (torch.optim.Adam, {"amsgrad": True, "betas": (0.0, 0.99)}),
        (torch.optim.AdamW, {"weight_decay": 0.5}),
        (torch.optim.RMSprop, {"centered": True, "momentum": 0.5, "weight_decay": 0.1}),
    ],
)
def test_against_copies_of_the_weights(kind: Any, options: dict[str, Any]) -> None:
    draw = torch.Generator().manual_seed(0)
    weight = nn.Parameter(torch.randn(5, generator=draw, dtype=torch.float64))
    optimizer = kind([weight], lr=RATE, **options)
    watch = tg.watch(optimizer, steps_per_epoch=EPOCH)
    stride = RandomStride(0, 8)
    expected, measured = 0.0, 0
    for step in range(STEPS):
        optimizer.zero_grad()
        loss = ((weight - torch.randn(5, generator=draw, dtype=torch.float64)) ** 2).sum()
        loss.backward()
        watch.record_loss(loss)
        before = weight.detach().clone()
        optimizer.step()
        if stride.due(step):
            decay = RATE * options["weight_decay"] if kind is torch.optim.AdamW else 0.0
            moved = weight.detach() - before + decay * before
            group, state = optimizer.param_groups[0], optimizer.state[weight]
            root = second_moment(state, group).sqrt() + group["eps"]
            expected += float((moved**2 * root).sum()) / RATE
            measured += 1
    end = watch.window.record.ends[-1]
    assert end.metric_measured == measured == STEPS / 8
    assert math.isclose(float(end.metric.sum()), expected, rel_tol=1e-6)  # step counters are float32
