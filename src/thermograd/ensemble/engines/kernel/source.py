"""The C++ source of an experiment's update: state of a lane group in, K updates, state out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from thermograd.ensemble.block import part
from thermograd.ensemble.engines.accumulations import Accumulations
from thermograd.ensemble.engines.kernel.aten_site import named
from thermograd.ensemble.engines.kernel.ir import Program
from thermograd.ensemble.engines.kernel.lower_cpp import Lowered, lowered
from thermograd.ensemble.engines.kernel.sampling import Sampling
from thermograd.ensemble.engines.kernel.terms import TYPE, Term, memory
from thermograd.ensemble.engines.kernel.trace import traced
from thermograd.ensemble.engines.update_function import (
    BATCH,
    NORMAL,
    START,
    STEP,
    CannotTraceError,
    UpdateFunction,
    updates,
)

if TYPE_CHECKING:
    from thermograd.ensemble.experiment import Experiment

SELECTED = "sampler/selected"
_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Frame:
    """What is around the statements of a program.

    Attributes:
        file: the template.
        headers: files it begins with.
    """

    file: str
    headers: tuple[str, ...]


_CPP = Frame("kernel.cpp", ("vector_math.h", "lanes.h", "randomness.h"))


@dataclass(frozen=True)
class Slot:
    """A tensor of each trajectory that comes in with a call, and goes out again unless it is only read."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    kept: bool = True

    @property
    def count(self) -> int:
        """Numbers in it."""
        return int(np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True)
class KernelSource:
    """Text, and what a call of it needs.

    Attributes:
        text: C++.
        slots: tensors of each trajectory, in the order of the call.
        arrays: numbers shared by all trajectories, in the order of the call.
        update: the traced update.
        programs: the update and what spaced accumulators add, by name; for the comparison with the interpreter.
        hyperparameters: fields of the dynamics that come in with a call.
        sampling: how batches are chosen.
        features: whether vectors run over elements, one trajectory at a time.
        work_bytes: memory an update of one trajectory works in.
    """

    text: str
    slots: tuple[Slot, ...]
    arrays: tuple[npt.NDArray[Any], ...]
    update: UpdateFunction
    programs: dict[str, Program]
    hyperparameters: tuple[str, ...]
    sampling: Sampling
    features: bool
    work_bytes: int

    @property
    def gradient_dtype(self) -> str:
        """The type gradients are computed in."""
        return str(self.update.gradient_dtype).removeprefix("torch.")

    @property
    def operations(self) -> int:
        """Operations of an update."""
        return self.programs["update"].operations


def kernel_source(experiment: Experiment, *, features: bool = False, frame: Frame = _CPP) -> KernelSource:
    """The source of an experiment.

    Args:
        experiment: what is trained.
        features: whether vectors run over elements, one trajectory at a time.
        frame: what is around the statements.

    Raises:
        CannotTraceError: says what the kernel has no form for.
    """
    ways = updates(experiment)
    for way in ways:
        try:
            update = way()
            program = traced(update, update.examples)
            break
        except Exception as failure:  # of the user's code, which was not written for being traced
            if way is ways[-1]:
                raise (
                    failure if isinstance(failure, CannotTraceError) else CannotTraceError(str(failure))
                ) from failure
    return _Assembly(experiment, update, program, features, frame).source()


class _Assembly:
    """Puts the text of one experiment together."""

    def __init__(
        self, experiment: Experiment, update: UpdateFunction, program: Program, features: bool, frame: Frame
    ) -> None:
        self._experiment, self._update, self._features, self._frame = experiment, update, features, frame
        self._programs = {"update": program}
        self._spaced = Accumulations(experiment).spaced
        for entry in self._spaced:
            add, examples = update.accumulation(entry)
            self._programs[entry.name] = traced(add, examples)
        self._sampling = Sampling.of(experiment)
        self._slots: list[Slot] = []
        self._fields: list[str] = []
        self._arrays: list[npt.NDArray[Any]] = []
        self._selected = ""

    def source(self) -> KernelSource:
        """All of it."""
        update = self._printed_update()
        added = [self._printed_accumulation(place) for place in range(len(self._spaced))]
        normals = self._normals()
        text = Template(_read(self._frame.file)).substitute(
            has_float32=int(self._has_float32),
            features=int(self._features),
            headers="\n".join(_read(name) for name in self._frame.headers),
            slots=max(len(self._slots), 1),
            arrays=max(len(self._arrays), 1),
            sampler_bytes=self._sampling.bytes,
            sampling=self._sampling.declarations(),
            fields="\n".join(f"  {field}" for field in self._fields),
            shared="\n".join(
                f"  const {_C_TYPE[array.dtype.name]}* __restrict const k{place} = "
                f"(const {_C_TYPE[array.dtype.name]}*)call.arrays[{place}];"
                for place, array in enumerate(self._arrays)
            ),
            load="\n".join(self._moves("load")),
            store="\n".join(self._moves("store")),
            sample=self._sampling.statements(),
            gathered="\n".join(self._gathered()),
            normals="\n".join(normals),
            begin="\n".join(self._copies("before", "weights")),
            slopes="\n".join(self._copies("gradient", "gradient")),
            update="\n".join(update.lines),
            add="\n".join(line for lines in added for line in lines),
            finite="\n".join(self._finite()),
            gone="\n".join(self._gone()),
        )
        return KernelSource(
            text,
            tuple(self._slots),
            tuple(self._arrays),
            self._update,
            self._programs,
            tuple(part(self._update.examples, "hyperparameters")),
            self._sampling,
            self._features,
            sum(map(_bytes, self._fields)) + 4 * self._sampling.size,
        )

    @property
    def _has_float32(self) -> bool:
        values = (value for program in self._programs.values() for value in program.order)
        return (
            any(value.dtype == "float32" for value in values)
            or self._experiment.functional.dtype.itemsize == 4
        )

    def _printed_update(self) -> Lowered:
        program, inputs, outputs = self._programs["update"], {}, {}
        for name, example in self._update.examples.items():
            role = name.partition("/")[0]
            if role == STEP:
                inputs[name] = Term((), "float64", write=lambda _: "D_(double(step))")
            elif role in {BATCH, NORMAL}:
                inputs[name] = self._field(name, example)
            else:
                used = role != START or name in program.inputs
                inputs[name] = (
                    self._slot(name, example, kept=role not in {"hyperparameters", START}) if used else _NONE
                )
        for name, value in program.outputs.items():
            outputs[name] = inputs[name] if name in inputs else self._field(name, value)
        self._inputs, self._outputs = inputs, outputs
        if self._sampling.rule == "persistent":
            held = torch.zeros(self._sampling.samples, dtype=torch.bool)
            self._selected = str(self._slot(SELECTED, held).name)
        return self._lowered(program, inputs, outputs, "u")

    def _printed_accumulation(self, place: int) -> list[str]:
        """What a spaced accumulator does at the end of a stretch."""
        entry = self._spaced[place]
        program = self._programs[entry.name]
        _, examples = self._update.accumulation(entry)
        inputs = {}
        for name, example in examples.items():
            role, _, rest = name.partition("/")
            if role == "after":
                inputs[name] = self._inputs[f"weights/{rest}"]
            else:
                inputs[name] = self._slot(f"accumulators/{entry.name}/{name}", example)
        outputs = {name: inputs[name] for name in program.outputs}
        printed = self._lowered(program, inputs, outputs, f"a{place}_")
        return [
            f"  if (call.ends[{place} * (call.steps + 1) + (step - call.first) + 1]) {{",
            *printed.lines,
            "  }",
        ]

    def _lowered(
        self, program: Program, inputs: dict[str, Term], outputs: dict[str, Term], prefix: str
    ) -> Lowered:
        first = len(self._arrays)
        self._arrays += program.arrays
        arrays = {
            place: memory(f"k{first + place}", array.shape, array.dtype.name, shared=True)
            for place, array in enumerate(program.arrays)
        }
        printed = lowered(program, inputs, arrays, outputs, prefix=prefix, features=self._features)
        self._fields += printed.declarations
        return printed

    def _slot(self, name: str, example: Tensor, *, kept: bool = True) -> Term:
        slot = Slot(name, tuple(example.shape), str(example.dtype).removeprefix("torch."), kept)
        short = slot.dtype == "int64" and kept and self._has_float32
        if slot.dtype not in TYPE or short:
            message = f"{name} is of type {slot.dtype}" + (", beside float32" if short else "")
            raise CannotTraceError(message)
        self._slots.append(slot)
        field = f"t{len(self._slots) - 1}"
        self._fields.append(f"{TYPE[slot.dtype]} {field}[{max(slot.count, 1)}];")
        return memory(f"w.{field}", slot.shape, slot.dtype)

    def _field(self, name: str, example: Any) -> Term:
        """Memory for the length of one update."""
        field = (
            "f_" + "".join(letter if letter.isalnum() else "_" for letter in name) + f"_{len(self._fields)}"
        )
        shape = tuple(example.shape)
        dtype = named(example.dtype) if isinstance(example, Tensor) else example.dtype
        self._fields.append(f"{TYPE[dtype]} {field}[{max(int(np.prod(shape, dtype=np.int64)), 1)}];")
        return memory(f"w.{field}", shape, dtype)

    def _moves(self, verb: str) -> list[str]:
        """Slots to lanes, or back; truth values are 0 and 1 outside and bits inside."""
        lines = []
        for place, slot in enumerate(self._slots):
            name, turned = f"w.t{place}", f"for (int i = 0; i < {slot.count}; i++) w.t{place}[i]"
            if verb == "load":
                lines.append(
                    f"  load({name}, (const {_stored(slot.dtype)}*)call.slots[{place}], {slot.count}, row);"
                )
                lines += [f"  {turned} = to_bool({name}[i]);"] if slot.dtype == "bool" else []
            elif slot.kept:
                lines += [f"  {turned} = truth_I({name}[i]);"] if slot.dtype == "bool" else []
                lines.append(
                    f"  store({name}, ({_stored(slot.dtype)}*)call.slots[{place}], {slot.count}, row, used);"
                )
        return lines

    def _gathered(self) -> list[str]:
        lines = []
        for name, call in (("inputs", "inputs"), ("targets", "targets")):
            term = self._inputs.get(f"{BATCH}/{name}")
            if term is not None and f"{BATCH}/{name}" in self._programs["update"].inputs:
                row = int(np.prod(term.shape[1:], dtype=np.int64))
                lines.append(
                    f"  gather<{term.shape[0]}, {row}>({term.name}, (const {_stored(term.dtype)}*)call.{call}, w.chosen);"
                )
                if term.dtype == "bool":
                    lines.append(
                        f"  for (int i = 0; i < {term.shape[0] * row}; i++) {term.name}[i] = to_bool({term.name}[i]);"
                    )
        term = self._inputs.get(f"{BATCH}/weights")
        if term is not None:
            lines += self._sampling.weights(term, self._selected)
        return lines

    def _normals(self) -> list[str]:
        """Normals in one run over all parameters, as they are drawn, then cut in pieces."""
        lines = []
        weights = part(self._update.examples, "weights")
        total = sum(value.numel() for value in weights.values())
        for draw in self._update.draws:
            self._fields.append(f"D drawn{draw}[{total}];")
            lines.append(f"  normals(w.drawn{draw}, {total}, call.key, uint32_t(step), trajectory, {draw});")
            first = 0
            for name, value in weights.items():
                term = self._inputs[f"{NORMAL}/{draw}/{name}"]
                source = f"w.drawn{draw}[{first} + i]"
                source = source if term.dtype == "float64" else f"to_F({source})"
                lines.append(f"  for (int i = 0; i < {value.numel()}; i++) {term.name}[i] = {source};")
                first += value.numel()
        return lines

    def _copies(self, role: str, source: str) -> list[str]:
        """Where a stretch begins, weights before they change, or the gradient there, are kept."""
        lines = []
        for place, entry in enumerate(self._spaced):
            lines.append(f"  if (call.ends[{place} * (call.steps + 1) + (step - call.first)]) {{")
            for name in part(self._update.examples, "weights"):
                held = f"accumulators/{entry.name}/{role}/{name}"
                target = next(f"w.t{k}" for k, slot in enumerate(self._slots) if slot.name == held)
                term = (self._inputs | self._outputs)[f"{source}/{name}"]
                count = int(np.prod(term.shape, dtype=np.int64))
                lines.append(f"    memcpy({target}, {term.name}, sizeof({target}[0]) * {count});")
            lines.append("  }")
        return lines

    def _finite(self) -> list[str]:
        return [
            f"  for (int i = 0; i < {slot.count}; i++) doubt{'_single' if slot.dtype == 'float32' else ''} += "
            f"w.t{place}[i] * {'F_' if slot.dtype == 'float32' else 'D_'}(0);"
            for place, slot in enumerate(self._slots)
            if slot.name.startswith("weights/")
        ]

    def _gone(self) -> list[str]:
        return [
            f"    for (int i = 0; i < {slot.count}; i++) ((Number{'F' if slot.dtype == 'float32' else 'D'}*)&w.t{place}[i])[l] = NAN;"
            for place, slot in enumerate(self._slots)
            if slot.name.startswith("weights/")
        ]


_NONE = Term((), "float64", write=lambda _: "D_(0)")
_C_TYPE = {"float64": "double", "float32": "float", "int64": "int64_t", "bool": "bool"}


def _bytes(field: str) -> int:
    """Memory of a field such as "F b1[20];" for one trajectory."""
    kind, _, rest = field.partition(" ")
    return (4 if kind == "F" else 8) * int(rest.partition("[")[2].partition("]")[0])


def _stored(dtype: str) -> str:
    return {"float64": "double", "float32": "float"}.get(dtype, "IntegerOfData")


@cache
def _read(name: str) -> str:
    return (_FOLDER / name).read_text()
