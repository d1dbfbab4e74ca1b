"""The peers, called as their pages say."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from engines_parts.peer import AbsentError
from scipy.sparse.linalg import eigsh
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from curvature_parts.task import Batch, network

try:
    import curvlinops
except ImportError:
    curvlinops = None
try:
    import hessian_eigenthings
except ImportError:
    hessian_eigenthings = None
try:
    import pyhessian
except ImportError:
    pyhessian = None

Values = np.ndarray


@dataclass(frozen=True)
class Peer:
    """What a peer offers; None where it offers nothing.

    Attributes:
        name: of the package.
        product: batches -> function v -> H v.
        trace: batches, products -> the trace.
        top: batches -> the five largest eigenvalues, tolerance 1e-3; by name, if there is more than one way.
        density: batches, steps -> a density from one random vector.
    """

    name: str
    product: Callable[[list[Batch]], Callable[[Tensor], Tensor]] | None
    trace: Callable[[list[Batch], int], float]
    top: dict[str, Callable[[list[Batch]], Values]]
    density: Callable[[list[Batch], int], Any] | None


@contextlib.contextmanager
def quiet() -> Generator[None]:
    """Without the warnings of the peers and of torch about what they do."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def curvlinops_operator(data: list[Batch], model: nn.Module | None = None) -> Any:
    """Its operator, the check for determinism left out, which passes over the data twice."""
    model = network() if model is None else model
    return curvlinops.HessianLinearOperator(
        model, nn.CrossEntropyLoss(), list(model.parameters()), data, check_deterministic=False
    )


def eigenthings_operator(data: list[Batch], model: nn.Module | None = None) -> Any:
    """Its operator."""
    return hessian_eigenthings.HessianOperator(
        network() if model is None else model,
        data,
        lambda model, batch: cross_entropy(model(batch[0]), batch[1]),
    )


def pyhessian_object(data: list[Batch], model: nn.Module | None = None) -> Any:
    """Its object; gradients it has left are thrown away first, without which it would add to them."""
    model = network() if model is None else model
    model.zero_grad()
    with quiet():
        if len(data) == 1:
            return pyhessian.hessian(model, nn.CrossEntropyLoss(), data=data[0], cuda=False)
        return pyhessian.hessian(model, nn.CrossEntropyLoss(), dataloader=data, cuda=False)


def _pyhessian_top(data: list[Batch]) -> Values:
    with quiet():
        return np.array(pyhessian_object(data).eigenvalues(maxIter=100, tol=1e-3, top_n=5)[0])


def _pyhessian_trace(data: list[Batch], products: int) -> float:
    with quiet():
        return float(np.mean(pyhessian_object(data).trace(maxIter=products, tol=0)))


def _eigsh(data: list[Batch]) -> Values:
    operator = curvlinops_operator(data).to_scipy()
    start = np.random.default_rng(0).normal(size=operator.shape[0]).astype(np.float32)
    return eigsh(operator, 5, which="LA", tol=1e-3, v0=start, return_eigenvectors=False)[::-1]


def _curvlinops_density(data: list[Batch], steps: int) -> Any:
    return curvlinops.lanczos_approximate_spectrum(curvlinops_operator(data), steps, num_repeats=1)


def _eigenthings_top(data: list[Batch], **options: Any) -> Values:
    found = hessian_eigenthings.lanczos(
        eigenthings_operator(data), k=5, tol=1e-3, which="LA", seed=0, **options
    )
    return found.eigenvalues.numpy()


def peers() -> list[Peer]:
    """Those that are installed.

    Raises:
        AbsentError: none is.
    """
    found = []
    if pyhessian is not None:
        found.append(Peer("PyHessian", None, _pyhessian_trace, {"power iteration": _pyhessian_top}, None))
    if curvlinops is not None:
        found.append(
            Peer(
                "curvlinops",
                lambda data: curvlinops_operator(data).__matmul__,
                lambda data, products: float(curvlinops.hutchpp_trace(curvlinops_operator(data), products)),
                {"scipy's eigsh": _eigsh},
                _curvlinops_density,
            )
        )
    if hessian_eigenthings is not None:
        found.append(
            Peer(
                "hessian-eigenthings",
                lambda data: eigenthings_operator(data).matvec,
                lambda data, products: (
                    hessian_eigenthings.trace(
                        eigenthings_operator(data), num_matvecs=products, seed=0
                    ).estimate
                ),
                {
                    "lanczos": _eigenthings_top,
                    "lanczos, max_iter=25 by hand": lambda data: _eigenthings_top(data, max_iter=25),
                },
                lambda data, steps: hessian_eigenthings.spectral_density(
                    eigenthings_operator(data), num_runs=1, lanczos_steps=steps, seed=0
                ),
            )
        )
    if not found:
        message = "no peer is installed: pip install --no-deps -r benchmarks/peers.txt"
        raise AbsentError(message)
    return found
