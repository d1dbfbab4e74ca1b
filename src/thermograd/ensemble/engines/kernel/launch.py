"""A built kernel: calls into it, on several threads, and the comparison with the interpreter before the first."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from thermograd.ensemble.block import Tensors
from thermograd.ensemble.engines.kernel.compiler import library
from thermograd.ensemble.engines.kernel.source import KernelSource
from thermograd.errors import EngineUnavailableError


class _Call(ctypes.Structure):
    _fields_ = [
        ("members", ctypes.c_int64),
        ("first", ctypes.c_int64),
        ("steps", ctypes.c_int64),
        ("trajectory", ctypes.c_void_p),
        ("slots", ctypes.c_void_p),
        ("arrays", ctypes.c_void_p),
        ("inputs", ctypes.c_void_p),
        ("targets", ctypes.c_void_p),
        ("chosen", ctypes.c_void_p),
        ("shares", ctypes.c_void_p),
        ("ends", ctypes.c_void_p),
        ("diverged_at", ctypes.c_void_p),
        ("next", ctypes.c_void_p),
        ("key", ctypes.c_uint32 * 2),
    ]


class BuiltKernel(Protocol):
    """A source as it runs somewhere."""

    @property
    def longest(self) -> int:
        """How many updates at most a call should make."""

    def advance(
        self,
        state: Mapping[str, Tensor],
        trajectories: Sequence[int],
        first: int,
        steps: int,
        *,
        seed: int,
        diverged_at: npt.NDArray[np.int64],
        chosen: npt.NDArray[Any] | None = None,
        shares: npt.NDArray[Any] | None = None,
        ends: npt.NDArray[Any] | None = None,
    ) -> tuple[Tensors, npt.NDArray[np.int64]]:
        """The state after some updates; see `Kernel.advance`."""


class Kernel:
    """A built source.

    Args:
        source: what to build, or to find in the cache.
        inputs: training inputs, (M, ...).
        targets: training targets, (M, ...).

    Raises:
        EngineUnavailableError: it cannot be built.
    """

    longest = 2**31  # updates a call

    def __init__(self, source: KernelSource, inputs: Tensor, targets: Tensor) -> None:
        self.source = source
        self._library = library(source.text)
        for name in ("lanes", "integer_bytes", "work_bytes", "advance"):
            getattr(self._library, name).restype = ctypes.c_int64
        self._library.advance.argtypes = [ctypes.c_void_p]
        self.lanes = int(self._library.lanes())
        self.work_bytes = int(self._library.work_bytes())
        self._integer = np.dtype(f"int{8 * self._library.integer_bytes()}")
        self._arrays = [np.ascontiguousarray(array) for array in source.arrays]
        self._inputs, self._targets = (
            self._fitting(name, part.numpy()) for name, part in (("inputs", inputs), ("targets", targets))
        )

    def advance(
        self,
        state: Mapping[str, Tensor],
        trajectories: Sequence[int],
        first: int,
        steps: int,
        *,
        seed: int,
        diverged_at: npt.NDArray[np.int64],
        chosen: npt.NDArray[Any] | None = None,
        shares: npt.NDArray[Any] | None = None,
        ends: npt.NDArray[Any] | None = None,
    ) -> tuple[Tensors, npt.NDArray[np.int64]]:
        """The state after some updates, made on as many threads as torch has; the result does not depend on them.

        Args:
            state: tensors (B, ...) by slot.
            trajectories: B numbers.
            first: updates done.
            steps: how many more.
            seed: of the experiment.
            diverged_at: (B,).
            chosen: (steps, B, m) indices, for sampling "given".
            shares: (steps, B, m) weights of the samples, there.
            ends: (spaced accumulators, steps + 1): whether a stretch ends (and begins) at each time.

        Returns:
            Tensors (B, ...) of the slots that are kept, and (B,) first steps with a non-finite weight, or -1.
        """
        members = len(trajectories)
        held = [self._stored(state[slot.name].detach().numpy(), copy=True) for slot in self.source.slots]
        numbers = np.asarray(trajectories, np.uint32)
        diverged = np.array(diverged_at, np.int64)
        counter = np.zeros(1, np.int64)
        slots = _addresses(held)
        arrays = _addresses(self._arrays)
        given = [
            None if array is None else np.ascontiguousarray(array, dtype)
            for array, dtype in ((chosen, np.int32), (shares, np.float64), (ends, np.uint8))
        ]
        call = _Call(
            members,
            first,
            steps,
            numbers.ctypes.data,
            ctypes.addressof(slots),
            ctypes.addressof(arrays),
            self._inputs.ctypes.data,
            self._targets.ctypes.data,
            *[None if array is None else array.ctypes.data for array in given],
            diverged.ctypes.data,
            counter.ctypes.data,
            (ctypes.c_uint32 * 2)(seed & 0xFFFFFFFF, seed >> 32),
        )
        self._work(call, min(torch.get_num_threads(), -(-members // self.lanes)))
        kept = {
            slot.name: torch.from_numpy(array.reshape(members, *slot.shape).astype(slot.dtype, copy=False))
            for slot, array in zip(self.source.slots, held, strict=True)
            if slot.kept
        }
        return kept, diverged

    def _work(self, call: _Call, threads: int) -> None:
        if threads <= 1:
            failed = self._library.advance(ctypes.byref(call))
        else:
            with ThreadPoolExecutor(threads) as pool:
                failed = sum(pool.map(lambda _: self._library.advance(ctypes.byref(call)), range(threads)))
        if failed:
            message = f"the kernel needs {self.work_bytes / 1e6:.0f} MB a thread, which are not there"
            raise MemoryError(message)

    def _fitting(self, what: str, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Data in the types the kernel reads.

        Raises:
            EngineUnavailableError: whole numbers too large for them.
        """
        largest = np.iinfo(self._integer).max
        if array.dtype.kind in "iu" and array.size and max(int(array.max()), -int(array.min())) > largest:
            message = f"training {what} hold whole numbers above {largest}"
            raise EngineUnavailableError(message)
        return self._stored(array)

    def _stored(self, array: npt.NDArray[Any], *, copy: bool = False) -> npt.NDArray[Any]:
        """An array in the types the kernel reads."""
        dtype = array.dtype if array.dtype.kind == "f" else self._integer
        return np.array(array, dtype, order="C") if copy else np.ascontiguousarray(array, dtype)


def _addresses(arrays: Sequence[npt.NDArray[Any]]) -> Any:
    return (ctypes.c_void_p * max(len(arrays), 1))(*[array.ctypes.data for array in arrays])
