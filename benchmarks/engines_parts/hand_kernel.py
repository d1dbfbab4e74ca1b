"""Builds `hand_kernel.c`, and calls it."""

from __future__ import annotations

import atexit
import ctypes
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from engines_parts.numba_peer import by_name, flat
from engines_parts.peer import AbsentError, Form, Weights
from engines_parts.workloads import Workload

LANES = 16
WEIGHTS = 7
FLAGS = ("-O3", "-march=native", "-ffast-math", "-shared", "-fPIC")


class _Task(ctypes.Structure):
    _fields_ = (
        ("x", ctypes.c_void_p),
        ("y", ctypes.c_void_p),
        ("samples", ctypes.c_int32),
        ("batch", ctypes.c_int32),
        ("rate", ctypes.c_float),
        ("scale", ctypes.c_float),
        ("decay", ctypes.c_float),
    )


def _built(tuning: tuple[str, ...]) -> ctypes.CDLL:
    """The library, in a folder that goes with the process.

    Raises:
        AbsentError: no C compiler, or it cannot compile this.
    """
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        message = "no C compiler (gcc or cc) is installed"
        raise AbsentError(message)
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    target = Path(folder, "hand_kernel.so")
    source = Path(__file__).with_name("hand_kernel.c")
    made = subprocess.run(
        [compiler, *FLAGS, *tuning, "-o", target, source, "-lm"], capture_output=True, text=True, check=False
    )
    if made.returncode:
        message = f"{compiler} cannot compile hand_kernel.c: {made.stderr.strip().splitlines()[0]}"
        raise AbsentError(message)
    return ctypes.CDLL(str(target))


def _aligned(array: np.ndarray) -> np.ndarray:
    """A copy that starts at a multiple of 64 bytes."""
    room = np.empty(array.nbytes + 64, np.uint8)
    start = -room.ctypes.data % 64
    copy = room[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def _grouped(rows: np.ndarray) -> np.ndarray:
    """(trajectory, k) as (group, k, lane); the last row fills the last group up."""
    padding = -len(rows) % LANES
    rows = np.concatenate([rows, np.repeat(rows[-1:], padding, axis=0)])
    return _aligned(rows.reshape(-1, LANES, rows.shape[1]).swapaxes(1, 2))


def forms(workload: Workload, sampler: str) -> dict[str, Callable[[], Form]]:
    """One form for each tuning: compilers that do not know the processor leave gathers out unless told."""
    tunings: dict[str, tuple[str, ...]] = {"as the compiler tunes": ()}
    if platform.machine() == "x86_64":
        wide = "-mprefer-vector-width=512"
        tunings = {"512 bits": (wide,), "512 bits, gathers": (wide, "-mtune=skylake-avx512")}
    return {
        name: lambda flags=flags: _form(_built(flags), workload, sampler) for name, flags in tunings.items()
    }


def _form(library: ctypes.CDLL, workload: Workload, sampler: str) -> Form:
    x, y = (_aligned(part[:, 0]) for part in workload.data())
    samples, size, reshuffled = workload.samples, workload.batch, ctypes.c_int32(sampler == "wor")
    weights = _grouped(flat(workload.initial_weights))
    groups = len(weights)
    states = _aligned(np.random.default_rng(0).integers(1, 2**32, (groups, LANES)).astype(np.uint32))
    orders = _aligned(np.tile(np.arange(samples, dtype=np.int32)[:, None], (groups, 1, LANES)))
    done = [0]

    def task(rate: float) -> ctypes.c_void_p:
        numbers = (samples, size, rate, workload.squares, workload.regulariser)
        return ctypes.byref(_Task(x.ctypes.data, y.ctypes.data, *numbers))

    def pointer(array: np.ndarray) -> ctypes.c_void_p:
        return ctypes.c_void_p(array.ctypes.data)

    def one_step(start: Weights, indices: np.ndarray, rate: float) -> Weights:
        after, batches = _grouped(flat(start)), _grouped(indices.astype(np.int32))
        library.train_given(task(rate), pointer(after), pointer(batches), ctypes.c_int64(groups))
        return by_name(after.swapaxes(1, 2).reshape(-1, WEIGHTS)[: workload.trajectories])

    def advance(steps: int) -> None:
        counts = map(ctypes.c_int64, (groups, done[0], steps))
        arrays = map(pointer, (weights, states, orders))
        library.train(task(workload.learning_rate), *arrays, *counts, reshuffled)
        done[0] += steps

    def draws(steps: int) -> np.ndarray:
        seen = _aligned(np.empty((groups, steps, size, LANES), np.int32))
        state, order = _aligned(states), _aligned(orders)
        for group in range(groups):
            arrays = (pointer(state[group]), pointer(order[group]), ctypes.c_int64(steps), reshuffled)
            library.draw(task(0.0), *arrays, pointer(seen[group]))
        return seen.transpose(1, 0, 3, 2).reshape(steps, -1, size)[:, : workload.trajectories]

    return Form(one_step, advance, draws=draws)
