"""Which engine runs an experiment, how, and why."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from thermograd.ensemble.engines.compiled import choose_compiled
from thermograd.ensemble.engines.cuda_graph import choose_graph
from thermograd.ensemble.engines.eager import EagerEngine
from thermograd.ensemble.engines.kernel.choice import choose_kernel
from thermograd.ensemble.engines.size_of_work import together
from thermograd.errors import EngineUnavailableError
from thermograd.numerics.argument_kind import check_has

if TYPE_CHECKING:
    from thermograd.ensemble.engines.accelerated import AcceleratedEngine
    from thermograd.ensemble.experiment import Experiment
    from thermograd.problems.functional import FunctionalProblem

    Engine = EagerEngine | AcceleratedEngine

_WIDE = 16_384
_CHOICES = {"kernel": choose_kernel, "graph": choose_graph, "compiled": choose_compiled}
_ENGINE = {"graph": "eager"}  # of a choice that is no engine of its own


@dataclass(frozen=True)
class Plan:
    """How an experiment will run.

    Attributes:
        engine: "eager", "compiled" or "kernel".
        mode: "vmap", a block of trajectories in one batched call; "loop", one after another; "graph", batched calls
            of several updates in one CUDA graph; of the kernel "lanes", vectors of trajectories, "features", vectors
            of the inputs of one trajectory, or "threads", of a GPU, one for each trajectory.
        reason: one sentence with the deciding fact.
        rejected: (engine, reason) of those that were not chosen.
        block_bytes: estimated working memory of one block.
        notes: what kept a faster engine from an experiment that it would have been worth for.

    >>> from thermograd.ensemble.experiment import Experiment
    >>> from thermograd.problems.quadratic import Quadratic
    >>> found = plan(Experiment(Quadratic(), trajectories=4, steps=3, engine="eager"))
    >>> found.mode, found.rejected
    ('vmap', ())
    """

    engine: str
    mode: str
    reason: str
    rejected: tuple[tuple[str, str], ...]
    block_bytes: int
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"{self.reason}; about {self.block_bytes / 1e6:.1f} MB a block"]
        lines += [f"  not {engine}: {why}" for engine, why in self.rejected]
        return "\n".join(lines)


def plan(experiment: Experiment) -> Plan:
    """How `run` would run an experiment. Traces an update and tries one step of two trajectories, trains nothing.

    Args:
        experiment: what would run.

    Returns:
        Engine, mode, and the reason.

    Raises:
        EngineUnavailableError: an engine asked for by name cannot run.
        ValueError: the experiment cannot run at all.

    >>> from thermograd.ensemble.experiment import Experiment
    >>> from thermograd.problems.quadratic import Quadratic
    >>> plan(Experiment(Quadratic(), trajectories=4, steps=3, engine="eager")).engine
    'eager'
    """
    check_has("experiment", experiment, "functional", "a thermograd.Experiment; of a config its .experiment")
    return prepare(experiment, build=False)[0]


def prepare(experiment: Experiment, *, build: bool = True) -> tuple[Plan, Engine]:
    """The plan of an experiment and its engine.

    Args:
        experiment: what is trained.
        build: whether the engine is to be made ready; else it is the reference engine, whatever the plan says.

    Raises:
        EngineUnavailableError: an engine asked for by name cannot run.
    """
    eager, why = _eager_engine(experiment)
    rejected: list[tuple[str, str]] = []
    notes: list[str] = []
    for name, choose in _CHOICES.items():
        if experiment.engine not in {"auto", name} or not _concerns(name, experiment):
            continue
        try:
            chosen = choose(experiment, eager, build=build)
        except EngineUnavailableError as failure:
            if experiment.engine == name:
                message = f"{name}: {failure}; use engine='auto' or 'eager'"
                raise EngineUnavailableError(message) from failure
            notes.append(f"not the {name} engine: {failure}")
            rejected.append((name, str(failure)))
            continue
        if not isinstance(chosen, str):
            engine, mode, reason = chosen
            bytes_needed = _block_bytes(experiment, eager)
            return Plan(
                _ENGINE.get(name, name), mode, reason, tuple(rejected), bytes_needed, tuple(notes)
            ), engine or eager
        rejected.append((name, chosen))
    return Plan(
        "eager", eager.mode, why, tuple(rejected), _block_bytes(experiment, eager), tuple(notes)
    ), eager


def _concerns(name: str, experiment: Experiment) -> bool:
    """Whether a choice is one for the device."""
    return name != "graph" or experiment.functional.device.type == "cuda"


def _eager_engine(experiment: Experiment) -> tuple[EagerEngine, str]:
    """The reference engine, and why in its mode."""
    problem = experiment.functional
    random_forward, changing_buffers = probe_forward(problem)
    why_loop = _why_loop(problem, random_forward=random_forward, changing_buffers=changing_buffers)
    if why_loop is None:
        engine = EagerEngine(experiment, "vmap", random_forward=False, changing_buffers=False)
        why_loop = _why_not_vmap(engine)
    if why_loop is not None:
        engine = EagerEngine(
            experiment, "loop", random_forward=random_forward, changing_buffers=changing_buffers
        )
        return engine, f"eager (loop): {why_loop}"
    return (
        engine,
        f"eager (vmap): {problem.parameters} parameters, {together(experiment)} in one batched call",
    )


def probe_forward(problem: FunctionalProblem) -> tuple[bool, bool]:
    """Whether a training pass draws random numbers, and whether it changes buffers."""
    weights, buffers = problem.draw_initial(0)
    before = copy.deepcopy(buffers)
    inputs = problem.train[0][:2]
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        state = torch.get_rng_state()
        problem.with_buffers(buffers).outputs(weights, inputs, training=True)
        drew = not torch.equal(state, torch.get_rng_state())
    return drew, any(not torch.equal(before[name], buffers[name]) for name in buffers)


def _why_loop(problem: FunctionalProblem, *, random_forward: bool, changing_buffers: bool) -> str | None:
    """The fact that makes one trajectory at a time the right mode, None if there is none."""
    if changing_buffers:
        return "the forward pass changes buffers (batch normalisation), which each trajectory has of its own"
    if random_forward:
        return "the forward pass draws random numbers (dropout), seeded per trajectory and step"
    modules = () if problem.module is None else tuple(problem.module.modules())
    convolutions = sum(isinstance(module, nn.modules.conv._ConvNd) for module in modules)
    if convolutions:
        plural = "" if convolutions == 1 else "s"
        return f"{convolutions} convolution{plural}; one batched call is slower than one trajectory at a time"
    for name, shape in problem.shapes.items():
        if len(shape) == 2 and math.prod(shape) >= _WIDE:
            return (
                f"layer {name.rpartition('.')[0] or name} is {shape[1]} x {shape[0]}; from {_WIDE} weights on, "
                "one trajectory at a time is faster"
            )
    return None


def _why_not_vmap(engine: EagerEngine) -> str | None:
    """What keeps two trajectories from one batched call, None if nothing does."""
    block = engine.start(range(min(2, engine.experiment.trajectories)))
    try:
        engine.advance(block, 1)
        for observable in engine.experiment.observables:
            engine.measure(block, observable)
    except (RuntimeError, NotImplementedError) as failure:
        first = str(failure).strip().splitlines()[0]
        return f"vmap cannot batch this model or update rule ({first[:120]})"
    return None


def _block_bytes(experiment: Experiment, engine: EagerEngine) -> int:
    """Weights, state, gradients and activations of one update of a block."""
    problem = experiment.functional
    members = min(experiment.block_size, experiment.trajectories) if engine.mode == "vmap" else 1
    per_trajectory = 4 * problem.parameters + 4 * engine.batch_size * (problem.widest + 1)
    return int(members * per_trajectory * problem.dtype.itemsize)
