"""A program printed as C++: loops over the elements of one trajectory, each element a vector of lanes.

A value is either memory or an expression of others. It becomes memory where it is read more than once and costs
something, where a matrix product reads it, and where an index would repeat its work. Matrix products are blocked in
registers; every other value is one loop nest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from thermograd.ensemble.engines.kernel.ir import BOOL, FLOAT32, FLOAT64, Program, Value
from thermograd.ensemble.engines.kernel.products import product
from thermograd.ensemble.engines.kernel.terms import BROADCAST, TYPE, Index, Term, memory

_INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/"}
_CALLED = {
    "neg": "-",
    "abs": "absolute",
    "sign": "sign_of",
    "sqrt": "of::square_root",
    "rsqrt": "of::reciprocal_square_root",
    "not": "opposite",
    "is_nan": "is_nan",
    "max": "larger",
    "min": "smaller",
    "and": "both",
    "or": "either",
    "where": "select",
    "pow": "of::pow",
}
_CALLED |= {
    name: f"of::{name}" for name in ("exp", "log", "log1p", "expm1", "tanh", "sigmoid", "sin", "cos", "erf")
}
_CALLED |= {name: name for name in ("eq", "ne", "lt", "le", "gt", "ge")}
_COST = {"div": 4.0, "sqrt": 6.0, "rsqrt": 8.0, "pow": 40.0}
_COST |= dict.fromkeys(("exp", "log", "log1p", "expm1", "tanh", "sigmoid", "sin", "cos", "erf"), 20.0)
_CHEAP = 1.0
_PARTIAL_SUMS = 4


@dataclass
class Lowered:
    """C++ text of a program.

    Attributes:
        declarations: memory it needs, "F b1[20];".
        lines: statements.
    """

    declarations: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


def lowered(
    program: Program,
    inputs: dict[str, Term],
    arrays: dict[int, Term],
    outputs: dict[str, Term],
    *,
    prefix: str,
    features: bool = False,
) -> Lowered:
    """The statements that compute a program.

    Args:
        program: what to compute.
        inputs: where its inputs lie, by name.
        arrays: where the numbers shared by all trajectories lie.
        outputs: memory that receives its outputs, by name; may be that of an input.
        prefix: of the names of memory it declares.
        features: one trajectory at a time: vectors run over elements instead.

    Returns:
        Declarations and statements.
    """
    return _Printer(program, inputs, arrays, prefix, features).print(outputs)


class _Printer:
    def __init__(
        self, program: Program, inputs: dict[str, Term], arrays: dict[int, Term], prefix: str, features: bool
    ) -> None:
        self._program, self._inputs, self._arrays, self._features = program, inputs, arrays, features
        self._prefix = prefix
        self._text = Lowered()
        self._terms: dict[int, Term] = {}
        self._readers: Counter[int] = Counter()
        self._wanted: set[int] = set()
        self._starts: dict[int, Value] = {}
        self._look_ahead()

    def print(self, outputs: dict[str, Term]) -> Lowered:
        """All statements, outputs last."""
        for value in self._program.order:
            if id(value) not in self._starts:
                self._terms[id(value)] = self._term(value)
        self._store(outputs)
        return self._text

    def _look_ahead(self) -> None:
        """Who reads what, what must be memory, and which products begin with an addend (a bias)."""
        program = self._program
        for value in program.order:
            self._readers.update(id(_source(operand)) for operand in value.operands)
        self._readers.update(id(_source(value)) for value in program.outputs.values())
        for value in program.order:
            if value.operation in {"matmul", "cat"}:
                self._wanted |= {id(_source(operand)) for operand in value.operands}
        taken = {id(value) for value in program.outputs.values()}
        for value in program.order:
            if value.operation == "map" and value.detail == "add":
                for one, other in (value.operands, value.operands[::-1]):
                    alone = self._readers[id(one)] == 1 and id(one) not in taken
                    if one.operation == "matmul" and one.shape == value.shape and alone and other is not one:
                        self._starts[id(one)] = value
                        break

    def _term(self, value: Value) -> Term:
        operands = value.operands
        match value.operation:
            case "input":
                return self._inputs[value.detail]
            case "array":
                return self._arrays[value.detail]
            case "number":
                literal = _literal(value)
                return Term((), value.dtype, write=lambda _: literal)
            case "map":
                return self._mapped(value)
            case "permute":
                return self._of(operands[0]).permuted(value.detail)
            case "expand":
                return self._of(operands[0], growing=True).expanded(value.shape)
            case "slice":
                axis, start, step = value.detail
                return self._of(operands[0]).sliced(value.shape, axis, start, step)
            case "reshape":
                return self._reshaped(value)
            case "cat":
                return self._side_by_side(value)
            case "reduce":
                return self._reduced(value)
        return self._product(value, None)

    def _of(self, value: Value, *, growing: bool = False) -> Term:
        """The term of an operand; as memory if its elements would be computed again and again."""
        term = self._terms[id(value)]
        if growing and term.cost > 0:
            term = self._terms[id(value)] = self._in_memory(term)
        return term

    def _mapped(self, value: Value) -> Term:
        started = [operand for operand in value.operands if self._starts.get(id(operand)) is value]
        if started:
            other = next(operand for operand in value.operands if operand is not started[0])
            return self._product(started[0], self._of(other, growing=other.size < value.size))
        terms = []
        for operand in value.operands:
            term = self._of(operand, growing=operand.size < value.size)
            terms.append(term if term.shape == value.shape or not term.shape else _spread(term, value.shape))
        cost = sum(term.cost for term in terms) + _COST.get(value.detail, 1.0)
        write = _written(value, terms)
        term = Term(
            value.shape,
            value.dtype,
            cost,
            write,
            reads=frozenset[str]().union(*[term.reads for term in terms]),
            elsewhere=frozenset[str]().union(*[term.elsewhere for term in terms]),
        )
        again = self._readers[id(value)] > 1 and cost > _CHEAP
        if again or id(value) in self._wanted or value.size == 1:
            return self._in_memory(term)
        return term

    def _reshaped(self, value: Value) -> Term:
        term = self._of(value.operands[0])
        found = term.reshaped(value.shape)
        if found is None:
            found = self._copied(term).reshaped(value.shape)
        assert found is not None  # contiguous memory has every shape
        return found

    def _side_by_side(self, value: Value) -> Term:
        out = self._memory(value.shape, value.dtype)
        first = 0
        for operand in value.operands:
            term = self._of(operand)
            target = out.sliced(operand.shape, value.detail, first, 1)
            self._assign(target, term)
            first += operand.shape[value.detail]
        return out

    def _reduced(self, value: Value) -> Term:
        function, gone = value.detail
        term = self._of(value.operands[0])
        out = self._memory(value.shape, value.dtype)
        rank = len(term.shape)
        kept = [axis for axis in range(rank) if axis not in gone]
        index = _index(term.shape)
        lines = [_loop(index[axis], term.shape[axis]) for axis in kept if term.shape[axis] > 1]
        target = out.at([index[axis] for axis in kept])
        kind = TYPE[value.dtype]
        inner = [axis for axis in gone if term.shape[axis] > 1]
        body = _reduction(function, kind, term, index, inner, target)
        self._text.lines.append("  " + " ".join([*lines, "{", body, "}"]))
        return out

    def _product(self, value: Value, start: Term | None) -> Term:
        left, right = (self._as_memory(operand) for operand in value.operands)
        out = self._memory(value.shape, value.dtype)
        if start is not None and start.shape != value.shape:
            start = _spread(start, value.shape)
        lead = _index(value.shape[:-2])
        loops = [_loop(entry, length) for entry, length in zip(lead, value.shape, strict=False) if length > 1]
        self._text.lines.append("  " + " ".join(loops) + "{")
        self._text.lines += product(out, left, right, start, lead, features=self._features)
        self._text.lines.append("  }")
        return out

    def _as_memory(self, value: Value) -> Term:
        term = self._of(value)
        return term if term.name is not None else self._in_memory(term)

    def _in_memory(self, term: Term) -> Term:
        return term if term.name is not None else self._copied(term)

    def _copied(self, term: Term) -> Term:
        out = self._memory(term.shape, term.dtype)
        self._assign(out, term)
        return out

    def _memory(self, shape: tuple[int, ...], dtype: str) -> Term:
        name = f"{self._prefix}{len(self._text.declarations)}"
        size = 1
        for length in shape:
            size *= length
        self._text.declarations.append(f"{TYPE[dtype]} {name}[{max(size, 1)}];")
        return memory(f"w.{name}", shape, dtype)

    def _assign(self, target: Term, source: Term) -> None:
        index = _index(target.shape)
        loops = [
            _loop(entry, length) for entry, length in zip(index, target.shape, strict=True) if length > 1
        ]
        self._text.lines.append("  " + " ".join([*loops, f"{target.at(index)} = {source.at(index)};"]))

    def _store(self, outputs: dict[str, Term]) -> None:
        """Outputs to where they belong; a place that others still read is written last, by way of new memory."""
        pending = {name: self._terms[id(self._program.outputs[name])] for name in outputs}
        pending = {
            name: term
            for name, term in pending.items()
            if not (
                term.name == outputs[name].name and term.strides == outputs[name].strides and not term.offset
            )
        }
        while pending:
            free = [
                name
                for name, term in pending.items()
                if not any(outputs[name].name in other.reads for key, other in pending.items() if key != name)
                and outputs[name].name not in term.elsewhere
            ]
            if free:
                for name in free:
                    self._assign(outputs[name], _spread(pending.pop(name), outputs[name].shape))
                continue
            name = next(iter(pending))
            copied = self._memory(outputs[name].shape, outputs[name].dtype)
            self._assign(copied, _spread(pending[name], outputs[name].shape))
            pending[name] = copied


def _source(value: Value) -> Value:
    """The value that an index operation, or several, looks at."""
    while value.operation in {"permute", "reshape", "expand", "slice"}:
        value = value.operands[0]
    return value


def _spread(term: Term, shape: tuple[int, ...]) -> Term:
    return term if term.shape == shape else term.expanded(shape)


def _index(shape: Iterable[int]) -> list[str | int]:
    return [f"i{axis}" if length > 1 else 0 for axis, length in enumerate(shape)]


def _loop(entry: str | int, length: int) -> str:
    return f"for (int {entry} = 0; {entry} < {length}; {entry}++)"


def _literal(value: Value) -> str:
    number = value.detail
    if value.dtype == BOOL:
        return f"B_({int(number)})"
    if value.dtype in {FLOAT32, FLOAT64}:
        # hexadecimal: exactly this number
        text = repr(number) if number == number and abs(number) != float("inf") else ""
        text = float(number).hex() if text else "NAN" if number != number else f"{'-' * (number < 0)}INFINITY"
        return f"{BROADCAST[value.dtype]}({text}{'f' if value.dtype == FLOAT32 and 'x' in text else ''})"
    return f"I_({number})"


def _written(value: Value, terms: list[Term]) -> Callable[[Index], str]:
    """How an element of a map is written."""
    function = value.detail

    def parts(index: Index) -> list[str]:
        return [term.at(index if term.shape else []) for term in terms]

    if function in _INFIX and value.dtype != BOOL:
        return lambda index: f"({f' {_INFIX[function]} '.join(parts(index))})"
    if function == "convert":
        name = _conversion(terms[0].dtype, value.dtype)
        return lambda index: f"{name}({parts(index)[0]})"
    return lambda index: f"{_CALLED[function]}({', '.join(parts(index))})"


def _conversion(old: str, new: str) -> str:
    if new == BOOL:
        return "to_bool"
    return f"{'truth' if old == BOOL else 'to'}_{TYPE[new]}"


def _reduction(
    function: str, kind: str, term: Term, index: list[str | int], inner: list[int], target: str
) -> str:
    """One reduced element; long sums run in several partial ones, for the latency of an addition."""
    last = inner[-1]
    outer = " ".join(_loop(index[axis], term.shape[axis]) for axis in inner[:-1])
    length, name = term.shape[last], index[last]
    if function != "sum":
        begin = term.at([0 if axis in inner else entry for axis, entry in enumerate(index)])
        combine = {"max": "larger", "min": "smaller"}[function]
        return (
            f"{kind} best = {begin}; {outer} {_loop(name, length)} best = {combine}({term.at(index)}, best); "
            f"{target} = best;"
        )
    zero = f"{kind}_(0)"
    if length < 2 * _PARTIAL_SUMS:
        return f"{kind} sum = {zero}; {outer} {_loop(name, length)} sum += {term.at(index)}; {target} = sum;"
    names = [f"sum{k}" for k in range(_PARTIAL_SUMS)]
    start = " ".join(f"{kind} {entry} = {zero};" for entry in names)
    even = length - length % _PARTIAL_SUMS
    steps = " ".join(
        f"{entry} += {term.at([f'{name}+{k}' if axis == last else e for axis, e in enumerate(index)])};"
        for k, entry in enumerate(names)
    )
    rest = " ".join(
        f"{names[k]} += {term.at([even + k if axis == last else e for axis, e in enumerate(index)])};"
        for k in range(length % _PARTIAL_SUMS)
    )
    body = f"for (int {name} = 0; {name} < {even}; {name} += {_PARTIAL_SUMS}) {{ {steps} }} {rest}"
    return f"{start} {outer} {{ {body} }} {target} = ({names[0]} + {names[1]}) + ({names[2]} + {names[3]});"
