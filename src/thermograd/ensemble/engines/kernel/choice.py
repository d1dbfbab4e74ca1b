"""Whether the kernel engine runs an experiment, in which form, and why."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from thermograd.ensemble.engines.accelerated import AcceleratedEngine
from thermograd.ensemble.engines.kernel import nvrtc
from thermograd.ensemble.engines.kernel.compiler import compiler, no_compiler
from thermograd.ensemble.engines.kernel.launch import Kernel
from thermograd.ensemble.engines.kernel.launch_cuda import CudaKernel
from thermograd.ensemble.engines.kernel.lower_cuda import cuda_source, too_large
from thermograd.ensemble.engines.kernel.source import KernelSource, kernel_source
from thermograd.ensemble.engines.kernel.updates import KernelUpdates
from thermograd.ensemble.engines.size_of_work import batched_updates, together
from thermograd.ensemble.engines.trial import tried
from thermograd.ensemble.engines.update_function import CannotTraceError
from thermograd.errors import EngineUnavailableError

if TYPE_CHECKING:
    from thermograd.ensemble.engines.eager import EagerEngine
    from thermograd.ensemble.experiment import Experiment

_WIDEST = 64
_LONGEST_INPUT = 4096
_LONG_INPUT = 128
_WORTH = 2000
_SLOW, _MANY = 200, 1000
_LANES, _PRODUCTS = 16, 4_000_000
_SIDES = {
    "lanes": "side by side in vectors",
    "features": "one after another in vectors of inputs",
    "threads": "with a thread of the GPU for each",
}


def choose_kernel(
    experiment: Experiment, eager: EagerEngine, *, build: bool
) -> str | tuple[AcceleratedEngine | None, str, str]:
    """Engine (None if it is not to be built), mode and reason; or why another is the better choice.

    Args:
        experiment: what is trained.
        eager: the reference engine for it.
        build: whether to build the kernel.

    Raises:
        EngineUnavailableError: it cannot run the experiment; says what is missing.
    """
    if experiment.engine != "kernel":
        why_not = _not_worth_it(experiment, eager)
        if why_not:
            return why_not
    impossible = _impossible(experiment, eager)
    if impossible:
        raise EngineUnavailableError(impossible)
    mode = _mode(experiment)
    try:
        source = (
            cuda_source(experiment)
            if mode == "threads"
            else kernel_source(experiment, features=mode == "features")
        )
    except CannotTraceError as failure:
        message = f"{failure} has no form in it" if str(failure).startswith("operation") else str(failure)
        raise EngineUnavailableError(message) from failure
    if experiment.engine != "kernel":
        why_not = _too_long_to_build(experiment, source.operations)
        if why_not:
            return why_not
    if not build:
        return None, mode, _reason(experiment, source, mode)
    made = KernelUpdates(experiment, source, mode, CudaKernel if mode == "threads" else Kernel)
    return (
        tried(experiment, eager, made, set(source.hyperparameters)),
        mode,
        _reason(experiment, source, mode),
    )


def _mode(experiment: Experiment) -> str:
    """The form: "threads" of a GPU, or on the processor vectors of "lanes" or of "features"."""
    if experiment.functional.device.type == "cuda":
        return "threads"
    return "features" if _inputs(experiment) >= _LONG_INPUT else "lanes"


def _reason(experiment: Experiment, source: KernelSource, mode: str) -> str:
    sides = _SIDES[mode]
    return f"kernel ({mode}): {experiment.functional.parameters} parameters, {source.operations} operations, {together(experiment)} {sides}"


def _impossible(experiment: Experiment, eager: EagerEngine) -> str:
    """What rules the kernel out before anything is traced."""
    device = experiment.functional.device.type
    if device not in {"cpu", "cuda"}:
        return f"it runs on the processor or by CUDA, and device is {experiment.device!r}"
    if device == "cpu" and compiler() is None:
        return no_compiler()
    if device == "cuda" and nvrtc.library() is None:
        return nvrtc.no_library()
    return eager.alone or ""


def _not_worth_it(experiment: Experiment, eager: EagerEngine) -> str:
    """What makes another engine the better choice."""
    problem = experiment.functional
    if eager.alone is not None:
        return eager.alone
    if problem.device.type == "cuda" and too_large(experiment):
        return too_large(experiment)
    work = batched_updates(experiment)
    if work < _WORTH:
        return f"{work} batched updates are done before a kernel would be built (worth it from {_WORTH} on)"
    if any(len(shape) > 2 for shape in problem.shapes.values()):
        return "convolutions are the business of a library"
    wide = [(name, shape) for name, shape in problem.shapes.items() if len(shape) > 1]
    for place, (name, shape) in enumerate(wide):
        layer = name.rpartition(".")[0] or name
        if shape[0] >= _WIDEST:
            return f"layer {layer} has {shape[0]} outputs; from {_WIDEST} on matrix products of a library are faster"
        limit = _LONGEST_INPUT if place == 0 else _WIDEST
        if math.prod(shape[1:]) > limit:
            return f"layer {layer} has {math.prod(shape[1:])} inputs; up to {limit} are worth it"
    if _inputs(experiment) < _LONG_INPUT:
        products = eager.batch_size * sum(math.prod(shape) for _, shape in wide)
        share = min(experiment.trajectories, _LANES) / _LANES
        if products > share * _PRODUCTS:
            return f"{experiment.trajectories} trajectories fill too little of a vector for {products} products an update"
    return ""


def _too_long_to_build(experiment: Experiment, operations: int) -> str:
    """What keeps a long list of operations, an unrolled cell say, from being worth its compilation."""
    work = batched_updates(experiment)
    worth = int(_WORTH * (1 + operations / _SLOW))
    if operations <= _MANY and work >= worth:
        return ""
    most = (
        f"worth it from {worth} batched updates on"
        if operations <= _MANY
        else f"up to {_MANY} are built unasked"
    )
    return f"{operations} operations take long to build, and {work} batched updates are to be made ({most})"


def _inputs(experiment: Experiment) -> int:
    return math.prod(experiment.functional.train[0].shape[1:])
