"""What comes out wrong, and what is left behind."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import numpy as np
import torch
from posterior_peers_parts.row import Row
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import thermograd as tg
from curvature_parts import peers
from curvature_parts.task import batch, batches, network, ours, vector


def rows(quick: bool) -> Iterator[Row]:
    """Each with ours beside it."""
    yield from _two_objects()
    yield from _left_behind()
    yield from _trace_that_stops(quick)
    yield from _two_steps()
    yield from _unequal_batches()


def _error(found: Tensor, exact: Tensor) -> float:
    return float((found - exact).norm() / exact.norm())


def _two_objects() -> Iterator[Row]:
    """One object for each of two batches, both made before either is used; the product of the second."""
    data, v = batches()[:2], vector()
    exact = ours([data[1]]) @ v
    hessians = [ours([one]) for one in data]
    what = "two objects made, then used: error of a product of the second"
    yield Row(f"{what}, ours", _error(hessians[1] @ v, exact), "<=", 1e-5)
    if peers.pyhessian is None:
        yield Row(f"{what}, PyHessian", note="not installed")
        return
    model = copy.deepcopy(network())
    with peers.quiet():
        both = [peers.pyhessian.hessian(model, nn.CrossEntropyLoss(), data=one, cuda=False) for one in data]
    parts = [
        part.view(value.shape)
        for part, value in zip(
            torch.split(v, [value.numel() for value in model.parameters()]), model.parameters(), strict=True
        )
    ]
    found = torch.autograd.grad(both[1].gradsH, both[1].params, grad_outputs=parts)
    flat = torch.cat([part.reshape(-1) for part in found])
    yield Row(f"{what}, PyHessian", _error(flat, exact), note="it accumulates in p.grad: the sum of both")


def _left_behind() -> Iterator[Row]:
    """A network with batch normalisation and dropout, in training mode, after the trace of one batch."""

    def model() -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Linear(64, 20), nn.BatchNorm1d(20), nn.Tanh(), nn.Dropout(0.2), nn.Linear(20, 10)
        )

    def own(net: nn.Module) -> object:
        return tg.Hessian(net, lambda one: cross_entropy(net(one[0]), one[1]), [batch(100)]).trace(12)

    uses: dict[str, Callable[[nn.Module], object] | None] = {
        "ours": own,
        "PyHessian": None
        if peers.pyhessian is None
        else lambda net: peers.pyhessian_object([batch(100)], net).trace(maxIter=3),
        "curvlinops": None
        if peers.curvlinops is None
        else lambda net: peers.curvlinops.hutchpp_trace(peers.curvlinops_operator([batch(100)], net), 12),
        "hessian-eigenthings": None
        if peers.hessian_eigenthings is None
        else lambda net: peers.hessian_eigenthings.trace(
            peers.eigenthings_operator([batch(100)], net), num_matvecs=12, seed=0
        ),
    }
    for name, use in uses.items():
        what = f"things of a model that a trace has changed, {name}"
        if use is None:
            yield Row(what, note="not installed")
            continue
        net = model().train()
        before = copy.deepcopy(net.state_dict()), torch.get_rng_state()
        try:
            with peers.quiet():
                use(net)
        except Exception as failure:
            yield Row(what, note=f"fails: {str(failure).strip().splitlines()[0][:90]}")
            continue
        changed = {
            "mode": not all(layer.training for layer in net.modules()),
            "gradients": any(value.grad is not None for value in net.parameters()),
            "buffers": any(not torch.equal(value, before[0][key]) for key, value in net.state_dict().items()),
            "random state": not torch.equal(torch.get_rng_state(), before[1]),
        }
        named = ", ".join(key for key, value in changed.items() if value)
        bar = {"sense": "<=", "bar": 0} if name == "ours" else {}
        yield Row(what, sum(changed.values()), note=named, **bar)


def _trace_that_stops(quick: bool) -> Iterator[Row]:
    """The default trace of 20 seeds: products and error, over the interval that ours gives."""
    data = [batch(100)]
    exact = ours(data).trace(1500 if not quick else 300).value
    seeds = range(3 if quick else 20)
    found = [ours(data).trace(seed=seed) for seed in seeds]
    held = np.mean([one.low <= exact <= one.high for one in found])
    error = np.sqrt(np.mean([(one.value / exact - 1) ** 2 for one in found]))
    what = "trace as it is by default"
    yield Row(f"{what}: rms error, ours", error, note=f"99 products; {100 * held:.0f} % of intervals hold it")
    if peers.pyhessian is None:
        yield Row(f"{what}: rms error, PyHessian", note="not installed")
        return
    values, used = [], []
    for seed in seeds:
        torch.manual_seed(seed)
        with peers.quiet():
            drawn = peers.pyhessian_object(data).trace()
        values.append(np.mean(drawn))
        used.append(len(drawn))
    network().zero_grad()
    network().train()
    error = np.sqrt(np.mean((np.array(values) / exact - 1) ** 2))
    note = f"stops when two means happen to agree: after {min(used)} to {max(used)} products; no error given"
    yield Row(f"{what}: rms error, PyHessian", error, note=note)


def _two_steps() -> Iterator[Row]:
    """The largest eigenvalue as it is by default."""
    data = [batch(100)]
    found = ours(data).eigenvalues(1)
    exact = ours(data).eigenvalues(1, tol=1e-7).values[0]
    what = "largest eigenvalue as it is by default"
    yield Row(f"{what}: error, ours", abs(found.values[0] / exact - 1), "<=", 1e-5, str(found))
    if peers.hessian_eigenthings is None:
        yield Row(f"{what}: error, hessian-eigenthings", note="not installed")
        return
    theirs = peers.hessian_eigenthings.lanczos(peers.eigenthings_operator(data), k=1, seed=0)
    note = f"{float(theirs.eigenvalues[0]):.4g} after {theirs.iterations} steps; residual {float(theirs.residuals[0]):.2g} is given"
    yield Row(f"{what}: error, hessian-eigenthings", abs(float(theirs.eigenvalues[0]) / exact - 1), note=note)


def _unequal_batches() -> Iterator[Row]:
    """A product of 1500 images in batches of 1400 and 100, against that of all in one."""
    x, y = batch(1500)
    data, v = [(x[:1400], y[:1400]), (x[1400:], y[1400:])], vector()
    exact = ours([(x, y)]) @ v
    what = "batches of 1400 and 100: error of a product"
    yield Row(f"{what}, ours", _error(ours(data) @ v, exact), "<=", 1e-5)
    if peers.curvlinops is not None:
        yield Row(f"{what}, curvlinops", _error(peers.curvlinops_operator(data) @ v, exact))
    if peers.hessian_eigenthings is not None:
        found = peers.eigenthings_operator(data).matvec(v)
        yield Row(f"{what}, hessian-eigenthings", _error(found, exact), note="batches count the same")
