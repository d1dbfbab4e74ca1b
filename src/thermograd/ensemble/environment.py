"""What besides the experiment can change the last bits: versions, instruction set, threads."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version

import torch

from thermograd.ensemble.engines.kernel.compiler import compiler

_COMPARED = ("thermograd", "torch", "numpy", "machine", "cpu", "threads")
_DATA = "data: "


def environment() -> dict[str, str]:
    """Versions and processor of this process.

    >>> sorted(environment())
    ['compiler', 'cpu', 'machine', 'numpy', 'python', 'safetensors', 'thermograd', 'threads', 'torch', 'zarr']
    """
    known = compiler()
    found = {name: _version(name) for name in ("thermograd", "torch", "numpy", "zarr", "safetensors")}
    return {
        **found,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpu": str(torch.backends.cpu.get_cpu_capability()),
        "threads": "1",
        "compiler": known[1] if known is not None else "none",
    }


def differences(
    before: Mapping[str, str], now: Mapping[str, str], *, compiled: bool = False
) -> tuple[str, ...]:
    """What changed of that which can change the last bits, as `name before → now`.

    Args:
        before: an `environment`.
        now: another.
        compiled: whether the C++ compiler can change them too.

    >>> differences({"torch": "2.13.0", "python": "3.11"}, {"torch": "2.15.0", "python": "3.12"})
    ('torch 2.13.0 → 2.15.0',)
    """
    return tuple(
        f"{name} {before[name]} → {now[name]}"
        for name in (*_COMPARED, *(("compiler",) if compiled else ()))
        if name in before and name in now and before[name] != now[name]
    )


def data_note(provenance: str | None) -> tuple[str, ...]:
    """The note of a run about its data; none where nothing is known."""
    return () if provenance is None else (f"{_DATA}{provenance}",)


def changed_data(before: Iterable[str], now: Iterable[str]) -> str:
    """That data which are made here are not those of the first start; empty if they are, or nothing is known.

    Args:
        before: notes of the run.
        now: notes it would get now.

    >>> changed_data(["data: sha256 1f"], ["data: sha256 2e"])
    'data: sha256 1f → sha256 2e'
    """
    one, other = (
        {note.removeprefix(_DATA) for note in notes if note.startswith(_DATA)} for notes in (before, now)
    )
    return f"{_DATA}{', '.join(one)} → {', '.join(other)}" if one and other and one != other else ""


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"
