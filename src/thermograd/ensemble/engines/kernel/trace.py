"""From a torch function of one trajectory's tensors to a `Program`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
import torch
import torch.fx.traceback
from torch import Tensor
from torch._decomp import core_aten_decompositions
from torch.func import functionalize
from torch.fx import GraphModule, Node
from torch.fx.experimental.proxy_tensor import make_fx

from thermograd.ensemble.engines.kernel import aten_arithmetic, aten_shapes  # ruff: ignore[unused-import]  # they register rules
from thermograd.ensemble.engines.kernel.aten_site import RULES, Site, UnknownFormError, named
from thermograd.ensemble.engines.kernel.ir import Builder, Program
from thermograd.ensemble.engines.update_function import CannotTraceError

_OWN_FILES = re.compile(r"/(torch|thermograd)/")
_FRAME = re.compile(r'File "([^"]+)", line (\d+)')


def traced(
    function: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]], examples: Mapping[str, Tensor]
) -> Program:
    """The program of a function of named tensors.

    Args:
        function: returns named tensors; may take gradients, may not look at values.
        examples: a tensor for each input; only shapes and types matter.

    Returns:
        The program, of what its outputs need.

    Raises:
        CannotTraceError: names the operation that is missing, with the line that asked for it, or says that the
            function looks at the values of its inputs.
    """
    try:
        return _program(*_graph_of(function, examples), examples)
    except CannotTraceError:  # once more, now with the lines that asked for each operation
        return _program(*_graph_of(function, examples, lines=True), examples)


def _program(graph: GraphModule, names: list[str], examples: Mapping[str, Tensor]) -> Program:
    """The program of a graph."""
    builder = Builder()
    known: dict[Node, Any] = {}
    inputs = iter(examples.items())
    results: Any = ()
    for node in graph.graph.nodes:
        if node.op == "placeholder":
            name, example = next(inputs)
            known[node] = builder.input(name, tuple(example.shape), _type(name, example))
        elif node.op == "get_attr":
            known[node] = builder.array(
                np.ascontiguousarray(getattr(graph, node.target).detach().cpu().numpy())
            )
        elif node.op == "output":
            results = node.args[0]
        else:
            known[node] = _applied(node, known, builder)
    return builder.program({name: known[result] for name, result in zip(names, results, strict=True)})


def _graph_of(
    function: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]],
    examples: Mapping[str, Tensor],
    *,
    lines: bool = False,
) -> tuple[GraphModule, list[str]]:
    names: list[str] = []

    def flat(*tensors: Tensor) -> list[Tensor]:
        found = function(dict(zip(examples, tensors, strict=True)))
        names[:] = found
        return list(found.values())

    try:
        graph = make_fx(
            functionalize(flat), decomposition_table=_decompositions(), record_stack_traces=lines
        )(*examples.values())
    except RuntimeError as failure:
        reason = str(failure).strip().splitlines()[0]
        if "data-dependent" in str(failure).lower() or "proxy" in str(failure).lower():
            reason = "it decides by the value of a tensor (an `if`, float() or int() of one)"
        raise CannotTraceError(reason) from failure
    if any(str(node.target).partition(".")[2].partition(".")[0].endswith("_") for node in graph.graph.nodes):
        # Decompositions may write in place; a second pass makes new arrays of that.
        with torch.fx.traceback.preserve_node_meta():
            graph = make_fx(functionalize(torch.fx.Interpreter(graph).run))(*examples.values())
    graph.graph.eliminate_dead_code()
    return graph, names


@cache
def _decompositions() -> Any:
    """Operations in terms of fewer, which takes torch a while to collect."""
    return core_aten_decompositions()


def _applied(node: Node, known: Mapping[Node, Any], builder: Builder) -> Any:
    """What a node computes."""
    args = torch.fx.node.map_arg(node.args, known.__getitem__)
    if node.target is operator.getitem:
        several: Any = args[0]
        return several[args[1]]
    kwargs = torch.fx.node.map_arg(dict(node.kwargs), known.__getitem__)
    packet, _, overload = str(node.target).removeprefix("aten.").partition(".")
    rule = RULES.get(f"{packet}_{overload}", RULES.get(packet))
    if rule is None:
        message = f"operation {node.target}{_asked_for_at(node)}"
        raise CannotTraceError(message)
    form = node.meta.get("val")
    shape, dtype = (tuple(form.shape), form.dtype) if isinstance(form, Tensor) else ((), torch.float64)
    try:
        return rule(Site(builder, shape, dtype), *args, **kwargs)
    except (UnknownFormError, TypeError) as failure:
        form = failure if isinstance(failure, UnknownFormError) else f"operation {node.target} in this form"
        message = f"{form}{_asked_for_at(node)}"
        raise CannotTraceError(message) from failure


def _asked_for_at(node: Node) -> str:
    """The innermost line outside torch and this package that led to a node."""
    frames = _FRAME.findall(node.meta.get("stack_trace") or "")
    own = [(path, line) for path, line in frames if not _OWN_FILES.search(path)]
    return f" ({own[-1][0]}:{own[-1][1]})" if own else ""


def _type(what: str, tensor: Tensor) -> str:
    try:
        return named(tensor.dtype)
    except UnknownFormError as failure:
        message = f"{what} is of {failure}"
        raise CannotTraceError(message) from failure
