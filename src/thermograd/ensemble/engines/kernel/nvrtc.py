"""CUDA's runtime compiler NVRTC, and the machine code it has made before.

It is called through ctypes, in the library that came with torch's wheels (packages `nvidia`, or torch's own folder)
or with the system. `torch.cuda._compile_kernel` would do the same, but is private, came with torch 2.8, and compiles
for the present device only.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import os
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import torch

from thermograd.ensemble.engines.kernel.compiler import cache_folder
from thermograd.errors import EngineUnavailableError

_OPTIONS = ("--std=c++17",)
_MAJORS = (13, 12)
_SHOWN = 300


def image(text: str, capability: tuple[int, int]) -> bytes:
    """Machine code of a source (cubin), or PTX where the device is newer than the compiler; kept in the cache.

    Args:
        text: CUDA C++.
        capability: of the device, (9, 0) for sm_90.

    Raises:
        EngineUnavailableError: there is no NVRTC, or it refused, with the first lines of what it said.
    """
    found = library()
    if found is None:
        raise EngineUnavailableError(no_library())
    wanted = 10 * capability[0] + capability[1]
    known = _architectures(found)
    older = [number for number in known if number <= wanted]
    if not older:
        message = f"NVRTC {version(found)} makes no code for a device of compute capability {capability[0]}.{capability[1]}"
        raise EngineUnavailableError(message)
    kind = "cubin" if wanted in known else "ptx"
    architecture = f"sm_{wanted}" if kind == "cubin" else f"compute_{max(older)}"
    options = (*_OPTIONS, f"--gpu-architecture={architecture}")
    key = hashlib.sha256("\0".join((text, *options, version(found))).encode()).hexdigest()
    target = cache_folder() / f"{key}.{kind}"
    if not target.exists():
        _keep(_compiled(found, text, options, kind), target)
    return target.read_bytes()


@cache
def library() -> ctypes.CDLL | None:
    """NVRTC: `$THERMOGRAD_NVRTC` alone if set, else that of torch's wheels or of the system; None if there is none."""
    for path in _candidates():
        try:
            found = ctypes.CDLL(path)
        except OSError:
            continue
        for name in (
            "nvrtcCreateProgram",
            "nvrtcCompileProgram",
            "nvrtcDestroyProgram",
            "nvrtcGetErrorString",
        ):
            getattr(found, name)  # AttributeError: another library under this name
        found.nvrtcGetErrorString.restype = ctypes.c_char_p
        return found
    return None


def no_library() -> str:
    """The sentence that says there is none, and what to do."""
    return (
        "no NVRTC (CUDA's runtime compiler) found beside torch or on the system; install the package "
        "nvidia-cuda-nvrtc or set THERMOGRAD_NVRTC to libnvrtc.so"
    )


def version(found: ctypes.CDLL) -> str:
    """Version of NVRTC."""
    major, minor = ctypes.c_int(), ctypes.c_int()
    found.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
    return f"{major.value}.{minor.value}"


def _candidates() -> Iterator[str]:
    only = os.environ.get("THERMOGRAD_NVRTC")
    if only:
        yield only
        return
    own = (torch.version.cuda or "").partition(".")[0]
    majors = sorted(_MAJORS, key=lambda major: str(major) != own)  # that of torch first
    spec = importlib.util.find_spec("nvidia")
    folders = [Path(torch.__file__).parent / "lib"]
    for root in (spec and spec.submodule_search_locations) or ():
        folders += [*Path(root).glob("*/lib"), *Path(root).glob("*/bin"), *Path(root).glob("*/bin/x86_64")]
    for major in majors:
        for folder in folders:
            for pattern in (f"libnvrtc.so.{major}", f"libnvrtc-*.so.{major}", f"nvrtc64_{major}*_0.dll"):
                yield from map(str, sorted(folder.glob(pattern)))
        yield f"libnvrtc.so.{major}"


def _architectures(found: ctypes.CDLL) -> list[int]:
    count = ctypes.c_int()
    _check(found, found.nvrtcGetNumSupportedArchs(ctypes.byref(count)))
    numbers = (ctypes.c_int * count.value)()
    _check(found, found.nvrtcGetSupportedArchs(numbers))
    return list(numbers)


def _compiled(found: ctypes.CDLL, text: str, options: tuple[str, ...], kind: str) -> bytes:
    program = ctypes.c_void_p()
    made = found.nvrtcCreateProgram(ctypes.byref(program), text.encode(), b"kernel.cu", 0, None, None)
    _check(found, made)
    try:
        given = (ctypes.c_char_p * len(options))(*[option.encode() for option in options])
        if found.nvrtcCompileProgram(program, len(options), given):
            said = _text(found, "nvrtcGetProgramLog", program).decode(errors="replace")
            errors = [line for line in said.splitlines() if "error" in line] or [said]
            message = f"NVRTC could not build a kernel: {' '.join(errors)[:_SHOWN]}"
            raise EngineUnavailableError(message)
        return _text(found, "nvrtcGetCUBIN" if kind == "cubin" else "nvrtcGetPTX", program)
    finally:
        found.nvrtcDestroyProgram(ctypes.byref(program))


def _text(found: ctypes.CDLL, name: str, program: ctypes.c_void_p) -> bytes:
    size = ctypes.c_size_t()
    _check(found, getattr(found, f"{name}Size")(program, ctypes.byref(size)))
    held = ctypes.create_string_buffer(size.value)
    _check(found, getattr(found, name)(program, held))
    return held.raw


def _check(found: ctypes.CDLL, result: Any) -> None:
    if result:
        message = f"NVRTC: {found.nvrtcGetErrorString(result).decode()}"
        raise EngineUnavailableError(message)


def _keep(data: bytes, target: Path) -> None:
    """To its place at once, so that nobody reads half of it."""
    with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as file:
        file.write(data)
    os.replace(file.name, target)
