"""A built kernel on a GPU: state stays there, one launch makes K updates of every trajectory."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from thermograd.ensemble.block import Tensors
from thermograd.ensemble.engines.kernel import nvrtc
from thermograd.ensemble.engines.kernel.cuda_driver import Program
from thermograd.ensemble.engines.kernel.source import KernelSource


class Launched(Protocol):
    """Something that runs a kernel `advance_each`."""

    @property
    def device(self) -> torch.device:
        """Where it runs."""

    def launch(self, call: ctypes.Structure, count: int) -> None:
        """Run it with `count` threads."""


class CudaKernel:
    """A source as it runs on a GPU.

    Args:
        source: made by `cuda_source`.
        inputs: training inputs, (M, ...).
        targets: training targets, (M, ...).
        program: what runs it; None: built by NVRTC, or found in the cache, for the device of the inputs.

    Raises:
        EngineUnavailableError: it cannot be built.
    """

    longest = 2**14  # updates a launch, which nothing can interrupt

    def __init__(
        self, source: KernelSource, inputs: Tensor, targets: Tensor, program: Launched | None = None
    ) -> None:
        self.source = source
        self._program = _built(source.text, inputs.device) if program is None else program
        self._inputs, self._targets = self._stored(inputs), self._stored(targets)
        self._arrays = [self._stored(torch.from_numpy(np.array(array))) for array in source.arrays]
        self._call = _call_type(len(source.slots), len(self._arrays))

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
        """The state after some updates; as `launch.Kernel.advance`."""
        members, source = len(trajectories), self.source
        held = [self._stored(state[slot.name], copy=True) for slot in source.slots]
        numbers = self._array(np.asarray(trajectories, np.uint32).view(np.int32), np.int32)
        diverged = self._array(diverged_at, np.int64)
        given = [
            self._array(array, kind)
            for array, kind in ((chosen, np.int32), (shares, np.float64), (ends, np.uint8))
        ]
        room = torch.empty(members * source.sampling.bytes, dtype=torch.uint8, device=self._program.device)
        call = self._call(
            members,
            first,
            steps,
            _address(numbers),
            (ctypes.c_void_p * max(len(held), 1))(*map(_address, held)),
            (ctypes.c_void_p * max(len(self._arrays), 1))(*map(_address, self._arrays)),
            _address(self._inputs),
            _address(self._targets),
            *map(_address, given),
            _address(diverged),
            _address(room),
            (ctypes.c_uint32 * 2)(seed & 0xFFFFFFFF, seed >> 32),
        )
        self._program.launch(call, members)
        kept = {
            slot.name: tensor.reshape(members, *slot.shape).to(getattr(torch, slot.dtype))
            for slot, tensor in zip(source.slots, held, strict=True)
            if slot.kept
        }
        assert diverged is not None  # it was given
        return kept, diverged.cpu().numpy()  # waits for the launch; until then all arrays are held

    def _stored(self, tensor: Tensor, *, copy: bool = False) -> Tensor:
        """A tensor on the device, in the types the kernel reads."""
        kind = tensor.dtype if tensor.dtype.is_floating_point else torch.int64
        moved = tensor.detach().to(self._program.device, kind, copy=copy)
        return moved.contiguous()

    def _array(self, array: npt.NDArray[Any] | None, kind: type[np.generic]) -> Tensor | None:
        if array is None:
            return None
        return torch.from_numpy(np.array(array, kind, order="C")).to(self._program.device)


def _built(text: str, device: torch.device) -> Program:
    return Program(nvrtc.image(text, torch.cuda.get_device_capability(device)), device)


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


def _call_type(slots: int, arrays: int) -> type[ctypes.Structure]:
    pointers = ("inputs", "targets", "chosen", "shares", "ends", "diverged_at", "samplers")
    fields = [
        ("members", ctypes.c_int64),
        ("first", ctypes.c_int64),
        ("steps", ctypes.c_int64),
        ("trajectory", ctypes.c_void_p),
        ("slots", ctypes.c_void_p * max(slots, 1)),
        ("arrays", ctypes.c_void_p * max(arrays, 1)),
        *[(name, ctypes.c_void_p) for name in pointers],
        ("key", ctypes.c_uint32 * 2),
    ]
    return type("Call", (ctypes.Structure,), {"_fields_": fields})
