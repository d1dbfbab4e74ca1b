"""The C++ compiler of this machine, and the shared libraries it has built before."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import stat
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from thermograd.errors import EngineUnavailableError

FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-std=c++17", "-Wno-psabi", "-shared", "-fPIC")
_TRIED = ("c++", "g++", "clang++")
_LIMIT_SECONDS = 600
_SHOWN = 300


@cache
def compiler() -> tuple[str, str] | None:
    """Path and version of the C++ compiler: `$THERMOGRAD_CXX` alone if set, else `$CXX`, c++, g++, clang++.

    None if there is none.
    """
    for name in _names():
        path = shutil.which(name)
        if path is None:
            continue
        try:
            asked = subprocess.run(
                [path, "--version"], capture_output=True, text=True, timeout=60, check=True
            )
        except (OSError, subprocess.SubprocessError):
            continue
        return path, asked.stdout.strip().splitlines()[0] if asked.stdout.strip() else path
    return None


def no_compiler() -> str:
    """The sentence that says there is none, and what to do."""
    only = os.environ.get("THERMOGRAD_CXX")
    if only:
        return (
            f"no C++ compiler found (tried {only}): THERMOGRAD_CXX must name one program that answers --version; "
            "unset it, or install g++ or set THERMOGRAD_CXX to another"
        )
    return f"no C++ compiler found (tried {', '.join(_names())}); install g++ or set THERMOGRAD_CXX"


def library(text: str) -> ctypes.CDLL:
    """The shared library of a source, built now or found in the cache.

    Builders of the same source at the same time do not disturb each other: each works in a folder of its own and
    moves the result to its place at once.

    Args:
        text: C++.

    Returns:
        The loaded library.

    Raises:
        EngineUnavailableError: no compiler, or it refused; with the first lines of what it said.
    """
    found = compiler()
    if found is None:
        raise EngineUnavailableError(no_compiler())
    path, version = found
    folder = cache_folder()
    target = folder / f"{_key(text, path, version)}.so"
    if not _is_whole(target):
        _build(path, text, target)
    try:
        return ctypes.CDLL(str(target))
    except OSError as failure:
        target.unlink(missing_ok=True)
        message = f"{path} built something that cannot be loaded: {failure}"
        raise EngineUnavailableError(message) from failure


@cache
def cache_folder() -> Path:
    """Where libraries are kept: `$THERMOGRAD_CACHE`, or the user's cache folder; private to the user.

    A folder that cannot be written to is replaced by a temporary one of this process.

    Raises:
        EngineUnavailableError: the folder belongs to somebody else, or others may write to it: whoever can put a
            library there can run code as this user.
    """
    base = os.environ.get("THERMOGRAD_CACHE")
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    folder = Path(base) if base else Path(home).expanduser() / "thermograd" / "kernels"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        state = folder.stat()
    except (OSError, RuntimeError):
        return _temporary()
    foreign = hasattr(os, "getuid") and state.st_uid != os.getuid()
    if foreign or stat.S_IMODE(state.st_mode) & 0o022:
        whose = "belongs to another user" if foreign else "can be written to by others"
        message = f"the cache folder {folder} {whose}; make it private (chmod 700) or set THERMOGRAD_CACHE to another"
        raise EngineUnavailableError(message)
    return folder if os.access(folder, os.W_OK | os.X_OK) else _temporary()


def instruction_sets() -> str:
    """The processor and the extensions it has, which decide what `-march=native` means."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    kept = ("flags", "Features", "CPU part", "cpu family", "model\t")
    found = dict.fromkeys(line.strip() for line in lines if line.startswith(kept))
    return f"{platform.machine()} {' '.join(found)}"


def _names() -> tuple[str, ...]:
    only = os.environ.get("THERMOGRAD_CXX")
    if only:
        return (only,)
    own = os.environ.get("CXX")
    return ((own,) if own else ()) + _TRIED


def _is_whole(target: Path) -> bool:
    """Whether a library is there as it was built: its SHA-256 is kept beside it."""
    try:
        return hashlib.sha256(target.read_bytes()).hexdigest() == target.with_suffix(".sha256").read_text()
    except OSError:
        return False


def _key(text: str, path: str, version: str) -> str:
    parts = (text, path, " ".join(FLAGS), version, instruction_sets())
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@cache
def _temporary() -> Path:
    return Path(tempfile.mkdtemp(prefix="thermograd-kernels-"))


def _build(path: str, text: str, target: Path) -> None:
    with _workshop(target.parent) as work:
        source, built = Path(work) / "kernel.cpp", Path(work) / "kernel.so"
        source.write_text(text)
        command = [path, *FLAGS, str(source), "-o", str(built)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_LIMIT_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as failure:
            message = f"{path} could not build a kernel: {failure}"
            raise EngineUnavailableError(message) from failure
        if done.returncode == 0 and not built.exists():
            message = f"{path} could not build a kernel: it ended without an error and without a file"
            raise EngineUnavailableError(message)
        if done.returncode:
            said = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr)[:_SHOWN]
            message = f"{path} could not build a kernel: {said.strip()}"
            raise EngineUnavailableError(message)
        digest = Path(work) / "kernel.sha256"
        digest.write_text(hashlib.sha256(built.read_bytes()).hexdigest())
        os.replace(built, target)
        os.replace(digest, target.with_suffix(".sha256"))


def _workshop(folder: Path) -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory(prefix="building-", dir=folder)
    except OSError as failure:
        message = (
            f"the cache folder {folder} cannot be written to ({failure}); set THERMOGRAD_CACHE to another"
        )
        raise EngineUnavailableError(message) from failure
