"""The machine and the versions a table was made with."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
import time
from pathlib import Path


def _cpu(field: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(field)), "")


def instruction_set() -> str:
    """The widest of the vector instruction sets that matter here."""
    flags = _cpu("flags").split()
    if "avx512f" in flags:
        return "AVX-512"
    return "AVX2" if "avx2" in flags else platform.machine()


def _version(package: str) -> str:
    try:
        return f"{package} {importlib.metadata.version(package)}"
    except importlib.metadata.PackageNotFoundError:
        return f"{package} not installed"


def _compiler() -> str:
    found = shutil.which("gcc")
    if found is None:
        return "gcc not installed"
    said = subprocess.run([found, "-dumpfullversion"], capture_output=True, text=True, check=False)
    return f"gcc {said.stdout.strip()}"


def facts() -> str:
    """One line: when, processor, cores, instruction set, load, versions."""
    packages = [_version(package) for package in ("torch", "jax", "numba", "numpy")]
    parts = [
        time.strftime("%Y-%m-%d"),
        _cpu("model name") or platform.processor(),
        f"{os.cpu_count()} cores",
        instruction_set(),
        f"load {os.getloadavg()[0]:.1f}",
        f"Python {platform.python_version()}",
        *packages,
        _compiler(),
    ]
    return ", ".join(parts)
