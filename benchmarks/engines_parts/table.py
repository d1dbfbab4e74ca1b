"""The rows: who is compared with what of ours, and the bars."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from engines_parts import machine
from engines_parts.cell import Cell
from engines_parts.workloads import workload

BARS = {
    "W1": {
        "loop": 2000, "vmap": 25, "compile": 5, "jax": 3, "jax:wr": 4, "jax:wor": 20,
        "numba:wr": 3, "numba:wor": 3, "hand:wr": 0.7, "hand:wor": 0.7,
    },
    "W2": {"loop": 60, "vmap": 12, "compile": 6, "jax": 3.5},
    "W3": {"loop": 4, "vmap": 2, "compile": 1.15, "jax": 1.2},
    "W4": {"vmap": 4, "jax": 1},
    "W5": {"loop": 0.9, "vmap": 1.4},
    "CNN": {"loop": 0.9, "vmap": 1.8},
}  # fmt: skip
LOOPED = ("W5", "CNN")
TEXT = {
    "loop": "eager loop, one trajectory after another",
    "vmap": "`torch.func.vmap(grad)`",
    "compile": "`torch.compile` of it",
    "jax": "JAX `jit(scan(vmap))`",
    "numba": "numba, scalar, by hand, float64",
    "hand": "C, lanes, by hand",
}
SAMPLED = {"": "indices given", "wr": "with replacement", "wor": "without replacement"}


@dataclass(frozen=True)
class Row:
    """A comparison; `met` is None if a number is missing."""

    peer: Cell
    ours: Cell | None
    bar: float

    @property
    def ratio(self) -> float | None:
        if self.ours is None or not self.ours.rate or not self.peer.rate:
            return None
        return self.ours.rate / self.peer.rate

    @property
    def met(self) -> bool | None:
        if self.ratio is None:
            return None
        looped = self.peer.workload not in LOOPED or "loop" in self.ours.form
        return looped and self.ratio >= self.bar


def our_engines(name: str, engines: Sequence[str]) -> list[str]:
    """Cells of ours for a workload: "engine:dtype:sampler"."""
    if name in LOOPED:
        return ["auto:float32:wor"]
    samplers, dtypes = (("wr", "wor") if name == "W1" else ("wor",)), ("float32", "float64", "mixed")
    kinds = [kind for kind in ("eager", "compiled", "kernel") if kind in engines]
    return [f"{kind}:{dtype}:{sampler}" for kind in kinds for dtype in dtypes for sampler in samplers]


def rows(cells: Iterable[Cell]) -> list[Row]:
    """Every peer beside the fastest engine of ours that has numbers.

    Float32, or float64 against numba; the same sampler, and the slower one against peers that are given the indices.
    """
    held = {(cell.workload, cell.engine): cell for cell in cells}
    halved = machine.instruction_set() != "AVX-512"
    found = []
    for name, bars in BARS.items():
        for peer, bar in bars.items():
            if (name, peer) not in held:
                continue
            least = bar / 2 if halved and name not in LOOPED else bar
            found.append(Row(held[name, peer], _ours(held, name, peer), least))
    return found


def _ours(held: dict[tuple[str, str], Cell], name: str, peer: str) -> Cell | None:
    kind, _, sampler = peer.partition(":")
    dtype = "float64" if kind == "numba" else "float32"
    fastest: list[Cell] = []
    for wanted in (sampler,) if sampler else ("wr", "wor"):
        candidates = [
            cell
            for (where, engine), cell in held.items()
            if where == name and engine.endswith(f":{dtype}:{wanted}") and cell.rate
        ]
        if candidates:
            fastest.append(max(candidates, key=lambda cell: cell.rate))
    return min(fastest, key=lambda cell: cell.rate, default=None)


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    for factor, unit in ((1e6, " M"), (1e3, " k")):
        if value >= factor:
            return f"{value / factor:.3g}{unit}"
    return f"{value:.3g}"


def print_comparisons(found: Sequence[Row]) -> None:
    """The table of ratios."""
    print("| workload | peer | peer, 1/s | ours, 1/s | ours / peer | bar | met |")
    print("|---|---|---|---|---|---|---|")
    for row in found:
        kind, _, sampler = row.peer.engine.partition(":")
        who = f"{TEXT[kind]}, {SAMPLED[sampler]}" + (f" ({row.peer.form})" if row.peer.form else "")
        theirs = _number(row.peer.rate) if row.peer.rate else row.peer.why
        ours = f"{_number(row.ours.rate)} ({_name(row.ours)})" if row.ours else "-"
        met = {None: "-", True: "yes", False: "**missed**"}[row.met]
        ratio = "-" if row.ratio is None else f"{row.ratio:.3g}"
        print(f"| {row.peer.workload} | {who} | {theirs} | {ours} | {ratio} | >= {row.bar:g} | {met} |")


def _name(cell: Cell) -> str:
    kind, dtype, sampler = cell.engine.split(":")
    mode = f" {cell.form}" if kind == "auto" else ""
    return f"{kind}{mode}, {dtype}, {SAMPLED[sampler]}"


def print_ours(cells: Sequence[Cell]) -> None:
    """Every cell of ours, those that could not run with the reason."""
    print("| workload | engine | dtype | sampling | 1/s, smallest to largest | one step differs by |")
    print("|---|---|---|---|---|---|")
    for cell in cells:
        if cell.engine.count(":") < 2:
            continue
        kind, dtype, sampler = cell.engine.split(":")
        speed = f"{_number(cell.rate)} ({_number(cell.low)} to {_number(cell.high)})"
        shown = speed if cell.rate else f"not available: {cell.why}"
        apart = "-" if cell.difference is None else f"{cell.difference:.0e}"
        mode = f" ({cell.form.partition('(')[2].rstrip(')')})" if cell.form else ""
        print(f"| {cell.workload} | {kind}{mode} | {dtype} | {SAMPLED[sampler]} | {shown} | {apart} |")


def print_workloads(names: Iterable[str]) -> None:
    """What each name stands for."""
    for name in names:
        print(f"{name}: {workload(name).text}")
