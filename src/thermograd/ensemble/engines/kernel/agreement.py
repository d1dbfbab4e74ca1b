"""Two updates of a built kernel beside the interpreter: a compiler or a processor may be wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from thermograd.ensemble.engines.kernel.interpreter import interpret
from thermograd.ensemble.engines.kernel.launch import BuiltKernel
from thermograd.ensemble.engines.kernel.source import SELECTED, KernelSource
from thermograd.numerics import philox

if TYPE_CHECKING:
    from thermograd.ensemble.experiment import Experiment

_STEPS = 2
_TRAJECTORY = 7
_TOLERANCE = {"float64": 1e-9, "float32": 1e-3}


def disagreement(experiment: Experiment, source: KernelSource, kernel: BuiltKernel) -> str | None:
    """What differs after two updates of a trajectory, None if nothing does.

    Weights and state of the dynamics are compared, relative to the largest element of each; differences that the
    rounding of the gradient explains are let through.

    Args:
        experiment: what is trained.
        source: its update.
        kernel: the built source.
    """
    rule, samples, seed = experiment.minibatching, source.sampling.samples, experiment.seed
    sampler = rule.start(seed, (_TRAJECTORY,), samples)
    start = {slot.name: _example(source, slot.name) for slot in source.slots if slot.name != SELECTED}
    expected = dict(start)
    if source.sampling.rule == "persistent":
        start[SELECTED] = sampler["selected"][0]
    chosen, shares = [], []
    for step in range(_STEPS):
        (indices, weights), sampler = rule.draw(sampler, seed, (_TRAJECTORY,), step, samples)
        chosen.append(np.array(indices))
        shares.append(None if weights is None else np.array(weights))
        inputs = expected | _supplied(source, indices[0], None if weights is None else weights[0], seed, step)
        expected |= interpret(source.programs["update"], inputs)
    found, _ = kernel.advance(
        {name: torch.from_numpy(array[None]) for name, array in start.items()},
        (_TRAJECTORY,),
        0,
        _STEPS,
        seed=seed,
        diverged_at=np.full(1, -1),
        chosen=np.stack(chosen),
        shares=None if shares[0] is None else np.stack(shares),  # type: ignore[arg-type]  # all or none
        ends=np.zeros((len(source.programs) - 1, _STEPS + 1)),
    )
    for name, array in found.items():
        if name.startswith(("weights/", "optimizer/")):
            error = _error(array[0].cpu().numpy(), expected[name], start[name])
            if not error <= _TOLERANCE.get(source.gradient_dtype, 0):
                return f"{name} by {error:.1e} of its size after {_STEPS} updates"
    return None


def _example(source: KernelSource, name: str) -> npt.NDArray[Any]:
    """What a slot holds at time 0; zero for the beginning of a stretch."""
    example = source.update.examples.get(name)
    if example is None:
        slot = next(slot for slot in source.slots if slot.name == name)
        return np.zeros(slot.shape, slot.dtype)
    return np.array(example.detach().cpu().numpy())


def _supplied(
    source: KernelSource, indices: npt.NDArray[Any], weights: npt.NDArray[Any] | None, seed: int, step: int
) -> dict[str, npt.NDArray[Any]]:
    """Batch, normals and number of a step."""
    inputs, targets = (part.detach().cpu().numpy()[indices] for part in source.update.data)
    given: dict[str, npt.NDArray[Any]] = {"batch/inputs": inputs, "batch/targets": targets}
    if weights is not None:
        given["batch/weights"] = weights
    examples = source.update.examples
    shapes = {n: v.shape for n, v in examples.items() if n.startswith("weights/")}
    sizes = [v.numel() for n, v in examples.items() if n.startswith("weights/")]
    for draw in source.update.draws:
        drawn = philox.normal(seed, philox.DYNAMICS, [_TRAJECTORY], step, sum(sizes), draw)[0]
        pieces = np.split(drawn, np.cumsum(sizes)[:-1])
        given |= {
            n.replace("weights/", f"normal/{draw}/"): piece.reshape(shape)
            for (n, shape), piece in zip(shapes.items(), pieces, strict=True)
        }
    given["step"] = np.array(float(step))
    return given


def _error(found: npt.NDArray[Any], expected: npt.NDArray[Any], start: npt.NDArray[Any]) -> float:
    """Largest difference over the largest element, of the arrays or of where they began."""
    with np.errstate(all="ignore"):
        size = np.nanmax(np.abs(np.concatenate([expected.ravel(), start.ravel()])), initial=0.0)
        both = (found == expected) | ~(np.isfinite(found) | np.isfinite(expected))
        difference = np.where(both, 0.0, np.abs(found.astype(float) - expected))
    worst = float(np.max(difference, initial=0.0))
    return worst / size if worst else 0.0
