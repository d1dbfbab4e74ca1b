"""Curvatures and per-sample gradients of a network of 55 210 weights, and a landscape of all of MNIST."""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Iterator

import numpy as np
import torch
from paired_seconds import paired_seconds
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import nn
from torch.nn.functional import cross_entropy

from thermograd.observables.described_loss import per_sample_loss
from thermograd.observables.landscape import landscape
from thermograd.observables.top_directions import top_directions
from thermograd.problems.digits import Digits
from thermograd.problems.mnist_linear import MnistLinear
from thermograd.theory.stationary_state import predict

DIRECTIONS = 5


def trained() -> tuple[nn.Module, tuple[torch.Tensor, torch.Tensor]]:
    """A perceptron 64-200-200-10 after 300 steps on 1297 digits."""
    inputs, targets = Digits().build().train
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(64, 200), nn.ReLU(), nn.Linear(200, 200), nn.ReLU(), nn.Linear(200, 10)
    ).double()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=1e-3)
    for _ in range(300):
        chosen = torch.randint(len(inputs), (50,))
        optimizer.zero_grad()
        cross_entropy(model(inputs[chosen]), targets[chosen]).backward()
        optimizer.step()
    return model, (inputs, targets)


def eigenpairs(loss: object, against: str) -> float:
    """Ours over scipy's eigsh, to the same residuals, with the product of ours or of curvlinops."""
    size = loss.size
    if against == "curvlinops":
        from curvlinops import HessianLinearOperator

        model, data = trained()
        operator = HessianLinearOperator(
            model, nn.CrossEntropyLoss(), list(model.parameters()), [data]
        ).to_scipy()
    else:
        operator = LinearOperator(
            (size, size),
            matvec=lambda v: loss.hessian_vector(loss.start, torch.from_numpy(v).reshape(-1)).numpy(),
            dtype=np.float64,
        )
    start = np.random.default_rng(0).standard_normal(size)
    mine, other = paired_seconds(
        lambda: top_directions(loss, loss.start, DIRECTIONS),
        lambda: eigsh(operator, DIRECTIONS, which="LA", v0=start, tol=1e-8),
        repeats=3,
    )
    return mine / other


def rows() -> Iterator[tuple[str, float, str, float]]:
    """What, measured, sense, bar."""
    torch.set_num_threads(1)
    model, data = trained()
    loss = per_sample_loss(model, data, criterion=cross_entropy)
    what = f"top {DIRECTIONS} eigenpairs of the Hessian, 55 210 weights, time over eigsh with"
    yield f"{what} our product, tolerance 1e-8", eigenpairs(loss, "ours"), "<=", 1.2
    if importlib.util.find_spec("curvlinops"):
        yield f"{what} that of curvlinops", eigenpairs(loss, "curvlinops"), "<=", 1.2
    else:
        print("curvlinops is not installed: its row is left out")
    mine, other = paired_seconds(
        lambda: [part.sum() for part in loss.sample_gradients(loss.start)], lambda: loss.gradient(loss.start)
    )
    yield "all per-sample gradients of 1297 digits, time over one full gradient", mine / other, "<=", 8
    if not os.environ.get("THERMOGRAD_DATA"):
        print("THERMOGRAD_DATA names no folder: the row of MNIST is left out")
        return
    start = time.perf_counter()
    land = landscape(MnistLinear(train_samples=60_000), refine=True)
    predict(land, learning_rate=1e-4, batch_size=100)
    yield (
        "landscape at the minimum and state of 490 weights on 60 000 images, seconds",
        time.perf_counter() - start,
        "<=",
        30,
    )
