"""SGD of a classifier of Gaussian clusters in infinitely many dimensions: order parameters, response, noise, two replicas.

Researchers compare with it what they measure in finitely many: it has no finite-size noise, no noise of the data, and an
exact response. How it is computed and why it may be trusted: `docs/explanation/effective_noise.md`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from thermograd.discover import nearest
from thermograd.errors import ConfigError, DivergedError
from thermograd.numerics.argument_kind import check_has
from thermograd.numerics.one_blas_thread import one_blas_thread
from thermograd.theory.mean_field_joined import joined
from thermograd.theory.mean_field_mixture import Mixture
from thermograd.theory.mean_field_mixture import generalization_error as generalization_error
from thermograd.theory.mean_field_paths import ForwardPass, Solved
from thermograd.theory.mean_field_settings import SolverSettings
from thermograd.theory.mean_field_solution import MeanField as MeanField
from thermograd.theory.selection_processes import Process, Selection

__all__ = ["MeanField", "generalization_error", "solve", "solve_many"]

if TYPE_CHECKING:
    from thermograd.protocols import Executor

_TRUNCATED = 0.05


def solve(
    problem: Any,
    *,
    learning_rate: float,
    steps: int,
    selection: str | Process = "sgd",
    batch_fraction: float = 0.3,
    persistence: float | None = None,
    rescale: bool = True,
    temperature: float = 0.0,
    replicas: int = 1,
    paths: int = 10_000,
    response_paths: int = 800,
    seeds: int = 4,
    memory: int | None = None,
    seed: int = 0,
) -> MeanField:
    """Train for `steps` steps w ← w − η[λw + Σ_μ s_μ l′_μ x_μ/√d] + √(2T₀η) ξ, d → ∞.

    Model and questions of Mignacco and Urbani (arXiv 2112.10852), in the discrete steps of SGD.

    Time and memory of one seed grow as paths · T² and response_paths · T³/6 and T²/2; with `memory=W` as
    response_paths · T W²/2 and W². A longer solution begins with the shorter one, and solution k depends on (seed, k) alone.

    Args:
        problem: a `GaussianMixture`, or any object with its fields.
        learning_rate: η, below 2 over the largest curvature.
        steps: T.
        selection: "gd", "sgd", "persistent", "reshuffled", or a function `(paths, steps, batch_fraction, generator) ->
            (steps, paths)` of weights s, see `Selection`.
        batch_fraction: b.
        persistence: of "persistent", mean number of steps a sample stays outside the batch.
        rescale: whether s is divided by b.
        temperature: T₀.
        replicas: 2 for two trainings with the same start and data and other batches.
        paths: samples of the representative process.
        response_paths: how many of them the memory kernel is averaged over; a hundred are enough in a stationary state. Of
            interpolation the scatter falls as their inverse square root.
        seeds: number of independent solutions, S.
        memory: W, steps for which answers of samples are kept; None = all. Below twice the slowest relaxation time in steps
            it is not safe. Advised from 400 steps on.
        seed: of all randomness.

    Raises:
        ConfigError: a ValueError that names the argument, what was got and what is allowed.
        MemoryLimitError: it would not fit in memory; nothing has been computed.
        DivergedError: the weights grew without bound. `partial` is the `MeanField` of the steps before, None without any.

    >>> from types import SimpleNamespace
    >>> start = {"initial_norm_squared": 1.0, "initial_overlap": 0.5, "weight_decay": 1.0}
    >>> rest = {"sample_ratio": 1e-9, "cluster_variance": 1.0, "door_width": 0.7, "loss": "square", "margin": 1.0}
    >>> decaying = SimpleNamespace(clusters=2, **start, **rest)  # hardly any samples: w(t) = (1 − ηλ)ᵗ w(0)
    >>> solution = solve(decaying, learning_rate=0.5, steps=2, selection="gd", paths=4, seeds=2)
    >>> solution.overlap.mean(axis=0).round(6).tolist(), solution.response[0, 2].round(6).tolist()
    ([0.5, 0.25, 0.125], [0.25, 0.5])
    """
    mixture = Mixture.of(problem)
    process = Selection(
        kind=selection, batch_fraction=batch_fraction, persistence=persistence, rescale=rescale
    )
    settings = SolverSettings(
        learning_rate=learning_rate,
        steps=steps,
        temperature=temperature,
        replicas=replicas,
        paths=paths,
        response_paths=response_paths,
        seeds=seeds,
        memory=memory,
        seed=seed,
    )
    settings.check_memory(replayed=process.replayed)
    if mixture.clusters == 3 and mixture.initial_overlap == 0:
        message = (
            "initial_overlap is 0: with the door the overlap then stays 0 by symmetry, and what grows is noise of the paths. "
            "Give a small initial_overlap"
        )
        warnings.warn(message, stacklevel=2)
    rests_on = f"d → ∞; {process}, learning rate {learning_rate:g}"
    solved: list[Solved] = []
    for child in range(seeds):
        random = np.random.SeedSequence((seed, child))
        solved.append(ForwardPass(mixture, process, settings, random).run())
        if solved[-1].fault:
            done = len(solved[-1].samples)
            partial = joined(solved, mixture, done, memory, rests_on) if done else None
            raise DivergedError(_divergence(solved, mixture, learning_rate), partial)
    solution = joined(solved, mixture, steps, memory, rests_on)
    worst = float(solution.truncation_error.max())
    if worst > _TRUNCATED:
        message = f"memory is {memory} steps, and the truncation error about {worst:.2g}: too short; give a larger memory"
        warnings.warn(message, stacklevel=2)
    return solution


def solve_many(points: Iterable[Mapping[str, Any]], *, executor: Executor | None = None) -> list[MeanField]:
    """`solve` at several points, in their order.

    Args:
        points: the arguments of `solve` by name, one mapping a point.
        executor: anything with `submit(function, *arguments) -> Future`, a `ProcessPoolExecutor` for one: one task a point,
            each on one BLAS thread (where threadpoolctl is installed; else start with OMP_NUM_THREADS=1). None = here, one
            after the other.

    Raises:
        ConfigError: a ValueError: a point without a problem, or with an argument that `solve` does not have.
        DivergedError: at the first point whose weights grew without bound; `solve_each` goes on with the others.

    >>> from thermograd.problems import GaussianMixture
    >>> common = {"problem": GaussianMixture(initial_overlap=0.5), "steps": 1, "paths": 20, "seeds": 2}
    >>> solved = solve_many({**common, "learning_rate": rate} for rate in (0.1, 0.5))
    >>> [found.response[0, 1, 0].tolist() for found in solved]  # R(t + 1, t) = η
    [0.1, 0.5]
    """
    found = []
    for solution in solve_each(points, executor=executor):
        if isinstance(solution, DivergedError):
            raise solution
        found.append(solution)
    return found


def solve_each(
    points: Iterable[Mapping[str, Any]], *, executor: Executor | None = None
) -> list[MeanField | DivergedError]:
    """`solve` at several points, in their order; a point whose weights grow without bound is its `DivergedError`.

    Args:
        points: as of `solve_many`.
        executor: as of `solve_many`.

    Raises:
        ConfigError: a ValueError: a point without a problem, or with an argument that `solve` does not have.
    """
    check_has("points", points, "__iter__", "a list of the arguments of solve, one mapping a point")
    tasks = [_task(place, point) for place, point in enumerate(points)]
    if executor is None:
        return [_solve_task(task) for task in tasks]
    return [future.result() for future in [executor.submit(_solve_task, task) for task in tasks]]


def _task(place: int, point: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a point; of the problem only the mixture, so that a worker needs no torch."""
    known = [name for name in solve.__annotations__ if name != "return"]
    check_has(f"point {place}", point, "items", "a mapping of the arguments of solve by name")
    for name in point:
        if name not in known:
            message = f"point {place} has {name!r}, which solve does not take. {nearest(name, known)}"
            raise ConfigError(message)
    if "problem" not in point:
        message = f"point {place} has no problem; give it as 'problem'"
        raise ConfigError(message)
    return {**point, "problem": Mixture.of(point["problem"])}


def _solve_task(task: dict[str, Any]) -> MeanField | DivergedError:
    with one_blas_thread():
        try:
            return solve(**task)
        except DivergedError as divergence:
            return divergence


def _divergence(solved: list[Solved], mixture: Mixture, learning_rate: float) -> str:
    """What to say of the last solution."""
    curvature = mixture.weight_decay + solved[0].first_curvature * mixture.largest_covariance
    return (
        f"solution {len(solved) - 1} diverged: {solved[-1].fault}. The largest curvature at the start is about "
        f"{curvature:.3g}, so gradient descent needs a learning rate below {2 / curvature:.3g}, and small batches a smaller "
        f"one; got {learning_rate:g}"
    )
