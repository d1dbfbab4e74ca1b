"""One engine on one workload, checked and timed, in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass, field

import numpy as np
import torch

from engines_parts import hand_kernel, jax_peer, numba_peer, ours, torch_peers
from engines_parts.peer import AbsentError, Form, Weights
from engines_parts.timing import QUICK, Effort, steps_per_second
from engines_parts.workloads import Workload, workload

OURS = ("eager", "compiled", "kernel", "auto")
CHECKED = ("W1", "W2")
TOLERANCE = 1e-4
LONGEST_SECONDS = 900
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "TORCHINDUCTOR_COMPILE_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_PLATFORMS": "cpu",
}


@dataclass(frozen=True)
class Cell:
    """What was measured of an engine on a workload.

    Attributes:
        engine: name of the peer, ":" and its sampler if it has one; of ours "engine:dtype:sampler".
        workload: its name.
        rate: trajectory-steps per second, None if there is no number.
        low: the slowest repetition.
        high: the fastest.
        form: the fastest way to write it; of ours the mode.
        forms: median of every form.
        difference: of one step from ours, over the largest change of the same trajectory; None = not compared.
        why: why there is no number, or what the plan says.
    """

    engine: str
    workload: str
    rate: float | None = None
    low: float | None = None
    high: float | None = None
    form: str = ""
    forms: dict[str, float] = field(default_factory=dict)
    difference: float | None = None
    why: str = ""


def measured_apart(script: str, engine: str, name: str, quick: bool) -> Cell:
    """The cell, measured by a new process on one core."""
    pinned = ["taskset", "-c", str(max(os.sched_getaffinity(0)))] if shutil.which("taskset") else []
    command = [*pinned, sys.executable, script, "--cell", engine, name, *(["--quick"] if quick else [])]
    try:
        done = subprocess.run(
            command, env=os.environ | ONE_THREAD, capture_output=True, text=True, timeout=LONGEST_SECONDS
        )
    except subprocess.TimeoutExpired:
        return Cell(engine, name, why=f"failed: not done in {LONGEST_SECONDS} s")
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        return Cell(engine, name, why=f"failed: {last}")
    return Cell(**json.loads(lines[-1]))


def print_cell(engine: str, name: str, quick: bool) -> None:
    """Measure here and print one line of JSON."""
    torch.set_num_threads(1)
    effort = QUICK if quick else Effort()
    try:
        found = (_ours if engine.split(":")[0] in OURS else _peer)(engine, workload(name), effort)
    except AbsentError as cause:
        found = Cell(engine, name, why=str(cause))
    print(json.dumps(asdict(found)))


def _forms(engine: str, training: Workload) -> dict:
    name, _, sampler = engine.partition(":")
    makers = {
        "loop": lambda: torch_peers.loop_forms(training),
        "vmap": lambda: torch_peers.vmap_forms(training),
        "compile": lambda: torch_peers.compile_forms(training),
        "jax": lambda: jax_peer.forms(training, sampler or None),
        "numba": lambda: numba_peer.forms(training, sampler),
        "hand": lambda: hand_kernel.forms(training, sampler),
    }
    return makers[name]()


def _peer(engine: str, training: Workload, effort: Effort) -> Cell:
    forms, speeds, differences = _forms(engine, training), {}, [0.0]
    sampler = engine.partition(":")[2]
    expected, indices = None, None
    if training.name in CHECKED:
        expected, indices = ours.one_step(training, "eager", "float64", "wor", training.initial_weights)
    for name, make in forms.items():
        form = make()
        if expected is not None:
            after = form.one_step(training.initial_weights, indices, training.checked_rate)
            differences.append(_difference(training, after, expected))
            _check_draws(form, training, sampler)
        speeds[name] = steps_per_second(form.advance, effort, form.unit)
    best = max(speeds, key=lambda name: speeds[name].median)
    medians = {name: speed.median * training.trajectories for name, speed in speeds.items()}
    difference = None if expected is None else max(differences)
    return _cell(engine, training, speeds[best], form=best, forms=medians, difference=difference)


def _ours(engine: str, training: Workload, effort: Effort) -> Cell:
    kind, dtype, sampler = engine.split(":")
    plan = ours.planned(training, kind, dtype, sampler)
    difference = None
    if training.name in CHECKED:
        start = training.initial_weights
        after, _ = ours.one_step(training, kind, dtype, sampler, start)
        expected, _ = ours.one_step(training, "eager", "float64", sampler, start)
        difference = _difference(training, after, expected)
    speed = ours.speed(training, kind, dtype, sampler, effort)
    form = f"{plan.engine} ({plan.mode})"
    return _cell(engine, training, speed, form=form, difference=difference, why=plan.reason)


def _cell(engine: str, training: Workload, speed, **rest: object) -> Cell:
    rates = (entry * training.trajectories for entry in (speed.median, speed.low, speed.high))
    return Cell(engine, training.name, *rates, **rest)


def _difference(training: Workload, after: Weights, expected: Weights) -> float:
    """Largest difference of a trajectory's weights over their largest change.

    Raises:
        AssertionError: the step is another one.
    """

    def furthest(others: Weights) -> np.ndarray:
        apart = [np.abs(others[name] - value) for name, value in expected.items()]
        return np.max([each.reshape(training.trajectories, -1).max(axis=1) for each in apart], axis=0)

    difference = (furthest(after) / furthest(training.initial_weights)).max()
    if not difference <= TOLERANCE:
        message = f"one step differs from ours by {difference:.1e} of the largest change of a trajectory"
        raise AssertionError(message)
    return float(difference)


def _check_draws(form: Form, training: Workload, sampler: str) -> None:
    """Batches hold distinct samples, epochs without replacement all of them, and trajectories differ.

    Raises:
        AssertionError: they do not.
    """
    if form.draws is None:
        return
    a_round = training.samples // training.batch
    seen = form.draws(a_round)
    if sampler == "wor":
        seen = seen.swapaxes(0, 1).reshape(1, training.trajectories, -1)
    ordered = np.sort(seen, axis=-1)
    inside = ordered.min() >= 0 and ordered.max() < training.samples
    if not inside or not (np.diff(ordered, axis=-1) > 0).all() or np.array_equal(seen[0, 0], seen[0, 1]):
        message = f"the batches are not {sampler}"
        raise AssertionError(message)
