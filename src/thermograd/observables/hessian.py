"""The Hessian of a live model: products, outermost eigenvalues, trace, density, with errors; nothing of the model is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from thermograd.errors import ConfigError
from thermograd.estimators.spectral_density import SpectralDensity
from thermograd.numerics.argument_kind import check_has
from thermograd.numerics.confidence_level import checked_level
from thermograd.numerics.hutch_plus_plus import hutch_plus_plus
from thermograd.numerics.krylov import lanczos, quadrature
from thermograd.numerics.whole_number import check_whole_number
from thermograd.observables.batch_shares import shares_of
from thermograd.observables.hessian_eigenvalues import Eigenvalues, full_spectrum, outermost
from thermograd.observables.hessian_products import HessianProducts
from thermograd.observables.tracked_parameters import named
from thermograd.problems.tensor_data import as_tensor
from thermograd.quantities import Estimate

LARGEST_SEED = 2**63 - 1
_ROWS = 16  # of random signs at a time


class Hessian:
    """The matrix of second derivatives of a loss by the parameters of a model, known by its products H v.

    H = Σ_b w_b ∇∇L_b over batches b. Products differentiate the gradient once more (Pearlmutter, Neural Comput. 6, 147,
    1994); the graph of the gradient is made once and used for all of them. Gradients, modes, buffers, hooks and random states
    of the model stay as they are. Every forward pass begins with the same random state, so that dropout is one
    fixed function. The weights are those the model has when a method is called.

    The curvature is that of the loss given: add a regulariser there, λΣθ² adds 2λ to every eigenvalue. Weight decay of an
    optimizer is not seen, nor is the learning rate.

    Args:
        model: a module; or tensors that require a gradient, in a sequence or by name. Of a module those parameters count
            that require a gradient. Given as tensors, buffers that a forward pass changes are not known, and change.
        loss: `(batch) -> scalar`, the mean over a batch; `() -> scalar` without batches.
        batches: a sequence of batches, which is kept; whatever can be iterated otherwise, which is made a list.
        weights: of the batches; None for their numbers of samples, `len(batch[0])`.
        keep_graphs: whether the graphs of all batches stay in memory; None: if there is one batch only.
        seed: of the random state of forward passes.

    Raises:
        ConfigError: a ValueError: no parameters, batches that are none, weights that do not fit, a seed that is none.

    >>> place = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    >>> H = Hessian([place], lambda: 3 * place[0] ** 2 - place[1] ** 2 + place[0] * place[1])
    >>> (H @ torch.tensor([1.0, 0.0])).tolist(), H.eigenvalues().values.round(6).tolist()
    ([6.0, 1.0], [-2.123106, 6.123106])
    """

    def __init__(
        self,
        model: nn.Module | Iterable[Tensor] | Mapping[str, Tensor],
        loss: Callable[..., Tensor],
        batches: Iterable[Any] | None = None,
        *,
        weights: Iterable[float] | None = None,
        keep_graphs: bool | None = None,
        seed: int = 0,
    ) -> None:
        _check_loss(loss)
        check_whole_number("seed", seed, 0, LARGEST_SEED, error=ConfigError)
        known = _batches(batches)
        shares = shares_of(known, weights)
        self._products = HessianProducts(
            loss,
            known,
            shares,
            _parameters(model),
            module=model if isinstance(model, nn.Module) else None,
            keep_graphs=len(shares) == 1 if keep_graphs is None else keep_graphs,
            seed=seed,
        )
        self.matvecs = 0
        """Products made so far."""

    @property
    def shape(self) -> tuple[int, int]:
        """(P, P), P the number of parameters."""
        return self._products.size, self._products.size

    def __repr__(self) -> str:
        return f"Hessian({self.shape[0]} parameters, {self.matvecs} products so far)"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the memory of the graphs; they are made again when they are needed."""
        self._products.close()

    def __matmul__(self, vector: Any) -> Any:
        """H v of a vector `(P,)` or of columns `(P, k)`, a tensor or an array; the result is of the same kind."""
        given = as_tensor("the vector", vector)
        if given.ndim not in {1, 2} or len(given) != self.shape[0] or given.is_complex():
            message = f"the vector has shape {tuple(given.shape)}; the Hessian is {self.shape}, so ({self.shape[0]},) or ({self.shape[0]}, k) real numbers fit"
            raise ConfigError(message)
        self._products.look()
        rows = given.to(self._products.device, self._products.dtype).reshape(len(given), -1).T
        found = self._rows(rows).T.reshape(given.shape)
        return found.cpu().numpy() if isinstance(vector, np.ndarray) else found

    def block(self, name: str) -> Hessian:
        """The diagonal block of a layer or of a single tensor, with the same methods.

        Args:
            name: of a parameter, or of a module, as in `named_parameters()`.

        Raises:
            ConfigError: there is none.
        """
        parameters = self._products.parameters
        chosen = {
            key: value for key, value in parameters.items() if key == name or key.startswith(f"{name}.")
        }
        if not chosen:
            message = (
                f"no parameter or layer is called {name!r}; there are {', '.join(map(repr, parameters))}"
            )
            raise ConfigError(message)
        found = object.__new__(type(self))
        found._products, found.matvecs = self._products.of(chosen), 0
        return found

    def dense(self, block: int = 64) -> Tensor:
        """H as an array `(P, P)`, symmetrised.

        Args:
            block: columns at a time.

        Raises:
            ConfigError: a ValueError: no whole number of columns.
        """
        check_whole_number("block", block, 1, error=ConfigError)
        self._products.look()
        found = self._dense(block)
        return (found + found.T) / 2

    def eigenvalues(
        self,
        k: int | None = None,
        which: str = "largest",
        *,
        tol: float = 1e-6,
        max_steps: int | None = None,
        vectors: bool = False,
        seed: int = 0,
        max_parameters: int = 5000,
    ) -> Eigenvalues:
        """All eigenvalues, or the k outermost by Lanczos with full reorthogonalisation.

        Memory of k: max_steps · P. Multiple eigenvalues are given as often as they are there.

        Args:
            k: how many; None for all, ascending.
            which: "largest", "smallest" (most negative first), "magnitude", or "both" (k from each end, ascending).
            tol: of the residuals, over the largest |eigenvalue|.
            max_steps: products of one search at most; min(P, max(20k, 100)) if None.
            vectors: whether eigenvectors are wanted.
            seed: of the first vector.
            max_parameters: the most for all eigenvalues, which need 8 P² bytes several times.

        Raises:
            ConfigError: an argument out of its range, or too many parameters for all eigenvalues.
        """
        size = self.shape[0]
        self._products.look()
        check_whole_number("seed", seed, 0, LARGEST_SEED, error=ConfigError)
        if k is None:
            check_whole_number("max_parameters", max_parameters, 1, error=ConfigError)
            if size > max_parameters:
                message = (
                    f"all {size} eigenvalues need {8e-9 * size**2:.2g} GB several times over; max_parameters is {max_parameters}. Ask "
                    "for the outermost, eigenvalues(10, 'both'), or for the distribution, density()"
                )
                raise ConfigError(message)
            return full_spectrum(self._dense(64), vectors=vectors)
        return outermost(
            lambda vector: self._rows(vector[None])[0],
            size,
            k,
            which,
            tolerance=tol,
            max_steps=max_steps,
            vectors=vectors,
            seed=seed,
            like=self._like,
            rounding=self._products.rounding,
        )

    def trace(self, matvecs: int = 99, *, seed: int = 0, level: float = 0.95) -> Estimate:
        """The sum of all eigenvalues, by Hutch++; exact from P products on.

        Args:
            matvecs: products, of which 3n are made; memory about 3n vectors.
            seed: of the random signs.
            level: two-sided.

        Raises:
            ConfigError: fewer than 6 products, or a level or a seed that is none.
        """
        check_whole_number("matvecs", matvecs, 6, of="products", error=ConfigError)
        check_whole_number("seed", seed, 0, LARGEST_SEED, error=ConfigError)
        checked_level(level)
        size = self.shape[0]
        self._products.look()
        if size <= matvecs:
            total = float(self._dense(64).double().trace())
            return Estimate(total, (total, total), level=level, note=f"exact, from {size} products")
        count = matvecs // 3
        return hutch_plus_plus(
            self._rows,
            _Signs(size, seed, self._like),
            torch.empty(count, size, **self._like),
            _orthonormal,
            level=level,
            block=min(count, _ROWS) if self._products.keeps_graphs else count,
        )

    def density(self, steps: int = 80, probes: int = 8, *, seed: int = 0) -> SpectralDensity:
        """The distribution of all eigenvalues, by Lanczos quadrature from random signs.

        Args:
            steps: products of a probe, at most P; memory as many vectors.
            probes: how many; errors are those of their scatter.
            seed: of the random signs.

        Raises:
            ConfigError: fewer than 2 probes, no step, or a seed that is none.
        """
        check_whole_number("probes", probes, 2, error=ConfigError)
        check_whole_number("steps", steps, 1, error=ConfigError)
        check_whole_number("seed", seed, 0, LARGEST_SEED, error=ConfigError)
        size = self.shape[0]
        self._products.look()
        steps, signs = min(steps, size), _Signs(size, seed, self._like)
        basis = torch.empty(steps, size, **self._like)
        nodes, weights, complete = np.zeros((probes, steps)), np.zeros((probes, steps)), True
        for probe in range(probes):
            diagonal, off, rows = lanczos(lambda vector: self._rows(vector[None])[0], signs(1)[0], basis)
            complete &= rows == size or off[-1] == 0
            found = quadrature(diagonal, off)
            nodes[probe], weights[probe] = found[0][-1], 0.0
            nodes[probe, :rows], weights[probe, :rows] = found
        return SpectralDensity(nodes, weights, complete=bool(complete))

    @property
    def _like(self) -> dict[str, Any]:
        return {"dtype": self._products.dtype, "device": self._products.device}

    def _rows(self, rows: Tensor) -> Tensor:
        found = self._products.rows(rows)
        self.matvecs += len(rows)
        return found

    def _dense(self, block: int) -> Tensor:
        """Row by row, as it comes."""
        size = self.shape[0]
        found = torch.empty(size, size, **self._like)
        for first in range(0, size, block):
            last = min(first + block, size)
            units = torch.zeros(last - first, size, **self._like)
            units[torch.arange(last - first), torch.arange(first, last)] = 1
            found[first:last] = self._rows(units)
        return found


def _orthonormal(rows: Tensor) -> Tensor:
    """Rows of the same span: twice by the Cholesky factor of their Gram matrix, by Householder where they nearly depend."""
    sizes = rows.norm(dim=1, keepdim=True)
    found = rows / torch.where(sizes > 0, sizes, 1.0)
    for _ in range(2):
        factor, failed = torch.linalg.cholesky_ex(found @ found.T)
        if failed or float(factor.diagonal().min()) < 10 * torch.finfo(rows.dtype).eps ** 0.5:
            householder: Tensor = torch.linalg.qr(rows.T)[0].T
            return householder
        unit = torch.eye(len(rows), dtype=rows.dtype, device=rows.device)
        found = (
            torch.linalg.solve_triangular(factor, unit, upper=False) @ found
        )  # faster than all columns at once
    return found


class _Signs:
    """Random signs, the same on every device."""

    def __init__(self, size: int, seed: int, like: dict[str, Any]) -> None:
        self._size, self._like = size, like
        self._generator = np.random.default_rng(seed)

    def __call__(self, count: int) -> Tensor:
        width = 8 * -(
            -self._size // 64
        )  # whole words, so that it does not matter how many are drawn at a time
        drawn = np.frombuffer(self._generator.bytes(count * width), np.uint8).reshape(count, width)
        bits = np.unpackbits(drawn, axis=1, count=self._size)
        return torch.from_numpy(bits).to(**self._like).mul_(2).sub_(1)


def _check_loss(loss: object) -> None:
    if not callable(loss):
        message = (
            f"loss is {type(loss).__name__}; give a function of a batch, as in Hessian(model, loss, batches)"
        )
        raise ConfigError(message)


def _parameters(model: Any) -> dict[str, Tensor]:
    """Those that require a gradient, by name.

    Raises:
        ConfigError: there are none, or not only such tensors.
    """
    if isinstance(model, nn.Module):
        found: dict[str, Tensor] = {
            name: value for name, value in model.named_parameters() if value.requires_grad
        }
    else:
        if not isinstance(model, Iterable):
            message = f"model is {type(model).__name__}; give a module, or tensors that require a gradient"
            raise ConfigError(message)
        found = {
            str(name): value
            for name, value in dict(model if isinstance(model, Mapping) else named(model)).items()
        }
        wrong = [
            name
            for name, value in found.items()
            if not isinstance(value, Tensor) or not value.requires_grad or value.is_complex()
        ]
        if wrong:
            message = f"model is neither a module nor a sequence of real tensors that require a gradient; entry {wrong[0]!r} is none"
            raise ConfigError(message)
    if not found:
        message = "no parameter requires a gradient, so there is no Hessian; set requires_grad=True"
        raise ConfigError(message)
    return found


def _batches(batches: Iterable[Any] | None) -> list[Any] | tuple[Any, ...] | None:
    """A sequence of batches.

    Raises:
        ConfigError: it looks like a single batch.
    """
    if batches is None:
        return None
    single = isinstance(batches, Tensor | Mapping) or (
        isinstance(batches, tuple) and bool(batches) and all(isinstance(part, Tensor) for part in batches)
    )
    if single:
        message = f"batches is a {type(batches).__name__}, which looks like a single batch; put it into a list: [batch]"
        raise ConfigError(message)
    if isinstance(batches, list | tuple):
        return batches
    check_has("batches", batches, "__iter__", "a list of batches, or a DataLoader")
    with torch.random.fork_rng(devices=[]):  # a DataLoader draws from it
        return list(batches)
