"""CUDA's driver through ctypes: machine code loaded beside torch, and launched on torch's stream."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch

from thermograd.errors import EngineUnavailableError

THREADS = 32  # a warp a block, so that few trajectories spread over many multiprocessors
_NAMES = ("nvcuda.dll",) if sys.platform == "win32" else ("libcuda.so.1", "libcuda.so")


@cache
def driver() -> ctypes.CDLL:
    """The driver's library.

    Raises:
        EngineUnavailableError: there is none.
    """
    for name in _NAMES:
        try:
            found = ctypes.CDLL(name)
        except OSError:
            continue
        _check(found, found.cuInit(0), "cuInit")
        return found
    message = f"no CUDA driver found (tried {', '.join(_NAMES)})"
    raise EngineUnavailableError(message)


class Program:
    """A loaded kernel `advance_each`, which takes one structure. It stays loaded as long as the process runs.

    Args:
        image: cubin or PTX.
        device: where to load it.

    Raises:
        EngineUnavailableError: the driver refuses it.
    """

    def __init__(self, image: bytes, device: torch.device) -> None:
        self.device = device
        index = torch.cuda.current_device() if device.index is None else device.index
        self._context = _context(index)
        module, self._function = ctypes.c_void_p(), ctypes.c_void_p()
        found = driver()
        with _current(self._context):
            _check(found, found.cuModuleLoadData(ctypes.byref(module), image), "cuModuleLoadData")
            taken = found.cuModuleGetFunction(ctypes.byref(self._function), module, b"advance_each")
            _check(found, taken, "cuModuleGetFunction")

    def launch(self, call: ctypes.Structure, count: int) -> None:
        """Run it with `count` threads, after what is queued on torch's current stream; does not wait.

        Args:
            call: the argument.
            count: of threads.

        Raises:
            EngineUnavailableError: the driver refuses; it has no memory for what all threads work in, say.
        """
        stream = ctypes.c_void_p(torch.cuda.current_stream(self.device).cuda_stream)
        arguments = (ctypes.c_void_p * 1)(ctypes.addressof(call))
        found = driver()
        with _current(self._context):
            result = found.cuLaunchKernel(
                self._function, -(-count // THREADS), 1, 1, THREADS, 1, 1, 0, stream, arguments, None
            )
        _check(found, result, "cuLaunchKernel")


@cache
def _context(index: int) -> ctypes.c_void_p:
    """The device's primary context, which torch works in too."""
    found = driver()
    device, context = ctypes.c_int(), ctypes.c_void_p()
    _check(found, found.cuDeviceGet(ctypes.byref(device), index), "cuDeviceGet")
    _check(found, found.cuDevicePrimaryCtxRetain(ctypes.byref(context), device), "cuDevicePrimaryCtxRetain")
    return context


@contextmanager
def _current(context: ctypes.c_void_p) -> Generator[None]:
    found, before = driver(), ctypes.c_void_p()
    _check(found, found.cuCtxPushCurrent_v2(context), "cuCtxPushCurrent")
    try:
        yield
    finally:
        found.cuCtxPopCurrent_v2(ctypes.byref(before))


def _check(found: ctypes.CDLL, result: Any, call: str) -> None:
    if result:
        message = f"{call}: {_said(found, result)}"
        raise EngineUnavailableError(message)


def _said(found: ctypes.CDLL, result: int) -> str:
    text = ctypes.c_char_p()
    found.cuGetErrorString(result, ctypes.byref(text))
    return (text.value or b"unknown error").decode()
